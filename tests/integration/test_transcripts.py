"""Text in two passes on a real Postgres: claimed once, stored once, superseded by lineage, always accounted for."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import gevent
import numpy as np
import psycopg
import pytest

from fsctl.call import commands
from fsctl.call.events import Alias
from fsctl.call.state import Call, Phase
from fsctl.config import Node
from fsctl.media import codec
from fsctl.media.planner import Planner
from fsctl.media.windows import LONGEST_S
from fsctl.store.calls import Calls
from fsctl.store.db import Database, Wakeup
from fsctl.store.keeping import Archived
from fsctl.store.recordings import Cuts, NewUtterance, Recordings
from fsctl.store.segments import NewSegment
from fsctl.store.transcripts import MAX_BEGUN, FinalText, Transcripts
from fsctl.store.utterances import LOST, MAX_ATTEMPTS, Claimed, Utterances
from fsctl.transcribe.asking import heard
from fsctl.transcribe.batch import Policy
from fsctl.transcribe.engine import BEAM, Speech, Text
from fsctl.transcribe.legs import Legs
from fsctl.transcribe.worker import Worker
from tests.unit.media.test_wav import header

T0 = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
RATE = 16000
CALLER = [(1.0, 3.0), (4.0, 6.5), (30.0, 33.0)]
AGENT = [(7.0, 9.0), (20.0, 24.0)]
TWO_WINDOWS = [(i * 2.0, i * 2.0 + 1.9) for i in range(round(1.5 * LONGEST_S / 2))]
"""Speech with hardly a pause."""
SEGMENT = NewSegment(
    start_ms=0, end_ms=100, text="Hi", confidence=0.9, language="en", model="m", suppressed_by=None
)


class Room:
    """A spool, and what Postgres knows of a call in it."""

    def __init__(self, folder: Path, database: Database) -> None:
        self.folder, self.database = folder, database
        self.calls, self.recordings = Calls(database), Recordings(database, "fs1")
        self.utterances, self.transcripts = Utterances(database), Transcripts(database)
        self.path = folder / "c-1.wav"

    def record(
        self,
        caller: Sequence[tuple[float, float]] = CALLER,
        agent: Sequence[tuple[float, float]] = AGENT,
        **of_call: Any,
    ) -> int:
        """A call that goes on, its recording and what was cut of it; the left channel counts tenths of seconds."""
        call = Call(uuid="c-1", node="fs1", channel="whatsapp", phase=Phase.TALKING, offered_at=T0, **of_call)
        self.call = call
        self.calls.apply([
            commands.SaveCall(uuid="c-1", call=call),
            commands.OpenRecording(uuid="c-1", at=T0, node="fs1", path=str(self.path)),
            commands.OpenBridge(uuid="c-1", at=T0, agent="a", agent_uuid="a-1"),
        ])  # fmt: skip
        seconds = int(max([40.0, *(end for _, end in (*caller, *agent))]))
        counted = (np.arange(seconds * RATE) // (RATE // 10) + 1).astype("<i2")
        self.path.write_bytes(header() + np.stack([counted, -counted], axis=1).tobytes())
        (live,) = self.recordings.live()
        self.recordings.describe(live.id, RATE, 2)
        sign = {"caller": 1, "agent": -1}
        cuts = [
            NewUtterance(
                leg=leg, start_sample=int(a * RATE), end_sample=int(b * RATE), rate=RATE,
                pcm=(sign[leg] * counted[int(a * RATE) : int(b * RATE)]).astype("<i2").tobytes(),
            )
            for leg, spans in (("caller", caller), ("agent", agent)) for a, b in spans
        ]  # fmt: skip
        self.recordings.store([Cuts(live, sorted(cuts, key=lambda cut: cut.end_sample), {})])
        return live.id

    def end(self, recording_id: int, *, cut: bool = True) -> None:
        """The call ends, and its recording is wholly cut."""
        at = T0 + timedelta(seconds=40)
        ended = replace(self.call, phase=Phase.ENDED, ended_at=at)
        self.calls.apply([
            commands.SaveCall(uuid="c-1", call=ended),
            commands.CloseBridge(uuid="c-1", at=at, agent_uuid=None),
            commands.CloseRecording(uuid="c-1", at=at, path=None),
        ])  # fmt: skip
        if cut:
            self.recordings.finish(recording_id, self.path.stat().st_size)

    def plan(self, *, final: bool = True) -> None:
        """A round of the media reader's planner."""
        Planner(Node(name="fs1", spool=self.folder), self.transcripts, final=final).tick()

    def claim(self, count: int = 100, worker: str = "w", lease_s: float = 60) -> list[Claimed]:
        ids = [one.id for one in self.utterances.waiting(count)]
        return self.utterances.claim(worker, ids, lease_s=lease_s)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database.dsn, autocommit=True) as connection:
            cursor = connection.execute(sql.encode())
            return cursor.fetchall() if cursor.description is not None else []

    def told(self) -> list[dict[str, Any]]:
        return [
            data
            for (data,) in self.rows(
                "select data from call_event where kind = 'transcript_ready' order by id"
            )
        ]


