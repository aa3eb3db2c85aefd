"""``fsctl strays``: what webhooks told and nobody reads, counted by reason, with the latest of each."""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from fsctl.console import table

if TYPE_CHECKING:
    from fsctl.store.db import Database
    from fsctl.store.strays import Count

Add = Callable[[str, str], argparse.ArgumentParser]


def add_parser(add: Add) -> None:
    """Args: add: makes a command."""
    parser = add("strays", "count what Meta's webhooks told and nobody reads, by reason")
    parser.add_argument("--json", action="store_true", help="for programs; with the latest of each, whole")


def main(options: argparse.Namespace, database: "Database") -> int:
    """Print them; returns the exit code."""
    from fsctl.store import strays

    counts = strays.counts(database)
    if options.json:
        values = [asdict(one) | {"last_at": one.last_at.isoformat()} for one in counts]
        print(json.dumps(values, indent=2))
    else:
        print(as_text(counts))
    return 0


def as_text(counts: "Sequence[Count]") -> str:
    """A table; the latest of each is cut where it is long."""
    if not counts:
        return "no strays: everything that webhooks told was read"
    rows = [
        (
            one.count,
            f"{one.last_at.astimezone():%Y-%m-%d %H:%M}",
            one.field,
            one.reason,
            json.dumps(one.example),
        )
        for one in counts
    ]
    return table.render(("count", "last", "field", "reason", "the latest"), rows, right=("count",))
