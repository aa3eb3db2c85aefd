"""Who did what to whom, and how it went. Rows are added and read, never changed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from fsctl.store.db import Database, Row, Transaction

MOST = 1000
"""Entries shown at once: the latest."""
MAX_TEXT = 1000
"""Characters kept of a subject or a result."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One row."""

    who: str
    """A person's account, or the part of fsctl that acted by itself: ``reconciler``."""
    action: str
    """NOUN.VERB, such as ``agent.status``."""
    subject: str
    node: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)
    result: str = ""
    """What FreeSWITCH answered, or why nothing was done."""
    id: int | None = None
    at: datetime | None = None


def append(transaction: Transaction, entry: Entry) -> None:
    """Add an entry within a transaction."""
    transaction.run("audit.append", **row_of(entry))


def row_of(entry: Entry) -> Row:
    """What ``audit.append`` is given."""
    return {
        "who": entry.who,
        "node": entry.node,
        "action": entry.action,
        "subject": _storable(entry.subject),
        "detail": Jsonb({key: _plain(value) for key, value in entry.detail.items()}),
        "result": _storable(entry.result),
    }


def _plain(value: object) -> object:
    return _storable(value) if isinstance(value, str) else value


def _storable(text: str) -> str:
    """Postgres holds no zero byte and no half of a surrogate pair."""
    return text.replace("\x00", " ").encode("utf-8", "replace").decode()[:MAX_TEXT]


class Audit:
    """The table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def append(self, entry: Entry) -> None:
        """Add an entry."""
        with self._database.transaction(f"auditing {entry.action}") as transaction:
            append(transaction, entry)

    def entries(self, since: datetime | None = None, action: str | None = None) -> list[Entry]:
        """The latest entries, the oldest first.

        Args:
            since: nothing before this.
            action: ``agent.status``, or ``agent`` for all that begins so.
        """
        with self._database.transaction("reading the audit") as transaction:
            return [
                Entry(**row) for row in transaction.rows("audit.list", since=since, action=action, most=MOST)
            ]
