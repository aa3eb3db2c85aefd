"""``tail``: what happens, as it happens: calls and what is said in them."""

import argparse
import io
from collections.abc import Iterable, Iterator
from typing import Any

from fsctl.console.commands.command import Arguments, Asked, House, Result, command
from fsctl.errors import BadInput
from fsctl.store.db import Row, Wakeup
from fsctl.story import Story, tell
from fsctl.terminal import Printer

CHANNEL = "fsctl_story"
LINES, MOST = 20, 500
"""Lines told of what was; more are not to be had."""
PER_LINE = 5
"""So many facts are read for a line: most are not told."""
LOOK_S = 2.0
"""Looked at so often even if nobody wakes us."""


def _tail(parser: Arguments) -> None:
    parser.add_argument("lines", nargs="?", type=int, default=LINES, help=f"how many (default {LINES})")


def follow(options: argparse.Namespace, house: House, printer: Printer) -> Iterator[Result]:
    """What ``tail --watch`` tells: the latest, then whatever comes, until nobody asks any more."""
    story = Story(house.database, back=_lines(options) * PER_LINE)
    wakeup = Wakeup(house.database.dsn, [CHANNEL])
    most: int | None = options.lines
    try:
        while True:
            told = _told(story.news(), printer)[-most if most else 0 :]
            most = None
            if told:
                yield Result("\n".join(line for line, _ in told), values=[row for _, row in told])
            wakeup.wait(LOOK_S)
    finally:
        wakeup.close()


@command(
    "show the latest of calls and text; --watch goes on",
    arguments=_tail,
    follows=True,
    stream=follow,
)
def tail(asked: Asked) -> Result:
    """The last lines of the story of all calls."""
    story = Story(asked.house.database, back=_lines(asked.options) * PER_LINE)
    told = _told(story.news(), Printer(io.StringIO()))[-asked.options.lines :]
    return Result("\n".join(line for line, _ in told) or "nothing yet", values=[row for _, row in told])


def _lines(options: argparse.Namespace) -> int:
    if not 1 <= options.lines <= MOST:
        raise BadInput(f"tail {options.lines}: expected 1 to {MOST} lines")
    return int(options.lines)


def _told(rows: Iterable[Row], printer: Printer) -> list[tuple[str, dict[str, Any]]]:
    """What is told of these rows: the line, and the same for programs."""
    told = ((tell(row, printer), row) for row in rows)
    return [(line, values_of(row)) for line, row in told if line is not None]


def values_of(row: Row) -> dict[str, Any]:
    """A row of the story for JSON."""
    keys = ("call_uuid", "kind", "data", "leg", "text", "start_ms", "end_ms", "queue", "agent", "disposition")
    found = {key: row[key] for key in keys if row[key] not in (None, {})}
    return {"at": row["at"].isoformat(), **found, "name": row["display_name"]}
