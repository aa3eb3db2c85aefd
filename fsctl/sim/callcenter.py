"""mod_callcenter: queues, agents, tiers, members, and who is offered whom.

In charge of the choice; tables are tables.py, the offer itself (an agent's leg, the bridge, the end) is
offer.py, the text of its API callcenter_config.py. Source: mod_callcenter.c; order of events as in
call_queue_plain, cc_abandon, cc_agent_no_answer.

Rules of the choice (agents_callback, 2326-2345): status Available or Available (On Demand), state Waiting,
tier Ready or No Answer, ready_time passed, wrap_up_time passed since the last bridge. Only longest-idle-agent
is modelled: by tier level, then by the end of the last bridge, then by position. Not modelled: other
strategies (refused when the queue is made), tier rules, announcements, resuming abandoned members, exit keys,
uuid-standby agents.
"""

from typing import TYPE_CHECKING

import gevent

from fsctl.sim.audio import hold_music
from fsctl.sim.channel import Channel
from fsctl.sim.event import Headers
from fsctl.sim.tables import (
    Agent,
    AgentOptions,
    Member,
    Queue,
    QueueOptions,
    Tier,
    TierOptions,
)

if TYPE_CHECKING:
    from fsctl.sim.switch import Switch

SUBCLASS = "callcenter::info"
#: cc_agent_dispatch_thread_run looks for members ten times a second.
DISPATCH_S = 0.1
#: cc_member_thread_run looks at max_wait_time twice a second.
MEMBER_S = 0.5


