"""Why a call goes where it goes: each rule with what it says, and what the dialplan is told."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from fsctl.call import disposition, explaining, payload, steering
from fsctl.call.events import ContactFound
from fsctl.call.explaining import Said
from fsctl.call.payload import Ticket
from fsctl.call.policy import QUEUE_NAME, Policy
from fsctl.call.routing import MAX_SCORE, Route
from fsctl.call.state import Call
from fsctl.errors import ConfigError
from fsctl.terminal import escape, escape_json

_LANGUAGE = re.compile(r"[a-z]{2}\Z")


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """What the rules say of a call, and what they look at."""

    call: Call
    contact: ContactFound
    route: Route
    rules: Sequence[Said]
    """Each rule in order, with its verdict."""
    told: Sequence[tuple[str, str]]
    """Channel variables for the dialplan."""
    opens_at: datetime | None
    """Where it is closed: when the queue opens again."""
    then: Call | None
    """The call as it is stored, with what was decided when it came."""


def explain(call: Call, contact: ContactFound, policy: Policy, then: Call | None = None) -> Explanation:
    """Ask the rules. Args: call: as it would be offered; then: the stored call, where it is one."""
    route, rules = explaining.explain(call, contact, policy)
    hours = policy.hours.get(policy.queue(route.queue).hours or "")
    return Explanation(
        call=call,
        contact=contact,
        route=route,
        rules=rules,
        told=steering.variables(contact, route, policy),
        opens_at=hours.next_opening(call.offered_at) if route.is_closed and hours else None,
        then=then,
    )


def sign(ticket: Ticket, policy: Policy) -> str:
    """A payload for a button or link of ours.

    Raises:
        ConfigError: no secret to sign with, or a value that the rules would not take.
    """
    if not policy.payload_secrets:
        raise ConfigError("nothing to sign with: name the secret in [payload] (secret_env or secret_file)")
    if ticket.queue is not None and not QUEUE_NAME.match(ticket.queue):
        raise ConfigError(f"--queue: expected a queue such as support@fsctl, not {ticket.queue!r}")
    if ticket.score is not None and not 0 <= ticket.score <= MAX_SCORE:
        raise ConfigError(f"--score: expected 0 to {MAX_SCORE}, not {ticket.score}")
    if ticket.language is not None and not _LANGUAGE.match(ticket.language):
        raise ConfigError(f"--language: expected two letters such as es, not {ticket.language!r}")
    try:
        return payload.sign(ticket, policy.payload_secrets[0])
    except ValueError as error:
        raise ConfigError(str(error)) from error


# --- for programs ------------------------------------------------------------------------------------------


def as_json(found: Explanation) -> str:
    """One object."""
    call, contact = found.call, found.contact
    values: dict[str, Any] = {
        "call": {
            "at": _iso(call.offered_at),
            "node": call.node,
            "channel": call.channel,
            "to_number": call.to_number,
            "aliases": [{"kind": alias.kind, "value": alias.value} for alias in call.aliases],
            "country": call.country,
            "payloads": [text for text in (call.cta_payload, call.deeplink_payload) if text],
            "request_params": dict(call.request_params),
        },
        "contact": {
            "id": contact.contact_id or None,
            "thread_id": contact.thread_id or None,
            "name": contact.name,
            "language": contact.language,
            "vip": contact.known.past.vip,
        },
        "rules": [asdict(said) for said in found.rules],
        "route": asdict(found.route),
        "opens_at": _iso(found.opens_at),
        "told": dict(found.told),
        "then": _then(found.then) if found.then else None,
    }
    return escape_json(json.dumps(values, ensure_ascii=False, indent=2))


def _then(call: Call) -> dict[str, Any]:
    return {
        "at": _iso(call.offered_at),
        "uuid": call.uuid,
        "queue": call.queue,
        "reason": call.route_reason,
        "language": call.language,
        "score": call.score,
        "sticky_agent": call.sticky_agent,
        "expected_wait_s": call.expected_wait_s,
        "payload_trusted": call.payload_trusted,
        "ended": disposition.words(call),
    }


def _iso(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat() if at else None


# --- for people --------------------------------------------------------------------------------------------


def as_text(found: Explanation) -> str:
    """Lines; strangers' text is escaped. Times are local."""
    return "\n".join(_lines(found))


def _lines(found: Explanation) -> Iterator[str]:
    call, route = found.call, found.route
    names = ", ".join(f"{alias.kind} {escape(alias.value)}" for alias in call.aliases) or "nobody known"
    front = "WhatsApp call" if call.channel == "whatsapp" else "call"
    yield f"{front} from {names} to {escape(call.to_number)}, {_clock(call.offered_at)}"
    yield _contact(found.contact)
    yield "rules"
    for said in found.rules:
        yield f"  {'→' if said.decided else ' '} {escape(said.rule):15} {escape(said.words)}"
    yield "route"
    for head, value in _decided(route):
        yield f"    {head:15} {escape(value)}"
    if found.opens_at:
        yield f"    {'opens again':15} {_clock(found.opens_at)}"
    yield "the dialplan is told"
    for name, value in found.told:
        yield f"    {name}={escape(value)}"
    if found.then is not None:
        yield from _stored(found.then)


def _contact(contact: ContactFound) -> str:
    past = contact.known.past
    if not contact.contact_id:
        return "contact: not known; the call would make one"
    parts = [
        escape(contact.name) or "unknown",
        f"language {escape(contact.language)}" if contact.language else "language not known",
        *(["VIP"] if past.vip else []),
        f"thread {contact.thread_id}" if contact.thread_id else "no thread with this number yet",
    ]
    if past.last_agent and past.last_agent_at:
        free = "is free" if past.last_agent_is_free else "is not free"
        parts.append(f"spoke with {escape(past.last_agent)} on {_clock(past.last_agent_at)}, who {free}")
    return f"contact {contact.contact_id}: {', '.join(parts)}"


def _decided(route: Route) -> Iterator[tuple[str, str]]:
    yield "queue", route.queue
    yield "because", "; ".join(route.reasons)
    yield "closed", "yes: the call goes on in the chat" if route.is_closed else "no"
    yield "language", route.language or "not known" + (", asked by key" if route.menu else "")
    yield "skill", route.skill or "none asked for"
    yield "score", str(route.score) if route.score is not None else "none"
    first = f"{route.sticky_agent} ({route.sticky_queue})" if route.sticky_agent else "nobody in particular"
    yield "tried first", first
    wait = route.expected_wait_s
    yield "expected wait", "not known" if wait is None else f"{wait} s"
    yield "recording", route.recording or "as the dialplan has it"


def _stored(call: Call) -> Iterator[str]:
    yield f"when it came, {_clock(call.offered_at)}"
    yield f"    {'queue':15} {escape(call.queue or 'none')}"
    yield f"    {'because':15} {escape(call.route_reason or 'nobody decided: it came while we were away')}"
    yield f"    {'ended':15} {escape(disposition.words(call))}"


def _clock(at: datetime) -> str:
    return f"{at.astimezone():%a %Y-%m-%d %H:%M %Z}"
