"""Settings of numbers as tables: what Meta has beside what is wanted. Meta's texts are escaped here."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from fsctl.terminal import escape
from fsctl.whatsapp.settings import Row

WIDEST = 44
"""Characters of a value in a column; a longer one goes on below it."""


def of_number(row: Mapping[str, Any]) -> list[str]:
    """One number as ``status`` tells it: its settings, or the error; then what Meta does not let it do."""
    head = f"+{row['number']} {escape(row['label'])} ({row['phone_number_id']})"
    if row["error"]:
        return [head, f"  {escape(row['error'])}"]
    restrictions = [f"! {escape(one)}" for one in row["restrictions"]]
    return [head, *rows([Row(**line) for line in row["settings"]]), *restrictions]


def rows(found: Sequence[Row]) -> list[str]:
    """Settings with what is there and what is wanted side by side; those that differ begin with ``*``."""
    lines = [f"  {'setting':28} {'at Meta':{WIDEST}} wanted"]
    for row in found:
        cells = [_cut(escape(text)) for text in (row.there, row.wanted)]
        for index in range(max(map(len, cells))):
            there, wanted = (cell[index] if index < len(cell) else "" for cell in cells)
            mark = "* " if not row.is_same and not index else "  "
            lines.append(f"{mark}{row.name if not index else '':28} {there:{WIDEST}} {wanted}".rstrip())
    return lines


def _cut(text: str) -> list[str]:
    return textwrap.wrap(text, WIDEST) or [""]
