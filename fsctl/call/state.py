"""What is known of a call between two events."""

import enum
from dataclasses import dataclass
from datetime import datetime

from fsctl.call.events import Alias, Consent, Found, LeftBy


class Phase(enum.Enum):
    """Where a call is. The order is the usual one; the machine's table says which steps are legal."""

    OFFERED = "offered"
    """The INVITE is here; the dialplan has not answered."""
    ANSWERED = "answered"
    """Answered by the dialplan; silence, disclosure."""
    QUEUED = "queued"
    """A member of a queue; hears music."""
    RINGING = "ringing"
    """A member, and at least one agent's phone rings."""
    TALKING = "talking"
    """Bridged to an agent."""
    ENDED = "ended"
    """The caller's leg is gone. Late facts (recording closed, queue's own end) may follow."""


class Disposition(enum.Enum):
    """How the call ended, in our words."""

    ANSWERED = "answered"
    ABANDONED = "abandoned"
    TIMED_OUT = "timed_out"
    CLOSED = "closed"
    """Outside opening hours; the chat goes on."""
    CONTINUED_IN_CHAT = "continued_in_chat"
    """The caller chose to by key."""
    REFUSED = "refused"
    FAILED = "failed"


class Fault(enum.Enum):
    """On whose side the end lies."""

    NOBODY = "nobody"
    CALLER = "caller"
    US = "us"
    NETWORK = "network"


@dataclass(frozen=True, kw_only=True)
class Call:
    """One customer conversation, keyed by the caller leg's uuid. Times are aware UTC."""

    uuid: str
    node: str
    channel: str
    phase: Phase
    offered_at: datetime
    found: Found = "live"
    aliases: tuple[Alias, ...] = ()
    display_name: str = ""
    to_number: str = ""
    wacid: str | None = None
    cta_payload: str | None = None
    deeplink_payload: str | None = None
    country: str | None = None
    transport: str | None = None
    request_params: tuple[tuple[str, str], ...] = ()
    payload_trusted: bool = False
    """The payload has our own signature; else it is a hint."""
    contact_id: int | None = None
    thread_id: int | None = None
    queue: str | None = None
    route_reason: str | None = None
    score: int | None = None
    """Place in the queue: mod_callcenter's base score."""
    skill: str | None = None
    sticky_agent: str | None = None
    """Tried first."""
    expected_wait_s: int | None = None
    answer_within_s: int | None = None
    """The queue's service level when the call came."""
    language: str | None = None
    redact: tuple[str, ...] = ()
    """What must not be stored of what is said: asked by the queues that it was in."""
    spoken: tuple[str, ...] = ()
    """Languages that those queues allow in its text; none where none says it."""
    agent: str | None = None
    agent_uuid: str | None = None
    answered_at: datetime | None = None
    queued_at: datetime | None = None
    bridged_at: datetime | None = None
    ended_at: datetime | None = None
    member_uuid: str | None = None
    """mod_callcenter's id of the waiting, another one for each queue joined."""
    member_cause: str | None = None
    """CC-Cause or, for a cancel, CC-Cancel-Reason."""
    hangup_cause: str | None = None
    disposition: Disposition | None = None
    fault: Fault | None = None
    consent: Consent | None = None
    refused: str | None = None
    left_by: LeftBy | None = None
    encryption: str | None = None
    mos: float | None = None
    loss_percent: float | None = None
    jitter_ms: float | None = None

    @property
    def waited_s(self) -> float | None:
        """Seconds from joining the queue to the agent, or to the end; None before."""
        until = self.bridged_at or self.ended_at
        if self.queued_at is None or until is None:
            return None
        return max(0.0, (until - self.queued_at).total_seconds())

    @property
    def is_within_service_level(self) -> bool | None:
        """Whether it waited no longer than the queue promises; None when nobody promised or waited."""
        if self.waited_s is None or self.answer_within_s is None:
            return None
        return self.waited_s <= self.answer_within_s