@pytest.fixture
def room(tmp_path: Path, database: Database) -> Room:
    return Room(tmp_path, database)


class Counting:
    """An engine that says which tenths of a second it hears, and what a test wants beside that."""

    name = "counting"
    at_once = 1

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.fails: Callable[[Speech], bool] = lambda _: False
        self.says: Callable[[Speech], list[Text]] = self.count

    def decode(self, batch: Sequence[Speech], *, beam: int = BEAM) -> list[list[Text]]:  # noqa: ARG002
        self.batches.append([round(one.wave[0] * 32768) for one in batch])
        if any(self.fails(one) for one in batch):
            raise ValueError("no")
        return [self.says(one) for one in batch]

    def count(self, speech: Speech) -> list[Text]:
        """One text for each second or so."""
        texts = []
        for start in range(0, len(speech.wave) - RATE // 2, RATE):
            end = min(start + RATE, len(speech.wave))
            heard = abs(round(float(speech.wave[start]) * 32768))
            texts.append(
                Text(
                    start_s=start / RATE,
                    end_s=end / RATE,
                    text=f"t{heard}",
                    language="en",
                    logprob=-0.1,
                    no_speech=0.0,
                )
            )
        return texts


class Workers:
    """A worker, and its final passes, one after the other instead of beside each other."""

    def __init__(self, room: Room, engine: Counting, *, final: bool, policy: Policy) -> None:
        wakeup = Wakeup(room.database.dsn, ["fsctl_utterance"])
        self.live = Worker(room.utterances, engine, wakeup, lambda *_: None, policy, lease_s=60)
        self.legs = Legs(
            room.transcripts, engine, lambda *_: None, "w", threading.Event(), lease_s=60
        ) if final else None  # fmt: skip


def worker(room: Room, engine: Counting, *, final: bool = True, policy: Policy | None = None) -> Workers:
    return Workers(room, engine, final=final, policy=policy or Policy(shed_after_s=1e9))


def work(workers: Workers) -> None:
    """Until there is nothing to do."""
    with ThreadPoolExecutor(1) as beside:
        while workers.live.work(beside):
            pass
    while workers.legs is not None and workers.legs.work():
        pass


# --- live ----------------------------------------------------------------------------------------------------


def test_two_workers_never_get_the_same_utterance(room: Room) -> None:
    room.record([(i, i + 0.5) for i in range(12)], [])
    greenlets = [gevent.spawn(room.claim, 100, f"w{i}") for i in range(4)]
    gevent.joinall(greenlets, raise_error=True)
    claimed = [one.id for g in greenlets for one in g.value]
    assert len(claimed) == len(set(claimed)) == 12


def test_what_is_claimed_comes_in_the_order_asked_for_with_its_audio(room: Room) -> None:
    room.record()
    ids = [one.id for one in room.utterances.waiting(3)][::-1]
    claimed = room.utterances.claim("w", ids, lease_s=60)
    assert [one.id for one in claimed] == ids
    assert all(len(one.pcm) == 2 * (one.end_sample - one.start_sample) for one in claimed)


def test_a_worker_that_was_thought_dead_stores_nothing_twice(room: Room) -> None:
    room.record([(1, 2)], [])
    (slow,) = room.claim(lease_s=0)
    (quick,) = room.claim()
    assert room.utterances.finish(quick, [SEGMENT])
    assert not room.utterances.finish(slow, [SEGMENT])
    assert len(room.utterances.segments("c-1")) == 1
    assert room.claim() == []


def test_an_utterance_that_cannot_be_decoded_is_parked_with_its_reason(room: Room) -> None:
    room.record([(1, 2)], [])
    for _ in range(MAX_ATTEMPTS):
        (one,) = room.claim()
        room.utterances.give_back(one, "ValueError: no")
    assert room.claim() == []
    assert room.utterances.progress("c-1").failed == 1


def test_an_utterance_that_ends_its_worker_each_time_is_parked_too(room: Room) -> None:
    room.record([(1, 2)], [])
    for _ in range(MAX_ATTEMPTS):
        assert len(room.claim(lease_s=0)) == 1
    assert room.claim() == []
    assert room.rows("select state, error from utterance") == [("failed", LOST)]


def test_a_suppressed_segment_is_stored_and_not_shown(room: Room) -> None:
    room.record([(1, 2)], [])
    (one,) = room.claim()
    room.utterances.finish(one, [replace(SEGMENT, suppressed_by="no_speech")])
    assert room.utterances.segments("c-1") == []
    assert room.utterances.progress("c-1").done == 1


def test_evidence_for_a_language_adds_up_over_workers(room: Room) -> None:
    room.record([(1, 2), (3, 4), (5, 6)], [])
    first, second, third = room.claim()
    room.utterances.finish(first, [], evidence={"es": 2.0})
    room.utterances.finish(second, [], evidence={"es": 2.5, "pt": 1.0}, sure="es")
    room.utterances.finish(third, [], evidence={"pt": 1.0}, sure="pt")
    assert room.rows("select heard, language from transcription") == [({"es": 4.5, "pt": 2.0}, "es")]


def test_a_claim_knows_the_call(room: Room) -> None:
    room.record([(1, 2)], [], display_name="Ann", language="es", redact=("card",))
    (one,) = room.claim()
    assert one.context.language == "es"
    assert one.context.display_name == "Ann"
    assert one.context.redact == ("card",)


Told = tuple[str | None, tuple[str, ...]]


@pytest.mark.parametrize(
    ("spoken", "told"),
    [
        (("es", "pt"), (None, ("es", "pt"))),
        (("es",), ("es", ("es",))),
        ((), ("en", ())),
    ],
)
def test_the_languages_that_queues_allow_reach_the_recogniser_in_both_passes(
    room: Room, spoken: tuple[str, ...], told: Told
) -> None:
    recording = room.record(language="en", spoken=spoken)
    (call,) = room.calls.open_calls("fs1")
    assert call.spoken == spoken
    asked: list[Told] = []
    engine = Counting()

    def listens(speech: Speech) -> list[Text]:
        asked.append((speech.language, speech.languages))
        return []

    engine.says = listens
    work(worker(room, engine, final=False))
    assert (len(asked), set(asked)) == (5, {told})
    asked.clear()
    room.end(recording)
    room.plan()
    work(worker(room, engine))
    assert (len(asked), set(asked)) == (2, {told})


def test_a_leg_that_may_be_of_several_languages_is_locked_to_the_one_that_is_heard(room: Room) -> None:
    room.record([(1, 3), (4, 6.5), (7, 9)], [(10, 12)], language="en", spoken=("es", "pt"))
    text = Text(start_s=0, end_s=2, text="Sí", language="es", logprob=-0.1, no_speech=0)
    told = []
    while claims := room.claim(1):
        (one,) = claims
        told.append((one.leg, one.context.language))
        evidence, sure = heard(one.context, [text], (one.end_sample - one.start_sample) / one.rate)
        assert room.utterances.finish(one, [], evidence=evidence, sure=sure)
    assert told == [("agent", None), ("caller", None), ("caller", None), ("caller", "es")]


def test_one_bad_utterance_does_not_take_its_neighbours_with_it(room: Room) -> None:
    room.record([(1, 2), (3, 4), (5, 6)], [])
    engine = Counting()
    engine.fails = lambda speech: round(speech.wave[0] * 32768) == 31
    work(worker(room, engine, final=False))
    assert room.rows("select state, error from utterance order by start_sample") == [
        ("done", None), ("failed", "ValueError: no"), ("done", None)
    ]  # fmt: skip
    # The one that was tried before is decoded alone.
    assert [31] in engine.batches
    assert engine.batches[0] == [11, 31, 51]


def test_what_would_come_too_late_is_shed_and_decoded_after_the_call(room: Room) -> None:
    recording = room.record()
    room.rows("update utterance set created_at = now() - interval '30 seconds' where start_sample < 100000")
    engine = Counting()
    live = worker(room, engine, policy=Policy(shed_after_s=20))
    work(live)
    progress = room.utterances.progress("c-1")
    assert (progress.shed, progress.done) == (2, 3)
    assert room.transcripts.load().shed == room.transcripts.load().shed_hour == 2
    room.end(recording)
    room.plan()
    work(live)
    assert room.utterances.progress("c-1").is_whole
    shown = room.utterances.segments("c-1")
    assert {row["pass"] for row in shown} == {"final"}
    for start_s, end_s in CALLER:
        assert any(row["start_ms"] < end_s * 1000 and row["end_ms"] > start_s * 1000 for row in shown)
    assert room.told()[0]["failed"] == 0
    assert room.transcripts.load().shed_hour == 2


# --- the final pass ------------------------------------------------------------------------------------------


def finished(room: Room, engine: Counting | None = None) -> int:
    """A call of which all is decoded live, and that has ended."""
    recording = room.record()
    work(worker(room, engine or Counting(), final=False))
    room.end(recording)
    return recording


def test_final_text_supersedes_live_text_by_lineage_and_nothing_goes(room: Room) -> None:
    finished(room)
    live = room.rows("select id, text from segment where pass = 'live' order by id")
    assert not room.utterances.progress("c-1").is_whole
    room.plan()
    work(worker(room, Counting()))
    shown = room.utterances.segments("c-1")
    assert {row["pass"] for row in shown} == {"final"}
    assert room.rows("select id, text from segment where pass = 'live' order by id") == live
    lineage = room.rows(
        "select s.leg, f.leg, f.pass, f.superseded_by from segment s join segment f on f.id = s.superseded_by"
    )
    assert len(lineage) == len(live)
    assert all(mine == its and pass_ == "final" and above is None for mine, its, pass_, above in lineage)
    assert room.utterances.progress("c-1").is_whole
    assert room.rows("select count(*) from window_audio") == [(0,)]
    assert room.rows("select count(*) from utterance_audio") == [(0,)]


def test_the_story_tells_what_was_said_once(room: Room) -> None:
    """Live where there was live text; final text for what was shed."""
    recording = room.record()
    shed = room.utterances.waiting(1)[0].id
    room.utterances.shed([shed])
    work(worker(room, Counting(), final=False))
    room.end(recording)
    room.plan()
    work(worker(room, Counting()))
    with room.database.transaction("test") as transaction:
        told = transaction.rows("calls.story_since", event_cursor=0, segment_cursor=0)
    stored = {
        id: (pass_, utterance)
        for id, pass_, utterance in room.rows("select id, pass, utterance_id from segment")
    }
    said = [stored[row["id"]] for row in told if row["source"] == "segment"]
    assert {utterance for pass_, utterance in said if pass_ == "final"} == {shed}
    assert len({utterance for pass_, utterance in said if pass_ == "live"}) == 4


def test_final_text_is_in_its_place_in_the_recording(room: Room) -> None:
    """The audio counts tenths of seconds, so each text says where it must be."""
    finished(room)
    room.plan()
    work(worker(room, Counting()))
    for row in room.utterances.segments("c-1"):
        assert abs((int(row["text"][1:]) - 1) * 100 - row["start_ms"]) <= 100, row


def test_both_legs_done_the_story_says_once_that_the_transcript_is_ready(room: Room) -> None:
    finished(room)
    room.plan()
    assert room.told() == []
    work(worker(room, Counting()))
    room.plan()
    (told,) = room.told()
    assert told["utterances"] == 5
    assert told["failed"] == 0
    assert told["final"]
    assert told["reason"] is None
    assert told["path"] == str(room.path)
    assert told["segments"] == len(room.utterances.segments("c-1"))
    ((talk,),) = room.rows("select talk from call")
    assert talk["duration_ms"] == 40000
    assert talk["talk"]["caller"] > 0
    assert talk["talk"]["agent"] > 0


def test_two_workers_that_end_the_two_legs_at_once_say_it_once(room: Room) -> None:
    finished(room)
    room.plan()
    jobs = [room.transcripts.claim(f"w{i}", lease_s=60) for i in range(2)]
    assert room.transcripts.claim("w3", lease_s=60) is None
    start = threading.Barrier(2)

    def finish(job: Any) -> bool:
        start.wait()
        return room.transcripts.finish(job, FinalText(model="m", segments=[]))

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(finish, jobs)) == [True, True]
    assert len(room.told()) == 1


