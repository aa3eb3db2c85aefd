"""``fsctl token``: make, list and revoke the tokens with which programs come over HTTP."""

import argparse
import dataclasses
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from fsctl.console import moment
from fsctl.errors import BadInput
from fsctl.terminal import escape

if TYPE_CHECKING:
    from fsctl.store.db import Database
    from fsctl.store.tokens import Token

Add = Callable[[str, str], argparse.ArgumentParser]


def add_parser(add: Add, after: argparse.ArgumentParser) -> None:
    """Args: add: makes a command; after: arguments that each action takes, too."""
    actions = add("token", "make, list and revoke tokens of the REST API").add_subparsers(
        dest="action", required=True, metavar="ACTION"
    )
    new = actions.add_parser("new", help="make one; its secret is shown once", parents=[after])
    new.add_argument("name", help="whose it is, such as crm")
    new.add_argument(
        "--scope",
        action="append",
        required=True,
        metavar="S",
        help="crm, agent, supervisor or ops; repeat it",
    )
    new.add_argument("--expires", type=moment.ahead, metavar="TIME", help="after 12h or 90d (default: never)")
    listing = actions.add_parser("list", help="all of them, without their secrets", parents=[after])
    listing.add_argument("--json", action="store_true", help="for programs")
    revoke = actions.add_parser("revoke", help="let one count no more, at once", parents=[after])
    revoke.add_argument("name")


def main(options: argparse.Namespace, database: "Database", who: str) -> int:
    """Run an action; returns the exit code. Args: who: the account. Raises BadInput: it cannot be made or found."""
    from fsctl.store.tokens import Tokens

    tokens = Tokens(database)
    if options.action == "new":
        print(tokens.new(options.name, options.scope, options.expires, who=who))
    elif options.action == "list":
        found = tokens.list()
        now = datetime.now(UTC)
        print(json.dumps([_values(one) for one in found], indent=2) if options.json else _lines(found, now))
    elif not tokens.revoke(options.name, who=who):
        raise BadInput(f"no token {options.name[:80]!r} counts; `fsctl token list` shows them")
    else:
        print(f"token {escape(options.name)} counts no more")
    return 0


def _values(token: "Token") -> dict[str, Any]:
    values = dataclasses.asdict(token) | {"scopes": sorted(token.scopes)}
    return {key: value.isoformat() if isinstance(value, datetime) else value for key, value in values.items()}


def _lines(tokens: "list[Token]", now: datetime) -> str:
    return "\n".join(_line(token, now) for token in tokens) or "nothing"


def _line(token: "Token", now: datetime) -> str:
    if token.revoked_at:
        state = f"revoked {_time(token.revoked_at)}"
    elif token.expires_at is None:
        state = "counts"
    else:
        state = f"{'expired' if token.expires_at <= now else 'counts until'} {_time(token.expires_at)}"
    used = f"last used {_time(token.last_used_at)}" if token.last_used_at else "never used"
    return f"{escape(token.name):24}  {' '.join(sorted(token.scopes)):24}  {state:30}  {used}"


def _time(at: datetime) -> str:
    return f"{at.astimezone():%Y-%m-%d %H:%M}"
