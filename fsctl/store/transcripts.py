"""The final pass: a job is one leg of one recording with all its windows.

The media reader plans it when the recording is wholly cut, and keeps the windows' audio there until the leg is
decoded. A worker holds the job by a lease with a fence, which it renews for each batch of windows; what it decoded
comes into being in one transaction, and supersedes what was said live.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from psycopg.types.json import Jsonb

from fsctl.store import segments
from fsctl.store.db import Database, Row, Transaction
from fsctl.store.segments import NewRedaction, NewSegment, Place
from fsctl.store.utterances import LOST, MAX_ATTEMPTS, Context, context_from_row

MAX_BEGUN = 5
"""A window whose decoding ended its worker so often is parked."""

Span = tuple[int, int]
"""First sample and one past the last, of the recording."""


@dataclass(frozen=True)
class Spoken:
    """An utterance as the planner knows it."""

    id: int
    leg: str
    start: int
    end: int


@dataclass(frozen=True, kw_only=True)
class ToPlan:
    """A recording that is wholly cut, or failed, and of which the final pass is not planned."""

    id: int
    call_uuid: str
    rate: int | None
    failed: bool
    bridges_us: Sequence[tuple[int, int | None]]
    pauses_us: Sequence[tuple[int, int | None]]
    masks_us: Sequence[tuple[int, int | None]]
    utterances: Sequence[Spoken]


@dataclass(frozen=True, kw_only=True)
class NewWindow:
    """Neighbouring utterances of a leg, to be decoded together."""

    leg: str
    rate: int
    pieces: Sequence[Span]
    """Of the recording, in order; one after the other they are the window."""
    utterances: Sequence[int]


@dataclass(frozen=True, kw_only=True)
class LostWindow:
    """A window whose audio is not there: to be cut out of its recording."""

    id: int
    recording_id: int
    leg: str
    pieces: Sequence[Span]
    path: str


@dataclass(frozen=True, kw_only=True)
class Window:
    """A window of a job."""

    id: int
    rate: int
    pieces: Sequence[Span]
    utterances: Sequence[int]
    attempts: int


@dataclass(frozen=True, kw_only=True)
class Job:
    """A leg that is ours until the lease ends."""

    recording_id: int
    call_uuid: str
    leg: str
    fence: int
    attempts: int
    windows: Sequence[Window]
    spoken: Mapping[int, Span]
    """Utterance -> where it lies."""
    context: Context

    @property
    def place(self) -> Place:
        """Where its text belongs."""
        return Place(recording_id=self.recording_id, call_uuid=self.call_uuid, leg=self.leg)


@dataclass(frozen=True, kw_only=True)
class FinalText:
    """What was decoded of a leg."""

    model: str
    segments: Sequence[NewSegment]
    """Each with its utterance."""
    redactions: Sequence[NewRedaction] = ()
    failed: Mapping[int, str] = field(default_factory=dict)
    """Windows that could not be decoded, and why."""


@dataclass(frozen=True, kw_only=True)
class Load:
    """How the transcribers keep up. Lengths of time in seconds."""

    depth: int
    """Live utterances that wait or are being decoded."""
    lag_s: float
    """Age of the oldest of them."""
    speech_s: float
    """Of speech in them."""
    swept: int
    """Utterances of calls that are over, with no final pass to come."""
    shed: int
    """Waiting to be decoded after their calls."""
    shed_hour: int
    """Shed within the last hour."""
    done_hour: int
    failed_hour: int
    delay_p50_s: float | None
    """From the end of speech to its text, of the last five minutes."""
    delay_p95_s: float | None
    legs: int
    """Final passes that wait or are being decoded."""
    legs_lag_s: float
    """Age of the oldest of them."""
    windows: int
    """Of them, still to be decoded."""
    legs_hour: int
    legs_failed_hour: int
    workers: int
    """That hold a lease now."""


class Transcripts:
    """What the planner, the transcribers and those who watch them ask of Postgres."""

    def __init__(self, database: Database, *, messages: int = 0) -> None:
        """Args: messages: how many of a thread's last messages come with a job."""
        self._database = database
        self._messages = messages

    def to_plan(self, node: str, limit: int = 20) -> list[ToPlan]:
        """Recordings of a node whose text is not accounted for, and for which nothing is planned."""
        with self._database.statement("looking for recordings to transcribe") as transaction:
            rows = transaction.rows("transcripts.to_plan", node=node, limit=limit)
        return [_to_plan(row) for row in rows]

    def plan(self, recording_id: int, legs: Collection[str], windows: Sequence[NewWindow]) -> bool:
        """Let the legs be decoded in these windows; no windows: what is decoded live is all there will be.

        A recording without speech is accounted for at once.

        Returns:
            False when that was planned before.
        """
        with self._database.transaction(f"planning recording {recording_id}") as transaction:
            if transaction.one("transcripts.lock_unplanned", recording_id=recording_id) is None:
                return False
            state = "pending" if windows else "off"
            transaction.run("transcripts.plan", recording_id=recording_id, legs=sorted(legs), state=state)
            if windows:
                transaction.run("transcripts.add_windows", windows=Jsonb(_window_rows(recording_id, windows)))
            segments.settle(transaction, recording_id)
        return True

    def give_up(self, node: str) -> None:
        """Account for what can never be decoded, since its recording failed; and sweep up what was shed."""
        with self._database.transaction("giving up utterances") as transaction:
            transaction.run("utterances.unshed", node=node)
            rows = transaction.rows("utterances.give_up", node=node)
            rows += transaction.rows("transcripts.give_up", node=node)
            for recording_id in sorted({row["recording_id"] for row in rows}):
                segments.settle(transaction, recording_id)

    def without_audio(self, node: str, limit: int, skip: Collection[int] = ()) -> list[LostWindow]:
        """Windows of the oldest leg that cannot be decoded for want of audio.

        Args:
            limit: with so many windows that can be, no other leg is begun.
            skip: recordings that cannot be read now.
        """
        with self._database.statement("looking for windows without audio") as transaction:
            rows = transaction.rows("transcripts.without_audio", node=node, limit=limit, skip=list(skip))
        return [LostWindow(**row | {"pieces": _spans(row["pieces"])}) for row in rows]

    def restore_audio(self, window_id: int, pcm: bytes) -> None:
        """Give a window its audio, mono int16 little-endian."""
        with self._database.statement(f"restoring audio of window {window_id}") as transaction:
            transaction.run("transcripts.add_audio", window_id=window_id, pcm=pcm)

    def claim(self, worker: str, *, lease_s: float) -> Job | None:
        """Take the oldest leg whose windows are all there."""
        with self._database.transaction("claiming a leg") as transaction:
            row = transaction.one(
                "transcripts.claim", worker=worker, lease_s=lease_s, messages=self._messages
            )
            if row is None:
                return None
            of_leg = {"recording_id": row["recording_id"], "leg": row["leg"]}
            transaction.run("transcripts.park_windows", **of_leg, error=LOST, max_begun=MAX_BEGUN)
            windows = transaction.rows("transcripts.windows", **of_leg)
            spoken = transaction.rows("transcripts.spoken", **of_leg)
        return Job(
            **of_leg,
            call_uuid=row["call_uuid"],
            fence=row["fence"],
            attempts=row["attempts"],
            windows=[Window(**one | {"pieces": _spans(one["pieces"])}) for one in windows],
            spoken={one["id"]: (one["start_sample"], one["end_sample"]) for one in spoken},
            context=context_from_row(row),
        )

    def begin(self, job: Job, windows: Collection[int], *, lease_s: float) -> Mapping[int, bytes] | None:
        """Renew the lease, note that these windows are being decoded, and take their audio.

        Returns:
            None when the job is no longer ours, or audio went with a crash of Postgres: the job is to be left.
        """
        with self._database.statement(f"taking windows of call {job.call_uuid}") as transaction:
            rows = transaction.rows("transcripts.begin", **_held(job), windows=list(windows), lease_s=lease_s)
        audio = {row["window_id"]: row["pcm"] for row in rows}
        return audio if len(audio) == len(windows) else None

    def finish(self, job: Job, text: FinalText) -> bool:
        """Store the leg's text, and let it supersede the live one: all or nothing.

        Where a window failed, the live text of its utterances stands.

        Returns:
            False when the job was no longer ours: nothing was stored.
        """
        decoded = [id for w in job.windows if w.id not in text.failed for id in w.utterances]
        with self._database.transaction(f"storing final text of call {job.call_uuid}") as transaction:
            # First, so that no live text of these comes after it is looked for.
            transaction.rows("transcripts.lock_spoken", recording_id=job.recording_id, leg=job.leg)
            if transaction.run("transcripts.finish", **_held(job), model=text.model) == 0:
                return False
            rows = ((one.utterance_id, one) for one in text.segments if one.utterance_id is not None)
            segments.add(transaction, job.place, "final", rows, ())
            self._fail(transaction, job, text.failed)
            transaction.run("transcripts.end_windows", recording_id=job.recording_id, leg=job.leg)
            transaction.run(
                "transcripts.end_utterances", recording_id=job.recording_id, leg=job.leg, decoded=decoded
            )
            transaction.run(
                "segments.supersede", recording_id=job.recording_id, leg=job.leg, utterances=decoded
            )
            transaction.run(
                "transcripts.forget_guesses", recording_id=job.recording_id, leg=job.leg, decoded=decoded
            )
            segments.add(transaction, job.place, "final", (), text.redactions)
            segments.settle(transaction, job.recording_id)
        return True

    def give_back(self, job: Job, error: str) -> None:
        """It did not go well: again later, or after MAX_ATTEMPTS the live text stands."""
        with self._database.transaction(f"giving back a leg of call {job.call_uuid}") as transaction:
            transaction.run(
                "transcripts.give_back", **_held(job), error=error[:500], max_attempts=MAX_ATTEMPTS
            )

    def leave(self, job: Job) -> None:
        """Nothing is wrong with it: others may go on with it at once."""
        with self._database.statement(f"leaving a leg of call {job.call_uuid}") as transaction:
            transaction.run("transcripts.leave", **_held(job))

    def others(self, place: Place) -> list[tuple[int, str]]:
        """See ``segments.others``."""
        with self._database.statement(f"reading the other leg of call {place.call_uuid}") as transaction:
            return segments.others(transaction, place)

    def load(self) -> Load:
        """How the transcribers keep up."""
        with self._database.statement("reading the transcribers' load") as transaction:
            row = transaction.one("transcripts.load")
        assert row is not None
        return Load(**row)

    def _fail(self, transaction: Transaction, job: Job, failed: Mapping[int, str]) -> None:
        for window_id, error in failed.items():
            transaction.run(
                "transcripts.fail_window", window_id=window_id, recording_id=job.recording_id,
                leg=job.leg, error=error[:500],
            )  # fmt: skip


def _held(job: Job) -> dict[str, Any]:
    return {"recording_id": job.recording_id, "leg": job.leg, "fence": job.fence}


def _to_plan(row: Row) -> ToPlan:
    return ToPlan(
        id=row["id"],
        call_uuid=row["call_uuid"],
        rate=row["rate"],
        failed=row["state"] == "failed",
        bridges_us=[(start, end) for start, end in row["bridges"]],
        pauses_us=[(start, end) for start, end in row["pauses"]],
        masks_us=[(start, end) for start, end in row["masks"]],
        utterances=[Spoken(*one) for one in row["utterances"]],
    )


def _window_rows(recording_id: int, windows: Sequence[NewWindow]) -> list[dict[str, Any]]:
    return [
        {
            "recording_id": recording_id,
            "leg": window.leg,
            "number": number,
            "rate": window.rate,
            "pieces": [list(piece) for piece in window.pieces],
            "utterances": list(window.utterances),
        }
        for number, window in enumerate(windows)
    ]


def _spans(pieces: Sequence[Sequence[int]]) -> list[Span]:
    return [(start, end) for start, end in pieces]
