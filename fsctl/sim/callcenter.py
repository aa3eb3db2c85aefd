"""mod_callcenter: queues, agents, tiers, members, and who is offered whom.

In charge of the choice; tables are tables.py, the caller's wait member.py, the offer (an agent's leg, the
bridge, the end) offer.py, the text of its API callcenter_config.py. Source: mod_callcenter.c; order of events
as in call_queue_plain, cc_abandon, cc_agent_no_answer.

Rules of the choice (agents_callback, 2326-2345): status Available or Available (On Demand), state Waiting,
tier Ready or No Answer, ready_time passed, wrap_up_time passed since the last bridge. Only longest-idle-agent
is modelled: by tier level, then by the end of the last bridge, then by position. Not modelled: other
strategies (refused when the queue is made), tier rules, uuid-standby agents.
"""

from typing import TYPE_CHECKING

from fsctl.eventsocket.event import Headers
from fsctl.sim.member import SUBCLASS
from fsctl.sim.tables import LOGGED_IN, Agent, AgentOptions, Member, Queue, QueueOptions, Tier, TierOptions

if TYPE_CHECKING:
    from fsctl.sim.switch import Switch

#: cc_agent_dispatch_thread_run looks for members ten times a second.
DISPATCH_S = 0.1


class Callcenter:
    """The tables, the dispatcher, and the events that have no channel."""

    def __init__(self, switch: "Switch") -> None:
        self.switch = switch
        self.queues: dict[str, Queue] = {}
        self.agents: dict[str, Agent] = {}
        self.tiers: list[Tier] = []
        self.members: list[Member] = []
        self.configured: tuple[AgentOptions, ...] = ()
        self.dispatching = True
        """Whether cc_agent_dispatch_thread_run lives. A test may end it; a reload of the module starts it."""

    def load(
        self,
        queues: tuple[QueueOptions, ...],
        agents: tuple[AgentOptions, ...],
        tiers: tuple[TierOptions, ...],
    ) -> None:
        """What callcenter.conf.xml says."""
        for queue in queues:
            self.add_queue(queue)
        self.configured = agents
        for agent in agents:
            values = {name: getattr(agent, name) for name in AgentOptions.__dataclass_fields__}
            self.agents[agent.name] = Agent(**values, last_status_change=self.now())
        self.tiers = [Tier(tier.queue, tier.agent, "Ready", tier.level, tier.position) for tier in tiers]

    def apply_configuration(self, name: str | None = None) -> None:
        """callcenter.conf.xml again: it writes over every agent that it names, or over one (load_agent)."""
        for agent in self.configured:
            row = self.agents.get(agent.name)
            if row is None or name not in (None, agent.name):
                continue
            row.max_no_answer, row.wrap_up_time = agent.max_no_answer, agent.wrap_up_time
            row.reject_delay_time, row.busy_delay_time = agent.reject_delay_time, agent.busy_delay_time
            row.no_answer_delay_time = agent.no_answer_delay_time
            self.set_contact(row, agent.contact)
            self.set_status(row, agent.status)

    def add_queue(self, options: QueueOptions) -> None:
        """A queue that callcenter.conf.xml has from now on."""
        if options.strategy != "longest-idle-agent":
            raise ValueError(
                f"queue {options.name}: the simulator does not model the strategy {options.strategy}"
            )
        self.queues[options.name] = Queue(options)

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

    def set_contact(self, agent: Agent, contact: str) -> None:
        """``agent-contact-change``."""
        agent.contact = contact
        changed = [
            ("CC-Agent", agent.name),
            ("CC-Action", "agent-contact-change"),
            ("CC-Agent-Contact", contact),
        ]
        self.fire(changed, "agent-contact-change")

    def set_tier_state(self, queue: str, agent: str, state: str) -> None:
        """The agent's tier of this queue; no event tells of it."""
        for tier in self.tiers:
            if (tier.queue, tier.agent) == (queue, agent):
                tier.state = state

    def set_other_tiers(self, queue: str, agent: str, old: str, new: str) -> None:
        """The agent's tiers of other queues: Standby as long as this one has the agent."""
        for tier in self.tiers:
            if tier.agent == agent and tier.queue != queue and tier.state == old:
                tier.state = new

    # The dispatcher ---------------------------------------------------------------------------------------

    def run(self) -> None:
        """Greenlet: ten times a second, offer the longest waiting members to idle agents."""
        while True:
            self.switch.clock.sleep(DISPATCH_S)
            if self.dispatching and self.members:
                self._discard()
                self._dispatch()

    def _dispatch(self) -> None:
        """A queue that has nobody to offer is not asked again for its next member of this round."""
        now = self.now()
        waiting = [member for member in self.members if member.state == "Waiting"]
        exhausted: set[str] = set()
        for member in sorted(waiting, key=lambda one: -one.score(now)):
            if member.queue in exhausted or not self._is_there(member):
                continue
            agent = self._choose(member.queue)
            if agent is None:
                exhausted.add(member.queue)
                self._wake(member.queue)
            else:
                self._offer(member, agent)

    def _wake(self, name: str) -> None:
        """Let the members of a queue without agents look whether that has lasted too long."""
        queue = self.queues.get(name)
        if queue and queue.last_agent_exist_check > queue.last_agent_exist:
            for member in self.members:
                if member.queue == name and member.state == "Waiting":
                    member.channel.signal.set()

    def _is_there(self, member: Member) -> bool:
        """Waits, or has no channel at all: that is found out by offering (line 1704)."""
        return member.channel.ready or member.channel.uuid not in self.switch.channels

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
        found = [
            (tier, self.agents[tier.agent])
            for tier in self.tiers
            if tier.queue == queue and tier.agent in self.agents
        ]
        if queue in self.queues:
            self.queues[queue].check(self.now(), any(agent.status in LOGGED_IN for _tier, agent in found))
        free = [
            (tier.level, agent.last_bridge_end, tier.position, agent)
            for tier, agent in found
            if agent.state == "Waiting" and tier.state in ("Ready", "No Answer") and self._free(agent)
        ]
        return min(free, key=lambda row: row[:3])[3] if free else None

    def _free(self, agent: Agent) -> bool:
        now = self.now()
        rested = agent.last_bridge_end < now - agent.wrap_up_time and agent.ready_time <= now
        return rested and agent.state == "Waiting" and agent.status in ("Available", "Available (On Demand)")

    def _offer(self, member: Member, agent: Agent) -> None:
        member.state, member.serving_agent, member.serving_system = "Trying", agent.name, "single_box"
        self.set_state(agent, "Receiving")
        self.set_tier_state(member.queue, agent.name, "Offering")
        self.set_other_tiers(member.queue, agent.name, "Ready", "Standby")
        member.channel.hold()
        self.switch.spawn_offer(member, agent)


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
