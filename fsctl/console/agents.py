"""Agents as a table for people and as JSON for programs."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

from fsctl.store.agents import Listed
from fsctl.terminal import escape

PHONES = {True: "yes", False: "no", None: "?"}
"""``?``: the contact is not a registered phone, so nobody can say."""


def as_values(agents: Sequence[Listed]) -> list[dict[str, Any]]:
    """A list of objects for JSON."""
    return [
        dataclasses.asdict(agent)
        | {
            "call_since": agent.call_since.isoformat() if agent.call_since else None,
            "age_s": round(agent.age_s, 1),
            "stale": agent.is_stale,
        }
        for agent in agents
    ]


def as_text(agents: Sequence[Listed]) -> str:
    """A table."""
    return "\n".join(_lines(agents)) if agents else "no agents: does `fsctl serve` run?"


def _lines(agents: Sequence[Listed]) -> Iterator[str]:
    heads = ("node", "agent", "status", "state", "phone", "wrap-up", "on a call with", "queues")
    rows = [heads, *(_row(agent) for agent in agents)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(heads) - 1)]
    for row in rows:
        yield "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths)), row[-1]]).rstrip()


def _row(agent: Listed) -> tuple[str, ...]:
    status = agent.status + (" (phone gone)" if agent.is_put_away else "")
    left = f"{agent.wrap_up_left_s} s left" if agent.wrap_up_left_s else f"{agent.wrap_up_s} s"
    return (
        escape(agent.node),
        escape(agent.name),
        escape(status),
        f"{escape(agent.state)} ({agent.age_s:.0f} s ago)" if agent.is_stale else escape(agent.state),
        PHONES[agent.registered],
        left,
        escape(agent.caller or agent.call_uuid or ""),
        escape(" ".join(agent.queues)),
    )
