"""Where customers come from and what comes of it: ``fsctl links``, ``fsctl outcome``, ``fsctl report``.

What the commands need is imported when they run: their arguments are read at every start of fsctl.
"""

import argparse
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING

from fsctl.errors import BadInput

if TYPE_CHECKING:
    from fsctl.config import Config
    from fsctl.store.db import Database

PERIOD = timedelta(days=30)
"""Of a report, where no --since says otherwise."""
UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}

Add = Callable[[str, str], argparse.ArgumentParser]
Moment = Callable[[str], datetime]


# --- arguments ---------------------------------------------------------------------------------------------


def add_parser(add: Add, after: argparse.ArgumentParser, moment: Moment) -> None:
    """Args: add: makes a command; after: arguments that each of its actions takes, too; moment: reads a time."""
    links = add("links", "make and list links and QR codes that begin a call").add_subparsers(
        dest="action", required=True, metavar="ACTION"
    )
    new = links.add_parser("new", help="make a signed link", parents=[after])
    new.add_argument("--campaign", required=True, metavar="TEXT", help="what calls by it are counted for")
    new.add_argument("--queue", required=True, metavar="Q", help="where they go, such as sales@fsctl")
    new.add_argument("--number", metavar="N", help="business number (default: the queue's, or the only one)")
    new.add_argument("--language", metavar="XX", help="such as es")
    new.add_argument(
        "--expires", type=duration, default="90d", metavar="90d", help="hours, days or weeks: 12h, 90d, 8w"
    )
    new.add_argument("--qr", type=Path, metavar="FILE", help="write its QR code, as .svg or .png")
    new.add_argument("--kind", choices=["link", "qr"], help="what it is counted as (default: qr with --qr)")
    listing = links.add_parser("list", help="links, who made them, calls that came by each", parents=[after])
    listing.add_argument("--json", action="store_true", help="for programs")
    _outcome_parser(add("outcome", "say or list what came of calls and threads"), after, moment)
    report = add("report", "report what brought chats, calls and sales")
    report.add_argument("action", choices=["attribution"])
    report.add_argument(
        "--since", type=moment, metavar="TIME", help="such as 2026-01-31 or 30d (default: 30 days ago)"
    )
    report.add_argument("--until", type=moment, metavar="TIME", help="before it (default: now)")
    report.add_argument("--by", choices=["source", "campaign", "ad"], default="source")
    report.add_argument("--model", choices=["first", "last"], default="last", help="the touch that counts")
    report.add_argument("--format", choices=["table", "csv", "json"], default="table")


def _outcome_parser(parser: argparse.ArgumentParser, after: argparse.ArgumentParser, moment: Moment) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    new = actions.add_parser("set", help="say what came of it; the latest word counts", parents=[after])
    new.add_argument("subject", metavar="CALL|THREAD", help="a call's uuid or wacid, or a thread's id")
    new.add_argument("--kind", required=True, metavar="WORD", help="sale, lead, or a word of your own")
    new.add_argument("--value", type=number, metavar="N", help="such as 120 or 99.90")
    new.add_argument("--currency", metavar="XXX", help="such as EUR")
    new.add_argument("--order", default="", metavar="REF", help="tells several sales of one call apart")
    new.add_argument("--note", default="", metavar="TEXT")
    new.add_argument("--at", type=moment, metavar="TIME", help="when it came to be (default: now)")
    listing = actions.add_parser("list", help="the latest words, replaced ones too", parents=[after])
    listing.add_argument("--since", type=moment, metavar="TIME", help="such as 2h, 7d or 2026-01-31")
    listing.add_argument("--json", action="store_true", help="for programs")


def duration(text: str) -> timedelta:
    """``12h``, ``90d`` or ``8w``. Raises ValueError, which argparse puts into words."""
    if text[-1:] not in UNITS or not (text[:-1].isascii() and text[:-1].isdigit()) or len(text) > 6:
        raise ValueError(text)
    return int(text[:-1]) * UNITS[text[-1]]


def number(text: str) -> Decimal:
    """The same for an amount."""
    try:
        return Decimal(text)
    except InvalidOperation as error:
        raise ValueError(text) from error


# --- commands ----------------------------------------------------------------------------------------------


def main(options: argparse.Namespace, config: "Config", database: "Database", who: str) -> int:
    """Run one of the commands. Args: who: the person, for the audit. Raises FsctlError."""
    from fsctl.console import call_links, outcomes

    commands: dict[tuple[str, str], Callable[[], str]] = {
        ("links", "new"): lambda: call_links.new(options, config, database, who),
        ("links", "list"): lambda: call_links.listing(database, as_json=options.json),
        ("outcome", "set"): lambda: outcomes.new(options, database, who),
        ("outcome", "list"): lambda: outcomes.listing(database, options.since, as_json=options.json),
        ("report", "attribution"): lambda: _report(options, database),
    }
    print(commands[options.command, options.action]())
    return 0


def _report(options: argparse.Namespace, database: "Database") -> str:
    from fsctl.console import report
    from fsctl.store.attribution import Attribution

    until = options.until or datetime.now(UTC)
    since = options.since or until - PERIOD
    if since >= until:
        raise BadInput("--since: expected a time before --until")
    lines = Attribution(database).report(since, until, options.by, options.model)
    if options.format == "csv":
        return report.as_csv(lines, options.by)
    if options.format == "json":
        return json.dumps(report.as_values(lines, options.by), indent=2)
    return report.as_text(lines, options.by)
