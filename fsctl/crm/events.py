"""Events as the world outside gets them: their types, their form, the links in them.

Thin on purpose: an event says what happened and where to read about it, and holds no word of a customer. The form
is one version's; ``schemas/event.v1.json`` describes it, and a field may be added to a version, never taken away.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from fsctl.store.events import Event

VERSION = 1
TYPES: Mapping[str, str] = MappingProxyType(
    {
        "chat.started": "a contact and one of our numbers have a thread now",
        "message.received": "a customer wrote",
        "call.offered": "a customer calls; who it is and where the call goes is known, and no phone rings yet",
        "call.ringing": "an agent's phone rings for the call: the moment for a screen pop",
        "call.connected": "an agent and the customer hear each other for the first time",
        "call.ended": "it is over; told again if what the queue reports later changes the disposition",
        "call.missed": "it is over and no agent talked to the customer",
        "recording.ready": "a recording is archived, and what must not be kept is taken out of it",
        "recording.failed": "a recording cannot be had",
        "transcript.segment": "a stretch of speech became text: live, or in the final pass",
        "transcript.ready": "all speech of a recording is text, or accounted for",
        "outcome.set": "somebody said what came of a call or thread",
        "touch.recorded": "what brought the customer is known",
    }
)
"""Every type, and when it is told."""
ON_REQUEST = frozenset({"transcript.segment"})
"""Told only to who names them: there are many."""
TEST = "endpoint.test"
"""Sent by ``fsctl crm test`` only."""


def event_id(type_: str, thing: str, version: str = "") -> str:
    """The id of an event: of its type, what it is of, and which telling of it. As ``fsctl_tell`` in Postgres."""
    named = "\n".join((type_, thing, version)).encode()
    return f"evt_{hashlib.sha256(named).hexdigest()[:32]}"


def payload(event: Event, base_url: str = "") -> dict[str, Any]:
    """The event for JSON. Args: base_url: ``[web] public_url``; links are relative without it."""
    return {
        "id": event.id,
        "type": event.type,
        "version": VERSION,
        "timestamp": _time(event.at),
        "seq": event.seq,
        "data": {"thread_id": event.thread_id, "call_uuid": event.call_uuid, **event.data},
        "links": {name: f"{base_url}{path}" for name, path in _links(event).items()},
    }


def body(event: Event, base_url: str = "") -> bytes:
    """The same as bytes: those that are sent and signed, the same ones at each try."""
    return json.dumps(payload(event, base_url), ensure_ascii=False, separators=(",", ":")).encode()


def probe(token: str, at: datetime) -> Event:
    """What ``fsctl crm test`` sends. Args: token: makes its id another one each time."""
    return Event(0, event_id(TEST, token), TEST, None, None, at, {})


@cache
def schema() -> Mapping[str, Any]:
    """JSON Schema (2020-12) of an event."""
    text = (resources.files("fsctl.crm") / "schemas" / "event.v1.json").read_text()
    found: dict[str, Any] = json.loads(text)
    return found


def _links(event: Event) -> dict[str, str]:
    links = {}
    if event.thread_id is not None:
        links["thread"] = f"/v1/threads/{event.thread_id}"
        links["items"] = f"/v1/threads/{event.thread_id}/items"
    if event.call_uuid is not None:
        call = f"/v1/calls/{quote(event.call_uuid, safe='')}"
        links["call"] = call
        if event.type.startswith("transcript."):
            links["transcript"] = f"{call}/transcript"
        if event.type == "recording.ready":
            links["recording"] = f"{call}/recording"
    return links


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
