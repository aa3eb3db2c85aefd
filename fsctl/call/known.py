"""What the store knows when a call is offered: the caller's past with us, and how the queues are. The answer
to FindContact carries it to the routing rules; it is looked at once and not kept."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class Load:
    """How a queue is now, and how it was of late."""

    waiting: int = 0
    agents_staffed: int = 0
    """Agents of the queue whose status lets them take calls."""
    agents_ready: int = 0
    """Of these, who could take one now."""
    handling_s: float | None = None
    """Mean of talk and wrap-up of its last calls; None without history."""


@dataclass(frozen=True, kw_only=True)
class Past:
    """What the contact and we had with each other."""

    vip: bool = False
    last_queue: str | None = None
    last_agent: str | None = None
    last_agent_at: datetime | None = None
    last_agent_is_free: bool = False
    """Whether that agent could take a call now."""
    former_ids: tuple[int, ...] = ()
    """Ids of contacts that became this one: what we signed may name one of them."""
    messages: tuple[str, ...] = ()
    """Bodies of the last chat messages from the customer, the newest first, bounded."""


@dataclass(frozen=True, kw_only=True)
class Known:
    """All of it."""

    past: Past = Past()
    loads: Mapping[str, Load] = field(default_factory=dict)
    """By queue."""
