"""Events, as triggers wrote them (migration 0020) and the sequencer numbered them: read in order, never changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fsctl.store.db import Database, Transaction


@dataclass(frozen=True)
class Event:
    """Something happened."""

    seq: int
    id: str
    """Derived from the fact: the same fact told twice is one event."""
    type: str
    thread_id: int | None
    call_uuid: str | None
    at: datetime
    """When it happened, by the clock of who told it."""
    data: Mapping[str, Any]


class Events:
    """The table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def after(self, after: int, most: int, types: Sequence[str] = ()) -> list[Event]:
        """Events with a higher number, in order of it. Args: types: none named: all. Raises DatabaseDown."""
        with self._database.statement(f"reading events after {after}") as transaction:
            return _events(transaction, after, most, types)

    def one(self, id_: str) -> Event | None:
        """The event with this id, once it has its number. Raises DatabaseDown."""
        with self._database.statement(f"reading event {id_}") as transaction:
            row = transaction.one("events.one", id=id_)
        return Event(**row) if row else None

    def head(self) -> int:
        """The highest number of an event; 0: there is none. Raises DatabaseDown."""
        with self._database.statement("reading the last event") as transaction:
            return _seq(transaction, "events.head")

    def before(self, since: datetime) -> int:
        """The number to read on from, to get what was stored since then. Raises DatabaseDown."""
        with self._database.statement("looking for events") as transaction:
            return _seq(transaction, "events.since", since=since)


def _events(transaction: Transaction, after: int, most: int, types: Sequence[str]) -> list[Event]:
    return [
        Event(**row) for row in transaction.rows("events.after", after=after, most=most, types=list(types))
    ]


def _seq(transaction: Transaction, name: str, **params: Any) -> int:
    row = transaction.one(name, **params)
    return int(row["seq"]) if row else 0
