"""``fsctl inbox``: webhooks as they came, those that could not be processed, and trying them again."""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from fsctl.terminal import escape

if TYPE_CHECKING:
    from fsctl.store.db import Database
    from fsctl.store.inbox import Inbox, Listed

Add = Callable[[str, str], argparse.ArgumentParser]
STATES = ("waiting", "done", "failed")


def add_parser(add: Add, after: argparse.ArgumentParser) -> None:
    """Args: add: makes a command; after: arguments that each of its actions takes, too."""
    actions = add("inbox", "list webhooks as they came, show one, try failed ones again").add_subparsers(
        dest="action", required=True, metavar="ACTION"
    )
    listing = actions.add_parser("list", help="the latest; 1 when one has failed", parents=[after])
    listing.add_argument("--state", choices=STATES, help="only these (default: all)")
    listing.add_argument("--json", action="store_true", help="for programs")
    show = actions.add_parser("show", help="one, with what Meta sent", parents=[after])
    show.add_argument("id", type=int)
    show.add_argument("--raw", action="store_true", help="only what Meta sent, byte for byte")
    retry = actions.add_parser("retry", help="have failed ones processed again", parents=[after])
    which = retry.add_mutually_exclusive_group(required=True)
    which.add_argument("id", type=int, nargs="?")
    which.add_argument("--all", action="store_true", help="every one that failed")


def main(options: argparse.Namespace, database: "Database", who: str) -> int:
    """Run an action; returns the exit code. Args: who: the account that does it. Raises BadInput: no such post."""
    from fsctl.store.inbox import Inbox

    inbox = Inbox(database)
    if options.action == "list":
        posts = inbox.all(options.state)
        print(json.dumps([as_values(post) for post in posts], indent=2) if options.json else as_text(posts))
        return 1 if any(post.state == "failed" for post in posts) else 0
    if options.action == "show":
        post, body = inbox.one(options.id)
        if options.raw:
            sys.stdout.buffer.write(body)
        else:
            print("\n".join([as_text([post]), *_body_lines(body)]))
        return 0
    return _retry(inbox, database, None if options.all else options.id, who)


def _retry(inbox: "Inbox", database: "Database", id: int | None, who: str) -> int:
    from fsctl.store.audit import Audit, Entry

    count = inbox.retry(id)
    subject = "all" if id is None else str(id)
    Audit(database).append(Entry(who=who, action="inbox.retry", subject=subject, result=f"{count} of them"))
    print(f"{count} to be processed again")
    return 0


def as_values(post: "Listed") -> dict[str, Any]:
    """One object for JSON."""
    return asdict(post) | {"received_at": post.received_at.isoformat()}


def as_text(posts: Sequence["Listed"]) -> str:
    """A line each, in local time."""
    return "\n".join(map(_line, posts)) if posts else "nothing"


def _line(post: "Listed") -> str:
    at = post.received_at.astimezone()
    tries = f"  tried {post.tries} times" if post.tries > 1 else ""
    reason = f"  {escape(post.reason)}" if post.reason else ""
    return f"{post.id:8}  {at:%Y-%m-%d %H:%M:%S}  {post.state:7}  {post.bytes:8} bytes{tries}{reason}"


def _body_lines(body: bytes) -> Iterator[str]:
    try:
        text = json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        text = body.decode(errors="backslashreplace")
    return (escape(line) for line in text.split("\n"))
