"""The attribution report: a table for people, CSV for their spreadsheets, JSON for programs.

Campaigns and headlines are strangers' words: harmless on a terminal, and no formula in a spreadsheet.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from fsctl.store.attribution import By, Line, total
from fsctl.terminal import escape

FORMULAS = ("=", "+", "-", "@", "|", "%", "＝", "＋", "－", "＠")
"""What begins a formula in some spreadsheet (OWASP, "CSV injection")."""
NAMES: dict[By, tuple[str, ...]] = {
    "source": (),
    "campaign": ("campaign",),
    "ad": ("campaign", "source_id", "headline"),
}
"""What names a line besides its source."""
COUNTS = ("chats", "calls", "answered", "sales")


def as_text(lines: Sequence[Line], by: By) -> str:
    """A table with a line for the whole."""
    if not lines:
        return "nothing in this time"
    names = NAMES[by]
    heads = ["source", *(name.replace("source_id", "ad") for name in names), *COUNTS, "value"]
    rows = [heads, *(_row(line, names) for line in lines), _row(total(lines), names)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(heads))]
    first_count = 1 + len(names)
    return "\n".join(
        "  ".join(
            cell.rjust(width) if first_count <= column < len(heads) - 1 else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths))
        ).rstrip()
        for row in rows
    )


def _row(line: Line, names: Sequence[str]) -> list[str]:
    source = line.source if line.trusted else f"{line.source} (unsigned)"
    worth = ", ".join(f"{amount(value)} {currency}" for currency, value in sorted(line.values.items()))
    cells = [source, *(getattr(line, name) for name in names)]
    return [*map(escape, cells), *(str(getattr(line, name)) for name in COUNTS), worth]


def as_values(lines: Sequence[Line], by: By) -> dict[str, Any]:
    """An object for JSON: the lines, and the whole. Amounts are strings, so that none is rounded."""
    return {"lines": [_object(line, by) for line in lines], "total": _object(total(lines), "source")}


def _object(line: Line, by: By) -> dict[str, Any]:
    named = {name: getattr(line, name) for name in ("source", "trusted", *NAMES[by], *COUNTS)}
    return named | {"values": {currency: amount(value) for currency, value in sorted(line.values.items())}}


def as_csv(lines: Sequence[Line], by: By) -> str:
    """A head and a row a line, without the whole: its columns can be added. A column for each currency."""
    currencies = sorted({currency for line in lines for currency in line.values})
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["source", "trusted", *NAMES[by], *COUNTS, *(f"value_{one}" for one in currencies)])
    for line in lines:
        writer.writerow(_cells(line, by, currencies))
    return text.getvalue().rstrip("\n")


def _cells(line: Line, by: By, currencies: Sequence[str]) -> Iterator[str]:
    yield line.source
    yield "yes" if line.trusted else "no"
    yield from (harmless(getattr(line, name)) for name in NAMES[by])
    yield from (str(getattr(line, name)) for name in COUNTS)
    yield from (amount(line.values[one]) if one in line.values else "" for one in currencies)


def harmless(text: str) -> str:
    """A cell that no spreadsheet takes for a formula, and no terminal for a command."""
    shown = escape(text)
    return f"'{shown}" if shown.lstrip().startswith(FORMULAS) else shown


def amount(value: Decimal) -> str:
    """``120.00``; more places only where they are not zero."""
    whole, _, places = f"{value:.4f}".partition(".")
    return f"{whole}.{places.rstrip('0').ljust(2, '0')}"
