"""A caller's leg from INVITE to the end: the state machine, the bridge, and how it all ends.

Order of events as in call_queue_plain (caller hangs up), cc_agent_hangs_up, cc_abandon,
park_dtmf_hold_transfer (transfer, kill). The applications themselves are in applications.py.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

import gevent

from fsctl.eventsocket.event import Headers
from fsctl.sim import applications, digits, sip
from fsctl.sim.audio import comfort_noise
from fsctl.sim.channel import Channel
from fsctl.sim.dialplan import Action
from fsctl.sim.offer import STEP_S
from fsctl.sim.plan import CallPlan
from fsctl.sim.profile import Profile, Times

if TYPE_CHECKING:
    from fsctl.sim.switch import Switch


class Session:
    """Drives one inbound channel in its own greenlet."""

    def __init__(self, switch: "Switch", channel: Channel, plan: CallPlan) -> None:
        self.switch = switch
        self.channel = channel
        self.plan = plan
        self.agent: Channel | None = None
        self._transfer = plan.transfer
        channel.quality = plan.quality

    def run(self) -> None:
        """Greenlet: the whole life of the leg."""
        self._arrive()
        if self.plan.abandon_after_s is not None:
            gevent.spawn_later(self.switch.clock.wall_s(self.plan.abandon_after_s), self._abandon)
        while not self.channel.hangup_cause:
            actions = self._route()
            if actions is None:
                self.channel.hangup("NO_ROUTE_DESTINATION")
                break
            self._execute(actions)
            if self.channel.transfer is None and not self.channel.hangup_cause:
                self.channel.hangup("NORMAL_CLEARING")
        self.end_leg(self.channel)
        self.channel.destroy()
        self.switch.remove(self.channel)

    def _abandon(self) -> None:
        if self.agent is None:
            self.channel.hangup("NORMAL_CLEARING", remote=True)

    def _arrive(self) -> None:
        """CS_NEW without a caller profile, CS_INIT with one, then CHANNEL_CREATE with everything."""
        channel, plan, clock = self.channel, self.plan, self.switch.clock
        options = self.switch.options
        channel.enter("CS_NEW")
        clock.sleep(STEP_S)
        now_us = clock.now_us()
        channel.profile = Profile(
            direction="inbound",
            cid_name=plan.display_name or plan.from_user,
            cid_number=plan.from_user,
            destination=plan.to_number,
            uuid=channel.uuid,
            source="mod_sofia",
            context=options.context if plan.kind == "whatsapp" else options.sip_context,
            channel_name=channel.name,
            username=plan.from_user,
            dialplan="XML",
            network_addr=sip.TRUNKS[plan.kind].signalling_ip,
            times=Times(profile_created=now_us, created=now_us),
        )
        channel.initial = replace(channel.profile)
        session_id = self.switch.next_session()
        channel.update(sip.invite_variables(plan, channel.uuid, session_id, now_us, self.switch.rng))
        channel.enter("CS_INIT")
        channel.state = "CS_ROUTING"
        channel.fire("CHANNEL_CREATE")

    # Dialplan ---------------------------------------------------------------------------------------------

    def _route(self) -> list[Action] | None:
        """CS_ROUTING: find the extension. Inline actions run here, the others in CS_EXECUTE."""
        channel = self.channel
        transfer, channel.transfer = channel.transfer, None
        channel.running = channel.state = "CS_ROUTING"
        channel.set_callstate("RINGING")
        channel.fire("CHANNEL_STATE", full=False)
        if transfer is not None and transfer[1] == "inline":
            actions: list[Action] | None = _inline_actions(transfer[0])
        else:
            actions = self.hunt(channel.profile_field("context") or "", channel.profile_field)
        if actions is not None and channel.ready:
            channel.running = channel.state = "CS_EXECUTE"
            if channel.answer_state == "answered":
                channel.set_callstate("ACTIVE")
            channel.fire("CHANNEL_STATE", full=False)
            channel.set("call_uuid", channel.uuid)
        return actions

    def hunt(self, context: str, field: applications.Field) -> list[Action] | None:
        """Look an extension up in the dialplan as it is on disk since the last reloadxml."""
        return self.switch.dialplan.hunt(context, field, self.switch.lookup(self.channel), self.execute)

    def _execute(self, actions: list[Action]) -> None:
        """CS_EXECUTE: every action, with a bridge in between if the queue found an agent."""
        for action in actions:
            if not self.channel.ready:
                return
            self.execute(action.application, action.data)
            if self.agent is not None and self.channel.state == "CS_HIBERNATE":
                self._bridge(self.agent)
            elif self.agent is not None:
                self._lose(self.agent)

    def execute(self, application: str, data: str) -> None:
        """One application between CHANNEL_EXECUTE and CHANNEL_EXECUTE_COMPLETE.

        An unknown one makes no event: FreeSWITCH logs "Invalid Application" and hangs up
        (switch_core_session.c 2771).
        """
        channel = self.channel
        run = applications.APPLICATIONS.get(application)
        if run is None:
            channel.hangup("DESTINATION_OUT_OF_ORDER")
            return
        text = channel.expand(data)
        channel.set("current_application_response", None)
        channel.update([("current_application_data", text), ("current_application", application)])
        channel.application = (application, text)
        head: Headers = [("Application", application), *([("Application-Data", text)] if text else [])]
        mark = ("Application-UUID", self.switch.new_uuid())
        channel.fire("CHANNEL_EXECUTE", after=[*head, mark])
        run(self, text)
        response = channel.variables.get("current_application_response", "_none_")
        channel.fire("CHANNEL_EXECUTE_COMPLETE", after=[*head, ("Application-Response", response), mark])

    def execute_actions(self, actions: list[Action]) -> None:
        """execute_extension: the same inside the outer action; stops when the channel is to be bridged."""
        for action in actions:
            if not self.channel.ready or self.channel.state == "CS_HIBERNATE":
                return
            self.execute(action.application, action.data)

    # Media ------------------------------------------------------------------------------------------------

    def answer(self) -> None:
        """Early media if there was none yet, then the answer; nothing on an answered channel."""
        channel = self.channel
        if channel.answer_state not in ("ringing", "early") or channel.profile is None:
            return
        self.pre_answer()
        if channel.hangup_cause:
            return
        channel.update(sip.answered_variables(channel.variables))
        channel.profile.times.answered = self.switch.clock.now_us()
        channel.answer_state = "answered"
        channel.fire("CHANNEL_ANSWER")
        channel.set_callstate("ACTIVE")
        channel.set("endpoint_disposition", "ANSWER")
        channel.update(sip.acknowledged(channel.variables, self.switch.rng))
        for after_s, keys in self.plan.keys:
            gevent.spawn_later(self.switch.clock.wall_s(after_s), channel.press, keys)

    def pre_answer(self) -> None:
        """Media starts: CODEC x2, with SRTP CALL_SECURE x2 (no Unique-ID), PROGRESS_MEDIA, CALLSTATE.

        SRTP that is demanded and not offered ends the call with 488 (switch_core_media.c 5628; measured).
        """
        channel = self.channel
        if channel.has_codec or channel.profile is None or channel.hangup_cause:
            return
        offered = sip.offered_crypto(channel.variables)
        if not offered and (channel.get("rtp_secure_media") or "").startswith("mandatory"):
            channel.update(sip.NO_CRYPTO)
            channel.hangup("INCOMPATIBLE_DESTINATION")
            return
        channel.set_codec()
        secure = [("secure_type", sip.SECURE_TYPE), ("caller-unique-id", channel.uuid)]
        for _direction in ("send", "receive") if offered else ():
            self.switch.bus.fire("CALL_SECURE", list(secure))
        channel.update(sip.early_media_variables(channel.variables, self.switch.rng))
        channel.profile.times.progress_media = self.switch.clock.now_us()
        channel.answer_state = "early"
        channel.fire("CHANNEL_PROGRESS_MEDIA")
        channel.set_callstate("EARLY")
        channel.said.play(channel.position(), comfort_noise(), loop=True)

    # The bridge -------------------------------------------------------------------------------------------

    def _bridge(self, agent: Channel) -> None:
        """uuid_bridge_on_soft_execute: meet, talk, part."""
        channel = self.channel
        for state in ("CS_HIBERNATE", "CS_RESET", "CS_SOFT_EXECUTE"):
            channel.enter(state)
        agent.enter("CS_SOFT_EXECUTE")
        self.switch.clock.sleep(STEP_S)
        self._meet(agent)
        self._talk(agent)
        self._part(agent)

    def _lose(self, agent: Channel) -> None:
        """The caller was gone, or sent elsewhere, before the bridge: the agent's phone is hung up."""
        self.agent = self.channel.partner = agent.partner = None
        agent.hangup("ORIGINATOR_CANCEL")
        self.end_leg(agent)

    def _meet(self, agent: Channel) -> None:
        """CHANNEL_EXECUTE uuid_bridge x2 to CALL_UPDATE x2, with the two races seen between the captures."""
        channel, switch = self.channel, self.switch
        for one, two, origin in ((channel, agent, "originator"), (agent, channel, "originatee")):
            after = [("Application", "uuid_bridge"), ("Application-Data", two.uuid)]
            one.fire("CHANNEL_EXECUTE", after=after, origin=f"uuid_bridge/{origin}")
        channel.set("uuid_bridge", None)
        agent.call_uuid = channel.uuid
        for one in (channel, agent):
            assert one.profile is not None
            one.profile.times.bridged = switch.clock.now_us()
        if switch.rng.random() < 0.5:
            agent.enter("CS_CONSUME_MEDIA")
        channel.fire("CHANNEL_BRIDGE", before=_bridge_headers(channel, agent))
        self._join_audio(agent)
        agent.enter("CS_EXCHANGE_MEDIA")
        agent.set("call_uuid", channel.uuid)
        offer = switch.offers[agent.uuid]
        if switch.rng.random() < 0.5:
            offer.connected(agent)
            self._update_display(channel, agent)
        else:
            self._update_display(channel, agent)
            offer.connected(agent)
        switch.clock.sleep(STEP_S)
        self._update_display(agent, channel)

    def _update_display(self, one: Channel, two: Channel) -> None:
        """CALL_UPDATE: ``one`` is told whom it talks to."""
        assert two.profile is not None
        name = two.profile.callee_name if two.direction == "outbound" else two.profile.cid_name
        number = two.profile.callee_number if two.direction == "outbound" else two.profile.cid_number
        one.update([("bridge_to", two.uuid), ("last_bridge_to", two.uuid)])
        one.update([("last_sent_callee_id_name", name), ("last_sent_callee_id_number", number)])
        one.sent_callee = (name, number)
        before = [("Direction", "SEND"), ("Sent-Callee-ID-Name", name), ("Sent-Callee-ID-Number", number)]
        one.fire("CALL_UPDATE", before=[*before, ("Bridged-To", two.uuid)])

    def _join_audio(self, agent: Channel) -> None:
        """From this sample on each hears the other; when the plan's audio ends, the line is quiet again."""
        now = self.channel.position()
        for talker, listener, audio in (
            (self.channel, agent, self.plan.caller_audio),
            (agent, self.channel, self.plan.agent_audio),
        ):
            for track in (talker.said, listener.heard):
                track.play(now, audio)
                track.play(now + (0 if audio is None else len(audio)), comfort_noise(), loop=True)

    def _talk(self, agent: Channel) -> None:
        """Until the plan's side hangs up or transfers, or anything else ends it."""
        clock, plan = self.switch.clock, self.plan
        transfer, self._transfer = self._transfer, None
        endless = plan.hangs_up == "nobody" and transfer is None
        lasts_s = transfer.after_s if transfer else plan.dialogue_s()
        deadline = clock.now_s() + lasts_s
        while self.channel.ready and not agent.hangup_cause:
            left = None if endless else deadline - clock.now_s()
            if self.channel.digits:
                digits.take(self.channel)
            elif left is None or left > 0:
                self.channel.wait(left)
            elif transfer is not None:
                self._refer(agent, transfer.to)
            else:
                leaver = agent if plan.hangs_up == "agent" else self.channel
                leaver.hangup("NORMAL_CLEARING", remote=True)

    def _refer(self, agent: Channel, to: str) -> None:
        """The agent's phone sends REFER: the caller is sent away, this leg ends (sofia_handle_sip_i_refer)."""
        assert agent.profile is not None
        caller, own = sip.referred(agent.profile.destination, to, self.channel.uuid)
        self.channel.update(caller)
        agent.update(own)
        self.channel.transfer_to(to, "", "", self.switch.new_uuid())

    def _part(self, agent: Channel) -> None:
        channel = self.channel
        now = channel.position()
        channel.said.play(now, comfort_noise(), loop=True)
        channel.heard.play(now, None)
        self.agent = None
        if channel.transfer is not None:
            self._unbridge(agent)
            gevent.spawn(self._drop, agent)
        elif channel.hangup_cause:
            self.switch.clock.sleep(STEP_S)
            self._drop(agent)
            self._unbridge(agent)
        else:
            self._drop(agent)
            self.switch.clock.sleep(STEP_S)
            channel.update(sip.sent_bye_after_bridge(agent.hangup_cause))
            self._unbridge(agent)
            if channel.ready and applications.is_true(channel.get("hangup_after_bridge")):
                channel.hangup(agent.hangup_cause)
            elif channel.ready:
                channel.enter("CS_EXECUTE")

    def _drop(self, agent: Channel) -> None:
        """Hang the agent's leg up, unless it was first, and report it."""
        if not agent.hangup_cause:
            agent.update(sip.sent_bye_after_bridge("NORMAL_CLEARING"))
            agent.set("bridge_to", None)
            agent.hangup("NORMAL_CLEARING")
        self.end_leg(agent)

    def _unbridge(self, agent: Channel) -> None:
        """CHANNEL_UNBRIDGE; afterwards the agent's leg is a call of its own again."""
        channel = self.channel
        channel.partner = agent.partner = None
        agent.call_uuid = agent.uuid
        agent.set("call_uuid", agent.uuid)
        channel.set("bridge_to", None)
        for leg in (channel, agent):
            leg.set("bridge_hangup_cause", "NORMAL_CLEARING")
        channel.fire("CHANNEL_UNBRIDGE", before=_bridge_headers(channel, agent))

    def end_leg(self, leg: Channel) -> None:
        """CS_HANGUP, recordings closed, CS_REPORTING, CHANNEL_HANGUP_COMPLETE."""
        if leg is self.channel and leg.profile is not None and not leg.profile.times.answered:
            leg.update(sip.refused())
        leg.begin_reporting()
        self.switch.recorder.stop(leg, "all", "success-silence")
        leg.report()


def _bridge_headers(channel: Channel, agent: Channel) -> Headers:
    return [("Bridge-A-Unique-ID", channel.uuid), ("Bridge-B-Unique-ID", agent.uuid)]


def _inline_actions(text: str) -> list[Action]:
    """The inline dialplan: ``answer,playback:silence_stream://1000,park``; ``m:^:`` chooses another separator."""
    separator = ","
    if text.startswith("m:") and len(text) > 4:
        separator, text = text[2], text[4:]
    pairs = (item.partition(":") for item in text.split(separator) if item)
    return [Action(application, data) for application, _, data in pairs]
