"""What is asked of the rules: where a call goes that is stored, or one that is made up.

One set of arguments for ``fsctl route explain`` and for the console's ``route explain``. Reads, changes nothing.
"""

import argparse
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from fsctl.errors import ConfigError

if TYPE_CHECKING:
    from fsctl.call.state import Call
    from fsctl.config import Config
    from fsctl.console.route import Explanation
    from fsctl.store.db import Database

NOWHERE = "simulated"
"""The node of a made up call where the config has none."""


def add_arguments(parser: argparse.ArgumentParser, moment: Callable[[str], datetime]) -> None:
    """What ``route explain`` takes. Args: moment: reads a time; see ``console.moment``."""
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--wacid", metavar="ID", help="of a stored call: Meta's id, or our uuid")
    which.add_argument(
        "--from", dest="caller", metavar="NUMBER", help="a caller's number or WhatsApp user id"
    )
    parser.add_argument("--to", dest="number", metavar="NUMBER", help="business number, with --from")
    parser.add_argument("--payload", metavar="TEXT", help="of a button or link")
    parser.add_argument("--country", metavar="XX", help="as Meta's header tells")
    parser.add_argument("--channel", choices=["whatsapp", "sip"], default="whatsapp")
    parser.add_argument(
        "--at", type=moment, metavar="TIME", help="such as 2026-12-25T09:00 (default: now), or 2h ago"
    )
    parser.add_argument("--node", help="name of the FreeSWITCH (default: the first)")


def explain(config: "Config", opened: "Database", options: argparse.Namespace) -> "Explanation":
    """What the rules would say of a call: of a stored one as if it came now, or of one that is made up.

    Raises:
        ConfigError: there is no such call, or numbers that are none.
    """
    from fsctl.console import route
    from fsctl.store.routes import Routes

    routes = Routes(opened, config.whatsapp.portfolio)
    then = routes.call(options.wacid) if options.wacid else None
    if options.wacid and then is None:
        raise ConfigError(f"--wacid {options.wacid}: no such call is stored")
    at = (options.at or datetime.now(UTC)).astimezone(UTC)
    call = replace(then, offered_at=at) if then else _made_up(config, at, options)
    if options.payload:
        call = replace(call, cta_payload=options.payload, deeplink_payload=None)
    return route.explain(call, routes.contact(call), config.policy, then)


def _made_up(config: "Config", at: datetime, options: argparse.Namespace) -> "Call":
    from fsctl.call.state import Call, Phase
    from fsctl.esl.decode import aliases_of, digits_of

    aliases = tuple(aliases_of(options.caller, options.channel))
    if not aliases:
        raise ConfigError(f"--from {options.caller}: expected a number or a WhatsApp user id")
    number = digits_of(options.number or "")
    if not (number.isascii() and number.isdigit()):
        raise ConfigError(f"--to {options.number or ''}: expected one of our numbers")
    return Call(
        uuid="explained",
        node=_node(config, options.node),
        channel=options.channel,
        phase=Phase.OFFERED,
        offered_at=at,
        aliases=aliases,
        to_number=number,
        country=options.country,
    )


def _node(config: "Config", name: str | None) -> str:
    if name:
        return config.node(name).name
    return config.nodes[0].name if config.nodes else NOWHERE
