"""Where a call goes: ordered rules over what is known when it is offered.

RULES choose the queue: the first that answers decides, the others say why they do not. REFINEMENTS then look at
the choice in turn: skill, language, place, opening hours, the agent of last time, the wait, the recording.

To add a rule: one function, and one line in RULES.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from fsctl.call import payload, sla
from fsctl.call.events import ContactFound
from fsctl.call.payload import Ticket
from fsctl.call.policy import QUEUE_NAME, Number, Policy, Recording, Rule
from fsctl.call.state import Call

MAX_SCORE = 1_000_000
MAX_KEPT_S = 86_400
"""A place that was kept longer counts as much as one of a day ago."""


@dataclass(frozen=True, kw_only=True)
class Route:
    """A decision, with the reasons for those who ask."""

    queue: str
    reasons: tuple[str, ...]
    language: str | None = None
    skill: str | None = None
    score: int | None = None
    recording: Recording | None = None
    is_closed: bool = False
    """Not now: the call goes on in the chat."""
    sticky_agent: str | None = None
    sticky_queue: str | None = None
    """Tried first."""
    expected_wait_s: int | None = None
    menu: bool = False
    is_busy: bool = False
    """The wait is long: the caller is offered to go on in the chat, and may stay."""

    @property
    def reason(self) -> str:
        """All reasons in a line."""
        return "; ".join(self.reasons)


@dataclass(frozen=True)
class Facts:
    """What the rules look at."""

    call: Call
    contact: ContactFound
    policy: Policy
    told: Ticket | str
    """The payload's ticket, when it is ours, not expired, and this caller's; else why there is none."""

    @property
    def ticket(self) -> Ticket | None:
        """The ticket, if there is one to trust."""
        return None if isinstance(self.told, str) else self.told

    @property
    def number(self) -> Number:
        """What the config says of the number dialled."""
        return self.policy.numbers.get(self.call.to_number, Number())

    @property
    def payloads(self) -> tuple[str, ...]:
        """Of button and link, as sent."""
        return tuple(text for text in (self.call.cta_payload, self.call.deeplink_payload) if text)


Verdict = Route | str
"""A route, or why the rule has none."""
Choice = Callable[[Facts], Verdict]
Refinement = Callable[[Facts, Route], Route]


def decide(call: Call, contact: ContactFound, policy: Policy) -> Route:
    """Ask the rules in order, then refine.

    Raises:
        LookupError: no rule answered, which a list that ends in ``by_default`` cannot do.
    """
    facts = gather(call, contact, policy)
    for rule in RULES:
        route = rule(facts)
        if isinstance(route, Route):
            for refine in REFINEMENTS:
                route = refine(facts, route)
            return route
    raise LookupError(f"call {call.uuid}: no routing rule answered")


def gather(call: Call, contact: ContactFound, policy: Policy) -> Facts:
    """What is known, with the payload's ticket read."""
    return Facts(call, contact, policy, trusted_ticket(call, contact, policy))


def trusted_ticket(call: Call, contact: ContactFound, policy: Policy) -> Ticket | str:
    """The ticket in one of the call's payloads, if it is ours, not expired, and not another contact's.

    Returns:
        Else why there is none.
    """
    why = "no payload"
    for text in (call.cta_payload, call.deeplink_payload):
        if not text:
            continue
        ticket = payload.read(text, policy.payload_secrets)
        if ticket is None:
            why = "no payload with our signature"
        elif ticket.expires < call.offered_at:
            why = f"the signed payload expired on {ticket.expires:%Y-%m-%d %H:%M} UTC"
        elif ticket.contact_id not in (None, contact.contact_id, *contact.known.past.former_ids):
            why = "the signed payload was made for another contact"
        else:
            return ticket
    return why


# --- rules -------------------------------------------------------------------------------------------------


