"""What a fact means for a call: one named function for each kind of cell in the machine's table.

Each is given the call as it is, the fact and the policy, and leaves the call as it is then and what is asked for.
Refuses to know which phase it stands under: that is the table's. ``late_*`` are facts of a call that has ended.
Called by ``call.machine``.
"""

from dataclasses import replace

from fsctl.call import commands, disposition, events, routing, steering
from fsctl.call.commands import Command
from fsctl.call.events import CallEvent
from fsctl.call.policy import Policy
from fsctl.call.state import Call, Phase

Result = tuple[Call, tuple[Command, ...]]


def begins(event: events.CallOffered) -> Result:
    """The first that is heard of a call."""
    call = Call(
        uuid=event.uuid,
        node=event.node,
        channel=event.channel,
        phase=Phase.OFFERED,
        offered_at=event.at,
        found=event.found,
        aliases=event.aliases,
        display_name=event.display_name,
        to_number=event.to_number,
        wacid=event.wacid,
        cta_payload=event.cta_payload,
        deeplink_payload=event.deeplink_payload,
        country=event.country,
        transport=event.transport,
        request_params=event.request_params,
    )
    return call, (_find_contact(event),)


def _find_contact(event: events.CallOffered) -> Command:
    return commands.FindContact(
        uuid=event.uuid,
        at=event.at,
        node=event.node,
        aliases=event.aliases,
        display_name=event.display_name,
        to_number=event.to_number,
    )


def stays(call: Call, _event: CallEvent, _policy: Policy) -> Result:
    """Nothing to do: known already, or of no meaning in this phase."""
    return call, ()


def notes(call: Call, _event: CallEvent, _policy: Policy) -> Result:
    """Worth a line in the story, no more."""
    return call, ()


def asks_again(call: Call, event: events.CallOffered, _policy: Policy) -> Result:
    """Offered again while we do not know the caller: the first question was lost with the old process."""
    return call, () if call.contact_id is not None else (_find_contact(event),)


def routes(call: Call, event: events.ContactFound, policy: Policy) -> Result:
    """Now we know who calls: choose queue and language, and tell the dialplan while its second passes."""
    route = routing.decide(call, event, policy)
    after = replace(
        call,
        contact_id=event.contact_id,
        thread_id=event.thread_id,
        payload_trusted=not isinstance(routing.trusted_ticket(call, event, policy), str),
        queue=route.queue,
        language=route.language,
        route_reason=route.reason,
        score=route.score,
        skill=route.skill,
        sticky_agent=route.sticky_agent,
        expected_wait_s=route.expected_wait_s,
        answer_within_s=policy.queue(route.queue).answer_within_s,
        redact=policy.redaction(route.queue),
        spoken=policy.queue(route.queue).spoken,
    )
    told = steering.variables(event, route, policy)
    return after, (commands.SetVariables(uuid=call.uuid, variables=told),)


def joins_thread(call: Call, event: events.ContactFound, policy: Policy) -> Result:
    """The caller became known after the queue was chosen (we were down): thread and language still count."""
    language = call.language or routing.decide(call, event, policy).language
    return replace(call, contact_id=event.contact_id, thread_id=event.thread_id, language=language), ()


def answers(call: Call, event: events.CallAnswered, _policy: Policy) -> Result:
    """The dialplan picked up."""
    encryption = event.encryption or call.encryption
    return replace(call, phase=Phase.ANSWERED, answered_at=event.at, encryption=encryption), ()


def was_answered(call: Call, event: events.CallAnswered, _policy: Policy) -> Result:
    """Answered before the phase we know: only the time is new."""
    return (replace(call, answered_at=event.at), ()) if call.answered_at is None else (call, ())


def records(call: Call, event: events.RecordingStarted, _policy: Policy) -> Result:
    """The fork begins."""
    return call, (commands.OpenRecording(uuid=call.uuid, at=event.at, node=call.node, path=event.path),)


def stops_recording(call: Call, event: events.RecordingStopped, _policy: Policy) -> Result:
    """The file is final."""
    size = event.size_bytes
    return call, (commands.CloseRecording(uuid=call.uuid, at=event.at, path=event.path, size_bytes=size),)


