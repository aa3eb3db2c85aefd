"""What stands on a switch and should not, and the smallest commands that put it right. Pure.

mod_callcenter keeps its state in tables, and its threads that were to set them back can be lost. Each rule looks at
one snapshot; that a finding needs time before anybody acts upon it is reconcile.py's.

What mod_callcenter.c allows (1.11.2, and measured): no command changes or deletes the row of a member.
``reload mod_callcenter`` would clear it, but is refused while a caller is in a queue, takes agents out of the calls
they are in and writes the XML's agents over, so it is never done here. An agent's state and a tier's can be set.
``callcenter_break`` ends the queue call of an agent's leg, and the member with it.

To add a rule: one function, and one line in RULES.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from fsctl.esl import encode
from fsctl.esl.callcenter import (
    ANSWERED,
    AVAILABLE,
    IDLE,
    IN_CALL,
    NO_ANSWER,
    ON_BREAK,
    ON_DEMAND,
    READY,
    RING_ALL,
    TRYING,
    WAITING,
    Agent,
    Member,
    Queue,
    Snapshot,
    Tier,
)

ORIGINATE_S = 90
"""An agent may be Receiving for so long before there is a leg: originate gives up after 60 s (load_config)."""
DISPATCH_S = 15
"""The dispatcher looks for callers ten times a second; so long without a sign of it, and it has stopped."""

Kind = Literal[
    "member-without-channel",
    "caller-not-offered",
    "agent-without-channel",
    "tier-without-call",
    "phone-gone",
    "phone-back",
    "wrap-up-differs",
    "dispatcher-stopped",
    "call-unknown",
    "call-not-member",
]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something that should not stand as it does."""

    kind: Kind
    subject: str
    """Name of the agent or queue, or the uuid that it is about."""
    before: str
    """What stood, in mod_callcenter's words. When it changes it is another finding."""
    what: str
    """The same for people."""
    repair: tuple[encode.Request, ...] = ()
    """Nothing where no command helps."""
    advice: str = ""
    """What a person could do then."""

    @property
    def key(self) -> tuple[str, str]:
        """What it is about, whatever it looks like."""
        return self.kind, self.subject


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What we know of an agent beside mod_callcenter."""

    away_since: int | None = None
    """When we set the agent On Break, by the switch's clock, as mod_callcenter wrote it down."""
    away_from: str = AVAILABLE
    """The status that the agent had then."""
    wrap_up_s: int | None = None
    """Set by a person; wins over the queues'."""
    wrap_up_back_s: int | None = None
    """Where it goes back to: a person ended one wrap-up early."""


@dataclass(frozen=True, kw_only=True)
class Ours:
    """What fsctl knows and the switch does not."""

    calls: Mapping[str, str] = field(default_factory=dict)
    """Uuid -> phase of the node's open calls."""
    kept: Mapping[str, Kept] = field(default_factory=dict)
    """By agent."""
    wrap_up_s: Mapping[str, int] = field(default_factory=dict)
    """By queue, where the config says one."""


# --- rules: members ----------------------------------------------------------------------------------------


def members_without_channel(snapshot: Snapshot, _ours: Ours) -> Iterator[Finding]:
    """A member whose caller is gone. It counts in every list, and its agent may be held or rung for nobody."""
    for member in snapshot.members:
        if member.state in (WAITING, TRYING, ANSWERED) and member.channel_uuid not in snapshot.channels:
            repair, advice = _release(snapshot, member)
            yield Finding(
                kind="member-without-channel",
                subject=member.uuid,
                before=f"{member.state} in {member.queue}, agent {member.agent or 'none'}",
                what=f"a caller who is gone stands in {member.queue} as {member.state}",
                repair=repair,
                advice=advice,
            )


def _release(snapshot: Snapshot, member: Member) -> tuple[tuple[encode.Request, ...], str]:
    legs = [channel for channel in snapshot.channels.values() if channel.member == member.uuid]
    if member.state == WAITING:
        return (), "mod_callcenter drops it as soon as an agent of the queue is free"
    if not legs:
        return (), "no command removes it; reload mod_callcenter while nobody calls, or restart FreeSWITCH"
    if member.state == TRYING:
        return tuple(encode.HangUp(leg.uuid, "ORIGINATOR_CANCEL") for leg in legs), ""
    if all(leg.is_parked for leg in legs):
        return tuple(encode.ReleaseAgent(leg.uuid) for leg in legs), ""
    return (), f"it ends with the leg of {member.agent}, who talks on without the caller"


