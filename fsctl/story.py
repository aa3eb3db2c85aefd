"""What happens, line by line, for those who watch. Reads Postgres from a cursor on; changes nothing."""

from collections.abc import Iterator
from datetime import datetime

from fsctl.store.db import Database, Row
from fsctl.terminal import Printer, escape

WORDS = {
    "call_offered": "offered",
    "contact_found": "known",
    "call_answered": "answered",
    "member_joined": "queued",
    "agent_offered": "ringing",
    "agent_failed": "no answer",
    "agent_bridged": "agent",
    "leg_hung_up": "ended",
}
"""Kinds of event that are told, and the word for each."""


class Story:
    """Follows calls and text as they are stored."""

    def __init__(self, database: Database, back: int = 0) -> None:
        """From now on. Args: back: tell so many of the latest facts that are stored already, too."""
        self._database = database
        with database.transaction("starting the story") as transaction:
            cursors = (
                transaction.one("call_view.cursors_back", back=back)
                if back
                else transaction.one("calls.story_cursors")
            )
        assert cursors is not None
        self._event, self._segment = cursors["event_cursor"], cursors["segment_cursor"]

    def news(self) -> Iterator[Row]:
        """What was stored since the last time. A cursor is an id: rows that commit late are looked for again
        by the next reader, not by this one, which only tells a story."""
        with self._database.transaction("reading the story") as transaction:
            rows = transaction.rows(
                "calls.story_since", event_cursor=self._event, segment_cursor=self._segment
            )
        for row in rows:
            if row["source"] == "event":
                self._event = max(self._event, row["id"])
            else:
                self._segment = max(self._segment, row["id"])
        return iter(sorted(rows, key=_told_at))


def _told_at(row: Row) -> datetime:
    at: datetime = row["at"]
    return at


def tell(row: Row, printer: Printer) -> str | None:
    """One line for one row, or None for what is not told."""
    name = escape(row["display_name"] or row["call_uuid"][:8])[:20]
    if row["source"] == "segment":
        if row["suppressed_by"]:
            return None
        begin = row["start_ms"] // 1000
        said = f"{begin // 60}:{begin % 60:02d} {row['leg']:>6}: {escape(row['text'])}"
        return f"{'':8}  {name:20}  {printer.style(said, 'cyan' if row['leg'] == 'caller' else 'blue')}"
    word = WORDS.get(row["kind"])
    if word is None or (row["kind"] == "leg_hung_up" and row["data"].get("leg") != "caller"):
        return None
    clock = f"{row['at'].astimezone():%H:%M:%S}"
    colour = {"ended": "yellow", "agent": "green"}.get(word, "bold")
    return f"{clock}  {name:20}  {printer.style(f'{word:9}', colour)} {_detail(row)}".rstrip()


def _detail(row: Row) -> str:
    data = row["data"]
    match row["kind"]:
        case "call_offered":
            return f"to {escape(data.get('to_number', ''))}"
        case "contact_found":
            return f"thread {data.get('thread_id', '')}"
        case "member_joined":
            return escape(data.get("queue", ""))
        case "agent_offered" | "agent_bridged":
            return escape(data.get("agent", ""))
        case "agent_failed":
            return f"{escape(data.get('agent', ''))} ({escape(data.get('cause', ''))})"
        case "leg_hung_up":
            return f"{row['disposition'] or ''} ({escape(data.get('cause', ''))})"
    return ""
