"""What is known of a call between two events."""

import enum
from dataclasses import dataclass
from datetime import datetime

from fsctl.call.events import Alias, Found


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
    contact_id: int | None = None
    thread_id: int | None = None
    queue: str | None = None
    route_reason: str | None = None
    language: str | None = None
    agent: str | None = None
    agent_uuid: str | None = None
    answered_at: datetime | None = None
    queued_at: datetime | None = None
    bridged_at: datetime | None = None
    ended_at: datetime | None = None
    member_cause: str | None = None
    """CC-Cause or, for a cancel, CC-Cancel-Reason."""
    hangup_cause: str | None = None
    disposition: Disposition | None = None
    fault: Fault | None = None
    encryption: str | None = None
    mos: float | None = None
