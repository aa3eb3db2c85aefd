"""From a file in the spool to the archive, on real files and a real Postgres; killed between any two steps."""

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from fsctl.call import commands
from fsctl.call.state import Phase
from fsctl.config import Archive, Node
from fsctl.errors import ArchiveError
from fsctl.media import archive as archives
from fsctl.media import codec, header, proof, recorder
from fsctl.media.archive import open_archive
from fsctl.media.disk import Disk
from fsctl.media.recorder import Recorder
from fsctl.sim import load_samples
from fsctl.store.alarms import Alarms
from fsctl.store.db import Database
from fsctl.store.keeping import KnownRecording
from tests.integration.test_spool import UUID, Clock, Room


class Killed(BaseException):
    """SIGKILL, as far as Python can play it: nothing behind it runs."""


class House:
    """A spool with its reader and its recorder, and an archive."""

    def __init__(self, folder: Path, database: Database, url: str = "") -> None:
        (folder / "spool").mkdir()
        self.folder = folder
        self.room = Room(folder / "spool", database)
        self.database = database
        self.clock = Clock()
        self.root = folder / "archive"
        self.url = url or str(self.root)
        self.alarms = Alarms(database, "fs1")
        self.disk_used: Callable[[Path], float] = lambda _: 0.5
        self.restart()

    def restart(self, **settings: Any) -> None:
        """The recorder's process, new."""
        node = Node(name="fs1", spool=self.folder / "spool")
        disk = Disk(node.spool, None if "://" in self.url else self.root, lambda path: self.disk_used(path))
        self.recorder = Recorder(
            node, Archive(**settings), self.room.recordings, self.alarms,
            open_archive(self.url, self.folder / "staging"), disk, self.clock,
        )  # fmt: skip

    def end_call(self) -> bytes:
        """A whole call, cut; returns the bytes that FreeSWITCH wrote."""
        self.room.write()
        self.room.know(ended=True)
        self.room.ticks()
        return self.room.path.read_bytes()

    def tick(self, count: int = 3) -> None:
        """Rounds of the recorder, far apart."""
        for _ in range(count):
            self.recorder.tick()
            self.clock.now += 1000.0

    def row(self) -> KnownRecording:
        """The one recording."""
        (known,) = self.room.recordings.of_call(UUID)
        return known

    def story(self) -> list[dict[str, Any]]:
        """Lines about the recording."""
        with self.database.transaction("test") as transaction:
            return transaction._connection.execute(
                "select kind, data from call_event where kind like 'recording%' order by id"
            ).fetchall()

    def up(self) -> dict[str, str]:
        """Alarms that are up, by kind."""
        return {alarm.kind: alarm.detail for alarm in self.alarms.up()}


@pytest.fixture
def house(tmp_path: Path, database: Database) -> House:
    """Everything of one node."""
    return House(tmp_path, database)


def test_a_recording_ends_in_the_archive_byte_for_byte_and_only_then_leaves_the_spool(house: House) -> None:
    written = house.end_call()
    # The room's file has the header of a file that still grows; what is behind it is what counts.
    house.tick()
    row = house.row()
    began = house.room.began
    assert row.state == "archived"
    assert row.uri == str(house.root / f"{began:%Y/%m/%d}" / f"{UUID}.wav")
    kept = Path(row.uri).read_bytes()
    assert kept[44:] == written[44:]
    assert hashlib.sha256(kept).hexdigest() == row.sha256
    assert (row.bytes, row.duration_ms) == (len(kept), 20_000)
    assert header.read(Path(row.uri)).is_right
    assert not house.room.path.exists()
    (line,) = house.story()
    assert line["kind"] == "recording_ready"
    assert line["data"]["uri"] == row.uri
    assert line["data"]["sha256"] == row.sha256
    assert house.up() == {}
    assert list((house.root / ".staging" / "fs1").iterdir()) == []


def test_a_file_whose_header_is_right_is_not_copied_on_one_file_system(house: House) -> None:
    house.end_call()
    header.repair_in_place(house.room.path)
    before = house.room.path.stat().st_ino
    house.tick()
    uri = house.row().uri
    assert uri is not None
    assert Path(uri).stat().st_ino == before