def hides(call: Call, event: events.GapBegan, _policy: Policy) -> Result:
    """The recording is paused or masked."""
    gap = commands.OpenGap(uuid=call.uuid, at=event.at, kind=event.kind, path=event.path, reason=event.reason)
    return call, (gap,)


def shows_again(call: Call, event: events.GapEnded, _policy: Policy) -> Result:
    """It goes on."""
    return call, (commands.CloseGap(uuid=call.uuid, at=event.at, kind=event.kind),)


def queues(call: Call, event: events.MemberJoined, policy: Policy) -> Result:
    """The caller waits. The queue that mod_callcenter names is the truth, whatever we asked for."""
    return replace(
        _told_of_text(call, event.queue, policy),
        phase=Phase.QUEUED,
        queue=event.queue,
        member_uuid=event.member_uuid or None,
        queued_at=event.at,
        answered_at=call.answered_at or event.at,
        answer_within_s=call.answer_within_s or policy.queue(event.queue).answer_within_s,
    ), ()


def moves_on(call: Call, event: events.MemberJoined, policy: Policy) -> Result:
    """From one queue to the next, as after the agent of last time: the wait counts from the first."""
    if _is_known(call, event) or call.queued_at is None or event.at <= call.queued_at:
        return call, ()
    member_uuid = event.member_uuid or None
    call = _told_of_text(call, event.queue, policy)
    return replace(
        call, phase=Phase.QUEUED, queue=event.queue, member_uuid=member_uuid, agent=None, member_cause=None
    ), ()


def queues_again(call: Call, event: events.MemberJoined, policy: Policy) -> Result:
    """Sent back to a queue after talking. An older joining is the one that we know, told again at resync."""
    if _is_known(call, event) or call.bridged_at is None or event.at <= call.bridged_at:
        return call, ()
    member_uuid = event.member_uuid or None
    call = _told_of_text(call, event.queue, policy)
    return replace(
        call, phase=Phase.QUEUED, queue=event.queue, member_uuid=member_uuid, agent=None, agent_uuid=None
    ), ()


def _told_of_text(call: Call, queue: str, policy: Policy) -> Call:
    """What this queue says of the call's text, beside what those before it said.

    What one wanted redacted is not shown because the next one does not care, and a leg is decoded whole: what was
    spoken in one is in it.
    """
    return replace(
        call,
        redact=tuple(dict.fromkeys((*call.redact, *policy.redaction(queue)))),
        spoken=tuple(dict.fromkeys((*call.spoken, *policy.queue(queue).spoken))),
    )


def _is_known(call: Call, event: events.MemberJoined) -> bool:
    """A resync tells a joining again, with its time cut to a second; the ledger does not know the member's id."""
    return event.queue == call.queue if not event.member_uuid else event.member_uuid == call.member_uuid


def rings(call: Call, event: events.AgentOffered, policy: Policy) -> Result:
    """An agent's phone rings for this caller. Whoever watches the story (``store.offers``) sees it at once."""
    if event.queue != call.queue:
        call = _told_of_text(call, event.queue, policy)
    return replace(call, phase=Phase.RINGING, queue=event.queue, agent=event.agent), ()


def rings_on(call: Call, event: events.AgentFailed, _policy: Policy) -> Result:
    """This agent did not take it: the caller waits on, unless another phone is ringing."""
    if event.agent != call.agent:
        return call, ()
    return replace(call, phase=Phase.QUEUED, agent=None), ()


def joins_agent(call: Call, event: events.AgentBridged, _policy: Policy) -> Result:
    """The queue gave the caller to this agent."""
    return replace(call, phase=Phase.TALKING, agent=event.agent, agent_uuid=event.agent_uuid), ()


def talks(call: Call, event: events.LegsBridged, _policy: Policy) -> Result:
    """The legs hear each other: from here the right channel is an agent."""
    bridge = commands.OpenBridge(
        uuid=call.uuid, at=event.at, agent=call.agent or "", agent_uuid=event.agent_uuid
    )
    first = call.bridged_at or event.at
    return replace(call, phase=Phase.TALKING, bridged_at=first, agent_uuid=event.agent_uuid), (bridge,)


