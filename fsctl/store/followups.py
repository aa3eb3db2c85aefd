"""Missed calls of which nothing is decided yet, and what was decided.

Knows: which rows they are, and that one process decides at a time. Refuses to know: what is decided
(``call/followup.py``) and what is sent. Called by ``whatsapp/followup.py``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from fsctl.call.followup import Chat
from fsctl.call.state import Call
from fsctl.store.calls import call_from_row
from fsctl.store.db import Database, Transaction

LOCK = 0x66736675
"""Key of the advisory lock: "fsfu"."""


@dataclass(frozen=True, kw_only=True)
class Followup:
    """What was decided about a call."""

    call_uuid: str
    thread_id: int | None
    wacid: str | None
    kind: str | None
    outcome: str
    """``message`` or ``none``."""
    reason: str
    offer: str | None
    outbox_key: str | None
    decided_at: datetime


Decide = Callable[[Transaction, Call, Chat], Followup]


class Followups:
    """The table of them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def process(self, decide: Decide, since: datetime, mos: float, most: int) -> int:
        """Have what is due decided, in one transaction: the row and what it puts into the outbox are one.

        Args:
            decide: for each call, in the order of their ends; it sees what was decided before.
            since: calls that ended after this.
            mos: calls that go on with a worse line than this, too.
            most: calls at once.

        Returns:
            How many were decided; 0 also while another process is at it.
        """
        with self._database.transaction("deciding about missed calls") as transaction:
            row = transaction.one("followups.lock", key=LOCK)
            if row is None or not row["is_ours"]:
                return 0
            due = transaction.rows("followups.due", since=since, mos=mos, most=most)
            for call in map(call_from_row, due):
                record(transaction, decide(transaction, call, chat(transaction, call.uuid)))
        return len(due)

    def of_thread(self, thread_id: int) -> list[Followup]:
        """What was decided in a thread, the oldest first."""
        with self._database.statement(f"reading follow-ups of thread {thread_id}") as transaction:
            return [Followup(**row) for row in transaction.rows("followups.of_thread", thread_id=thread_id)]


def chat(transaction: Transaction, call_uuid: str) -> Chat:
    """What rows say of a call's thread."""
    row = transaction.one("followups.chat", uuid=call_uuid)
    return Chat(**row) if row else Chat()


def record(transaction: Transaction, followup: Followup) -> None:
    """Store a decision; one that is there stays."""
    transaction.run(
        "followups.record",
        call_uuid=followup.call_uuid,
        thread_id=followup.thread_id,
        wacid=followup.wacid,
        kind=followup.kind,
        outcome=followup.outcome,
        reason=followup.reason,
        offer=followup.offer,
        outbox_key=followup.outbox_key,
        decided_at=followup.decided_at,
    )
