"""Agents and tiers as last read from the switch, and what is kept of them beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from fsctl.store.db import Database

STALE_S = 45.0
"""Rows are written every 15 s at least; older ones are of a node that nobody serves."""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What mod_callcenter does not know of an agent."""

    name: str
    put_away_at: datetime | None
    put_away_from: str | None
    wrap_up_set_s: int | None
    """A person's word."""
    wrap_up_back_s: int | None
    """Where it goes back to, when a person ended one wrap-up early."""


@dataclass(frozen=True, kw_only=True)
class Listed:
    """An agent as people want to see it."""

    node: str
    name: str
    status: str
    state: str
    registered: bool | None
    wrap_up_s: int
    queues: tuple[str, ...]
    call_uuid: str | None
    caller: str | None
    call_queue: str | None
    call_since: datetime | None
    wrap_up_left_s: int
    is_put_away: bool
    age_s: float

    @property
    def is_stale(self) -> bool:
        """Whether nobody has read the agent for a while."""
        return self.age_s > STALE_S


@dataclass(frozen=True, kw_only=True)
class Rows:
    """What a snapshot has for the tables agent, tier and queue: JSON objects with their columns."""

    agents: Sequence[Mapping[str, Any]]
    tiers: Sequence[Mapping[str, Any]]
    queues: Sequence[Mapping[str, Any]]

    def since(self, before: "Rows") -> "Rows | None":
        """What is new or changed; None when rows have gone."""
        if [_names(rows) for rows in self.tables] != [_names(rows) for rows in before.tables]:
            return None
        changed = (
            [row for row, old in zip(rows, olds) if row != old]
            for rows, olds in zip(self.tables, before.tables)
        )
        return Rows(**dict(zip(("agents", "tiers", "queues"), changed)))

    @property
    def tables(self) -> tuple[Sequence[Mapping[str, Any]], ...]:
        """All three."""
        return self.agents, self.tiers, self.queues


def _names(rows: Sequence[Mapping[str, Any]]) -> list[tuple[Any, Any]]:
    return [(row.get("name") or row.get("queue"), row.get("agent")) for row in rows]


class Agents:
    """The tables agent, tier and queue, as far as they mirror the switch."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def write(self, node: str, rows: Rows, *, all_of_them: bool = True) -> None:
        """Make the tables of a node say this, in one transaction; what is kept of an agent stays.

        Args:
            all_of_them: rows that are not among these go.
        """
        with self._database.transaction(f"writing the agents of {node}") as transaction:
            for query, content in (
                ("agents.write_agents", rows.agents),
                ("agents.write_tiers", rows.tiers),
                ("queues.write_queues", rows.queues),
            ):
                given = Jsonb([dict(row) for row in content])
                transaction.run(query, node=node, rows=given, all=all_of_them)

    def kept(self, node: str) -> list[Kept]:
        """Of the agents of a node of whom something is kept."""
        with self._database.transaction(f"reading the agents of {node}") as transaction:
            return [Kept(**row) for row in transaction.rows("agents.kept", node=node)]

    def open_calls(self, node: str) -> dict[str, str]:
        """Phase of each open call of the node, by uuid."""
        with self._database.transaction(f"reading the open calls of {node}") as transaction:
            return {row["uuid"]: row["phase"] for row in transaction.rows("agents.open_calls", node=node)}

    def put_away(self, node: str, name: str, at: datetime, status: str) -> None:
        """We set the agent On Break; ``at`` is what the switch wrote down, ``status`` what it was."""
        with self._database.transaction(f"putting {name} away") as transaction:
            transaction.run("agents.put_away", node=node, agent=name, at=at, status=status)

    def set_wrap_up(self, node: str, name: str, set_s: int | None, back_s: int | None = None) -> None:
        """Remember what the agent's wrap-up shall be; without either it is left to the queues."""
        with self._database.transaction(f"setting the wrap-up of {name}") as transaction:
            transaction.run("agents.set_wrap_up", node=node, agent=name, set_s=set_s, back_s=back_s)

    def all(self, node: str | None = None) -> list[Listed]:
        """Every agent, of one node or of all."""
        with self._database.transaction("reading agents") as transaction:
            rows = transaction.rows("agents.list", node=node)
        return [Listed(**{**row, "queues": tuple(row["queues"])}) for row in rows]