class Callcenter:
    """The tables, the dispatcher, and the events that have no channel."""

    def __init__(self, switch: "Switch") -> None:
        self.switch = switch
        self.queues: dict[str, Queue] = {}
        self.agents: dict[str, Agent] = {}
        self.tiers: list[Tier] = []
        self.members: list[Member] = []

    def load(
        self,
        queues: tuple[QueueOptions, ...],
        agents: tuple[AgentOptions, ...],
        tiers: tuple[TierOptions, ...],
    ) -> None:
        """What callcenter.conf.xml says."""
        for queue in queues:
            if queue.strategy != "longest-idle-agent":
                raise ValueError(
                    f"queue {queue.name}: the simulator does not model the strategy {queue.strategy}"
                )
            self.queues[queue.name] = Queue(queue)
        for agent in agents:
            values = {name: getattr(agent, name) for name in AgentOptions.__dataclass_fields__}
            self.agents[agent.name] = Agent(**values, last_status_change=self.now())
        self.tiers = [Tier(tier.queue, tier.agent, "Ready", tier.level, tier.position) for tier in tiers]

    def now(self) -> int:
        """Epoch seconds, the unit of callcenter's tables."""
        return int(self.switch.clock.now_s())

    # Events -----------------------------------------------------------------------------------------------

    def fire(self, headers: Headers, action: str) -> None:
        """A callcenter::info event without a channel."""
        self.switch.bus.fire("CUSTOM", headers, origin=action, subclass=SUBCLASS)

    def count(self, queue: str) -> None:
        """``members-count`` and the presence of the queue, as they follow each other in call_queue_plain."""
        waiting = sum(
            member.queue == queue and member.state in ("Waiting", "Trying") for member in self.members
        )
        headers = [("CC-Queue", queue), ("CC-Action", "members-count")]
        self.fire([*headers, ("CC-Count", str(waiting)), ("CC-Selection", "Single-Queue")], "members-count")
        idle = not any(member.queue == queue and member.state == "Waiting" for member in self.members)
        self.switch.bus.fire("PRESENCE_IN", _presence(queue, 0 if idle else waiting))

    def set_state(self, agent: Agent, state: str) -> None:
        """``agent-state-change``."""
        agent.state = state
        if state == "Receiving":
            agent.last_offered_call = self.now()
        headers = [("CC-Agent", agent.name), ("CC-Action", "agent-state-change"), ("CC-Agent-State", state)]
        self.fire(headers, "agent-state-change")

    def set_status(self, agent: Agent, status: str) -> None:
        """``agent-status-change``. Leaving Available stops a ringing phone; coming back resets counters."""
        if status == "Available" and agent.status != status:
            agent.talk_time = agent.calls_answered = agent.no_answer_count = 0
        agent.status = status
        agent.last_status_change = self.now()
        if status != "Available":
            for member in self.members:
                if member.serving_agent == agent.name and member.ringing is not None:
                    member.ringing.hangup("ORIGINATOR_CANCEL")
        headers = [
            ("CC-Agent", agent.name),
            ("CC-Action", "agent-status-change"),
            ("CC-Agent-Status", status),
        ]
        self.fire(headers, "agent-status-change")

    def set_tier_state(self, queue: str, agent: str, state: str) -> None:
        """No event tells of a tier's state."""
        for tier in self.tiers:
            if (tier.queue, tier.agent) == (queue, agent):
                tier.state = state

    # The dispatcher ---------------------------------------------------------------------------------------

    def run(self) -> None:
        """Greenlet: ten times a second, offer the longest waiting members to idle agents."""
        while True:
            self.switch.clock.sleep(DISPATCH_S)
            self._discard()
            waiting = [member for member in self.members if member.state == "Waiting"]
            for member in sorted(waiting, key=lambda one: -one.score(self.now())):
                agent = self._choose(member.queue)
                if agent is not None and member.channel.ready:
                    self._offer(member, agent)

    def _discard(self) -> None:
        """Abandoned members stay in the table for discard_abandoned_after seconds."""
        now = self.now()
        limits = {name: queue.options.discard_abandoned_after for name, queue in self.queues.items()}
        self.members = [
            member
            for member in self.members
            if member.state != "Abandoned" or member.abandoned_epoch + limits.get(member.queue, 0) >= now
        ]

    def _choose(self, queue: str) -> Agent | None:
        tiers = [tier for tier in self.tiers if tier.queue == queue and tier.state in ("Ready", "No Answer")]
        found = [(tier, self.agents[tier.agent]) for tier in tiers if tier.agent in self.agents]
        free = [
            (tier.level, agent.last_bridge_end, tier.position, agent)
            for tier, agent in found
            if self._free(agent)
        ]
        return min(free, key=lambda row: row[:3])[3] if free else None

    def _free(self, agent: Agent) -> bool:
        now = self.now()
        rested = agent.last_bridge_end < now - agent.wrap_up_time and agent.ready_time <= now
        return rested and agent.state == "Waiting" and agent.status in ("Available", "Available (On Demand)")

    def _offer(self, member: Member, agent: Agent) -> None:
        member.state, member.serving_agent, member.serving_system = "Trying", agent.name, "single_box"
        self.set_tier_state(member.queue, agent.name, "Offering")
        self.set_state(agent, "Receiving")
        member.channel.hold()
        self.switch.spawn_offer(member, agent)

    # The member's side ------------------------------------------------------------------------------------

    def join(self, channel: Channel, queue_name: str) -> Channel | None:
        """The application ``callcenter``: wait until an agent's channel is found, or the wait ends.

        An unknown queue makes FreeSWITCH warn and go on with the dialplan.
        """
        queue = self.queues.get(queue_name)
        if queue is None or channel.profile is None:
            return None
        member = self._new_member(channel, queue_name)
        start = [("CC-Queue", queue_name), ("CC-Action", "member-queue-start"), *member.identity()]
        channel.fire("CUSTOM", after=start, origin="member-queue-start", subclass=SUBCLASS)
        self.members.append(member)
        self.count(queue_name)
        moh = queue.options.moh_sound
        channel.heard.play(channel.position(), hold_music(), loop=True)
        started_us = self.switch.clock.now_us()
        playback = [("Playback-File-Type", moh.partition("://")[0]), ("Playback-File-Path", moh)]
        channel.fire("PLAYBACK_START", after=playback)
        self._wait(member, queue)
        channel.heard.play(channel.position(), None)
        channel.update(playback_variables(self.switch.clock.now_us() - started_us))
        channel.fire("PLAYBACK_STOP", after=[*playback, ("Playback-Status", "done")])
        found = channel.get("cc_agent_found") == "true"
        channel.set("cc_agent_found", None)
        if member.agent_channel is None or channel.hangup_cause:
            self._cancel(member, queue, "NONE" if found else "BREAK_OUT")
        else:
            channel.set("cc_cause", "answered")
            queue.calls_answered += 1
        self.count(queue_name)
        return member.agent_channel

    def _new_member(self, channel: Channel, queue: str) -> Member:
        profile, now = channel.profile, self.now()
        assert profile is not None
        uuid = self.switch.new_uuid()
        channel.update([("cc_side", "member"), ("cc_member_uuid", uuid)])
        channel.update([("cc_queue_joined_epoch", str(now)), ("cc_queue", queue)])
        score = channel.get("cc_base_score") or "0"
        system_epoch = profile.times.answered // 1_000_000
        base = (int(score) if score.lstrip("-").isdigit() else 0) + now - system_epoch
        return Member(
            queue, uuid, channel, profile.cid_number, profile.cid_name, now, system_epoch, base, channel.uuid
        )

    def _wait(self, member: Member, queue: Queue) -> None:
        limit = queue.options.max_wait_time
        while member.channel.ready and member.agent_channel is None and not member.cancel_reason:
            member.channel.wait(MEMBER_S if limit else None)
            overdue = limit and self.now() - member.joined_epoch >= limit
            if overdue and member.state == "Waiting" and member.channel.ready:
                member.cancel_reason = "TIMEOUT"

    def _cancel(self, member: Member, queue: Queue, reason: str) -> None:
        """Left without an agent: the phone that rings is hung up first (cc_abandon)."""
        channel, now = member.channel, self.now()
        member.cancel_reason = member.cancel_reason or reason
        self.switch.clock.sleep(0.02)
        member.state, member.session_uuid, member.abandoned_epoch = "Abandoned", "", now
        if member.ringing is not None:
            member.ringing.hangup("ORIGINATOR_CANCEL")
        end = [
            ("CC-Queue", member.queue),
            ("CC-Action", "member-queue-end"),
            ("CC-Member-Leaving-Time", str(now)),
            ("CC-Member-Joined-Time", str(member.joined_epoch)),
            ("CC-Cause", "Cancel"),
            ("CC-Cancel-Reason", member.cancel_reason),
            *member.identity(),
        ]
        channel.fire("CUSTOM", after=end, origin="member-queue-end/cancel", subclass=SUBCLASS)
        channel.update([("cc_queue_canceled_epoch", str(now)), ("cc_cause", "cancel")])
        channel.set("cc_cancel_reason", member.cancel_reason)
        queue.calls_abandoned += 1
        channel.hold()
        gevent.spawn_later(self.switch.clock.wall_s(self.switch.rng.uniform(0.02, MEMBER_S)), channel.release)


def playback_variables(elapsed_us: int) -> Headers:
    """What PLAYBACK_STOP finds on the channel; 48 samples a millisecond (park_dtmf_hold_transfer)."""
    milliseconds = elapsed_us // 20_000 * 20
    return [
        ("playback_last_offset_pos", str(milliseconds * 48)),
        ("playback_seconds", str(milliseconds // 1000)),
        ("playback_ms", str(milliseconds)),
        ("playback_samples", str(milliseconds * 48)),
    ]


def _presence(queue: str, waiting: int) -> Headers:
    return [
        ("proto", "callcenter"),
        ("login", queue),
        ("from", queue),
        ("force-status", f"Active ({waiting} waiting)" if waiting else "Idle"),
        ("rpid", "unknown"),
        ("event_type", "presence"),
        ("alt_event_type", "dialog"),
        ("event_count", "0"),
        ("channel-state", "CS_ROUTING" if waiting else "CS_HANGUP"),
        ("unique-id", queue),
        ("answer-state", "confirmed" if waiting else "terminated"),
        ("presence-call-direction", "inbound"),
    ]
