"""``fsctl links``: call links as people make them, and as they stand."""

import argparse
import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from fsctl.call.payload import Ticket
from fsctl.config import Config
from fsctl.console import route
from fsctl.errors import BadInput, ConfigError
from fsctl.store import audit, call_links
from fsctl.store.call_links import CallLink, Used
from fsctl.store.db import Database, Transaction
from fsctl.terminal import escape
from fsctl.whatsapp import links

MAX_EXPIRES = timedelta(days=3650)
MAX_CAMPAIGN = 100
ATTEMPTS = 60
"""Links that differ in nothing but their kind may be made within a second."""


def new(options: argparse.Namespace, config: Config, database: Database, who: str) -> str:
    """Make a link, and its QR code where one is wanted. Raises BadInput, ConfigError, OSError: there is none."""
    if options.qr is not None:
        links.require_image(options.qr)
    with database.transaction("making a call link") as transaction:
        link = _stored(transaction, options, config, who)
        detail = {"campaign": link.campaign, "queue": link.queue, "number": link.number, "kind": link.kind}
        entry = audit.Entry(who=who, action="link.new", subject=f"link {link.id}", detail=detail)
        audit.append(transaction, entry)
        if options.qr is not None:
            # Before the commit: a code that could not be written leaves no link behind.
            links.write_qr(link.url, options.qr)
    return link.url


def _stored(transaction: Transaction, options: argparse.Namespace, config: Config, who: str) -> CallLink:
    now = datetime.now(UTC)
    for later_s in range(ATTEMPTS):
        # A link is known by its payload: one that would have the payload of another lasts a second longer.
        link = _link(options, config, who, now + timedelta(seconds=later_s))
        if found := call_links.add(transaction, link):
            return found
    raise BadInput("too many links like this one were made just now; try again in a minute")


def _link(options: argparse.Namespace, config: Config, who: str, now: datetime) -> CallLink:
    if not timedelta() < options.expires <= MAX_EXPIRES:
        raise BadInput(f"--expires: expected more than nothing, and {MAX_EXPIRES.days} days at most")
    if not 0 < len(options.campaign.strip()) <= MAX_CAMPAIGN or not options.campaign.isprintable():
        raise BadInput(f"--campaign: expected a name of {MAX_CAMPAIGN} characters at most")
    ticket = Ticket(
        expires=(now + options.expires).replace(microsecond=0),
        queue=options.queue,
        language=options.language,
        campaign=options.campaign.strip(),
    )
    signed, number = route.sign(ticket, config.policy), _number(options, config)
    return CallLink(
        payload=signed,
        url=links.address(number, signed),
        kind=options.kind or ("qr" if options.qr is not None else "link"),
        number=number,
        campaign=ticket.campaign or "",
        queue=ticket.queue,
        language=ticket.language,
        expires_at=ticket.expires,
        made_by=who,
    )


def _number(options: argparse.Namespace, config: Config) -> str:
    """The business number that is called: as named, else the only one, else the only one with this queue."""
    numbers = config.policy.numbers
    if options.number is not None:
        number = str(options.number).lstrip("+")
        if number in numbers or (not numbers and number.isascii() and number.isdigit()):
            return number
        raise ConfigError(
            f"--number {options.number}: not one of ours ({', '.join(numbers) or 'none is set'})"
        )
    found = [digits for digits, one in numbers.items() if len(numbers) == 1 or one.queue == options.queue]
    if len(found) != 1:
        raise ConfigError(
            f"--number: which of our numbers is called? ({', '.join(numbers) or 'none is set'})"
        )
    return found[0]


def listing(database: Database, *, as_json: bool) -> str:
    """Links that were made, the newest first."""
    found = call_links.CallLinks(database).all()
    if as_json:
        return json.dumps([_values(used) for used in found], indent=2)
    return "\n".join(_line(used) for used in found) or "no links yet"


def _line(used: Used) -> str:
    link = used.link
    made = f"{link.made_at.astimezone():%Y-%m-%d %H:%M}" if link.made_at else ""
    until = f"until {link.expires_at.astimezone():%Y-%m-%d}"
    calls = f"{used.calls} call{'' if used.calls == 1 else 's'}"
    words = (f"{link.id:5}", made, link.kind.ljust(4), link.campaign, link.queue or "", until, calls)
    return "  ".join(escape(word) for word in (*words, f"by {link.made_by}", link.url) if word)


def _values(used: Used) -> dict[str, Any]:
    values = asdict(used.link)
    for name in ("expires_at", "made_at"):
        values[name] = values[name].isoformat() if values[name] else None
    return values | {"calls": used.calls}
