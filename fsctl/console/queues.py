"""Queues as a table for people and as JSON for programs."""

import dataclasses
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from fsctl.call.policy import Queue
from fsctl.store.db import Database
from fsctl.store.queues import Listed, Queues, Result
from fsctl.terminal import escape


def listed(database: Database, node: str | None) -> list[Listed]:
    """Every queue, of one node or of all: now, in the last hour, and since midnight where this process runs."""
    now = datetime.now().astimezone()
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return Queues(database).all(now - timedelta(hours=1), today, Queue().answer_within_s, node)


def as_values(queues: Sequence[Listed]) -> list[dict[str, Any]]:
    """A list of objects for JSON."""
    return [
        dataclasses.asdict(queue)
        | {
            "longest_s": _rounded(queue.longest_s),
            "expected_wait_s": _rounded(queue.expected_wait_s),
            "age_s": round(queue.age_s, 1),
            "hour": _result(queue.hour),
            "today": _result(queue.today),
            "stale": queue.is_stale,
        }
        for queue in queues
    ]


def _result(result: Result) -> dict[str, Any]:
    return dataclasses.asdict(result) | {"service_level": result.service_level}


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)


def as_text(queues: Sequence[Listed]) -> str:
    """A table; the last hour and the day side by side."""
    return "\n".join(_lines(queues)) if queues else "no queues: does `fsctl serve` run?"


def _lines(queues: Sequence[Listed]) -> Iterator[str]:
    names = [("node", "queue"), *((escape(one.node), escape(one.name)) for one in queues)]
    widths = [max(len(row[column]) for row in names) for column in range(2)]
    heads = (
        *("waiting", "longest", "expected", "ready", "staffed"),
        *("level 1h", "answered", "abandoned", "level today", "answered", "abandoned"),
    )
    cells = [heads, *(_row(queue) for queue in queues)]
    sizes = [max(len(row[column]) for row in cells) for column in range(len(heads))]
    for (node, name), row in zip(names, cells):
        numbers = "  ".join(cell.rjust(size) for cell, size in zip(row, sizes))
        yield f"{node.ljust(widths[0])}  {name.ljust(widths[1])}  {numbers}"


def _row(queue: Listed) -> tuple[str, ...]:
    waiting = f"{queue.waiting} ({queue.age_s:.0f} s ago)" if queue.is_stale else str(queue.waiting)
    results = (
        (_level(result.service_level), str(result.answered), str(result.abandoned))
        for result in (queue.hour, queue.today)
    )
    return (
        waiting,
        _time(queue.longest_s),
        _time(queue.expected_wait_s),
        str(queue.agents_ready),
        str(queue.agents_staffed),
        *(cell for result in results for cell in result),
    )


def _level(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.0f} %"


def _time(seconds: float | None) -> str:
    """``1:05``; ``-`` where nobody waits or nobody can say."""
    if seconds is None:
        return "-"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}"
