"""A thread as it is read: chat messages, calls and what was said in them, in order of time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from fsctl.call.state import Call
from fsctl.store.calls import call_from_row
from fsctl.store.db import Database, Transaction
from fsctl.store.threads import Thread
from fsctl.store.utterances import Progress
from fsctl.transcribe.turns import Segment, Turn, turns


@dataclass(frozen=True)
class MessageItem:
    """A chat message."""

    at: datetime
    wamid: str
    direction: str
    type: str
    body: str


@dataclass(frozen=True)
class TurnItem:
    """A turn, with the moment at which it began."""

    at: datetime
    turn: Turn


@dataclass(frozen=True)
class CallItem:
    """A call with its transcript."""

    at: datetime
    call: Call
    turns: Sequence[TurnItem]
    progress: Progress
    talk: Mapping[str, Any] | None = None
    """Who spoke how long (``turns.Statistics``), when all of its text is final."""


@dataclass(frozen=True)
class ThreadView:
    """A thread with everything in it."""

    thread: Thread
    aliases: Sequence[tuple[str, str]]
    items: Sequence[MessageItem | CallItem]


def read_thread(database: Database, thread: Thread) -> ThreadView:
    """Read a thread as of one moment."""
    with database.transaction(f"reading thread {thread.id}") as transaction:
        aliases = transaction.rows("threads.aliases_of_contact", contact_id=thread.contact_id)
        messages = transaction.rows("threads.messages_of_thread", thread_id=thread.id)
        calls = [
            replace(_read_call(transaction, call_from_row(row)), talk=row["talk"])
            for row in transaction.rows("calls.calls_of_thread", thread_id=thread.id)
        ]
    items: list[MessageItem | CallItem] = [
        MessageItem(row["sent_at"], row["wamid"], row["direction"], row["type"], row["body"])
        for row in messages
    ]
    items += calls
    items.sort(key=lambda item: item.at)
    return ThreadView(thread, [(row["kind"], row["value"]) for row in aliases], items)


def _read_call(transaction: Transaction, call: Call) -> CallItem:
    recordings = transaction.rows("recordings.recordings_of_call", call_uuid=call.uuid)
    began = recordings[0]["started_at"] if recordings else call.offered_at
    rows = transaction.rows("segments.segments_of_call", call_uuid=call.uuid)
    said = turns(
        Segment(row["leg"], row["start_ms"], row["end_ms"], row["text"], row["confidence"], row["language"])
        for row in rows
    )
    progress = transaction.one("utterances.progress_of_call", call_uuid=call.uuid)
    assert progress is not None
    spoken = [TurnItem(began + timedelta(milliseconds=turn.start_ms), turn) for turn in said]
    return CallItem(call.offered_at, call, spoken, Progress(**progress))
