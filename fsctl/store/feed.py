"""Facts of calls, text and alarms, as they are stored, for those who watch now. Reads; changes nothing.

Whoever needs each of them once and for all reads the numbered events of ``crm``; this is for consoles, which are
told what happens while they listen.
"""

from fsctl.store.alarms import Alarm, Alarms
from fsctl.store.db import Database, Row

OVERLAP = 1000
"""Ids that are looked at again: a transaction that began before the newest may commit after it."""
MOST = 500
"""Rows at once."""

Key = tuple[str, str, str]


class _Cursor:
    """What has been seen of one table."""

    def __init__(self, newest: int) -> None:
        self._start = newest
        self._newest = newest
        self._seen: set[int] = set()

    @property
    def after(self) -> int:
        return max(self._start, self._newest - OVERLAP)

    @property
    def seen(self) -> list[int]:
        return sorted(self._seen)

    def take(self, rows: list[Row]) -> list[Row]:
        for row in rows:
            self._newest = max(self._newest, row["id"])
            self._seen.add(row["id"])
        self._seen = {one for one in self._seen if one > self.after}
        return rows


class Feed:
    """One reader's place in what is stored."""

    def __init__(self, database: Database) -> None:
        """From now on. Raises DatabaseDown."""
        self._database = database
        with database.statement("starting the feed") as transaction:
            newest = transaction.one("calls.story_cursors")
        assert newest is not None
        self._facts = _Cursor(newest["event_cursor"])
        self._texts = _Cursor(newest["segment_cursor"])
        self._alarms = self._up()

    def facts(self) -> list[Row]:
        """Facts of calls that were stored since the last time; at most MOST. Raises DatabaseDown."""
        return self._read("feed.facts", self._facts)

    def texts(self) -> list[Row]:
        """Text, likewise; what a guard suppressed is left out. Raises DatabaseDown."""
        return [row for row in self._read("feed.texts", self._texts) if not row["is_suppressed"]]

    def alarms(self) -> tuple[list[Alarm], list[Alarm]]:
        """Alarms that were raised since the last time, and those that were cleared. Raises DatabaseDown."""
        before, self._alarms = self._alarms, self._up()
        raised = [alarm for key, alarm in self._alarms.items() if key not in before]
        return raised, [alarm for key, alarm in before.items() if key not in self._alarms]

    def _read(self, query: str, cursor: _Cursor) -> list[Row]:
        with self._database.statement("reading the feed") as transaction:
            rows = transaction.rows(query, after=cursor.after, seen=cursor.seen, most=MOST)
        return cursor.take(rows)

    def _up(self) -> dict[Key, Alarm]:
        return {(one.node, one.kind, one.subject): one for one in Alarms(self._database, "").up()}
