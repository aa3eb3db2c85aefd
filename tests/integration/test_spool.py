"""The media reader's loop on real files and a real Postgres."""

import os
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from fsctl.call import commands
from fsctl.call.state import Call, Disposition, Phase
from fsctl.config import Media, Node
from fsctl.media import pipeline, spool
from fsctl.media.spool import Spool
from fsctl.media.wav import GrowingWav, Samples
from fsctl.sim import load_samples
from fsctl.store.calls import Calls
from fsctl.store.db import Database
from fsctl.store.recordings import Recordings
from fsctl.store.utterances import Utterances
from tests.unit.media.test_wav import header

UUID = "c-1"


class Clock:
    """A clock that is set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Room:
    """A spool with a reader, and the call whose recording lies in it."""

    def __init__(self, folder: Path, database: Database, recordings: Recordings | None = None) -> None:
        self.path = folder / f"{UUID}.wav"
        self.clock = Clock()
        self.calls = Calls(database)
        self.recordings = recordings or Recordings(database, "fs1")
        self.utterances = Utterances(database)
        self.began = datetime.now(UTC) - timedelta(seconds=60)
        self.call = Call(
            uuid=UUID, node="fs1", channel="whatsapp", phase=Phase.TALKING, offered_at=self.began
        )
        self.reader = Spool(Node(name="fs1", spool=folder), Media(), self.recordings, self.clock)

    def write(self, age_s: float = 0.0) -> None:
        """The recording, whole, last written so long ago."""
        (sample,) = load_samples(["order-en"])
        legs = np.stack([sample.caller_audio, sample.agent_audio], axis=1)[: 20 * 16000]
        self.path.write_bytes(header() + legs.astype("<i2").tobytes())
        os.utime(self.path, (time.time() - age_s, time.time() - age_s))

    def know(self, *, recording: bool = True, ended: bool = False) -> None:
        """The controller has stored the call, and perhaps its recording and its end."""
        at = self.began
        call = (
            replace(self.call, phase=Phase.ENDED, ended_at=at + timedelta(seconds=20)) if ended else self.call
        )
        batch: list[commands.StoreCommand] = [commands.SaveCall(uuid=UUID, call=call)]
        if recording:
            batch.append(commands.OpenRecording(uuid=UUID, at=at, node="fs1", path=str(self.path)))
        batch.append(commands.OpenBridge(uuid=UUID, at=at, agent="agent1", agent_uuid="a-1"))
        if ended:
            end = at + timedelta(seconds=20)
            batch.append(commands.CloseBridge(uuid=UUID, at=end, agent_uuid=None))
            batch.append(commands.CloseRecording(uuid=UUID, at=end, path=None))
        self.calls.apply(batch)

    def ticks(self, count: int = 6) -> None:
        """Rounds of the reader, a few seconds apart."""
        for _ in range(count):
            self.reader.tick()
            self.clock.now += 3.0


@pytest.fixture
def room(tmp_path: Path, database: Database) -> Room:
    """A spool and its reader."""
    return Room(tmp_path, database)


def test_a_recording_is_cut_and_finished(room: Room) -> None:
    room.write()
    room.know(ended=True)
    room.ticks()
    progress = room.utterances.progress(UUID)
    assert (progress.recordings, progress.recordings_cut) == (1, 1)
    known = room.recordings.of_call(UUID)[0]
    assert {leg for leg, _, _ in known.utterances} == {"caller", "agent"}
    assert room.recordings.live() == []


def test_a_file_that_nobody_told_of_is_adopted_by_its_call(room: Room) -> None:
    room.write(age_s=10)
    room.know(recording=False, ended=True)
    room.ticks()
    assert room.utterances.progress(UUID).recordings_cut == 1


def test_a_file_without_a_call_waits_for_its_call(room: Room) -> None:
    room.write(age_s=30)
    room.ticks(3)
    assert room.calls.load(UUID) is None
    room.know(recording=False, ended=True)
    room.ticks()
    assert room.utterances.progress(UUID).recordings_cut == 1


def test_a_call_that_nobody_saw_is_known_by_its_recording_and_says_so(room: Room) -> None:
    room.write(age_s=spool.UNSEEN_AFTER_S + 1)
    room.ticks()
    call = room.calls.load(UUID)
    assert call is not None
    assert (call.found, call.hangup_cause, call.disposition) == ("recording", "UNSEEN", Disposition.FAILED)
    assert room.utterances.progress(UUID).recordings_cut == 1


def test_audio_that_went_with_a_crash_of_postgres_is_cut_again(room: Room, database: Database) -> None:
    room.write()
    room.know(ended=True)
    room.ticks()
    with database.transaction("test") as transaction:
        before = transaction._connection.execute("select * from utterance_audio order by 1").fetchall()
        transaction._connection.execute("truncate utterance_audio")
    assert len(room.recordings.without_audio()) == len(before)
    room.ticks(2)
    with database.transaction("test") as transaction:
        after = transaction._connection.execute("select * from utterance_audio order by 1").fetchall()
    assert after == before
    assert len(after) > 3


def test_a_recording_that_never_comes_fails_with_its_reason(room: Room, database: Database) -> None:
    room.know(ended=True)
    room.ticks(14)
    with database.transaction("test") as transaction:
        (row,) = transaction.rows("recordings.recordings_of_call", call_uuid=UUID)
    assert row["state"] == "failed"
    assert "there is no file" in row["error"]


def test_a_folder_that_freeswitch_sees_elsewhere_gives_no_second_recording(room: Room) -> None:
    """Its path is FreeSWITCH's, on another machine or in another container; the name is the same."""
    room.write(age_s=10)
    here, room.path = room.path, Path("/var/spool/elsewhere") / room.path.name
    room.know(ended=True)
    room.path = here
    room.ticks()
    (known,) = room.recordings.of_call(UUID)
    assert (known.state, known.path) == ("cut", f"/var/spool/elsewhere/{UUID}.wav")


def test_a_reader_that_is_started_again_goes_on_from_the_last_seam(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "SEAM_S", 5.0)
    room.write()
    room.know()
    room.ticks()
    (before,) = room.recordings.live()
    assert before.seams["caller:0"] > 5 * 16000
    stored = room.recordings.of_call(UUID)[0].utterances
    room.know(ended=True)
    read: list[int] = []
    real = GrowingWav.read

    def watch(wav: GrowingWav, channel: int, start: int, end: int) -> Samples:
        read.append(start)
        return real(wav, channel, start, end)

    monkeypatch.setattr(GrowingWav, "read", watch)
    room.reader = Spool(room.reader._node, Media(), room.recordings, room.clock)
    room.ticks()
    assert min(read) >= min(before.seams.values())
    after = room.recordings.of_call(UUID)[0]
    assert after.state == "cut"
    assert after.utterances[: len(stored)] == stored


def test_a_pause_is_known_to_the_reader_and_to_those_who_look(room: Room) -> None:
    room.write()
    room.know()
    begun = room.began + timedelta(seconds=5)
    room.recordings.begin_gap(UUID, "pause", "payment", begun)
    (live,) = room.recordings.live()
    assert live.pauses_us == [(5_000_000, None)]
    room.recordings.end_gap(UUID, "pause", begun + timedelta(seconds=2))
    (live,) = room.recordings.live()
    assert live.pauses_us == [(5_000_000, 7_000_000)]
    (known,) = room.recordings.of_call(UUID)
    assert [(gap.kind, gap.start_s, gap.end_s, gap.reason) for gap in known.gaps] == [
        ("pause", 5.0, 7.0, "payment")
    ]
