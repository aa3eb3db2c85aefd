"""The outbox as people look at it, and what they may do about it: send again, cancel."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fsctl.store.db import Database
from fsctl.store.outbox import WINDOW_S

MOST = 500
"""Items shown at once: the latest."""


@dataclass(frozen=True, kw_only=True)
class Listed:
    """An item with all that became of it."""

    id: int
    key: str
    kind: str
    state: str
    thread_id: int | None
    business_number: str
    name: str
    """Of the contact."""
    why: str
    form: str | None
    attempts: int
    code: int
    reason: str
    is_doubtful: bool
    """Nobody can say whether the customer has it: neither an answer nor a webhook came."""
    wamid: str | None
    status: str | None
    """The furthest that a webhook told."""
    created_at: datetime
    not_before: datetime
    expires_at: datetime
    claimed_at: datetime | None
    tried_at: datetime | None
    settled_at: datetime | None
    worker: str | None
    payload: Mapping[str, Any]


@dataclass(frozen=True)
class Standing:
    """How a customer and we stand."""

    opted_out_at: datetime | None
    window_until: datetime | None
    """Until when the service window is open, or was; None: it never was."""

    def takes_text(self, at: datetime) -> bool:
        """Whether the window is open."""
        return self.window_until is not None and self.window_until > at


class OutboxView:
    """What commands ask of the table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def listed(
        self, *, state: str | None = None, thread_id: int | None = None, key: str | None = None
    ) -> list[Listed]:
        """The latest items, the oldest of them first. Args: key: or the id."""
        with self._database.transaction("reading the outbox") as transaction:
            rows = transaction.rows("outbox.list", state=state, thread_id=thread_id, key=key, most=MOST)
        return [Listed(**row) for row in rows]

    def retry(self, item: Listed) -> bool:
        """Send it although it failed or was cancelled; False when it changed meanwhile."""
        with self._database.transaction(f"planning {item.key} anew") as transaction:
            return bool(transaction.run("outbox.retry", id=item.id, state=item.state))

    def cancel(self, item: Listed, reason: str) -> bool:
        """Do not send it; False when it is too late."""
        with self._database.transaction(f"cancelling {item.key}") as transaction:
            return bool(transaction.run("outbox.cancel", id=item.id, reason=reason))

    def standing(self, thread_id: int) -> Standing:
        """What may be sent to a thread."""
        with self._database.transaction(f"reading what may be sent to thread {thread_id}") as transaction:
            row = transaction.one("outbox.standing", thread_id=thread_id, window_s=WINDOW_S)
        return Standing(**row) if row else Standing(None, None)