def test_a_recording_without_speech_is_ready_at_once(room: Room) -> None:
    room.end(room.record([], []))
    room.plan()
    (told,) = room.told()
    assert (told["utterances"], told["segments"], told["failed"]) == (0, 0, 0)
    assert room.utterances.progress("c-1").is_whole


def test_without_a_final_pass_the_last_utterance_completes_the_transcript(room: Room) -> None:
    recording = room.record()
    room.utterances.shed([one.id for one in room.utterances.waiting(2)])
    room.end(recording)
    room.plan(final=False)
    assert room.told() == []
    assert len(room.utterances.waiting(10)) == 5
    work(worker(room, Counting()))
    assert len(room.told()) == 1
    assert not room.told()[0]["final"]
    assert {row["pass"] for row in room.utterances.segments("c-1")} == {"live"}


def test_text_of_a_recording_that_failed_is_accounted_for(room: Room) -> None:
    recording = room.record()
    room.claim(2)
    room.end(recording, cut=False)
    room.rows("delete from utterance_audio")
    room.recordings.fail(recording, "the disk is gone")
    room.plan()
    (told,) = room.told()
    assert told["failed"] == told["utterances"] == 5
    assert told["reason"] == "the disk is gone"
    assert "the disk is gone" in room.rows("select distinct error from utterance")[0][0]
    assert room.utterances.progress("c-1").is_whole


