"""What stands in mod_callcenter and beside it: queues, agents, tiers, members, channels. Pure.

Knows its words, and which of them say that an agent is free. Refuses to know how it is read (snapshot.py), what
is wrong with it and what to do (reconcile.py). Times are whole seconds of the switch's own clock, as in its tables.

Source: mod_callcenter.c; agents_callback for who is offered a call.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

LOGGED_OUT, AVAILABLE, ON_DEMAND, ON_BREAK = "Logged Out", "Available", "Available (On Demand)", "On Break"
IDLE, WAITING, RECEIVING, RESERVED, IN_CALL = "Idle", "Waiting", "Receiving", "Reserved", "In a queue call"
TRYING, ANSWERED, ABANDONED = "Trying", "Answered", "Abandoned"
BUSY = frozenset({RECEIVING, RESERVED, IN_CALL})
READY, NO_ANSWER = "Ready", "No Answer"
RING_ALL = frozenset({"ring-all", "ring-progressively"})
"""Strategies that offer a member to several agents at once; they stand in place of the agent then."""


@dataclass(frozen=True, kw_only=True)
class Queue:
    """A queue's settings that matter here."""

    name: str
    tier_rules_apply: bool = False
    tier_rule_wait_s: int = 0
    skips_external: bool = True
    """Whether agents who are on a call of another kind (callcenter_track) are left out."""


@dataclass(frozen=True, kw_only=True)
class Agent:
    """An agent as mod_callcenter has it."""

    name: str
    status: str
    state: str
    contact: str = ""
    channel_uuid: str = ""
    """Of the agent's leg, from the bridge on."""
    wrap_up_s: int = 0
    last_bridge_start: int = 0
    last_bridge_end: int = 0
    last_offered: int = 0
    status_since: int = 0
    ready_at: int = 0
    """Not offered a call before this: after a rejected or missed one."""
    external_calls: int = 0
    registered: bool | None = None
    """Whether the phone is there; None where nobody can say."""

    @property
    def is_staffed(self) -> bool:
        """Whether the status lets the agent take calls."""
        return self.status in (AVAILABLE, ON_DEMAND)

    @property
    def is_busy(self) -> bool:
        """Whether mod_callcenter has the agent in a call, or on the way to one."""
        return self.state in BUSY

    @property
    def free_at(self) -> int:
        """When wrap-up and delays are over."""
        return max(self.last_bridge_end + self.wrap_up_s, self.ready_at)


@dataclass(frozen=True, kw_only=True)
class Tier:
    """An agent's place in a queue."""

    queue: str
    agent: str
    state: str = READY
    level: int = 1
    position: int = 1


@dataclass(frozen=True, kw_only=True)
class Member:
    """A caller in a queue."""

    queue: str
    uuid: str
    channel_uuid: str
    state: str
    agent: str = ""
    """Who is offered the call or has it; or a strategy of RING_ALL."""
    joined: int = 0


@dataclass(frozen=True, kw_only=True)
class Channel:
    """A channel of the switch; ``show channels`` lags a fifth of a second behind."""

    uuid: str
    is_outbound: bool = False
    is_parked: bool = False
    """It plays no part in any call at this moment."""
    is_ours: bool = False
    """It came by a front door of ours."""
    agent: str = ""
    """Whose leg it is; asked only while an agent or a caller is missed."""
    member: str = ""
    """For which member it was made."""


@dataclass(frozen=True, kw_only=True)
class Load:
    """How a queue is now."""

    name: str
    waiting: int
    longest_since: int | None
    agents_staffed: int
    agents_ready: int


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """All of it at one moment, or nearly: it takes a few milliseconds to read."""

    at: int
    queues: tuple[Queue, ...] = ()
    agents: tuple[Agent, ...] = ()
    tiers: tuple[Tier, ...] = ()
    members: tuple[Member, ...] = ()
    channels: Mapping[str, Channel] = field(default_factory=dict)

    @cached_property
    def tiers_of(self) -> Mapping[str, tuple[Tier, ...]]:
        """By agent."""
        tiers: dict[str, tuple[Tier, ...]] = {agent.name: () for agent in self.agents}
        for tier in self.tiers:
            if tier.agent in tiers:
                tiers[tier.agent] += (tier,)
        return tiers

    @cached_property
    def legs(self) -> Mapping[str, Channel]:
        """The leg of each agent who has one, by agent."""
        owned = {channel.agent: channel for channel in self.channels.values() if channel.agent}
        bridged = {
            agent.name: self.channels[agent.channel_uuid]
            for agent in self.agents
            if agent.channel_uuid and agent.channel_uuid in self.channels
        }
        return owned | bridged

    def is_ready(self, agent: Agent, tier: Tier) -> bool:
        """Whether mod_callcenter would offer the agent a member of the tier's queue now."""
        skips = next((queue.skips_external for queue in self.queues if queue.name == tier.queue), True)
        return (
            agent.is_staffed
            and agent.state == WAITING
            and tier.state in (READY, NO_ANSWER)
            and agent.free_at <= self.at
            and not (skips and agent.external_calls)
            and agent.registered is not False
        )

    def loads(self) -> Iterator[Load]:
        """Each queue's."""
        agents = {agent.name: agent for agent in self.agents}
        for queue in self.queues:
            joined = [
                member.joined
                for member in self.members
                if member.queue == queue.name and member.state in (WAITING, TRYING)
            ]
            places = [tier for tier in self.tiers if tier.queue == queue.name and tier.agent in agents]
            yield Load(
                name=queue.name,
                waiting=len(joined),
                longest_since=min(joined, default=None),
                agents_staffed=sum(agents[tier.agent].is_staffed for tier in places),
                agents_ready=sum(self.is_ready(agents[tier.agent], tier) for tier in places),
            )