def callers_not_offered(snapshot: Snapshot, _ours: Ours) -> Iterator[Finding]:
    """A caller who is being offered to an agent who knows nothing of it: nobody will ever answer."""
    agents = {agent.name: agent for agent in snapshot.agents}
    for member in snapshot.members:
        agent = agents.get(member.agent)
        if member.state != TRYING or member.channel_uuid not in snapshot.channels or agent is None:
            continue
        if not agent.is_busy and agent.name not in snapshot.legs:
            yield Finding(
                kind="caller-not-offered",
                subject=member.uuid,
                before=f"Trying in {member.queue}, agent {agent.name} {agent.state} since {agent.last_offered}",
                what=f"a caller in {member.queue} is Trying with {agent.name}, whose phone does not ring",
                advice=f"uuid_transfer {member.channel_uuid} back into the queue",
            )


# --- rules: agents -----------------------------------------------------------------------------------------


def agents_without_channel(snapshot: Snapshot, _ours: Ours) -> Iterator[Finding]:
    """An agent who is busy with a call that is not there, and gets no other."""
    for agent in snapshot.agents:
        if not agent.is_busy or agent.name in snapshot.legs or _is_being_called(snapshot, agent):
            continue
        after_call = agent.state == IN_CALL and agent.status == ON_DEMAND
        tiers = _held(snapshot.tiers_of[agent.name])
        yield Finding(
            kind="agent-without-channel",
            subject=agent.name,
            before=f"{agent.state} since {max(agent.last_offered, agent.last_bridge_start)}",
            what=f"{agent.name} is {agent.state} without a call",
            repair=(
                encode.SetAgent("state", agent.name, IDLE if after_call else WAITING),
                *(encode.SetTierState(tier.queue, tier.agent, READY) for tier in tiers),
            ),
        )


def _is_being_called(snapshot: Snapshot, agent: Agent) -> bool:
    """Whether originate may still make a leg: a delayed ring, a slow name server."""
    if agent.state == IN_CALL or snapshot.at - agent.last_offered > ORIGINATE_S:
        return False
    queues = {tier.queue for tier in snapshot.tiers_of[agent.name]}
    return any(
        member.state == TRYING
        and member.channel_uuid in snapshot.channels
        and (member.agent == agent.name or (member.agent in RING_ALL and member.queue in queues))
        for member in snapshot.members
    )


def _held(tiers: Iterable[Tier]) -> Iterator[Tier]:
    return (tier for tier in tiers if tier.state not in (READY, NO_ANSWER))


def tiers_without_call(snapshot: Snapshot, _ours: Ours) -> Iterator[Finding]:
    """An agent is free, and yet the place in a queue says otherwise: no calls from that queue."""
    for agent in snapshot.agents:
        if not agent.is_busy and agent.name not in snapshot.legs:
            for tier in _held(snapshot.tiers_of[agent.name]):
                yield Finding(
                    kind="tier-without-call",
                    subject=f"{agent.name} {tier.queue}",
                    before=f"{tier.state} since {max(agent.last_offered, agent.last_bridge_end)}",
                    what=f"{agent.name} is free, but {tier.state} in {tier.queue}",
                    repair=(encode.SetTierState(tier.queue, tier.agent, READY),),
                )


def phones_gone(snapshot: Snapshot, _ours: Ours) -> Iterator[Finding]:
    """An agent who takes calls with a phone that is not there: callers are offered to nobody, again and again."""
    for agent in snapshot.agents:
        if agent.is_staffed and not agent.is_busy and agent.registered is False:
            yield Finding(
                kind="phone-gone",
                subject=agent.name,
                before=agent.status,
                what=f"{agent.name} is {agent.status}, but the phone is not registered",
                repair=(encode.SetAgent("status", agent.name, ON_BREAK),),
            )


def phones_back(snapshot: Snapshot, ours: Ours) -> Iterator[Finding]:
    """An agent whom we put On Break for that, nobody changed it since, and the phone is back."""
    for agent in snapshot.agents:
        kept = ours.kept.get(agent.name, Kept())
        if agent.status == ON_BREAK and agent.registered and kept.away_since == agent.status_since:
            yield Finding(
                kind="phone-back",
                subject=agent.name,
                before=f"On Break since {agent.status_since}",
                what=f"{agent.name} is On Break because the phone was gone, and it is back",
                repair=(encode.SetAgent("status", agent.name, kept.away_from),),
            )


