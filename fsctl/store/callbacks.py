"""Callbacks: the times that customers chose on our page, and what became of them.

Knows: that a place at a time is given once, and that a customer has one callback. Refuses to know: which times
there are (``call/slots.py``), HTML, and how a customer is reached. Called by ``web/callback.py`` and
``whatsapp/callbacks.py``.
"""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from fsctl.call.events import Alias
from fsctl.call.payload import Ticket
from fsctl.call.slots import Slot
from fsctl.call.state import Call
from fsctl.store.calls import call_from_row
from fsctl.store.db import Database, Transaction

Booked = Literal["booked", "full", "used"]
"""full: another customer was faster; used: the callback of this link is over."""
State = Literal["booked", "cancelled", "calling", "called", "offered", "failed"]
OVER = frozenset({"calling", "called", "offered", "failed"})


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a link's missed call says, and what was chosen by it."""

    call_uuid: str
    thread_id: int
    queue: str | None
    to_number: str
    offered_at: datetime
    call_language: str | None
    language: str | None
    """The contact's."""
    state: State | None
    """None: nothing was chosen yet."""
    starts_at: datetime | None
    ends_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Callback:
    """One of them."""

    id: int
    call_uuid: str
    thread_id: int
    queue: str
    starts_at: datetime
    ends_at: datetime
    language: str | None
    since: datetime | None
    score: int | None
    state: State
    reason: str
    payload: str | None
    """Signed; of the business call."""
    outbox_key: str | None
    booked_at: datetime
    changed_at: datetime
    taken_by: str | None = None
    """The call that the customer took, where we called."""


@dataclass(frozen=True, kw_only=True)
class Settled:
    """What became of a callback."""

    state: State
    reason: str
    payload: str | None = None
    outbox_key: str | None = None


Settle = Callable[[Transaction, Callback, Call], Settled]


class Callbacks:
    """The table of them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def asked_by(self, call_uuid: str) -> Asked | None:
        """What a link is about; None: the call is not known, or nobody knows who called."""
        with self._database.statement(f"reading the callback of call {call_uuid}") as transaction:
            row = transaction.one("callbacks.asked_by", call_uuid=call_uuid)
        return Asked(**row) if row and row["thread_id"] is not None else None

    def call(self, call_uuid: str) -> Call | None:
        """The missed call."""
        with self._database.statement(f"reading call {call_uuid}") as transaction:
            row = transaction.one("callbacks.call_of", call_uuid=call_uuid)
        return call_from_row(row) if row else None

    def agents(self, queue: str) -> int:
        """How many serve the queue."""
        with self._database.statement(f"counting the agents of {queue}") as transaction:
            row = transaction.one("callbacks.agents", queue=queue)
        return int(row["agents"]) if row else 0

    def taken(self, queue: str, since: datetime, thread_id: int) -> Mapping[datetime, int]:
        """Start of a time -> callbacks of others in it."""
        with self._database.statement(f"reading the callbacks of {queue}") as transaction:
            return _taken(transaction, queue, since, thread_id)

    def book(self, asked: Asked, ticket: Ticket, slot: Slot, most: int, at: datetime) -> Booked:
        """Take a place, and leave the one taken before.

        Args:
            asked: what the link is about.
            ticket: the place in the queue that the customer keeps.
            slot: the time.
            most: callbacks that it takes.
            at: now.
        """
        queue = ticket.queue
        assert queue is not None
        with self._database.transaction(f"booking a callback for call {asked.call_uuid}") as transaction:
            transaction.run("callbacks.lock", queue=queue)
            if _taken(transaction, queue, slot.starts_at, asked.thread_id).get(slot.starts_at, 0) >= most:
                return "full"
            booked = transaction.run(
                "callbacks.book", call_uuid=asked.call_uuid, thread_id=asked.thread_id, queue=queue,
                starts_at=slot.starts_at, ends_at=slot.ends_at, language=ticket.language, since=ticket.since,
                score=ticket.score, at=at,
            )  # fmt: skip
            if not booked:
                return "used"
            transaction.run(
                "callbacks.leave_others", thread_id=asked.thread_id, call_uuid=asked.call_uuid, at=at
            )
        return "booked"

    def cancel(self, call_uuid: str, at: datetime) -> bool:
        """Give the time back; False when none is booked."""
        with self._database.statement(f"cancelling the callback of call {call_uuid}") as transaction:
            return bool(transaction.run("callbacks.cancel", call_uuid=call_uuid, at=at))

    def settle_due(self, settle: Settle, now: datetime, rung: datetime, most: int) -> list[Callback]:
        """Have each callback whose time has come settled, in one transaction with what that puts into the outbox.

        Args:
            settle: says what becomes of it.
            rung: whom we began to call before this, too: it has rung long enough.

        Returns:
            What was due, as it is now.
        """
        with self._database.transaction("callbacks whose time has come") as transaction:
            due = [
                Callback(**row) for row in transaction.rows("callbacks.due", now=now, rung=rung, most=most)
            ]
            return [self._settled(transaction, one, settle, now) for one in due]

    def _settled(self, transaction: Transaction, due: Callback, settle: Settle, now: datetime) -> Callback:
        row = transaction.one("callbacks.call_of", call_uuid=due.call_uuid)
        assert row is not None
        became = settle(transaction, due, call_from_row(row))
        store(transaction, due.id, became, now)
        return dataclasses.replace(due, state=became.state, reason=became.reason, payload=became.payload)

    def of_thread(self, thread_id: int) -> list[Callback]:
        """What was chosen in a thread, and what became of it, the oldest first."""
        with self._database.statement(f"reading callbacks of thread {thread_id}") as transaction:
            return [Callback(**row) for row in transaction.rows("callbacks.of_thread", thread_id=thread_id)]

    def names(self, thread_id: int) -> list[Alias]:
        """What the world calls the thread's contact, the newest first."""
        with self._database.statement(f"reading the names of thread {thread_id}") as transaction:
            rows = transaction.rows("callbacks.names", thread_id=thread_id)
        return [Alias(kind=row["kind"], value=row["value"]) for row in rows]

    def settle(self, callback: Callback, settle: Settle, at: datetime) -> Callback:
        """Have one settled that is in our hands."""
        with self._database.transaction(f"settling callback {callback.id}") as transaction:
            return self._settled(transaction, callback, settle, at)


def store(transaction: Transaction, callback_id: int, became: Settled, at: datetime) -> None:
    """Note what became of a callback."""
    transaction.run(
        "callbacks.settle", id=callback_id, state=became.state, reason=became.reason,
        payload=became.payload, outbox_key=became.outbox_key, at=at,
    )  # fmt: skip


def _taken(transaction: Transaction, queue: str, since: datetime, thread_id: int) -> Mapping[datetime, int]:
    rows = transaction.rows("callbacks.taken", queue=queue, since=since, thread_id=thread_id)
    return {row["starts_at"]: row["callbacks"] for row in rows}
