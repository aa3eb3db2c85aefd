"""Source -> chats -> calls -> answered -> sales: each counted once, for the touch that brought it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

from fsctl.store.db import Database, Row

By = Literal["source", "campaign", "ad"]
Model = Literal["first", "last"]


@dataclass(frozen=True, kw_only=True)
class Line:
    """What one source, campaign or ad brought in a period."""

    source: str
    trusted: bool = True
    """False: unsigned, so that anybody may have said it."""
    campaign: str = ""
    source_id: str = ""
    headline: str = ""
    chats: int = 0
    """Threads in which the customer wrote."""
    calls: int = 0
    answered: int = 0
    """Calls in which an agent spoke with the customer."""
    sales: int = 0
    values: Mapping[str, Decimal]
    """What the sales were worth, by currency; a sale may have no value."""


class Attribution:
    """Reads the ledger."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def report(self, since: datetime, until: datetime, by: By, model: Model) -> list[Line]:
        """What came from where in a period.

        Args:
            since, until: from, and before: a chat by the customer's last message in it, a call by when it was
                offered, a sale by its own time.
            model: which touch counts, of those until then: the first or the last.
        """
        given = {"since": since, "until": until, "by": by, "model": model}
        with self._database.transaction("reading the attribution") as transaction:
            rows = transaction.rows("attribution.report", **given)
        parts: dict[tuple[object, ...], list[Row]] = {}
        for row in rows:
            key = (row["source"], row["trusted"], row["campaign"], row["source_id"])
            parts.setdefault(key, []).append(row)
        return [_line(each) for each in parts.values()]


def total(lines: Sequence[Line]) -> Line:
    """All lines in one."""
    values: dict[str, Decimal] = {}
    for line in lines:
        for currency, value in line.values.items():
            values[currency] = values.get(currency, Decimal(0)) + value
    return Line(
        source="total",
        chats=sum(line.chats for line in lines),
        calls=sum(line.calls for line in lines),
        answered=sum(line.answered for line in lines),
        sales=sum(line.sales for line in lines),
        values=values,
    )


def _line(rows: Sequence[Row]) -> Line:
    first = rows[0]
    return Line(
        source=first["source"],
        trusted=first["trusted"],
        campaign=first["campaign"],
        source_id=first["source_id"],
        headline=max(row["headline"] for row in rows),
        chats=sum(row["chats"] for row in rows),
        calls=sum(row["calls"] for row in rows),
        answered=sum(row["answered"] for row in rows),
        sales=sum(row["sales"] for row in rows),
        values={row["currency"]: row["value"] for row in rows if row["currency"] is not None},
    )
