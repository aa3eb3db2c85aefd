"""The fake Graph's Conversions API for business messaging, written from Meta's documentation.

Checks an event as Meta does, and takes each id once. Refuses to know fsctl. Called by tests and the demo.

Sources: Meta, "Conversions API for Business Messaging" (send events for WhatsApp) and "Server event parameters".
Which events it takes by this channel, and the subcode for others, are reports of those who sent them.
"""

import time
from collections.abc import Mapping
from typing import Any

from fsctl.sim.graph import FakeGraph, GraphAnswer, GraphRequest, refusal

EVENTS = frozenset({"Purchase", "LeadSubmitted", "AddToCart", "InitiateCheckout", "ViewContent"})
MOST_AGE_S = 7 * 86400
SAME_S = 48 * 3600
"""The same name and id within this time are one event."""
INVALID = 100
NO_SUCH_EVENT = 2804066


class Conversions:
    """One dataset of one business account."""

    def __init__(self, graph: FakeGraph, dataset: str, waba_id: str) -> None:
        """Answer on a fake Graph. Args: dataset, waba_id: ids, digits."""
        self.events: list[dict[str, Any]] = []
        """Those that count, in order: each once."""
        self.posts = 0
        """How often it was told something, duplicates too."""
        self._waba_id = waba_id
        self._graph = graph
        self._seen: dict[tuple[str, str], float] = {}
        graph.add_route("POST", f"/{dataset}/events", self._take)

    def _take(self, request: GraphRequest) -> GraphAnswer:
        self.posts += 1
        if request.headers.get("Authorization") != f"Bearer {self._graph.token}":
            return refusal(190)
        events = request.json.get("data") if isinstance(request.json, dict) else None
        if not isinstance(events, list) or not events:
            return refusal(INVALID, "(#100) The parameter data is required.")
        for event in events:
            # One that is wrong: none is taken.
            if (wrong := self._wrong(event)) is not None:
                return wrong
        for event in events:
            self._count(event)
        return GraphAnswer(200, {"events_received": len(events), "messages": [], "fbtrace_id": "A-fake"})

    def _count(self, event: dict[str, Any]) -> None:
        key = (event["event_name"], str(event.get("event_id") or id(event)))
        now = time.time()
        if now - self._seen.get(key, -SAME_S) >= SAME_S:
            self.events.append(event)
        self._seen.setdefault(key, now)

    def _wrong(self, event: Any) -> GraphAnswer | None:
        if not isinstance(event, dict):
            return refusal(INVALID, "(#100) Invalid parameter: an event is an object.")
        if (event.get("action_source"), event.get("messaging_channel")) != ("business_messaging", "whatsapp"):
            return refusal(INVALID, "(#100) Invalid parameter: action_source or messaging_channel.")
        if event.get("event_name") not in EVENTS:
            return refusal(INVALID, "Messaging Event Invalid Event Type", subcode=NO_SUCH_EVENT)
        at = event.get("event_time")
        if type(at) is not int or not time.time() - MOST_AGE_S <= at <= time.time() + 60:
            return refusal(INVALID, "(#100) Invalid parameter: event_time is not of the last 7 days.")
        return self._wrong_user(event.get("user_data")) or _wrong_value(event)

    def _wrong_user(self, user: Any) -> GraphAnswer | None:
        if not isinstance(user, Mapping) or not user.get("ctwa_clid"):
            return refusal(INVALID, "(#100) Invalid parameter: user_data has no ctwa_clid.")
        if user.get("whatsapp_business_account_id") != self._waba_id:
            return refusal(INVALID, "(#100) Invalid parameter: whatsapp_business_account_id.")
        return None


def _wrong_value(event: Mapping[str, Any]) -> GraphAnswer | None:
    worth = event.get("custom_data")
    if worth is None and event["event_name"] != "Purchase":
        return None
    if (
        not isinstance(worth, Mapping)
        or type(worth.get("value")) not in (int, float)
        or not isinstance(worth.get("currency"), str)
    ):
        return refusal(INVALID, "(#100) Invalid parameter: custom_data needs currency and value.")
    return None