def parts(call: Call, event: events.LegsUnbridged, _policy: Policy) -> Result:
    """The legs no longer hear each other. The phase stays: a transfer bridges again, a hang-up follows."""
    return call, (commands.CloseBridge(uuid=call.uuid, at=event.at, agent_uuid=event.agent_uuid),)


def leaves_queue(call: Call, event: events.MemberLeft, _policy: Policy) -> Result:
    """The queue is done with the caller; why is for the verdict at the end."""
    return replace(call, member_cause=event.reason or event.cause), ()


def ends(call: Call, event: events.LegHungUp, _policy: Policy) -> Result:
    """A leg is gone: the caller's ends the call, an agent's closes its bridge."""
    if event.leg == "agent":
        return call, (commands.CloseBridge(uuid=call.uuid, at=event.at, agent_uuid=event.leg_uuid),)
    after = _ended(replace(call, phase=Phase.ENDED), call.phase, event)
    close: tuple[Command, ...] = (
        commands.CloseBridge(uuid=call.uuid, at=event.at, agent_uuid=None),
        commands.CloseRecording(uuid=call.uuid, at=event.at, path=None),
    )
    if event.refused is not None:
        close = (*close, _audit(call, "call.refused", why=event.refused, cause=event.cause))
    return after, close


def _ended(call: Call, reached: Phase, event: events.LegHungUp) -> Call:
    """The call with all that its caller leg's last word tells."""
    told = replace(
        _measured(call, event.quality),
        ended_at=event.at,
        hangup_cause=event.cause,
        encryption=event.encryption or call.encryption,
        consent=event.consent or call.consent,
        refused=event.refused,
        left_by=event.left_by,
        language=event.language or call.language,
    )
    verdict, fault = disposition.judge(told, reached, event.cause)
    return replace(told, disposition=verdict, fault=fault)


def _measured(call: Call, quality: events.Quality | None) -> Call:
    if quality is None:
        return call
    return replace(call, mos=quality.mos, loss_percent=quality.loss_percent, jitter_ms=quality.jitter_ms)


def _audit(call: Call, action: str, **detail: str) -> Command:
    return commands.Audit(uuid=call.uuid, node=call.node, action=action, detail=tuple(detail.items()))


def measures(call: Call, event: events.QualityMeasured, _policy: Policy) -> Result:
    """How the line is, while it lasts."""
    return _measured(call, event.quality), ()


def guards(call: Call, event: events.GatewayDialled, _policy: Policy) -> Result:
    """A WhatsApp call must never reach the telephone network (Meta's terms, "Calling FAQ"): that leg ends."""
    if call.channel != "whatsapp":
        return call, ()
    hang_up = commands.HangUp(uuid=call.uuid, leg_uuid=event.leg_uuid, cause="OUTGOING_CALL_BARRED")
    return call, (_audit(call, "gateway.barred", gateway=event.gateway, leg=event.leg_uuid), hang_up)


def late_queue_end(call: Call, event: events.MemberLeft, _policy: Policy) -> Result:
    """mod_callcenter reports after the channel is gone (measured order of a bridged call)."""
    if call.member_cause is not None or call.hangup_cause is None:
        return call, ()
    seen = replace(call, member_cause=event.reason or event.cause)
    reached = Phase.TALKING if event.cause == "Terminated" else Phase.QUEUED
    verdict, fault = disposition.judge(seen, reached, call.hangup_cause)
    return replace(seen, disposition=verdict, fault=fault), ()


def learns_why(call: Call, event: events.LegHungUp, _policy: Policy) -> Result:
    """The end of a call given up for lost is known after all: from the ledger, or late from the link."""
    if event.leg == "agent" or call.hangup_cause != "LOST" or event.cause == "LOST":
        return call, ()
    return _ended(call, Phase.TALKING if call.bridged_at else Phase.QUEUED, event), ()
