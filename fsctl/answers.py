"""What the command line asks of what is stored and of the rules; prints or returns the answer, changes nothing."""

import argparse
import json
import sys
from datetime import UTC, datetime, timedelta

from fsctl import crm
from fsctl.call.payload import Ticket
from fsctl.config import Config
from fsctl.console import offers, route
from fsctl.errors import ConfigError
from fsctl.store.db import Database, Wakeup
from fsctl.store.items import read_thread
from fsctl.store.offers import CHANNEL, Offers
from fsctl.store.threads import Threads
from fsctl.terminal import escape, escape_json

MAX_DAYS = 3650
"""A payload that we sign expires some day."""


def show_threads(opened: Database, action: str, who: str, *, as_json: bool) -> int:
    """Print threads; 1 when there is none for whom it was asked."""
    found = Threads(opened).find(who)
    if not found:
        print(f"fsctl: no thread for {escape(who)!r}" if who else "fsctl: no threads yet", file=sys.stderr)
        return 1
    if action == "list" and as_json:
        names = ("id", "business_number", "display_name")
        print(json.dumps([{name: getattr(thread, name) for name in names} for thread in found], indent=2))
        return 0
    if action == "list":
        for thread in found:
            print(f"{thread.id:6}  {escape(thread.business_number):16}  {escape(thread.display_name)}")
        return 0
    for thread in found:
        view = read_thread(opened, thread)
        print(escape_json(crm.EXPORTS["json"](view)) if as_json else crm.EXPORTS["txt"](view))
    return 0


def signed_payload(config: Config, options: argparse.Namespace) -> str:
    """See ``console.route.sign``. Raises ConfigError."""
    if not 0 < options.days <= MAX_DAYS:
        raise ConfigError(f"--days {options.days}: expected more than 0, and {MAX_DAYS} at most")
    ticket = Ticket(
        expires=datetime.now(UTC) + timedelta(days=options.days),
        queue=options.queue,
        score=options.score,
        language=options.language,
        campaign=options.campaign,
        contact_id=options.contact,
    )
    return route.sign(ticket, config.policy)


def watch_offers(opened: Database, agent: str | None, *, as_json: bool) -> int:
    """Print what agents get, as it happens, until a signal ends it."""
    wakeup = Wakeup(opened.dsn, [CHANNEL])
    render = offers.as_json if as_json else offers.as_text
    try:
        for offer in offers.follow(Offers(opened, agent), wakeup):
            print(render(offer), flush=True)
    finally:
        wakeup.close()
    return 0