def test_across_file_systems_it_is_copied_and_verified(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    written = house.end_call()
    house.tick()
    uri = house.row().uri
    assert uri is not None
    assert Path(uri).read_bytes()[44:] == written[44:]


def test_a_copy_that_is_not_what_was_read_does_not_count(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoil(_: Path, to: Path) -> None:
        to.write_bytes(b"RIFF, or so")

    with monkeypatch.context() as patch:
        patch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError("no links")))
        patch.setattr(shutil, "copyfile", spoil)
        house.end_call()
        house.tick(1)
        assert house.row().state == "cut"
        assert "not what was read" in house.up()["archive"]
        assert house.room.path.exists()
        assert not list(house.root.rglob("*.wav*"))
    house.tick()
    assert house.row().state == "archived"
    assert house.up() == {}


def test_to_a_real_other_file_system(tmp_path: Path, database: Database) -> None:
    elsewhere = Path("/dev/shm")
    if not elsewhere.is_dir() or elsewhere.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is one file system only")
    with tempfile.TemporaryDirectory(dir=elsewhere) as folder:
        house = House(tmp_path, database, f"{folder}/archive")
        written = house.end_call()
        house.tick()
        row = house.row()
        assert row.uri is not None
        assert row.uri.startswith(folder)
        assert Path(row.uri).read_bytes()[44:] == written[44:]
        assert not house.room.path.exists()


def test_a_full_disk_takes_nothing_away(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill(source: Path, to: Path) -> None:
        to.write_bytes(source.read_bytes()[:1000])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(to))

    written = house.end_call()
    with monkeypatch.context() as patch:
        patch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError(errno.EXDEV, "no links")))
        patch.setattr(shutil, "copyfile", fill)
        house.tick()
    assert house.row().state == "cut"
    assert "No space left" in house.up()["archive"]
    assert house.room.path.read_bytes() == written
    assert not list(house.root.rglob("*.wav*"))
    house.tick()
    assert house.row().state == "archived"
    assert house.up() == {}


def test_two_recorders_archive_a_recording_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that lost its media reader is still at work when the next has done everything."""
    written = house.end_call()
    real, other = house.room.recordings.archive, house.recorder
    house.restart()

    def overtaken(*arguments: Any) -> bool:
        monkeypatch.setattr(house.room.recordings, "archive", real)
        house.recorder.tick()
        return real(*arguments)

    monkeypatch.setattr(house.room.recordings, "archive", overtaken)
    other.tick()
    row = house.row()
    assert row.state == "archived"
    assert row.uri is not None
    assert [p for p in house.root.rglob("*") if p.is_file()] == [Path(row.uri)]
    assert Path(row.uri).read_bytes()[44:] == written[44:]
    assert [line["kind"] for line in house.story()] == ["recording_ready"]
    assert not house.room.path.exists()


def test_another_recording_of_the_same_name_takes_nothing_from_the_first(house: House) -> None:
    house.end_call()
    taken = house.root / f"{house.room.began:%Y/%m/%d}" / f"{UUID}.wav"
    taken.parent.mkdir(parents=True)
    taken.write_bytes(b"of another call")
    house.tick()
    row = house.row()
    assert row.sha256 is not None
    assert row.uri == str(taken.with_stem(f"{UUID}.{row.sha256[:8]}"))
    assert taken.read_bytes() == b"of another call"


@contextmanager
def killed_at(target: Any, name: str, *, after: bool) -> Iterator[None]:
    """In the block we die just before this function of the target runs, or just after."""
    real = getattr(target, name)

    def kill(*arguments: Any, **named: Any) -> Any:
        if after:
            real(*arguments, **named)
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(target, name, kill)
        with pytest.raises(Killed):
            yield


STEPS = {
    "before it is measured": (proof, "listen"),
    "while the header is repaired": (recorder, "_repair"),
    "before it is put into the archive": (archives.Folder, "put"),
    "before it has its final name": (Path, "rename"),
    "while it is made durable": (archives, "_sync"),
    "before the row says so": ("recordings", "archive"),
    "before the old file goes": (recorder, "discard"),
    "before the row forgets it": ("recordings", "forget_stale"),
}


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", STEPS)
def test_killed_at_any_step_it_ends_the_same(step: str, after: bool, house: House) -> None:
    owner, name = STEPS[step]
    written = house.end_call()
    with killed_at(house.room.recordings if owner == "recordings" else owner, name, after=after):
        house.tick()
    house.restart()
    house.tick()
    row = house.row()
    assert row.state == "archived"
    assert row.uri is not None
    assert Path(row.uri).read_bytes()[44:] == written[44:]
    assert [line["kind"] for line in house.story()] == ["recording_ready"]
    assert not house.room.path.exists()
    assert [p.name for p in house.root.rglob("*") if p.is_file()] == [f"{UUID}.wav"]


def test_the_last_copy_is_never_removed(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.end_call()
    with monkeypatch.context() as patch:
        patch.setattr(recorder, "discard", lambda _: (_ for _ in ()).throw(Killed()))
        with pytest.raises(Killed):
            house.tick()
    uri = house.row().uri
    assert uri is not None
    Path(uri).unlink()
    house.restart()
    house.tick()
    assert house.room.path.exists()
    assert "not there" in house.up()["archive"]


def test_a_recording_of_a_killed_switch_keeps_every_byte_and_gets_a_true_header(house: House) -> None:
    house.end_call()
    with house.room.path.open("ab") as file:
        file.write(b"\x01\x02\x03")
    written = house.room.path.read_bytes()
    house.tick()
    row = house.row()
    assert row.uri is not None
    kept = Path(row.uri).read_bytes()
    assert kept[44 : len(written)] == written[44:]
    assert header.read(Path(row.uri)).is_right
    assert {"open", "part"} <= {finding["code"] for finding in row.findings}


@pytest.mark.parametrize("kind", ["flac", "opus"])
def test_it_may_be_made_smaller(kind: str, house: House) -> None:
    written = house.end_call()
    house.restart(format=kind)
    house.tick()
    row = house.row()
    assert row.uri is not None
    assert (row.format, Path(row.uri).suffix) == (kind, f".{kind}")
    audio, rate = soundfile.read(row.uri, dtype="int16")
    was = np.frombuffer(written[44:], dtype="<i2").reshape(-1, 2)
    assert (rate, audio.shape) == (16000, was.shape)
    assert row.bytes is not None
    assert row.bytes < len(written) * (0.5 if kind == "flac" else 0.2)
    if kind == "flac":
        assert np.array_equal(audio, was)


@pytest.mark.parametrize("kind", ["flac", "opus"])
def test_what_does_not_decode_to_what_went_in_is_kept_as_it_was(
    kind: Any, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One wrong sample in FLAC is one too many; Opus must sound like it."""
    real = codec.encode

    def spoil(source: Path, *arguments: Any) -> None:
        data = bytearray(source.read_bytes())
        if kind == "flac":
            data[5000] ^= 1
        else:
            data[44:] = np.random.default_rng(1).integers(0, 255, len(data) - 44, dtype=np.uint8).tobytes()
        (wrong := house.folder / "wrong.wav").write_bytes(data)
        real(wrong, *arguments)

    written = house.end_call()
    house.restart(format=kind)
    monkeypatch.setattr(codec, "encode", spoil)
    house.tick()
    row = house.row()
    assert (row.state, row.format) == ("archived", "wav")
    assert row.uri is not None
    assert Path(row.uri).read_bytes()[44:] == written[44:]
    (note,) = (found for found in row.findings if found["code"] == "not-encoded")
    assert "it is not the same audio" in note["text"] or "does not sound like" in note["text"]