def test_a_recording_that_fails_when_its_windows_are_planned_keeps_its_live_text(room: Room) -> None:
    recording = finished(room)
    room.path.rename(room.path.with_suffix(".away"))
    room.plan()
    assert room.transcripts.claim("w", lease_s=60) is None
    room.recordings.fail(recording, "its file is gone")
    room.plan()
    assert len(room.told()) == 1
    assert {row["pass"] for row in room.utterances.segments("c-1")} == {"live"}
    assert room.rows("select distinct state from transcription") == [("failed",)]


def test_audio_that_went_with_postgres_is_cut_again_from_the_archive(room: Room) -> None:
    recording = finished(room)
    room.plan()
    before = sorted(room.rows("select window_id, pcm from window_audio"))
    job = room.transcripts.claim("w", lease_s=60)
    assert job is not None
    room.rows("truncate window_audio")
    flac = room.folder / "c-1.flac"
    with flac.open("w+b") as file:
        codec.encode(room.path, file, "flac")
    room.recordings.archive(
        recording,
        Archived(uri=str(flac), format="flac", sha256="", bytes=1, duration_ms=40000, findings=[]),
        str(room.path),
    )
    room.path.unlink()
    # Its worker finds out, and leaves it to whoever comes when the audio is back.
    assert room.transcripts.begin(job, [job.windows[0].id], lease_s=60) is None
    room.transcripts.leave(job)
    room.plan()
    assert sorted(room.rows("select window_id, pcm from window_audio")) == before
    work(worker(room, Counting()))
    assert len(room.told()) == 1


