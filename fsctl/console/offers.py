"""What an agent gets when the phone rings: who calls, why, what was written last. As lines and as JSON."""

import json
import logging
import time
from collections.abc import Callable, Iterator
from datetime import UTC

from fsctl.patience import Patience
from fsctl.store.db import Wakeup
from fsctl.store.offers import Offer, Offers
from fsctl.terminal import escape, escape_json

log = logging.getLogger(__name__)

IDLE_S = 5.0
"""Looked at so often even if nobody wakes us."""
PAUSE_S = 0.01
"""Between two looks: on a busy switch the story grows a thousand times a second."""


def follow(offers: Offers, wakeup: Wakeup, stopped: Callable[[], bool] = lambda: False) -> Iterator[Offer]:
    """Offers as they happen, until ``stopped``. While Postgres is away it waits, and then tells what it missed."""
    patience = Patience(log, first_s=0.5)
    while not stopped():
        news: list[Offer] = []
        with patience:
            wakeup.wait(IDLE_S)
            news = offers.news()
        yield from news
        time.sleep(PAUSE_S)


def as_json(offer: Offer) -> str:
    """One line, one object."""
    values = {
        "at": offer.at.astimezone(UTC).isoformat(),
        "call": offer.call_uuid,
        "node": offer.node,
        "agent": offer.agent,
        "queue": offer.queue,
        "thread_id": offer.thread_id,
        "contact": {
            "id": offer.contact_id,
            "name": offer.name,
            "aliases": [{"kind": kind, "value": value} for kind, value in offer.aliases],
        },
        "language": offer.language,
        "reason": offer.reason,
        "waited_s": None if offer.waited_s is None else round(offer.waited_s, 1),
        "last_message": None
        if offer.message is None
        else {"direction": offer.message_from, "body": offer.message},
    }
    return escape_json(json.dumps(values, ensure_ascii=False))


def as_text(offer: Offer) -> str:
    """A line on who calls, then what is known of it; strangers' text is escaped. Times are local."""
    return "\n".join(_lines(offer))


def _lines(offer: Offer) -> Iterator[str]:
    names = ", ".join(f"{kind} {escape(value)}" for kind, value in offer.aliases) or "no number"
    waited = "" if offer.waited_s is None else f", waited {offer.waited_s:.0f} s"
    language = f", speaks {escape(offer.language)}" if offer.language else ""
    yield (
        f"{offer.at.astimezone():%H:%M:%S}  {escape(offer.agent)}: "
        f"{escape(offer.name) or 'unknown'} ({names}){language}{waited}"
    )
    yield f"          {escape(offer.queue)}, thread {offer.thread_id or '-'}, call {escape(offer.call_uuid)}"
    if offer.reason:
        yield f"          {escape(offer.reason)}"
    if offer.message is not None:
        who = "customer" if offer.message_from == "inbound" else "us"
        yield f"          {who}: {escape(offer.message)}"