def by_ticket(facts: Facts) -> Verdict:
    """A button or link of ours names the queue."""
    if facts.ticket is None:
        return str(facts.told)
    if facts.ticket.queue is None:
        return "the signed payload names no queue"
    return Route(queue=facts.ticket.queue, reasons=(f"signed payload for queue {facts.ticket.queue}",))


def by_config(facts: Facts) -> Verdict:
    """The first rule of the config whose conditions all hold."""
    for rule in facts.policy.rules:
        if unmet(rule, facts) is None:
            return _route_of(rule, facts)
    return "no rule of the config holds" if facts.policy.rules else "the config has no rules"


def unmet(rule: Rule, facts: Facts) -> str | None:
    """The first condition of the rule that does not hold."""
    return next((name for name, holds in CONDITIONS.items() if not holds(rule, facts)), None)


def _route_of(rule: Rule, facts: Facts) -> Route:
    return Route(
        queue=rule.queue or facts.number.queue or facts.policy.default_queue,
        reasons=(f"rule {rule.name}",),
        language=rule.language,
        skill=rule.skill,
        score=rule.score,
        recording=rule.recording,
        is_closed=rule.close,
    )


def by_number(facts: Facts) -> Verdict:
    """The number dialled has a queue of its own."""
    queue = facts.number.queue
    if queue is None:
        return f"number {facts.call.to_number} has no queue of its own"
    return Route(queue=queue, reasons=(f"number {facts.call.to_number} has queue {queue}",))


def by_default(facts: Facts) -> Verdict:
    """Nothing said otherwise."""
    return Route(queue=facts.policy.default_queue, reasons=("no rule answered: default queue",))


RULES: tuple[Choice, ...] = (by_ticket, by_config, by_number, by_default)


def _is_open(name: str, facts: Facts) -> bool:
    return facts.policy.hours[name].is_open(facts.call.offered_at)


def _enough_wait(rule: Rule, facts: Facts) -> bool:
    loads = facts.contact.known.loads
    return all(queue in loads and loads[queue].waiting >= least for queue, least in rule.waiting.items())


CONDITIONS: dict[str, Callable[[Rule, Facts], bool]] = {
    "channel": lambda rule, facts: rule.channel in (None, facts.call.channel),
    "numbers": lambda rule, facts: not rule.numbers or facts.call.to_number in rule.numbers,
    "callers": lambda rule, facts: (
        not rule.callers
        or any(
            alias.value.startswith(tuple(one.lstrip("+") for one in rule.callers))
            for alias in facts.call.aliases
        )
    ),
    "countries": lambda rule, facts: not rule.countries or facts.call.country in rule.countries,
    "languages": lambda rule, facts: (
        not rule.languages or (facts.contact.language or "")[:2] in rule.languages
    ),
    "vip": lambda rule, facts: rule.vip in (None, facts.contact.known.past.vip),
    "payload": lambda rule, facts: rule.payload is None or any(map(rule.payload.search, facts.payloads)),
    "message": lambda rule, facts: (
        rule.message is None or any(map(rule.message.search, facts.contact.known.past.messages))
    ),
    "params": lambda rule, facts: rule.params.items() <= dict(facts.call.request_params).items(),
    "open": lambda rule, facts: rule.open is None or _is_open(rule.open, facts),
    "closed": lambda rule, facts: rule.closed is None or not _is_open(rule.closed, facts),
    "waiting": _enough_wait,
}
"""Each condition that a rule of the config may set."""


# --- refinements -------------------------------------------------------------------------------------------


def language(facts: Facts, route: Route) -> Route:
    """The customer's own, else the rule's, else the number's; and the queue of those who speak it."""
    asked = facts.ticket.language if facts.ticket else None
    found = asked or facts.contact.language or route.language or facts.number.language
    route = replace(route, language=found, menu=facts.number.menu and not (asked or facts.contact.language))
    return _moved(route, facts.policy.queue(route.queue).languages.get((found or "")[:2]), f"speaks {found}")