def test_a_job_is_taken_from_one_that_is_slow_and_stored_once(room: Room) -> None:
    finished(room)
    room.plan()
    slow = room.transcripts.claim("slow", lease_s=0)
    quick = room.transcripts.claim("quick", lease_s=60)
    assert slow is not None
    assert quick is not None
    assert (slow.recording_id, slow.leg) == (quick.recording_id, quick.leg)
    assert room.transcripts.begin(slow, [slow.windows[0].id], lease_s=60) is None
    text = FinalText(model="m", segments=[replace(SEGMENT, utterance_id=min(quick.spoken))])
    assert room.transcripts.finish(quick, text)
    assert not room.transcripts.finish(slow, text)
    assert room.rows("select count(*) from segment where pass = 'final'") == [(1,)]


def test_live_text_that_comes_after_the_final_one_is_not_stored(room: Room) -> None:
    recording = room.record([(1, 2)], [])
    (claimed,) = room.claim()
    room.end(recording)
    room.plan()
    with ThreadPoolExecutor(1):
        job = room.transcripts.claim("w", lease_s=60)
    assert job is not None
    assert room.transcripts.finish(
        job, FinalText(model="m", segments=[replace(SEGMENT, utterance_id=claimed.id)])
    )
    assert not room.utterances.finish(claimed, [SEGMENT])
    assert [row["pass"] for row in room.utterances.segments("c-1")] == ["final"]


