"""Recordings over /v1: whole, in ranges, one channel, from wherever they lie; and not before they may."""

import io
import os
import wave
from collections.abc import Callable, Iterator
from pathlib import Path

import gevent
import numpy as np
import pytest
from gevent import socket

from fsctl.store.db import Database
from tests.fix_database import run
from tests.integration.crm_house import RATE, SOUND, WAV, Answer, Crm, fill

PATH = "/v1/calls/c-1/recording"
Made = Callable[..., Crm]


@pytest.fixture
def made(tmp_path: Path, database: Database) -> Iterator[Made]:
    """A house with a recording of a kind."""
    found: list[Crm] = []

    def make(**how: str) -> Crm:
        fill(tmp_path, database, **how)  # type: ignore[arg-type]
        found.append(Crm(database))
        return found[0]

    yield make
    for one in found:
        one.stop()


@pytest.fixture
def crm(made: Made) -> Crm:
    return made()


def heard(answer: Answer) -> np.ndarray:
    """Samples, a column a channel."""
    assert (answer.status, answer.headers["Content-Type"]) == (200, "audio/wav"), answer
    assert int(answer.headers["Content-Length"]) == len(answer.data)
    with wave.open(io.BytesIO(answer.data)) as found:
        assert found.getframerate() == RATE
        frames = found.readframes(found.getnframes())
        return np.frombuffer(frames, "<i2").reshape(-1, found.getnchannels())


@pytest.mark.parametrize(
    ("kind", "uri"), [("wav", "{}"), ("wav", "file://{}"), ("flac", "{}"), ("flac", "file://{}")]
)
def test_the_whole_is_wav_wherever_and_however_it_lies(made: Made, kind: str, uri: str) -> None:
    crm = made(kind=kind, uri=uri)
    found = crm.ask(PATH)
    assert np.array_equal(heard(found), SOUND)
    assert found.data == WAV
    assert found.headers["Accept-Ranges"] == "bytes"
    for number, channel in enumerate(("caller", "agent")):
        one = heard(crm.ask(f"{PATH}?channel={channel}"))
        assert np.array_equal(one, SOUND[:, [number]]), "the caller is on channel 1, the agent on channel 2"


@pytest.mark.parametrize("query", ["", "?channel=caller", "?channel=agent"])
@pytest.mark.parametrize("kind", ["wav", "flac"])
def test_a_range_is_that_part_of_the_whole(made: Made, kind: str, query: str) -> None:
    crm = made(kind=kind)
    whole = crm.ask(PATH + query)
    size = len(whole.data)
    for text, first, behind in (
        ("bytes=0-0", 0, 1), ("bytes=10-99", 10, 100), ("bytes=100001-300002", 100001, 300003),
        (f"bytes={size - 5}-", size - 5, size), (f"bytes=0-{size * 2}", 0, size), ("bytes=-7", size - 7, size),
        (f"bytes=-{size * 2}", 0, size),
    ):  # fmt: skip
        found = crm.ask(PATH + query, Range=text)
        assert (found.status, found.data) == (206, whole.data[first:behind]), text
        assert found.headers["Content-Range"] == f"bytes {first}-{behind - 1}/{size}"
        assert found.headers["Content-Length"] == str(behind - first)


def test_ranges_that_are_none_or_many_are_the_whole_and_those_behind_the_end_416(crm: Crm) -> None:
    for text in ("bytes=0-1,5-9", "bytes=5-4", "bytes=x", "lines=1-2"):
        found = crm.ask(PATH, Range=text)
        assert (found.status, found.data, "Content-Range" in found.headers) == (200, WAV, False), text
    for text in (f"bytes={len(WAV)}-", "bytes=-0", "bytes=99999999999-"):
        found = crm.ask(PATH, Range=text)
        assert (found.status, found.headers["Content-Range"]) == (416, f"bytes */{len(WAV)}"), text
        assert found.detail


def test_going_on_with_another_recording_begins_anew(crm: Crm) -> None:
    etag = crm.ask(PATH, "HEAD").headers["ETag"]
    assert crm.ask(PATH, Range="bytes=5-9", If_Range=etag).status == 206
    assert crm.ask(f"{PATH}?channel=agent", Range="bytes=5-9", If_Range=etag).status == 200


def test_head_says_how_much_there_is(crm: Crm) -> None:
    found = crm.ask(PATH, "HEAD")
    assert (found.status, found.data, found.headers["Content-Length"]) == (200, b"", str(len(WAV)))
    found = crm.ask(f"{PATH}?channel=caller", "HEAD", Range="bytes=-10")
    assert (found.status, found.headers["Content-Length"]) == (206, "10")


def test_several_recordings_are_had_by_number(crm: Crm, database: Database) -> None:
    run(
        database,
        "insert into recording (call_uuid, node, path, started_at, state)"
        " select call_uuid, node, 'c-1.2.wav', started_at + interval '1 minute', 'growing' from recording",
    )
    assert crm.ask(f"{PATH}?number=1").status == 200
    found = crm.ask(f"{PATH}?number=2")
    assert (found.status, "The recording is growing" in found.detail) == (404, True)


NOT_READY = [
    "update recording set state = 'cut'",
    "update recording set state = 'failed', error = 'gone'",
    # The story does not say that it is ready: nobody has looked yet at what must not be heard.
    "delete from call_event where kind = 'recording_ready'",
    # What must not be heard became known later.
    "insert into redaction (recording_id, leg, start_ms, end_ms, kind, pass)"
    " select id, 'caller', 1000, 2000, 'card', 'final' from recording",
]


@pytest.mark.parametrize("change", NOT_READY)
def test_what_may_not_be_heard_is_not(crm: Crm, database: Database, change: str) -> None:
    run(database, change)
    for method in ("GET", "HEAD"):
        assert crm.ask(PATH, method).status == 404
    assert "`recording.ready` tells" in crm.ask(PATH).detail


def test_what_the_archive_does_not_give_is_told(crm: Crm, database: Database, tmp_path: Path) -> None:
    for uri, status in (
        (f"{tmp_path}/none.wav", 404), (f"file://{tmp_path}/none.wav", 404), ("nowhere://x/none.wav", 503),
    ):  # fmt: skip
        run(database, "update recording set uri = %s", uri)
        found = crm.ask(PATH)
        assert found.status == status
        assert str(tmp_path) not in found.detail, "where it lies is nobody's business"
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"RIFF" + bytes(100))
    run(database, "update recording set uri = %s", str(broken))
    found = crm.ask(f"{PATH}?channel=caller")
    assert found.status == 404
    assert str(tmp_path) not in found.detail
    assert crm.server.counts.failed == 0


def test_who_goes_away_leaves_nothing_open(crm: Crm, tmp_path: Path) -> None:
    def is_open() -> bool:
        folder = Path("/proc/self/fd")
        return any(
            os.readlink(one).startswith(str(tmp_path / "archive"))
            for one in folder.iterdir()
            if one.is_symlink()
        )

    host, port = crm.server.address
    with socket.create_connection((host, port)) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        head = f"GET {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {crm.tokens['crm']}\r\n\r\n"
        client.sendall(head.encode())
        assert client.recv(100).startswith(b"HTTP/1.1 200")
        assert is_open(), "it is read as it is taken"
        gevent.sleep(0.1)
    with gevent.Timeout(10):
        while is_open():
            gevent.sleep(0.05)
    assert crm.ask(PATH).data == WAV
