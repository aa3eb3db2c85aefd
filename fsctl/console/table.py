"""Rows as a table for a terminal. Every cell is escaped here: many of them are strangers' words."""

import unicodedata
from collections.abc import Iterable, Sequence

from fsctl.terminal import escape

MAX_CELL = 80
"""Characters of a cell; a longer one is cut, the rest is in ``--json``."""


def render(heads: Sequence[str], rows: Iterable[Sequence[object]], right: Sequence[str] = ()) -> str:
    """A head and a line a row.

    Args:
        rows: cells; None is an empty one.
        right: heads of the columns whose cells stand on the right, such as numbers.
    """
    cells = [list(heads), *([_cell(value) for value in row] for row in rows)]
    widths = [max(width(row[column]) for row in cells) for column in range(len(heads))]
    return "\n".join(
        "  ".join(
            _pad(cell, size, head in right) for cell, size, head in zip(row, widths, heads, strict=True)
        ).rstrip()
        for row in cells
    )


def facts(pairs: Iterable[tuple[str, object]]) -> list[str]:
    """Lines of a name and what is known of it; what is not known is left out."""
    return [f"  {name:12} {escape(str(value))}" for name, value in pairs if value not in (None, "")]


def width(text: str) -> int:
    """Columns that a text takes on a terminal: wide characters take two, marks on others none."""
    return sum(
        0 if unicodedata.combining(one) else 2 if unicodedata.east_asian_width(one) in "WF" else 1
        for one in text
    )


def duration(seconds: float | None) -> str:
    """``1:05``, ``2:03:04``; ``-`` where nobody knows."""
    if seconds is None:
        return "-"
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _cell(value: object) -> str:
    text = "" if value is None else escape(str(value))
    return text if len(text) <= MAX_CELL else f"{text[: MAX_CELL - 1]}…"


def _pad(text: str, size: int, on_the_right: bool) -> str:
    room = " " * (size - width(text))
    return room + text if on_the_right else text + room
