"""What can happen to a call. Past tense; ``uuid`` is always the caller leg's.

``at`` is aware UTC, the switch's own clock (``Event-Date-Timestamp``, microseconds), so that events of one
call compare exactly and a replay of the same event is the same value.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from fsctl.call.known import Known

AliasKind = Literal["phone", "wa_id", "bsuid", "parent_bsuid", "username"]
Leg = Literal["caller", "agent"]
Consent = Literal["disclosed", "given", "refused", "always", "never"]
"""How the caller learnt of the recording: told, agreed by key, declined, not told, not recorded."""
LeftBy = Literal["chat", "timeout", "no-agents", "closed"]
"""How the dialplan's path ended when it was not with an agent; chat is the exit key."""
Found = Literal["live", "resync", "ledger", "recording"]
"""How we came to know of a call: seen as it came, standing at a resync, told by the ledger, or by its file."""


@dataclass(frozen=True, kw_only=True)
class Alias:
    """A name the world has for a contact."""

    kind: AliasKind
    value: str


@dataclass(frozen=True, kw_only=True)
class CallEvent:
    """One fact about one call."""

    uuid: str
    at: datetime

    @property
    def key(self) -> str:
        """Tells apart two facts of one kind at one instant (ring-all offers several agents at once)."""
        return ""


@dataclass(frozen=True, kw_only=True)
class CallOffered(CallEvent):
    """A customer's INVITE arrived, or a channel was found at resync."""

    node: str
    channel: str
    """``whatsapp`` or ``sip``: the front door it came through."""
    aliases: tuple[Alias, ...]
    display_name: str
    to_number: str
    """Digits of the business number."""
    wacid: str | None = None
    cta_payload: str | None = None
    deeplink_payload: str | None = None
    country: str | None = None
    transport: str | None = None
    request_params: tuple[tuple[str, str], ...] = ()
    """Of the request URI's user (Meta, "Configure SIP", request_uri_user_params)."""
    found: Found = field(default="live", compare=False)
    """The same offer, however we heard of it."""


@dataclass(frozen=True, kw_only=True)
class ContactFound(CallEvent):
    """The store's answer to FindContact."""

    contact_id: int
    thread_id: int
    name: str
    language: str | None
    known: Known = field(default=Known(), compare=False, metadata={"story": False})
    """For the routing rules; not a fact of the call."""


@dataclass(frozen=True, kw_only=True)
class CallAnswered(CallEvent):
    """The dialplan answered the caller's leg."""

    encryption: str | None = None


@dataclass(frozen=True, kw_only=True)
class RecordingStarted(CallEvent):
    """The fork begins: a file that grows."""

    path: str

    @property
    def key(self) -> str:
        return self.path


@dataclass(frozen=True, kw_only=True)
class RecordingStopped(CallEvent):
    """FreeSWITCH closed the file; its header is final."""

    path: str
    duration_ms: int | None = None
    size_bytes: int | None = None

    @property
    def key(self) -> str:
        return self.path


GapKind = Literal["pause", "mask"]
"""Of a recording: the file does not grow meanwhile, or silence is written into it."""


@dataclass(frozen=True, kw_only=True)
class GapBegan(CallEvent):
    """From here on the call is not recorded on purpose: a card number is read out."""

    kind: GapKind
    path: str
    reason: str

    @property
    def key(self) -> str:
        return self.path


@dataclass(frozen=True, kw_only=True)
class GapEnded(CallEvent):
    """The call is recorded again."""

    kind: GapKind
    path: str

    @property
    def key(self) -> str:
        return self.path


@dataclass(frozen=True, kw_only=True)
class MemberJoined(CallEvent):
    """The caller waits in a queue."""

    queue: str
    member_uuid: str


@dataclass(frozen=True, kw_only=True)
class AgentOffered(CallEvent):
    """An agent's phone is about to ring for this caller."""

    queue: str
    agent: str

    @property
    def key(self) -> str:
        return self.agent


@dataclass(frozen=True, kw_only=True)
class AgentFailed(CallEvent):
    """The agent offered did not take the call."""

    agent: str
    cause: str

    @property
    def key(self) -> str:
        return self.agent


@dataclass(frozen=True, kw_only=True)
class AgentBridged(CallEvent):
    """The queue joined the agent to the caller; some 40 ms later the legs are."""

    agent: str
    agent_uuid: str

    @property
    def key(self) -> str:
        return self.agent_uuid


@dataclass(frozen=True, kw_only=True)
class LegsBridged(CallEvent):
    """The two legs hear each other from ``at`` on. From here the right channel is an agent's speech."""

    agent_uuid: str

    @property
    def key(self) -> str:
        return self.agent_uuid


@dataclass(frozen=True, kw_only=True)
class LegsUnbridged(CallEvent):
    """The two legs no longer hear each other."""

    agent_uuid: str

    @property
    def key(self) -> str:
        return self.agent_uuid


@dataclass(frozen=True, kw_only=True)
class MemberLeft(CallEvent):
    """The caller left the queue: ``Terminated`` after a bridge, else ``Cancel`` with a reason."""

    cause: str
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class Quality:
    """How the caller's audio reached us."""

    mos: float | None = None
    """FreeSWITCH's estimate, 1 to 4.5."""
    loss_percent: float | None = None
    """Packets lost, with FreeSWITCH's penalty for runs of them."""
    jitter_ms: float | None = None
    """Standard deviation of the packets' spacing, at its worst."""


@dataclass(frozen=True, kw_only=True)
class LegHungUp(CallEvent):
    """A leg is gone."""

    leg: Leg
    leg_uuid: str
    cause: str
    """FreeSWITCH's hangup cause; ``LOST`` when the channel was gone at resync and nobody saw why."""
    encryption: str | None = None
    quality: Quality | None = None
    consent: Consent | None = None
    refused: str | None = None
    """Why the dialplan did not let the call through."""
    left_by: LeftBy | None = None
    language: str | None = None
    """As chosen in the menu."""

    @property
    def key(self) -> str:
        return self.leg_uuid


@dataclass(frozen=True, kw_only=True)
class QualityMeasured(CallEvent):
    """The caller's audio while the call goes on."""

    quality: Quality


@dataclass(frozen=True, kw_only=True)
class GatewayDialled(CallEvent):
    """The caller is about to be joined to a leg that goes out by a gateway, which may be the PSTN."""

    leg_uuid: str
    gateway: str

    @property
    def key(self) -> str:
        return self.leg_uuid


EVENTS: tuple[type[CallEvent], ...] = (
    CallOffered,
    ContactFound,
    CallAnswered,
    RecordingStarted,
    RecordingStopped,
    GapBegan,
    GapEnded,
    MemberJoined,
    AgentOffered,
    AgentFailed,
    AgentBridged,
    LegsBridged,
    LegsUnbridged,
    MemberLeft,
    LegHungUp,
    QualityMeasured,
    GatewayDialled,
)
"""Every kind of event. The machine's table has a cell for each in every phase."""