def wrap_ups(snapshot: Snapshot, ours: Ours) -> Iterator[Finding]:
    """An agent whose wrap-up is not what it should be.

    It is set when no wrap-up would begin again by it: in a call, or when the time would be over.
    """
    for agent in snapshot.agents:
        wanted = wrap_up_of(agent.name, snapshot, ours)
        if wanted is None or wanted == agent.wrap_up_s:
            continue
        if agent.is_busy or snapshot.at > agent.last_bridge_end + wanted:
            yield Finding(
                kind="wrap-up-differs",
                subject=agent.name,
                before=f"{agent.wrap_up_s} s",
                what=f"{agent.name} has {agent.wrap_up_s} s of wrap-up instead of {wanted} s",
                repair=(encode.SetAgent("wrap_up_time", agent.name, str(wanted)),),
            )


def wrap_up_of(agent: str, snapshot: Snapshot, ours: Ours) -> int | None:
    """Seconds of wrap-up that an agent should have.

    A person's word, else the longest of the agent's queues, else what it was before it was ended early.
    """
    kept = ours.kept.get(agent, Kept())
    queues = [tier.queue for tier in snapshot.tiers_of.get(agent, ())]
    longest = max((ours.wrap_up_s[queue] for queue in queues if queue in ours.wrap_up_s), default=None)
    return next((one for one in (kept.wrap_up_s, longest, kept.wrap_up_back_s) if one is not None), None)


# --- rules: queues and calls -------------------------------------------------------------------------------


def dispatcher_stopped(snapshot: Snapshot, _ours: Ours) -> Iterator[Finding]:
    """Callers wait, an agent of theirs is free, and nobody was offered a call for a while."""
    offered = max((agent.last_offered for agent in snapshot.agents), default=0)
    if snapshot.at - offered < DISPATCH_S or any(member.state == TRYING for member in snapshot.members):
        return
    waited_s = {queue.name: _passed_over_s(snapshot, queue) for queue in snapshot.queues}
    passed_over = [
        member
        for member in snapshot.members
        if member.state == WAITING
        and member.channel_uuid in snapshot.channels
        and (limit_s := waited_s.get(member.queue)) is not None
        and snapshot.at - member.joined >= limit_s
    ]
    if passed_over:
        queues = ", ".join(sorted({member.queue for member in passed_over}))
        yield Finding(
            kind="dispatcher-stopped",
            subject=queues,
            before=f"Waiting since {min(member.joined for member in passed_over)}",
            what=f"callers wait in {queues}, an agent is free, and mod_callcenter offers nobody",
            advice="it starts with the module, which cannot be reloaded while callers wait: restart FreeSWITCH",
        )


def _passed_over_s(snapshot: Snapshot, queue: Queue) -> int | None:
    """After how long a caller should have been offered, since an agent is and was free; None without such an agent.

    With tier rules each level is asked only after its own wait.
    """
    earlier = replace(snapshot, at=snapshot.at - DISPATCH_S)
    agents = {agent.name: agent for agent in snapshot.agents if agent.status_since <= earlier.at}
    level_s = queue.tier_rule_wait_s if queue.tier_rules_apply else 0
    waits_s = [
        DISPATCH_S + tier.level * level_s
        for tier in snapshot.tiers
        if tier.queue == queue.name and tier.agent in agents and earlier.is_ready(agents[tier.agent], tier)
    ]
    return min(waits_s, default=None)


def calls_apart(snapshot: Snapshot, ours: Ours) -> Iterator[Finding]:
    """A member that we do not know, or a call that waits for us alone. The link's audit heals both."""
    members = {member.channel_uuid: member for member in snapshot.members}
    for channel in snapshot.channels.values():
        member, phase = members.get(channel.uuid), ours.calls.get(channel.uuid)
        if channel.is_ours and member is not None and phase is None:
            yield Finding(
                kind="call-unknown",
                subject=channel.uuid,
                before=member.queue,
                what=f"a caller in {member.queue} is no call of ours",
                advice="fsctl link shows whether the link is well",
            )
        if member is None and phase in ("queued", "ringing"):
            yield Finding(
                kind="call-not-member",
                subject=channel.uuid,
                before=str(phase),
                what=f"a call is {phase} for us, and in no queue",
                advice="fsctl link shows whether the link is well",
            )


RULES: tuple[Callable[[Snapshot, Ours], Iterator[Finding]], ...] = (
    members_without_channel,
    callers_not_offered,
    agents_without_channel,
    tiers_without_call,
    phones_gone,
    phones_back,
    wrap_ups,
    dispatcher_stopped,
    calls_apart,
)
