"""Queues as people want to see them: load, expected wait, how their calls went."""

from dataclasses import dataclass
from datetime import datetime

from fsctl.call import sla
from fsctl.call.known import Load
from fsctl.store.agents import STALE_S
from fsctl.store.db import Database, Transaction


@dataclass(frozen=True, kw_only=True)
class Result:
    """How the calls of a queue went in a stretch of time."""

    answered: int = 0
    answered_in_time: int = 0
    abandoned: int = 0
    """Left without an agent, however."""
    abandoned_late: int = 0
    """Of these, after the service level."""

    @property
    def service_level(self) -> float | None:
        """Share answered in time, 0 to 1."""
        return sla.service_level(self.answered_in_time, self.answered, self.abandoned_late)


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A queue now, in the last hour, and today."""

    node: str
    name: str
    waiting: int
    longest_s: float | None
    """How long the first in line has waited."""
    agents_staffed: int
    agents_ready: int
    expected_wait_s: float | None
    hour: Result
    today: Result
    age_s: float

    @property
    def is_stale(self) -> bool:
        """Whether nobody has read the queue for a while."""
        return self.age_s > STALE_S


class Queues:
    """Reads the tables queue and call."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def names(self, node: str) -> list[str]:
        """Of the queues that the node's mod_callcenter has."""
        with self._database.statement(f"reading the queues of {node}") as transaction:
            return [row["name"] for row in transaction.rows("queues.names", node=node)]

    def all(
        self, hour: datetime, today: datetime, answer_within_s: int, node: str | None = None
    ) -> list[Listed]:
        """Every queue, of one node or of all.

        Args:
            hour: an hour ago.
            today: when the day began, where people live.
            answer_within_s: service level of calls for which none was noted.
        """
        with self._database.transaction("reading queues") as transaction:
            rows = transaction.rows("queues.list", node=node)
            last_hour = _results(transaction, hour, answer_within_s)
            since_morning = _results(transaction, today, answer_within_s)
            handling_s = {name: _handling(transaction, name) for name in {row["node"] for row in rows}}
        return [
            Listed(
                **row,
                expected_wait_s=sla.expected_wait_s(
                    Load(
                        waiting=row["waiting"],
                        agents_staffed=row["agents_staffed"],
                        agents_ready=row["agents_ready"],
                        handling_s=handling_s[row["node"]].get(row["name"]),
                    )
                ),
                hour=last_hour.get((row["node"], row["name"]), Result()),
                today=since_morning.get((row["node"], row["name"]), Result()),
            )
            for row in rows
        ]


def _results(
    transaction: Transaction, since: datetime, answer_within_s: int
) -> dict[tuple[str, str], Result]:
    rows = transaction.rows("queues.results", since=since, answer_within_s=answer_within_s)
    return {(row.pop("node"), row.pop("queue")): Result(**row) for row in rows}


def _handling(transaction: Transaction, node: str) -> dict[str, float | None]:
    rows = transaction.rows("known.loads", node=node, history=sla.HISTORY_CALLS)
    return {row["queue"]: row["handling_s"] for row in rows}
