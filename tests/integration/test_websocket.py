"""Audio by websocket over real sockets: who is let in, what becomes of it, and who is shown the door."""

import base64
import contextlib
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import gevent
import numpy as np
import pytest
from gevent import socket
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from fsctl.call import commands
from fsctl.config import Node, Websocket
from fsctl.errors import DatabaseDown
from fsctl.media import header, websocket
from fsctl.media.admission import sign
from fsctl.media.websocket import Forks
from fsctl.sim import load_samples
from fsctl.store.alarms import Alarms
from fsctl.store.db import Database
from tests.integration.test_spool import UUID, Clock, Room

SECRET = "a-secret-of-the-tests"
CAPTURE = Path(__file__).parent.parent / "data" / "forks" / "ws_opus_mono_ua.1"
FRAME = 1280
"""20 ms at 16 kHz stereo."""
PATIENCE_S = 10.0


class Door:
    """A server of forks, with one call that stands."""

    def __init__(self, folder: Path, database: Database) -> None:
        self.room = Room(folder, database)
        self.room.began = datetime.now(UTC)
        self.room.know(recording=False)
        self.folder = folder
        self.alarms = Alarms(database, "fs1")
        self.clock = Clock()
        settings = Websocket(listen="127.0.0.1:0", secret=SECRET)
        node = Node(name="fs1", spool=folder)
        self.forks = Forks(node, settings, self.room.recordings, self.alarms, self._now)
        self._began = time.monotonic()
        self.greenlet = gevent.spawn(self.forks.run)
        gevent.sleep(0.05)

    def _now(self) -> float:
        return time.monotonic() + self.clock.now

    def url(self, path: str) -> str:
        return f"ws://127.0.0.1:{self.forks.server.server_port}{path}"

    def signed(self, uuid: str = UUID, expires_in_s: int = 60) -> str:
        return self.url(sign(SECRET, uuid, int(time.time()) + expires_in_s))

    def enter(self, url: str = "", **options: Any) -> ClientConnection:
        """As FreeSWITCH's modules do: no compression."""
        return connect(url or self.signed(), compression=None, **options)

    def until(self, wanted: Any, what: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not wanted():
            assert time.monotonic() < deadline, f"never {what}"
            gevent.sleep(0.02)

    def file(self, name: str = f"{UUID}.wav") -> bytes:
        path = self.folder / name
        return path.read_bytes() if path.exists() else b""

    def whole(self, name: str = f"{UUID}.wav") -> bytes:
        """The file's audio, once it is closed."""
        path = self.folder / name
        self.until(lambda: path.exists() and header.read(path).is_right, f"closed: {name}")
        return path.read_bytes()[44:]

    def alarm(self, kind: str = "fork") -> str:
        self.until(lambda: [a for a in self.alarms.up() if a.kind == kind], "an alarm")
        return next(a.detail for a in self.alarms.up() if a.kind == kind)


@pytest.fixture
def door(tmp_path: Path, database: Database) -> Iterator[Door]:
    """The server, running."""
    built = Door(tmp_path, database)
    yield built
    built.greenlet.kill()


def audio(seconds: float, pitch: float = 440) -> bytes:
    """A hum on the left, nothing on the right."""
    left = 8000 * np.sin(2 * np.pi * pitch * np.arange(int(16000 * seconds)) / 16000)
    return np.stack([left, np.zeros_like(left)], axis=1).astype("<i2").tobytes()


def send(client: ClientConnection, data: bytes, size: int = FRAME) -> None:
    for begin in range(0, len(data), size):
        client.send(data[begin : begin + size])


def closed(client: ClientConnection) -> tuple[int, str] | None:
    """How the server ended it; None for one that was still sending, and saw a reset instead of the reason."""
    try:
        with gevent.Timeout(PATIENCE_S):
            while True:
                client.recv()
    except ConnectionClosed as closed:
        return None if closed.rcvd is None else (closed.rcvd.code, closed.rcvd.reason)


def test_the_captured_frames_of_mod_audio_fork_become_a_recording_byte_for_byte(door: Door) -> None:
    raw = CAPTURE.with_suffix(".1.raw").read_bytes()
    lines = [json.loads(line) for line in CAPTURE.with_suffix(".1.jsonl").read_text().splitlines()]
    request, frames = lines[0], [line for line in lines[1:] if "len" in line]
    asked = request["headers"]["Sec-WebSocket-Protocol"]
    with door.enter(subprotocols=[Subprotocol(asked)], origin=request["headers"]["Origin"]) as client:
        at = 0
        for frame in frames:
            client.send(raw[at : at + frame["len"]])
            at += frame["len"]
    assert at == len(raw)
    assert door.whole() == raw
    assert door.alarms.up() == []


def test_what_is_said_becomes_utterances_like_any_recordings(door: Door) -> None:
    (sample,) = load_samples(["order-en"])
    legs = np.stack([sample.caller_audio, sample.agent_audio], axis=1)[: 15 * 16000]
    with door.enter() as client:
        client.send(json.dumps({"uuid": UUID}))
        send(client, legs[: 9 * 16000].astype("<i2").tobytes())
        door.until(lambda: len(door.file()) > 8 * 64000, "written while it lasts")
        assert header.read(door.folder / f"{UUID}.wav").is_open
        (recording,) = door.room.recordings.live()
        assert recording.state == "growing"
    door.whole()
    door.until(lambda: door.room.recordings.live()[0].state == "closed", "closed in Postgres")
    door.room.know(recording=False, ended=True)
    door.room.ticks()
    (known,) = door.room.recordings.of_call(UUID)
    assert (known.state, known.source) == ("cut", "websocket")
    assert {leg for leg, _, _ in known.utterances} == {"caller", "agent"}


def test_the_file_grows_while_frames_come_and_its_beginning_is_known(door: Door) -> None:
    with door.enter() as client:
        send(client, audio(1.0))
        door.until(lambda: door.room.recordings.live(), "a row")
        (recording,) = door.room.recordings.live()
        assert recording.path == str(door.folder / f"{UUID}.wav")
        assert abs(recording.started_at.timestamp() - time.time()) < 5


@pytest.mark.parametrize("protocol", ["audio.drachtio.org", None])
def test_a_subprotocol_may_be_offered_or_not(protocol: str | None, door: Door) -> None:
    offered = [Subprotocol(protocol)] if protocol else None
    with door.enter(subprotocols=offered) as client:
        send(client, audio(0.1))
    assert door.whole() == audio(0.1)


def test_basic_authentication_opens_too(door: Door) -> None:
    word = base64.b64encode(f"anybody:{SECRET}".encode()).decode()
    with door.enter(door.url(f"/{UUID}"), additional_headers={"Authorization": f"Basic {word}"}) as client:
        send(client, audio(0.1))
    assert door.whole() == audio(0.1)


def test_metadata_may_say_the_rate_and_one_channel(door: Door) -> None:
    with door.enter() as client:
        client.send('{"rate": 8000, "channels": 1, "more": [1]}')
        send(client, audio(0.5)[:8000], 320)
        client.send("words in between are not for us")
        send(client, audio(0.5)[8000:16000], 320)
    door.whole()
    found = header.read(door.folder / f"{UUID}.wav")
    assert (found.rate, found.channels, found.audio_bytes) == (8000, 1, 16000)


REFUSED = {
    "no token": ("/c-1", {}, 401),
    "a wrong password": ("/c-1", {"Authorization": "Basic eDp5"}, 401),
    "no base64": ("/c-1", {"Authorization": "Basic ???"}, 401),
    "a forged signature": ("/c-1/9999999999." + "0" * 64, {}, 403),
    "a signature of another call": (sign(SECRET, "c-2", 9999999999).replace("c-2", "c-1"), {}, 403),
    "an expired signature": (sign(SECRET, "c-1", 1000), {}, 403),
    "a time that is none": ("/c-1/\u0661." + "0" * 64, {}, 403),
    "nobody": ("/", {}, 404),
    "a path out of the spool": ("/..%2f..%2fetc", {}, 404),
    "an unknown caller": (sign(SECRET, "c-9", 9999999999), {}, 404),
}


@pytest.mark.parametrize("name", REFUSED)
def test_who_is_not_let_in(name: str, door: Door) -> None:
    path, headers, status = REFUSED[name]
    with pytest.raises(InvalidStatus) as caught:
        door.enter(
            door.url(path.encode("ascii", "replace").decode()), additional_headers=headers, legacy=True
        )
    assert caught.value.response.status_code == status
    assert list(door.folder.iterdir()) == []


def test_a_second_fork_of_a_call_is_refused_while_the_first_lasts_and_gets_a_file_of_its_own_later(
    door: Door,
) -> None:
    with door.enter() as client:
        send(client, audio(0.2))
        with pytest.raises(InvalidStatus, match="409"):
            door.enter(legacy=True)
    assert door.whole() == audio(0.2)
    with door.enter() as client:
        send(client, audio(0.3))
    assert door.whole(f"{UUID}.2.wav") == audio(0.3)
    door.until(lambda: len(door.room.recordings.live()) == 2, "two rows")


def odd(client: ClientConnection) -> None:
    client.send(b"x" * 1281)


def huge(client: ClientConnection) -> None:
    client.send(bytes(10 << 20))


def audio_flood(client: ClientConnection) -> None:
    for _ in range(400):
        client.send(bytes(64000))


def frame_flood(client: ClientConnection) -> None:
    for _ in range(5000):
        client.send(bytes(4))


def ping_flood(client: ClientConnection) -> None:
    for _ in range(5000):
        client.ping()


def wrong_metadata(client: ClientConnection) -> None:
    client.send('{"rate": 5}')


RULES = {
    "frames of odd length": (odd, 1007, "1281 bytes"),
    "a frame of 10 MB": (huge, 1009, "broken off"),
    "more audio than time": (audio_flood, 1008, "flood"),
    "more frames than anybody sends": (frame_flood, 1008, "flood"),
    "pings without end": (ping_flood, 1008, "flood"),
    "a rate that cannot be": (wrong_metadata, 1008, "rate"),
}


@pytest.mark.parametrize("rule", RULES)
def test_who_breaks_a_rule_is_ended_with_a_reason_and_nobody_else_is_disturbed(rule: str, door: Door) -> None:
    breaks, code, why = RULES[rule]
    know_another(door)
    before = audio(0.4) if breaks is not wrong_metadata else b""
    with door.enter(door.signed("c-2")) as good, door.enter() as bad:
        send(good, audio(0.5, 880))
        if before:
            send(bad, before)
            door.until(lambda: len(door.file()) == 44 + len(before), "written")
        with contextlib.suppress(ConnectionClosed), gevent.Timeout(PATIENCE_S):
            breaks(bad)
        said = closed(bad)
        assert why in door.alarm()
        if breaks in (odd, wrong_metadata):
            assert said is not None
            assert said[0] == code
            assert why in said[1]
        else:
            assert said is None or said[0] == code
        send(good, audio(0.5, 660))
    assert door.whole("c-2.wav") == audio(0.5, 880) + audio(0.5, 660)
    if before:
        assert door.whole()[: len(before)] == before
    assert [alarm.subject for alarm in door.alarms.up()] == [UUID]


def know_another(door: Door) -> None:
    call = replace(door.room.call, uuid="c-2")
    door.room.calls.apply([commands.SaveCall(uuid="c-2", call=call)])


def test_silence_for_minutes_is_the_end(door: Door) -> None:
    with door.enter() as client:
        send(client, audio(0.2))
        door.until(lambda: (door.folder / f"{UUID}.wav").exists(), "begun")
        gevent.sleep(0.3)
        door.clock.now += 1000.0
        assert closed(client) == (1001, "nothing came for 60 s")
    assert door.whole() == audio(0.2)


def test_a_peer_that_vanishes_leaves_a_whole_file_and_an_alarm(door: Door) -> None:
    client = door.enter(legacy=True)
    send(client, audio(0.2))
    door.until(lambda: (door.folder / f"{UUID}.wav").exists(), "begun")
    gevent.sleep(0.2)
    client.socket.shutdown(socket.SHUT_RDWR)
    assert door.whole() == audio(0.2)
    assert "vanished" in door.alarm()


@pytest.mark.parametrize(
    "words", [b"", b"GET / HTTP/1.1\r\n\r\n", b"\0" * 50000, b"POST /c-1 HTTP/1.1\r\n\r\n"]
)
def test_what_is_no_websocket_is_left_standing(
    words: bytes, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket, "HANDSHAKE_S", 0.3)
    with (
        socket.create_connection(("127.0.0.1", door.forks.server.server_port)) as plain,
        gevent.Timeout(PATIENCE_S),
        contextlib.suppress(ConnectionResetError),
    ):
        plain.sendall(words)
        while plain.recv(4096):
            pass
    with door.enter() as client:
        send(client, audio(0.1))
    assert door.whole() == audio(0.1)


def test_audio_does_not_wait_for_postgres(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> bool:
        raise DatabaseDown("away")

    with monkeypatch.context() as patch:
        for name in ("is_standing", "open_fork", "close_fork"):
            patch.setattr(door.room.recordings, name, away)
        with door.enter() as client:
            send(client, audio(0.3))
        assert door.whole() == audio(0.3)
        word = base64.b64encode(f"x:{SECRET}".encode()).decode()
        with pytest.raises(InvalidStatus, match="404"):
            door.enter(
                door.url(f"/{UUID}"), additional_headers={"Authorization": f"Basic {word}"}, legacy=True
            )
    door.until(
        lambda: [r.state for r in door.room.recordings.live()] == ["closed"], "told when Postgres came back"
    )


def test_ending_the_server_leaves_whole_files(door: Door) -> None:
    client = door.enter(legacy=True)
    send(client, audio(0.4))
    door.until(lambda: (door.folder / f"{UUID}.wav").exists(), "begun")
    gevent.sleep(0.3)
    door.greenlet.kill()
    assert door.whole() == audio(0.4)
    client.socket.close()
