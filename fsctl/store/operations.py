"""What those who watch the house ask of Postgres: its numbers, and whether its schema is ours.

Cheap, however much there is: counters are kept (``tally``) and what is new is added to them, the rest is read from
small indexes. Calls are counted when their events have been numbered (``store/sequence.py``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fsctl.store import migrate
from fsctl.store.db import Database, Row, Transaction
from fsctl.store.links import Report

MOST = 20000
"""Events and segments that are counted at once; what is left is counted by the next who asks."""
QUEUES = 200
"""Of more than these nothing is told: each is a handful of series."""
FRESH_S = 60.0
"""The load of a queue that was read longer ago is told no more."""
WAIT_BOUNDS_S = (5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0)
MOS_BOUNDS = (2.0, 2.6, 3.1, 3.6, 4.0, 4.3)
"""The steps of user satisfaction of ITU-T G.107, annex B, and one below them."""


@dataclass(frozen=True)
class Count:
    """One counter, or one bucket of a histogram."""

    name: str
    label: str
    le: float
    """Upper bound of the bucket; what stands in lower ones is not counted here."""
    count: int
    total: float


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """The house as one reading found it."""

    links: Sequence[Report]
    queues: Sequence[Row]
    """``node, name, waiting, agents_staffed, agents_ready, longest_s`` (None: nobody waits)."""
    calls: Mapping[str, int]
    """Open calls by phase."""
    recordings: Mapping[str, int]
    """Recordings that are not done with, by state."""
    alarms: Mapping[str, int]
    """Alarms that are up, by kind."""
    depths: Mapping[str, float]
    """The columns of the queries ``numbers`` and ``speech``."""
    counts: Sequence[Count]


class Operations:
    """Reads for ``/metrics`` and ``/readyz``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def numbers(self) -> Numbers:
        """Count what is new, and read the rest.

        Raises:
            DatabaseDown: Postgres is away; nothing was counted, or it will not be counted again.
        """
        with self._database.statement("counting what is new") as transaction:
            transaction.run(
                "metrics.tally", most=MOST, wait_bounds=list(WAIT_BOUNDS_S), mos_bounds=list(MOS_BOUNDS)
            )
        with self._database.transaction("reading the house's numbers") as transaction:
            return Numbers(
                links=_links(transaction),
                queues=[one for one in transaction.rows("queues.list", node=None) if one["age_s"] < FRESH_S][
                    :QUEUES
                ],
                calls=_by(transaction, "metrics.open_calls"),
                recordings=_by(transaction, "metrics.recordings"),
                alarms=_by(transaction, "metrics.alarms"),
                depths=(transaction.one("metrics.numbers") or {}) | (transaction.one("metrics.speech") or {}),
                counts=[Count(**row) for row in transaction.rows("metrics.counters")],
            )

    def readiness(self) -> tuple[Sequence[str], Sequence[Report]]:
        """Migrations that are still to be applied, and every report on a link.

        Raises:
            DatabaseDown: Postgres is away.
            DatabaseError: its schema is not ours at all.
        """
        with self._database.transaction("asking whether Postgres is there") as transaction:
            applied = {row["name"] for row in transaction.rows("metrics.migrations")}
            missing = [name for name, _ in migrate.available() if name not in applied]
            return missing, [] if missing else _links(transaction)


def _links(transaction: Transaction) -> list[Report]:
    return [Report(**row) for row in transaction.rows("links.all_links")]


def _by(transaction: Transaction, query: str) -> dict[str, int]:
    """Rows of a word and a number."""
    return dict(tuple(row.values()) for row in transaction.rows(query))