def skill(facts: Facts, route: Route) -> Route:
    """The queue of those who have the skill that the rule asks for."""
    found = facts.policy.queue(route.queue).skills.get(route.skill or "")
    return _moved(route, found, f"has skill {route.skill}")


def place(facts: Facts, route: Route) -> Route:
    """A ticket keeps the place that the caller had; else a rule may give one."""
    kept = _kept(facts, route)
    asked = route.score if kept is None else kept
    if asked is None:
        return route
    score = max(0, min(asked, MAX_SCORE))
    reasons = route.reasons if kept is None else (*route.reasons, f"place kept: score {score}")
    return replace(route, score=score, reasons=reasons)


def _kept(facts: Facts, route: Route) -> int | None:
    """Points by a ticket: its own, or a rule's, and a second's waiting is one point.

    Whoever was answered since then has had that place, however often the button is pressed.
    """
    ticket, answered = facts.ticket, facts.contact.known.past.last_agent_at
    if ticket is None or (ticket.since is None and ticket.score is None):
        return None
    if ticket.since is None:
        return ticket.score
    if answered is not None and answered > ticket.since:
        return None
    waited_s = round((facts.call.offered_at - ticket.since).total_seconds())
    return (ticket.score or route.score or 0) + max(0, min(waited_s, MAX_KEPT_S))


def opening(facts: Facts, route: Route) -> Route:
    """Outside the queue's hours the call goes on in the chat."""
    name = facts.policy.queue(route.queue).hours
    if route.is_closed or name is None or _is_open(name, facts):
        return route
    return replace(route, is_closed=True, reasons=(*route.reasons, f"closed: outside hours {name}"))


def same_agent(facts: Facts, route: Route) -> Route:
    """Who spoke with this caller of late, in this queue, and is free: tried first."""
    past, policy = facts.contact.known.past, facts.policy
    if past.last_agent is None or past.last_agent_at is None:
        return route
    queue = policy.sticky_queue.replace("{agent}", past.last_agent)
    # Who was found by this rule last time was found in the queue of one.
    if past.last_queue not in (route.queue, queue) or not QUEUE_NAME.match(queue):
        return route
    age_s = (facts.call.offered_at - past.last_agent_at).total_seconds()
    if route.is_closed or age_s > policy.sticky_for_s or not past.last_agent_is_free:
        return route
    reasons = (*route.reasons, f"{past.last_agent} first: spoke with this caller {age_s / 60:.0f} min ago")
    return replace(route, sticky_agent=past.last_agent, sticky_queue=queue, reasons=reasons)


def wait(facts: Facts, route: Route) -> Route:
    """How long it may take, from the queue's own history."""
    load = facts.contact.known.loads.get(route.queue)
    if load is None or route.is_closed:
        return route
    expected = sla.expected_wait_s(load)
    return replace(route, expected_wait_s=None if expected is None else round(expected))


def busy(facts: Facts, route: Route) -> Route:
    """Where the wait is longer than the queue wants to ask of anybody, the chat is offered.

    Not to who comes back to a kept place, which is ahead of the others, nor where there is no chat.
    """
    most_s, wait_s = facts.policy.queue(route.queue).dissuade_after_s, route.expected_wait_s
    if most_s is None or wait_s is None or wait_s <= most_s or facts.call.channel != "whatsapp":
        return route
    if _kept(facts, route):
        return route
    return replace(route, is_busy=True, reasons=(*route.reasons, f"busy: {wait_s} s expected, chat offered"))


def terms(facts: Facts, route: Route) -> Route:
    """How the queue records, where no rule said otherwise."""
    return replace(route, recording=route.recording or facts.policy.queue(route.queue).recording)


REFINEMENTS: tuple[Refinement, ...] = (skill, language, place, opening, same_agent, wait, busy, terms)


def _moved(route: Route, queue: str | None, why: str) -> Route:
    if queue is None or queue == route.queue:
        return route
    return replace(route, queue=queue, reasons=(*route.reasons, f"{queue}: {why}"))