def long_call(room: Room) -> None:
    """A caller who speaks for two windows, and of whom nothing was decoded live."""
    recording = room.record(TWO_WINDOWS, [])
    room.utterances.shed([one.id for one in room.utterances.waiting(100)])
    room.end(recording)
    room.plan()
    assert room.rows("select count(*) from speech_window") == [(2,)]


def test_a_window_is_decoded_with_its_pauses_and_with_those_that_were_squeezed(room: Room) -> None:
    recording = room.record([(0.0, 2.0), (2.5, 4.0), (9.0, 11.0)], [])
    work(worker(room, Counting(), final=False))
    room.end(recording)
    room.plan()
    engine = Counting()
    heard: list[Speech] = []

    def listen(speech: Speech) -> list[Text]:
        heard.append(speech)
        return engine.count(speech)

    engine.says = listen
    work(worker(room, engine))
    assert [(one.pauses, one.seams) for one in heard] == [((2.25, 4.4), (4.4,))]


def test_a_poisoned_window_is_tried_alone_and_parked_and_the_live_text_of_it_stands(room: Room) -> None:
    recording = room.record(TWO_WINDOWS, [])
    work(worker(room, Counting(), final=False))
    room.end(recording)
    room.plan()
    engine = Counting()
    engine.fails = lambda speech: speech.timestamps and round(speech.wave[0] * 32768) == 1
    work(worker(room, engine))
    assert len(engine.batches) == MAX_BEGUN + 1
    assert room.rows("select state, error from speech_window order by number") == [
        ("failed", "ValueError: no"), ("done", None)
    ]  # fmt: skip
    shown = room.utterances.segments("c-1")
    assert [row["pass"] for row in shown] == sorted((row["pass"] for row in shown), reverse=True)
    assert {row["pass"] for row in shown} == {"live", "final"}
    assert [row["start_ms"] for row in shown] == sorted({row["start_ms"] for row in shown})
    assert room.told()[0]["failed"] == 0


def test_windows_are_decoded_together_where_that_is_faster(room: Room) -> None:
    long_call(room)
    engine = Counting()
    legs = Legs(
        room.transcripts, engine, lambda *_: None, "w", threading.Event(), lease_s=60, windows=2
    )  # fmt: skip
    while legs.work():
        pass
    assert [len(together) for together in engine.batches] == [2]
    assert room.rows("select distinct state from speech_window") == [("done",)]


def test_a_window_that_ends_its_worker_each_time_is_parked_and_the_others_are_decoded(room: Room) -> None:
    long_call(room)
    for _ in range(MAX_BEGUN):
        job = room.transcripts.claim("dies", lease_s=0)
        assert job is not None
        assert room.transcripts.begin(job, [job.windows[0].id], lease_s=0) is not None
    work(worker(room, Counting()))
    (told,) = room.told()
    assert 0 < told["failed"] < len(TWO_WINDOWS)
    assert room.rows("select distinct error from utterance where state = 'failed'") == [(LOST,)]


def test_a_worker_that_is_told_to_stop_leaves_what_it_has_to_others(room: Room) -> None:
    long_call(room)
    stopping = threading.Event()
    engine = Counting()
    engine.fails = lambda _: stopping.set() or False  # type: ignore[func-returns-value]
    legs = Legs(room.transcripts, engine, lambda *_: None, "w", stopping, lease_s=60)
    legs.run(Wakeup(room.database.dsn, ["fsctl_utterance"]), lambda: 0.0, Policy())
    assert len(engine.batches) == 1
    job = room.transcripts.claim("other", lease_s=60)
    assert job is not None
    assert job.attempts == 1


def test_a_final_pass_gives_way_to_live_text_but_does_not_starve(room: Room) -> None:
    long_call(room)
    stopping = threading.Event()
    engine = Counting()
    asked: list[float] = []

    def busy() -> float:
        asked.append(1.0)
        if len(asked) > 4:
            stopping.set()
        return 0.9

    legs = Legs(
        room.transcripts, engine, lambda *_: None, "w", stopping, lease_s=60, clock=lambda: 10.0 * len(asked)
    )
    legs.run(Wakeup(room.database.dsn, ["fsctl_utterance"]), busy, Policy(final_after_s=35))
    assert len(engine.batches) == 1


