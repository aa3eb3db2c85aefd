"""A thread as it is read: chat, calls and what was said in them, what brought the customer and what came of it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, get_args

from fsctl.call.state import Call
from fsctl.store import messages, outcomes, touches, witness
from fsctl.store.callbacks import Callback
from fsctl.store.calls import call_from_row
from fsctl.store.db import Database, Row, Transaction
from fsctl.store.followups import Followup
from fsctl.store.messages import Message
from fsctl.store.outcomes import Outcome
from fsctl.store.threads import Thread
from fsctl.store.touches import Touch
from fsctl.store.utterances import Progress
from fsctl.store.witness import Witness
from fsctl.transcribe.turns import Segment, Turn, turns


@dataclass(frozen=True)
class MessageItem:
    """A chat message, as edited last, with what became of it."""

    at: datetime
    message: Message
    touches: Sequence[Touch] = ()
    """What brought the customer, as this message told it."""


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """A recording of a call, as far as it is known by now."""

    name: str
    """Of the file, as the archive has it or else the switch."""
    state: str
    started_at: datetime
    duration_s: float | None = None
    channels: int | None = None
    rate: int | None = None
    format: str | None = None
    """``wav``, ``flac`` or ``opus``; None until it is archived."""
    sha256: str | None = None
    """Of the archived file, in hex."""
    transcribed_at: datetime | None = None


@dataclass(frozen=True)
class TurnItem:
    """A turn, with the moment at which it began."""

    at: datetime
    turn: Turn

    @property
    def began(self) -> datetime:
        """The beginning of what its milliseconds count from."""
        return self.at - timedelta(milliseconds=self.turn.start_ms)


@dataclass(frozen=True)
class CallItem:
    """A call with its transcript."""

    at: datetime
    call: Call
    turns: Sequence[TurnItem]
    progress: Progress
    talk: Mapping[str, Any] | None = None
    """Who spoke how long (``turns.Statistics``), when all of its text is final."""
    touches: Sequence[Touch] = ()
    """What brought the customer, as this call told it."""
    followup: Followup | None = None
    """What was decided when it was missed."""
    recordings: Sequence[Recorded] = ()
    """In order of their beginning; milliseconds of turns count from that of the first."""
    models: Sequence[str] = ()
    """Which made the text, as ``ENGINE-MODEL``."""
    redacted: Sequence[str] = ()
    """Kinds of what was taken out of the text before it was stored."""


@dataclass(frozen=True)
class TouchItem:
    """What brought the customer, where neither a message nor a call here told it."""

    at: datetime
    touch: Touch


@dataclass(frozen=True)
class CallbackItem:
    """A time that the customer chose."""

    at: datetime
    callback: Callback


@dataclass(frozen=True)
class WitnessItem:
    """A call that Meta saw and none of our nodes did."""

    at: datetime
    witness: Witness


@dataclass(frozen=True)
class OutcomeItem:
    """A word on what came of it."""

    at: datetime
    outcome: Outcome


Item = TouchItem | MessageItem | CallItem | WitnessItem | CallbackItem | OutcomeItem
_RANKS: Mapping[type, int] = {kind: rank for rank, kind in enumerate(get_args(Item))}
"""Those of one instant in this order: an ad and its message share a second."""


@dataclass(frozen=True)
class ThreadView:
    """A thread with everything in it."""

    thread: Thread
    aliases: Sequence[tuple[str, str]]
    items: Sequence[Item]
    only_call: str | None = None
    """Uuid of the call that was asked for by itself: nothing else of the thread is here."""


def read_thread(database: Database, thread: Thread) -> ThreadView:
    """Read a thread as of one moment."""
    with database.transaction(f"reading thread {thread.id}") as transaction:
        aliases = transaction.rows("threads.aliases_of_contact", contact_id=thread.contact_id)
        items = [*_told(transaction, thread.id), *_done(transaction, thread.id)]
    items.sort(key=lambda item: (item.at, _RANKS[type(item)]))
    return ThreadView(thread, [(row["kind"], row["value"]) for row in aliases], items)


def _told(transaction: Transaction, thread_id: int) -> Iterator[Item]:
    """Messages and calls, each with the touches that it told of; the other touches."""
    loose = touches.of_thread(transaction, thread_id)

    def told_by(**who: str) -> list[Touch]:
        mine = [one for one in loose if all(getattr(one, field) == value for field, value in who.items())]
        loose[:] = [one for one in loose if one not in mine]
        return mine

    for message in messages.of_thread(transaction, thread_id):
        yield MessageItem(message.sent_at, message, told_by(wamid=message.wamid))
    decided = {row["call_uuid"]: Followup(**row) for row in _rows(transaction, "followups", thread_id)}
    for row in _rows(transaction, "calls", thread_id):
        call = read_call(transaction, call_from_row(row))
        followup = decided.get(call.call.uuid)
        yield replace(call, talk=row["talk"], touches=told_by(call_uuid=call.call.uuid), followup=followup)
    yield from (TouchItem(one.at, one) for one in loose)


def _done(transaction: Transaction, thread_id: int) -> Iterator[Item]:
    for seen in witness.of_thread(transaction, thread_id):
        if seen.call_uuid is None:
            yield WitnessItem(seen.at, seen)
    for row in _rows(transaction, "callbacks", thread_id):
        yield CallbackItem(row["booked_at"], Callback(**row))
    for said in outcomes.of_thread(transaction, thread_id):
        yield OutcomeItem(said.at, said)


def _rows(transaction: Transaction, noun: str, thread_id: int) -> list[Row]:
    name = "calls_of_thread" if noun == "calls" else "of_thread"
    return transaction.rows(f"{noun}.{name}", thread_id=thread_id)


def read_call(transaction: Transaction, call: Call) -> CallItem:
    """A call with what was said in it so far."""
    recordings = transaction.rows("recordings.recordings_of_call", call_uuid=call.uuid)
    recordings.sort(key=lambda row: row["started_at"])
    began = recordings[0]["started_at"] if recordings else call.offered_at
    rows = transaction.rows("segments.segments_of_call", call_uuid=call.uuid)
    said = turns(
        Segment(row["leg"], row["start_ms"], row["end_ms"], row["text"], row["confidence"], row["language"])
        for row in rows
    )
    progress = transaction.one("utterances.progress_of_call", call_uuid=call.uuid)
    assert progress is not None
    spoken = [TurnItem(began + timedelta(milliseconds=turn.start_ms), turn) for turn in said]
    return CallItem(
        call.offered_at,
        call,
        spoken,
        Progress(**progress),
        recordings=[_recorded(row) for row in recordings],
        models=sorted({row["model"] for row in rows}),
        redacted=sorted({kind for row in rows for kind in row["redacted"]}),
    )


def _recorded(row: Row) -> Recorded:
    """A row of ``recording``."""
    duration_s = None if row["duration_ms"] is None else row["duration_ms"] / 1000
    if duration_s is None and row["stopped_at"] is not None:
        duration_s = max(0.0, (row["stopped_at"] - row["started_at"]).total_seconds())
    return Recorded(
        name=(row["uri"] or row["path"]).rsplit("/", 1)[-1],
        state=row["state"],
        started_at=row["started_at"],
        duration_s=duration_s,
        **{field: row[field] for field in ("channels", "rate", "format", "sha256", "transcribed_at")},
    )
