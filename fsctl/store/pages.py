"""Threads, what stands in them, calls, text and events, a page at a time.

A cursor is a number that the sequencer gave (store/sequence.py), or a place in a thread; never a time of the clock
and never a count of rows. What has no number yet is not seen; the next page has it. Whoever goes on from
``Page.next`` misses nothing and sees no number twice; a thing that changes meanwhile comes again, under another.

What a row holds is what the views of schema ``crm_v1`` say (migration 0023, docs/crm-sql.md): over HTTP and in SQL
one reads the same. Called by: ``web.api``.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Literal, TypeVar

from fsctl.store.db import Database, Row
from fsctl.store.touches import storable

MOST_NUMBER = 2**63 - 1
"""The highest that an id or a cursor may be; Postgres counts no further."""

Order = Literal["asc", "desc"]
Cursor = TypeVar("Cursor")


@dataclass(frozen=True)
class Place:
    """Where an item stands in its thread."""

    at: datetime
    item_id: int


@dataclass(frozen=True)
class Page(Generic[Cursor]):
    """Some rows, in order."""

    rows: list[Row]
    next: Cursor
    """What to ask with for those after it; of an empty page what it was asked with."""
    has_more: bool
    """There are some now."""


class Pages:
    """What is read a page at a time. A cursor beyond the end gives an empty page. Each raises DatabaseDown."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def threads(self, after: int = 0, limit: int = 50) -> Page[int]:
        """Threads whose own last change has a higher number (``change_seq``), in order of it.

        New ones, those that another contact has now, and those that were merged (``merged_into``); what happens in
        them is in ``changes``. Columns: ``thread_id, change_seq, contact_id, business_number, display_name,
        language, merged_into, created_at``.
        """
        return self._numbered("pages.threads", after, limit)

    def thread(self, id_: int) -> Row | None:
        """One thread, as in ``threads``. If it was merged, ``merged_into`` leads to the one that has its items."""
        return self._one("pages.thread", id=id_)

    def items(
        self, thread_id: int, after: Place | None = None, limit: int = 50, order: Order = "asc"
    ) -> Page[Place | None]:
        """What stands in a thread, in order of time: rows of ``crm_v1.thread_item``.

        ``body`` holds what it is, by ``kind``; of a call everything but its text. Empty where there is no such
        thread: ask ``thread`` first.

        Args:
            after: the place of the last that is known; None: from the first, or by ``desc`` from the last.
        """
        rows = self._rows(
            f"pages.items_{order}",
            limit + 1,
            thread_id=thread_id,
            at=after.at if after else None,
            item_id=after.item_id if after else None,
        )
        last = rows[:limit][-1] if rows else None
        return Page(rows[:limit], Place(last["at"], last["item_id"]) if last else after, len(rows) > limit)

    def changes(self, after: int = 0, limit: int = 50) -> Page[int]:
        """Items of all threads whose last change has a higher number (``change_seq``), in order of it."""
        return self._numbered("pages.changes", after, limit)

    def events(self, after: int = 0, limit: int = 50) -> Page[int]:
        """Events with a higher number (``seq``), in order of it: rows of ``crm_v1.event``."""
        return self._numbered("pages.events", after, limit, "seq")

    def events_forgotten(self) -> int:
        """Events up to this number are no longer kept, or not all of them; 0 when all are."""
        row = self._one("pages.events_forgotten")
        assert row is not None
        return int(row["seq"])

    def calls(
        self, after: int = 0, limit: int = 50, phase: str | None = None, queue: str | None = None
    ) -> Page[int]:
        """Calls whose last change has a higher number (``change_seq``), in order of it: rows of ``crm_v1.call``.

        Args:
            phase, queue: only those that are there now.
        """
        return self._numbered("pages.calls", after, limit, phase=phase, queue=queue and storable(queue))

    def call(self, uuid: str) -> Row | None:
        """One call, as in ``calls``."""
        return self._one("pages.call", uuid=storable(uuid))

    def transcript(self, uuid: str) -> list[Row] | None:
        """What was said in a call: rows of ``crm_v1.transcript_segment`` that stand, in order of speech.

        Final text, and live where there is no other. None: there is no such call.
        """
        if self.call(uuid) is None:
            return None
        with self._database.statement("reading a transcript") as transaction:
            return transaction.rows("pages.transcript", uuid=uuid)

    def contact(self, id_: int) -> Row | None:
        """One contact: a row of ``crm_v1.contact``. If it was merged, ``merged_into`` leads to what it became."""
        return self._one("pages.contact", id=id_)

    def _numbered(
        self, query: str, after: int, limit: int, number: str = "change_seq", **params: object
    ) -> Page[int]:
        rows = self._rows(query, limit + 1, after=after, **params)
        shown = rows[:limit]
        return Page(shown, shown[-1][number] if shown else after, len(rows) > limit)

    def _rows(self, query: str, limit: int, **params: object) -> list[Row]:
        with self._database.statement(f"reading {query.removeprefix('pages.')}") as transaction:
            return transaction.rows(query, limit=limit, **params)

    def _one(self, query: str, **params: object) -> Row | None:
        with self._database.statement(f"reading a {query.removeprefix('pages.')}") as transaction:
            return transaction.one(query, **params)
