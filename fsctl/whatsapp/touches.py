"""What a call tells of where it came from: the payload of its button or link, and what its request names.

Pure rules, and the loop that applies them to the rows of calls, some moments after they came: the way of a call
does not wait for it. Refuses to know which touch was the first or the last.

Called by: ``fsctl serve``, any number of them at once.
"""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from fsctl.call import payload
from fsctl.call.payload import Ticket
from fsctl.errors import DatabaseError
from fsctl.patience import Patience
from fsctl.store import touches
from fsctl.store.call_links import CallLink, known
from fsctl.store.db import Database
from fsctl.store.touches import Source, Touch, TouchedCall

log = logging.getLogger(__name__)

EVERY_S = 1.0
MOST = 200
"""Calls taken in one transaction."""
MAX_CAMPAIGN = 100
"""Characters of what a stranger calls a campaign."""
HEADER = "x-fsctl-campaign"
"""Stands among the parameters of a request when a SIP header of this name named the campaign."""
CAMPAIGNS = ("campaign", "utm_campaign")
"""Parameters of a request URI that name a campaign; the first found counts. Others (tgrp) are for routing."""
ADS = ("source_id", "ad_id")


def of_call(call: TouchedCall, link: CallLink | None, secrets: Sequence[bytes]) -> Iterator[Touch]:
    """The touches that a call itself tells.

    Args:
        link: the one that the call's payload was made for, where we made and stored it.
        secrets: that may have signed a payload; see ``payload.read``.
    """
    if call.cta_payload:
        yield from _of_payload(call, "button", call.cta_payload, secrets)
    if call.deeplink_payload:
        source: Source = link.kind if link is not None else "link"
        yield from _of_payload(call, source, call.deeplink_payload, secrets, link)
    if HEADER in call.request_params:
        campaign = _words(call.request_params[HEADER])
        yield _touch(call, "header", "header", campaign=campaign, trusted=False)
    campaign, ad = _named(call.request_params, CAMPAIGNS), _named(call.request_params, ADS)
    if campaign or ad:
        # Meta adds what we told it to, over a road of which we know that it is Meta's; others may say anything.
        trusted = call.channel == "whatsapp"
        yield _touch(call, "param", "param", campaign=campaign, source_id=ad, trusted=trusted)


def _of_payload(
    call: TouchedCall, source: Source, text: str, secrets: Sequence[bytes], link: CallLink | None = None
) -> Iterator[Touch]:
    field = "cta" if source == "button" else "deeplink"
    ticket = payload.read(text, secrets)
    if ticket is None:
        # Not ours, or no longer: a hint. What looks like ours and is not names no campaign.
        hint = "" if text.startswith(f"{payload.PREFIX}.") else _words(text)
        yield _touch(call, source, field, campaign=hint, trusted=False, data={"payload": text})
    elif ticket.campaign or source != "button":
        # A button without a campaign is the way back after a call of before: it brought nobody.
        yield _touch(call, source, field, campaign=ticket.campaign or "", data=_data(call, ticket, link))


def _data(call: TouchedCall, ticket: Ticket, link: CallLink | None) -> dict[str, Any]:
    data: dict[str, Any] = {"queue": ticket.queue, "expired": ticket.expires < call.offered_at}
    return data | ({"link": link.id} if link is not None else {})


def _touch(call: TouchedCall, source: Source, field: str, **what: Any) -> Touch:
    return Touch(
        thread_id=call.thread_id,
        at=call.offered_at,
        source=source,
        key=f"call/{call.uuid}/{field}",
        call_uuid=call.uuid,
        **what,
    )


def _named(params: Mapping[str, str], names: Sequence[str]) -> str:
    return next((_words(params[name]) for name in names if params.get(name)), "")


def _words(text: str) -> str:
    return " ".join(unquote(text, errors="replace").split())[:MAX_CAMPAIGN]


class CallTouches:
    """The loop: takes the touches of calls that have come since."""

    def __init__(self, database: Database, secrets: Sequence[bytes]) -> None:
        """Args: secrets: ``Policy.payload_secrets``."""
        self._database = database
        self._secrets = secrets

    def run(self) -> None:
        """Until it is killed; a Postgres that is away is waited for."""
        patience = Patience(log, waits_for=DatabaseError)
        while True:
            with patience:
                while self.tick() == MOST:
                    pass
                time.sleep(EVERY_S)

    def tick(self) -> int:
        """Take what is there now, at most MOST calls.

        Returns:
            How many calls were looked at.

        Raises:
            DatabaseError: none of them was.
        """
        with self._database.transaction("taking the touches of calls") as transaction:
            calls = touches.take_calls(transaction, MOST)
            links = known(transaction, [call.deeplink_payload for call in calls if call.deeplink_payload])
            for call in calls:
                for touch in of_call(call, links.get(call.deeplink_payload or ""), self._secrets):
                    touches.record(transaction, touch)
        return len(calls)
