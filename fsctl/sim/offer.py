"""One offer of a member to an agent: the agent's leg from INVITE to the end, and what mod_callcenter says
about it.

Order of events as in call_queue_plain (answered), cc_abandon (caller gone while it rings), cc_agent_no_answer
(ALLOTTED_TIMEOUT) and, for 486, originate (USER_BUSY). bridge-agent-start comes about 40 ms before
CHANNEL_BRIDGE. The bridge itself is run by the caller's greenlet, session.py.
"""

from typing import TYPE_CHECKING

from fsctl.eventsocket.event import Headers
from fsctl.sim import sip
from fsctl.sim.channel import Channel
from fsctl.sim.member import SUBCLASS
from fsctl.sim.plan import Ring
from fsctl.sim.profile import Profile, Times
from fsctl.sim.tables import Agent, Member

if TYPE_CHECKING:
    from fsctl.sim.switch import Switch

#: Steps of FreeSWITCH's 20 ms clock.
STEP_S = 0.02
#: outbound_agent_thread_run notices the end of a bridge this much later (0.04-0.08 s in the captures).
NOTICE_S = 0.08
#: How long an agent without a phone is left alone (line 2166).
NOT_REGISTERED_S = 5


class Offer:
    """outbound_agent_thread_run for one member and one agent."""

    def __init__(self, switch: "Switch", member: Member, agent: Agent) -> None:
        self.switch = switch
        self.center = switch.callcenter
        self.member = member
        self.agent = agent
        self.ring = Ring()
        self.called = self.center.now()
        self.answered = 0
        self.tier_state = "Ready"
        self.bridged = False
        self.no_answer = "ALLOTTED_TIMEOUT"
        self.on_demand = agent.status == "Available (On Demand)"

    def run(self) -> None:
        """Greenlet: offer, ring, and then either the bridge or the failure."""
        caller = self.member.channel
        if caller.uuid not in self.switch.channels:
            self._miss()
            return
        plan = self.switch.plan_of(caller)
        self.ring, caller.offers = plan.ring(caller.offers), caller.offers + 1
        self._say_offering()
        variables, contact = sip.parse_contact(self.agent.contact)
        dial_string, named = self.switch.phones.resolve(contact)
        # A user endpoint has a time-out of its own around the leg's (mod_dptools.c, user_outgoing_channel).
        self.no_answer = "NO_ANSWER" if named else "ALLOTTED_TIMEOUT"
        variables |= dict(named)
        if not dial_string.startswith("sofia/"):
            self._fail("USER_NOT_REGISTERED" if named else "CHAN_NOT_IMPLEMENTED")
            self._leave()
            return
        leg = self._originate(variables, dial_string)
        leg.quality = plan.agent_quality
        self._let_ring(leg, float(variables.get("leg_timeout", sip.DEFAULT_LEG_TIMEOUT_S)))
        if leg.hangup_cause:
            self._fail_with(leg)
        else:
            self._connect(leg)
            self._after_bridge(leg)
        self.switch.remove(leg)

    def _miss(self) -> None:
        """The member has no channel: it counts as abandoned, and no event says that it was offered (line 1704)."""
        member = self.member
        member.state, member.session_uuid, member.abandoned_epoch = "Abandoned", "", self.center.now()
        self._leave()

    # The leg ----------------------------------------------------------------------------------------------

    def _originate(self, variables: dict[str, str], dial_string: str) -> Channel:
        switch, profile = self.switch, self._profile(dial_string)
        request = switch.bus.common_headers(
            "REQUEST_PARAMS", ("mod_callcenter.c", "outbound_agent_thread_run", 1755)
        )
        leg = Channel(switch.bus, switch.new_uuid(), dial_string, "outbound")
        profile.uuid = leg.uuid
        mine = [*variables.items(), *request, *self._leg_variables()]
        cid = self._shown()
        leg.update(
            sip.outbound_variables(dial_string, leg.uuid, switch.next_session(), mine, cid, switch.rng)
        )
        leg.profile = leg.initial = profile
        leg.running, leg.state = "CS_NONE", "CS_INIT"
        switch.add(leg)
        self.member.ringing = leg
        leg.fire("CHANNEL_OUTGOING", full=False)
        leg.enter("CS_INIT")
        leg.state = "CS_ROUTING"
        leg.fire("CHANNEL_CREATE")
        leg.fire("CHANNEL_ORIGINATE")
        leg.enter("CS_ROUTING")
        leg.enter("CS_CONSUME_MEDIA")
        profile.network_addr, profile.times.progress = sip.SIP_IP, switch.clock.now_us()
        leg.update(sip.ringing_variables(dial_string, cid, switch.rng))
        leg.fire("CHANNEL_PROGRESS")
        leg.set_callstate("RINGING")
        return leg

    def _profile(self, dial_string: str) -> Profile:
        now_us = self.switch.clock.now_us()
        user = dial_string.rpartition("/")[2].partition("@")[0]
        return Profile(
            direction="outbound",
            cid_name=self._shown()[0],
            cid_number=self._shown()[1],
            destination=user,
            uuid="",
            source="src/switch_ivr_originate.c",
            context="default",
            channel_name=dial_string,
            callee_name="Outbound Call",
            callee_number=user,
            times=Times(profile_created=now_us, created=now_us),
        )

    def _shown(self) -> tuple[str, str]:
        """Name and number that the agent's phone shows (line 1737)."""
        member, caller = self.member, self.member.channel
        name = caller.get("effective_caller_id_name") or member.cid_name
        return name, caller.get("effective_caller_id_number") or member.cid_number

    def _leg_variables(self) -> Headers:
        """mod_callcenter's own, and what cc_export_vars names (sip_h_* do not cross by themselves)."""
        member, channel = self.member, self.member.channel
        exported = [name.strip() for name in (channel.get("cc_export_vars") or "").split(",")]
        return [
            ("cc_queue", member.queue),
            ("cc_queue_joined_epoch", str(member.joined_epoch)),
            ("cc_member_uuid", member.uuid),
            ("cc_member_session_uuid", channel.uuid),
            ("cc_member_pre_answer_uuid", member.uuid),
            ("cc_agent", self.agent.name),
            ("cc_agent_type", self.agent.type),
            ("cc_side", "agent"),
            *[(name, value) for name in exported if (value := channel.get(name))],
            ("loopback_bowout", "false"),
            ("loopback_bowout_on_execute", "false"),
        ]

    def _let_ring(self, leg: Channel, timeout_s: float) -> None:
        """Ring until the phone does what the plan says, the leg_timeout, or the caller leaves."""
        acts = self.ring.kind != "no_answer" and self.ring.after_s < timeout_s
        leg.pause(self.ring.after_s if acts else timeout_s)
        if leg.hangup_cause:
            return
        if not acts:
            leg.hangup(self.no_answer)
        elif self.ring.kind == "reject":
            leg.update(sip.received_busy())
            leg.hangup("USER_BUSY")
        else:
            self._answer(leg)

    def _answer(self, leg: Channel) -> None:
        leg.set_codec()
        leg.update(sip.agent_answer_variables(self.switch.rng))
        assert leg.profile is not None
        leg.profile.times.answered = self.switch.clock.now_us()
        leg.answer_state = "answered"
        leg.fire("CHANNEL_ANSWER")
        leg.set_callstate("ACTIVE")
        self.switch.clock.sleep(STEP_S)
        if not self.member.channel.ready:
            leg.hangup("ORIGINATOR_CANCEL")

    # Answered ---------------------------------------------------------------------------------------------

    def _connect(self, leg: Channel) -> None:
        """bridge-agent-start, then both are told to meet; the caller's greenlet goes on from there.

        A caller who has just gone costs the agent the call: bridge-agent-end with CC-Agent-Bridged false
        follows (source 2005-2062), and the member's own end is a Cancel with reason NONE.
        """
        caller = self.member.channel
        self.answered = self.center.now()
        leg.set("endpoint_disposition", "ANSWER")
        leg.set("cc_member_pre_answer_uuid", None)
        self.member.ringing = None
        start = [*self._bridge_headers("bridge-agent-start", leg), *self.member.identity()]
        start += [("CC-Member-DNIS", caller.profile.rdnis)] if caller.profile and caller.profile.rdnis else []
        leg.fire("CUSTOM", after=start, origin="bridge-agent-start", subclass=SUBCLASS)
        assert leg.profile is not None
        assert caller.profile is not None
        caller.update([("cc_agent_found", "true"), ("cc_agent_uuid", leg.uuid), ("uuid_bridge", leg.uuid)])
        originator = caller.profile.snapshot(with_times=False)
        for one, two in ((caller, leg), (leg, caller)):
            assert one.profile is not None
            one.update([("bridge_channel", two.name), ("bridge_uuid", two.uuid), ("signal_bond", two.uuid)])
            one.set("original_destination_number", one.profile.destination)
            one.set("original_caller_id_name", one.profile.cid_name)
            one.set("original_caller_id_number", one.profile.cid_number)
            one.new_profile("uuid_br", two.uuid, self.switch.new_uuid())
            one.partner = two
        caller.profile.callee_name, caller.profile.callee_number = (
            leg.profile.callee_name,
            leg.profile.callee_number,
        )
        leg.other = ("originator", originator)
        caller.other = ("originatee", leg.profile.snapshot(with_times=True))
        caller.state = "CS_HIBERNATE"
        leg.enter("CS_HIBERNATE")
        leg.enter("CS_RESET")
        self.switch.clock.sleep(STEP_S)
        if not caller.ready or leg.hangup_cause:
            leg.hangup("ORIGINATOR_CANCEL")
            leg.begin_reporting()
            leg.report()
            return
        self.switch.offers[leg.uuid] = self
        self.member.agent_channel = leg
        caller.signal.set()

    def connected(self, leg: Channel) -> None:
        """The bridge stands: called by the caller's greenlet between CHANNEL_BRIDGE and CALL_UPDATE."""
        caller, now = self.member.channel, self.center.now()
        self.bridged = True
        self.member.state, self.member.bridge_epoch = "Answered", now
        self.agent.uuid, self.agent.last_bridge_start = leg.uuid, now
        self.agent.calls_answered += 1
        self.agent.no_answer_count = 0
        leg.set("cc_agent_bridged", "true")
        caller.update([("cc_agent_bridged", "true"), ("cc_agent", self.agent.name)])
        caller.set("cc_queue_answered_epoch", str(now))
        self.center.set_tier_state(self.member.queue, self.agent.name, "Active Inbound")
        self.center.set_state(self.agent, "In a queue call")

    def _after_bridge(self, leg: Channel) -> None:
        """bridge-agent-end, member-queue-end, agent-state-change, then the leg is destroyed."""
        leg.ended.wait()
        self.switch.clock.sleep(NOTICE_S)
        now = self.center.now()
        end = self._bridge_headers("bridge-agent-end", leg)
        end[2:2] = [("CC-Hangup-Cause", "SUCCESS")]
        end[6:6] = [("CC-Agent-Bridged", "true" if self.bridged else "false")]
        end += [("CC-Bridge-Terminated-Time", str(now)), *self.member.identity()]
        leg.fire("CUSTOM", after=end, origin="bridge-agent-end", subclass=SUBCLASS)
        if self.bridged:
            self._end_member(leg, now)
        self._leave()
        self.switch.offers.pop(leg.uuid, None)
        leg.destroy()

    def _end_member(self, leg: Channel, now: int) -> None:
        """The agent's figures, and ``member-queue-end`` of a member who was served."""
        caller = self.member.channel
        self.agent.uuid, self.agent.last_bridge_end = "", now
        self.agent.talk_time += now - self.agent.last_bridge_start
        caller.set("cc_queue_terminated_epoch", str(now))
        end = self._bridge_headers("member-queue-end", leg)
        end[2:2] = [("CC-Hangup-Cause", "SUCCESS"), ("CC-Cause", "Terminated")]
        end[-1:-1] = [("CC-Member-Leaving-Time", str(now))]
        caller.fire(
            "CUSTOM", after=[*end, *self.member.identity()], origin="member-queue-end", subclass=SUBCLASS
        )
        self.center.members.remove(self.member)

    def _bridge_headers(self, action: str, leg: Channel) -> Headers:
        return [
            ("CC-Queue", self.member.queue),
            ("CC-Action", action),
            ("CC-Agent", self.agent.name),
            ("CC-Agent-System", "single_box"),
            ("CC-Agent-UUID", leg.uuid),
            ("CC-Agent-Called-Time", str(self.called)),
            ("CC-Agent-Answered-Time", str(self.answered)),
            ("CC-Member-Joined-Time", str(self.member.joined_epoch)),
        ]

    # Not answered -----------------------------------------------------------------------------------------

    def _fail_with(self, leg: Channel) -> None:
        """The leg was hung up. A cancelled leg is destroyed after the failure is told, others before."""
        leg.begin_reporting()
        leg.report()
        cancelled = leg.hangup_cause == "ORIGINATOR_CANCEL"
        if not cancelled:
            self.switch.clock.sleep(STEP_S)
            leg.destroy()
        self._fail(leg.hangup_cause)
        self._leave()
        if cancelled:
            leg.destroy()

    def _fail(self, cause: str) -> None:
        """Delays by cause, perhaps agent-max-no-answer, then bridge-agent-fail (source 2148-2200)."""
        member, agent, now = self.member, self.agent, self.center.now()
        member.ringing = None
        if member.state == "Trying":
            member.state = "Waiting"
        member.serving_agent = member.serving_system = ""
        delay = {
            "ORIGINATOR_CANCEL": 0,
            "USER_BUSY": agent.busy_delay_time,
            "CALL_REJECTED": agent.reject_delay_time,
            "USER_NOT_REGISTERED": NOT_REGISTERED_S,
        }
        if cause not in delay:
            self._count_no_answer()
        wait = delay.get(cause, agent.no_answer_delay_time)
        if wait:
            agent.ready_time = now + wait
        headers = [
            ("CC-Queue", member.queue),
            ("CC-Action", "bridge-agent-fail"),
            ("CC-Hangup-Cause", cause),
            ("CC-Agent", agent.name),
            ("CC-Agent-System", "single_box"),
            ("CC-Agent-Called-Time", str(self.called)),
            ("CC-Agent-Aborted-Time", str(now)),
            *member.identity(),
            ("CC-Member-Joined-Time", str(member.joined_epoch)),
        ]
        self.center.fire(headers, "bridge-agent-fail")
        member.channel.signal.set()

    def _count_no_answer(self) -> None:
        agent = self.agent
        self.tier_state = "No Answer"
        agent.no_answer_count += 1
        if not 0 < agent.max_no_answer <= agent.no_answer_count:
            return
        headers = [
            ("CC-Agent", agent.name),
            ("CC-Action", "agent-max-no-answer"),
            ("CC-Agent-No-Answer-Count", str(agent.max_no_answer)),
            ("CC-Agent-No-Answer-Status", "On Break"),
            *self.member.identity()[:2],
        ]
        self.center.fire(headers, "agent-max-no-answer")
        self.center.set_status(agent, "On Break")

    def _leave(self) -> None:
        """The agent is free again, and the caller's channel may be destroyed."""
        queue, name = self.member.queue, self.agent.name
        self.center.set_tier_state(queue, name, self.tier_state)
        self.center.set_other_tiers(queue, name, "Standby", "Ready")
        idle = self.on_demand and self.answered
        self.center.set_state(self.agent, "Idle" if idle else "Waiting")
        self.member.channel.release()

    def _say_offering(self) -> None:
        headers = [
            ("CC-Queue", self.member.queue),
            ("CC-Action", "agent-offering"),
            ("CC-Agent", self.agent.name),
            ("CC-Agent-Type", self.agent.type),
            ("CC-Agent-System", "single_box"),
            *self.member.identity(),
        ]
        self.center.fire(headers, "agent-offering")