@pytest.mark.parametrize("scheme", ["memory://recordings", "file://{tmp}/bucket"])
def test_an_object_store_keeps_it_as_well(scheme: str, tmp_path: Path, database: Database) -> None:
    url = scheme.format(tmp=tmp_path)
    house = House(tmp_path, database, url)
    written = house.end_call()
    house.tick()
    row = house.row()
    assert row.uri is not None
    assert row.uri.endswith(f"{house.room.began:%Y/%m/%d}/{UUID}.wav")
    assert not house.room.path.exists()
    with archives.local_copy(row.uri) as path:
        assert path.read_bytes()[44:] == written[44:]


def test_a_store_that_gives_back_something_else_does_not_count(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fsspec.implementations.memory import MemoryFileSystem

    house = House(tmp_path, database, "memory://spoiled")
    house.end_call()
    with monkeypatch.context() as patch:
        patch.setattr(MemoryFileSystem, "put_file", lambda self, _, there: self.pipe(there, b"half"))
        house.tick(1)
    assert house.row().state == "cut"
    assert "not what was sent" in house.up()["archive"]
    house.tick()
    assert house.row().state == "archived"


def test_a_store_that_nobody_can_reach_is_said_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="nope://x"):
        open_archive("nope://x", tmp_path)


def test_a_recording_without_audio_fails_with_an_alarm_and_its_file_stays(house: House) -> None:
    house.room.path.write_bytes(header.render(16000, 2, 0))
    house.room.know(ended=True)
    house.room.ticks()
    house.tick()
    row = house.row()
    assert (row.state, row.error) == ("failed", "there is no audio in it")
    assert [line["kind"] for line in house.story()] == ["recording_failed"]
    assert "recording" in house.up()
    assert house.room.path.exists()