def test_a_window_that_takes_longer_than_the_lease_stays_with_its_worker(room: Room) -> None:
    long_call(room)
    stopping = threading.Event()
    engine = Counting()
    others: list[object] = []

    def slow(_: Speech) -> bool:
        time.sleep(1.2)
        others.append(room.transcripts.claim("other", lease_s=60))
        stopping.set()
        return False

    engine.fails = slow
    legs = Legs(room.transcripts, engine, lambda *_: None, "w", stopping, lease_s=0.5)
    legs.run(Wakeup(room.database.dsn, ["fsctl_utterance"]), lambda: 0.0, Policy())
    assert others == [None]


def test_windows_wait_with_their_audio_only_so_far_ahead_and_a_leg_is_filled_to_its_end(room: Room) -> None:
    long_call(room)
    room.rows("truncate window_audio")
    assert room.transcripts.without_audio("fs1", 0) == []
    first, second = room.transcripts.without_audio("fs1", 1)
    room.transcripts.restore_audio(first.id, b"xx")
    assert room.transcripts.without_audio("fs1", 1) == [second]
    assert room.transcripts.claim("w", lease_s=60) is None
    assert room.transcripts.without_audio("fs1", 9, [second.recording_id]) == []
    assert room.transcripts.without_audio("fs2", 9) == []
    room.transcripts.restore_audio(second.id, b"xx")
    assert room.transcripts.claim("w", lease_s=60) is not None


def test_a_live_guess_of_what_to_silence_is_replaced_by_what_the_final_pass_finds(room: Room) -> None:
    def digits(speech: Speech) -> list[Text]:
        said = "4242 4242 4242 4242" if speech.timestamps else "4242"
        return [Text(start_s=0.2, end_s=1.0, text=said, language="en", logprob=-0.1, no_speech=0)]

    recording = room.record([(1, 3), (4, 6)], [], redact=("card",))
    engine = Counting()
    engine.says = digits
    work(worker(room, engine, final=False))
    assert {row for (row,) in room.rows("select distinct pass from redaction")} == {"live"}
    assert not room.rows("select id from segment where text like '%4242%'")
    room.end(recording)
    room.plan()
    work(worker(room, engine))
    assert {row for (row,) in room.rows("select distinct pass from redaction")} == {"final"}
    assert not room.rows("select id from segment where text like '%4242%' or words::text like '%4242%'")
    assert {row["redacted"][0] for row in room.utterances.segments("c-1")} == {"card"}


def test_load_counts_what_waits_and_what_is_late(room: Room) -> None:
    recording = room.record()
    load = room.transcripts.load()
    assert (load.depth, load.shed, load.legs, load.workers) == (5, 0, 0, 0)
    assert load.speech_s == pytest.approx(13.5)
    assert 0 <= load.lag_s < 5
    room.claim(1)
    assert room.transcripts.load().workers == 1
    room.end(recording)
    room.plan()
    load = room.transcripts.load()
    assert (load.depth, load.swept, load.legs, load.windows) == (0, 5, 2, 2)
    room.rows("update utterance set state = 'pending', lease_until = null")
    work(worker(room, Counting()))
    load = room.transcripts.load()
    assert (load.swept, load.legs, load.legs_hour, load.done_hour, load.failed_hour) == (0, 0, 2, 5, 0)
    assert load.delay_p50_s is not None


def test_a_prompt_has_what_the_thread_knows(room: Room, database: Database) -> None:
    from fsctl.store.threads import NewMessage, Threads

    messages = [NewMessage(wamid="w", direction="inbound", body="Where is AB-12345?", sent_at=T0)]
    thread = Threads(database).add_messages([Alias(kind="wa_id", value="1")], "Ann", "en", "2", messages)
    room.record([(1, 2)], [], thread_id=thread, display_name="Ann")
    utterances = Utterances(database, messages=5)
    (one,) = utterances.claim("w", [one.id for one in utterances.waiting(5)], lease_s=60)
    assert one.context.messages == ("Where is AB-12345?",)
