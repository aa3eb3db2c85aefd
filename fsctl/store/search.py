"""Search in what was said in calls: Postgres full text, by the rules of each segment's own language.

Found is what stands: final text in place of live, and never what a guard suppressed. The newest first, since an
order by rank would have to read every hit of a word that everybody says. Called by: ``web.api``.
"""

import re

from fsctl.store.db import Database, Row
from fsctl.store.pages import Page
from fsctl.store.touches import storable

BEGIN, END = "\x02", "\x03"
"""Around each word of ``highlight`` that was asked for; neither is ever part of a text."""
LONGEST = 500
"""Characters of a question that are read."""
NEAR = 10_000
"""So many segments are read one by one, from the newest, before the index is asked: some milliseconds."""
_DASHES = re.compile(r"-(?:\s*-)+")
"""Postgres takes each for a "not", and of those no more than 32."""


class Search:
    """The index over segments (migration 0022)."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def transcripts(
        self, q: str, language: str | None = None, limit: int = 50, before: int | None = None
    ) -> Page[int | None]:
        """Segments that say this, the newest first.

        Args:
            q: as people type into a search box: ``refund card``, ``"to the letter"``, ``visa or cash``, ``-gift``.
            language: ISO 639-1: only text in it; None: all, each by its own language's rules.
            before: only segments with a lower id (``Page.next`` of the page before).

        Returns:
            Rows with ``segment_id, call_uuid, thread_id, leg, at, start_ms, end_ms, language, text, highlight,
            rank``: milliseconds from the start of the call's first recording; ``highlight`` is the text with
            ``BEGIN`` and ``END`` around what was found; ``rank`` tells how well it fits, more is better.

        Raises:
            DatabaseDown: Postgres is away.
        """
        said = _DASHES.sub("-", storable(q[:LONGEST]))
        asked = {"q": said, "language": language and storable(language), "before": before, "near": NEAR}
        with self._database.transaction("searching in transcripts") as transaction:
            transaction.one("search.plan_anew")
            rows = transaction.rows("search.transcripts", **asked, limit=limit + 1)
        shown = [_highlighted(row) for row in rows[:limit]]
        return Page(shown, shown[-1]["segment_id"] if shown else before, len(rows) > limit)


def _highlighted(row: Row) -> Row:
    """Postgres marks the words in the text as the index has it, letter by letter; the marks go into the text."""
    letters = iter(row["text"].replace(BEGIN, " ").replace(END, " "))
    marked = "".join(one if one in (BEGIN, END) else next(letters, "") for one in row["highlight"])
    return row | {"highlight": marked}