@pytest.mark.parametrize(
    ("consent", "alarmed"),
    [
        ("disclosed", True),
        ("given", True),
        ("always", True),
        ("refused", False),
        ("never", False),
        (None, True),
    ],
)
def test_an_answered_call_without_audio_is_an_alarm_unless_it_was_not_to_be_recorded(
    consent: Any, alarmed: bool, house: House
) -> None:
    ended = house.room.began + timedelta(seconds=40)
    call = replace(
        house.room.call, phase=Phase.ENDED, answered_at=house.room.began, ended_at=ended, consent=consent
    )
    past = timedelta(minutes=5)
    call = replace(call, answered_at=house.room.began - past, ended_at=ended - past)
    house.room.calls.apply([commands.SaveCall(uuid=UUID, call=call)])
    house.tick()
    house.tick()
    assert ("no-audio" in house.up()) is alarmed
    if alarmed:
        assert house.up()["no-audio"] == "answered for 40 s, and nothing was recorded"


def test_both_legs_on_both_channels_are_found_out(house: House) -> None:
    (sample,) = load_samples(["order-en"])
    mix = (sample.caller_audio // 2 + sample.agent_audio // 2)[: 20 * 16000]
    house.room.path.write_bytes(header.render(16000, 2, 0) + np.stack([mix, mix], 1).astype("<i2").tobytes())
    house.room.know(ended=True)
    house.room.ticks()
    house.tick()
    assert "both channels hold the same" in house.up()["recording"]
    assert house.row().state == "archived", "it is kept all the same"


def test_a_disk_that_fills_is_said_early_and_room_is_made_from_the_oldest(house: House) -> None:
    written = house.end_call()
    house.tick()
    wav = house.row().uri
    assert wav is not None
    house.disk_used = lambda _: 0.87
    house.tick(1)
    assert "87% are used" in house.up()["disk"]
    assert house.row().format == "wav", "it is too early for that"
    house.disk_used = lambda path: 0.95 if path == house.root and Path(wav).exists() else 0.6
    house.tick(1)
    row = house.row()
    assert row.uri is not None
    assert (row.format, row.state) == ("flac", "archived")
    assert not Path(wav).exists()
    audio, _ = soundfile.read(row.uri, dtype="int16")
    assert audio.astype("<i2").tobytes() == written[44:]
    house.tick(1)
    assert house.up() == {}


def test_one_that_cannot_be_made_smaller_does_not_keep_the_others_large(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.end_call()
    house.tick()
    house.disk_used = lambda _: 0.95
    tried: list[Path] = []

    def fail(source: Path, *_: Any) -> None:
        tried.append(source)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(codec, "encode", fail)
        house.tick(3)
    assert house.row().format == "wav"
    assert "not compressed: [Errno 28] No space left" in house.up()["archive"]
    assert house.room.recordings.oldest_wav([]) is not None
    assert house.room.recordings.oldest_wav([house.row().id]) is None
    assert len(tried) == 1, "it is left out, and the next one would be tried"
    house.restart()
    house.tick()
    assert house.row().format == "flac"


@pytest.mark.parametrize("name", ["recompress", "forget_stale"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_while_making_room_nothing_is_lost(name: str, after: bool, house: House) -> None:
    house.end_call()
    house.tick()
    house.disk_used = lambda _: 0.95
    with killed_at(house.room.recordings, name, after=after):
        house.tick()
    house.restart()
    house.tick()
    row = house.row()
    assert row.uri is not None
    assert row.format == "flac"
    assert [p for p in house.root.rglob("*") if p.is_file()] == [Path(row.uri)]
    assert hashlib.sha256(Path(row.uri).read_bytes()).hexdigest() == row.sha256


@pytest.mark.parametrize("kind", ["wav", "flac"])
def test_audio_that_postgres_lost_is_cut_from_the_archive(kind: str, house: House) -> None:
    house.end_call()
    house.restart(format=kind)
    house.tick()
    with house.database.transaction("test") as transaction:
        connection = transaction._connection
        before = connection.execute("select * from utterance_audio order by 1").fetchall()
        connection.execute("truncate utterance_audio")
    house.room.ticks(2)
    with house.database.transaction("test") as transaction:
        after = transaction._connection.execute("select * from utterance_audio order by 1").fetchall()
    assert len(before) > 3
    assert after == before


def test_a_recording_that_still_grows_is_left_alone(house: House) -> None:
    house.room.write()
    house.room.know()
    house.room.ticks()
    house.tick()
    assert house.row().state == "growing"
    assert house.room.path.exists()
