"""Where a call goes: ordered rules over what is known when it is offered. The first that answers decides.

To add a rule: one function, and one line in RULES.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from fsctl.call.events import ContactFound
from fsctl.call.state import Call


@dataclass(frozen=True, kw_only=True)
class Number:
    """What the config says of one of our business numbers."""

    queue: str | None = None
    language: str | None = None
    label: str = ""


@dataclass(frozen=True, kw_only=True)
class Policy:
    """All that routing may look at besides the call itself."""

    default_queue: str
    numbers: Mapping[str, Number] = field(default_factory=dict)
    """By digits of the business number."""


@dataclass(frozen=True, kw_only=True)
class Route:
    """A decision, with the reason for those who ask."""

    queue: str
    language: str | None
    reason: str


Rule = Callable[[Call, ContactFound, Policy], Route | None]


def by_number(call: Call, contact: ContactFound, policy: Policy) -> Route | None:
    """The number dialled has a queue of its own."""
    number = policy.numbers.get(call.to_number)
    if number is None or number.queue is None:
        return None
    return Route(
        queue=number.queue,
        language=contact.language or number.language,
        reason=f"number {call.to_number} has queue {number.queue}",
    )


def by_default(call: Call, contact: ContactFound, policy: Policy) -> Route | None:
    """Nothing said otherwise."""
    number = policy.numbers.get(call.to_number, Number())
    return Route(
        queue=policy.default_queue,
        language=contact.language or number.language,
        reason=f"no rule for number {call.to_number}: default queue",
    )


RULES: tuple[Rule, ...] = (by_number, by_default)


def decide(call: Call, contact: ContactFound, policy: Policy) -> Route:
    """Ask the rules in order.

    Raises:
        LookupError: no rule answered, which a list that ends in ``by_default`` cannot do.
    """
    for rule in RULES:
        route = rule(call, contact, policy)
        if route is not None:
            return route
    raise LookupError(f"call {call.uuid}: no routing rule answered")
