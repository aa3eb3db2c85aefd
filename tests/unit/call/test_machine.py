"""Histories: what happens to a call, event by event, and what must come out."""

import dataclasses
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fsctl.call import commands, events, machine
from fsctl.call.events import Alias, CallEvent, Leg
from fsctl.call.known import Known, Load, Past
from fsctl.call.policy import Number, Policy, Queue
from fsctl.call.state import Call, Disposition, Fault, Phase

T0 = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
POLICY = Policy(
    default_queue="support@fsctl",
    numbers={"34600000900": Number(queue="soporte@fsctl", language="es")},
    queues={"support@fsctl": Queue(answer_within_s=25)},
    sticky_for_s=600,
)
CALLER, AGENT = "c-1", "a-1"
STICKY = "agent1-own@fsctl"


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def offered(seconds: float = 0, **more: Any) -> CallEvent:
    fields: dict[str, Any] = {
        "node": "fs1",
        "channel": "whatsapp",
        "aliases": (Alias(kind="wa_id", value="15550100142"),),
        "display_name": "Ann",
        "to_number": "15550100900",
        "wacid": "wacid.1",
    }
    return events.CallOffered(uuid=CALLER, at=at(seconds), **(fields | more))


def found(seconds: float = 0, language: str | None = None) -> CallEvent:
    return events.ContactFound(
        uuid=CALLER, at=at(seconds), contact_id=7, thread_id=9, name="Ann", language=language
    )


def answered(seconds: float = 0.1) -> CallEvent:
    return events.CallAnswered(uuid=CALLER, at=at(seconds), encryption="tls+sdes:AES")


def recording(seconds: float = 1.1) -> CallEvent:
    return events.RecordingStarted(uuid=CALLER, at=at(seconds), path="/spool/c-1.wav")


def stopped(seconds: float) -> CallEvent:
    return events.RecordingStopped(uuid=CALLER, at=at(seconds), path="/spool/c-1.wav")


def joined(seconds: float = 1.2, queue: str = "support@fsctl") -> events.MemberJoined:
    return events.MemberJoined(uuid=CALLER, at=at(seconds), queue=queue, member_uuid=f"m-{seconds}")


def ringing(seconds: float, agent: str = "agent1", queue: str = "support@fsctl") -> CallEvent:
    return events.AgentOffered(uuid=CALLER, at=at(seconds), queue=queue, agent=agent)


def no_answer(seconds: float, agent: str = "agent1") -> CallEvent:
    return events.AgentFailed(uuid=CALLER, at=at(seconds), agent=agent, cause="ALLOTTED_TIMEOUT")


def agent_joined(seconds: float, agent: str = "agent1") -> CallEvent:
    return events.AgentBridged(uuid=CALLER, at=at(seconds), agent=agent, agent_uuid=AGENT)


def bridged(seconds: float) -> CallEvent:
    return events.LegsBridged(uuid=CALLER, at=at(seconds), agent_uuid=AGENT)


def unbridged(seconds: float) -> CallEvent:
    return events.LegsUnbridged(uuid=CALLER, at=at(seconds), agent_uuid=AGENT)


def masked(seconds: float) -> CallEvent:
    return events.GapBegan(uuid=CALLER, at=at(seconds), kind="mask", path="/c.wav", reason="payment")


def unmasked(seconds: float) -> CallEvent:
    return events.GapEnded(uuid=CALLER, at=at(seconds), kind="mask", path="/c.wav")


def left(seconds: float, cause: str = "Terminated", reason: str | None = None) -> CallEvent:
    return events.MemberLeft(uuid=CALLER, at=at(seconds), cause=cause, reason=reason)


QUALITY = events.Quality(mos=4.5, loss_percent=0.5, jitter_ms=3.0)


def gone(seconds: float, cause: str = "NORMAL_CLEARING", leg: Leg = "caller", **more: Any) -> CallEvent:
    fields: dict[str, Any] = {"leg_uuid": CALLER if leg == "caller" else AGENT, "quality": QUALITY}
    return events.LegHungUp(uuid=CALLER, at=at(seconds), leg=leg, cause=cause, **(fields | more))


def measured(seconds: float, mos: float) -> CallEvent:
    return events.QualityMeasured(uuid=CALLER, at=at(seconds), quality=replace(QUALITY, mos=mos))


def gateway(seconds: float) -> CallEvent:
    return events.GatewayDialled(uuid=CALLER, at=at(seconds), leg_uuid=AGENT, gateway="pstn")


def play(history: list[CallEvent]) -> tuple[Call | None, list[commands.Command]]:
    """All events in order; the call that is left and every command that came out."""
    call: Call | None = None
    asked: list[commands.Command] = []
    for event in history:
        call, more = machine.step(call, event, POLICY)
        asked += more
    return call, asked


def kinds(asked: list[commands.Command]) -> list[str]:
    """Names of what was asked, without the saving that each change brings."""
    return [type(c).__name__ for c in asked if not isinstance(c, commands.SaveCall | commands.AppendEvent)]


CONVERSATION = [
    offered(), found(), answered(), recording(), joined(), ringing(2), agent_joined(5), bridged(5.04),
    gone(60, leg="agent"), unbridged(60), stopped(60), gone(60), left(60.1),
]  # fmt: skip

HISTORIES: dict[str, tuple[list[CallEvent], list[str], Phase, Disposition | None, Fault | None]] = {
    "caller_talks_to_an_agent_and_hangs_up": (
        CONVERSATION,
        [
            "FindContact", "SetVariables", "OpenRecording", "OpenBridge", "CloseBridge", "CloseBridge",
            "CloseRecording", "CloseBridge", "CloseRecording",
        ],
        Phase.ENDED,
        Disposition.ANSWERED,
        Fault.NOBODY,
    ),
    "caller_hangs_up_while_agent_is_ringing": (
        [offered(), found(), answered(), joined(), ringing(2), left(5, "Cancel", "BREAK_OUT"), gone(5),
         no_answer(5.1)],
        ["FindContact", "SetVariables", "CloseBridge", "CloseRecording"],
        Phase.ENDED,
        Disposition.ABANDONED,
        Fault.CALLER,
    ),
    "caller_waits_until_the_queue_gives_up": (
        [offered(), found(), answered(), joined(), left(120, "Cancel", "TIMEOUT"), gone(121)],
        ["FindContact", "SetVariables", "CloseBridge", "CloseRecording"],
        Phase.ENDED,
        Disposition.TIMED_OUT,
        Fault.US,
    ),
    "answer_fails_without_encryption": (
        [offered(), found(), gone(0.2, "INCOMPATIBLE_DESTINATION")],
        ["FindContact", "SetVariables", "CloseBridge", "CloseRecording"],
        Phase.ENDED,
        Disposition.REFUSED,
        Fault.NETWORK,
    ),
    "freeswitch_shuts_down_while_the_caller_waits": (
        [offered(), found(), answered(), joined(), gone(9, "SYSTEM_SHUTDOWN")],
        ["FindContact", "SetVariables", "CloseBridge", "CloseRecording"],
        Phase.ENDED,
        Disposition.FAILED,
        Fault.US,
    ),
    "queue_reports_its_timeout_only_after_the_hangup": (
        [offered(), found(), answered(), joined(), gone(121), left(121.1, "Cancel", "TIMEOUT")],
        ["FindContact", "SetVariables", "CloseBridge", "CloseRecording"],
        Phase.ENDED,
        Disposition.TIMED_OUT,
        Fault.US,
    ),
    "first_agent_does_not_answer_the_second_does": (
        [offered(), found(), answered(), joined(), ringing(2), no_answer(22), ringing(23, "agent2"),
         agent_joined(25, "agent2"), bridged(25.04)],
        ["FindContact", "SetVariables", "OpenBridge"],
        Phase.TALKING,
        None,
        None,
    ),
    "controller_comes_back_in_mid_call": (
        # What resync tells of a call that nobody saw begin: everything at once, from uuid_dump.
        [offered(), answered(), joined(), agent_joined(5), bridged(5.04), found()],
        ["FindContact", "OpenBridge"],
        Phase.TALKING,
        None,
        None,
    ),
    "call_was_lost_while_the_link_was_down": (
        [offered(), found(), answered(), joined(), agent_joined(5), bridged(5.04), gone(300, "LOST")],
        ["FindContact", "SetVariables", "OpenBridge", "CloseBridge", "CloseRecording"],
        Phase.ENDED,
        Disposition.ANSWERED,
        Fault.NOBODY,
    ),
    "answer_fails_without_encryption_and_the_dialplan_says_why": (
        [offered(), found(), gone(0.2, "INCOMPATIBLE_DESTINATION", refused="no-srtp")],
        ["FindContact", "SetVariables", "CloseBridge", "CloseRecording", "Audit"],
        Phase.ENDED,
        Disposition.REFUSED,
        Fault.NETWORK,
    ),
    "caller_waits_for_the_agent_of_last_time_and_then_for_any": (
        [offered(), found(), answered(), joined(1.2, STICKY), ringing(2, queue=STICKY), no_answer(11),
         left(12, "Cancel", "TIMEOUT"), joined(12.1), ringing(13, "agent2"), agent_joined(15, "agent2"),
         bridged(15.04), gone(60), left(60.1)],
        ["FindContact", "SetVariables", "OpenBridge", "CloseBridge", "CloseRecording"],
        Phase.ENDED,
        Disposition.ANSWERED,
        Fault.NOBODY,
    ),
    "caller_gives_up_in_the_second_queue": (
        [offered(), found(), answered(), joined(1.2, STICKY), left(12, "Cancel", "TIMEOUT"), joined(12.1),
         left(40, "Cancel", "BREAK_OUT"), gone(40)],
        ["FindContact", "SetVariables", "CloseBridge", "CloseRecording"],
        Phase.ENDED,
        Disposition.ABANDONED,
        Fault.CALLER,
    ),
    "caller_presses_the_exit_key": (
        [offered(), found(), answered(), joined(), left(9, "Cancel", "EXIT_WITH_KEY"),
         gone(12, left_by="chat")],
        ["FindContact", "SetVariables", "CloseBridge", "CloseRecording"],
        Phase.ENDED,
        Disposition.CONTINUED_IN_CHAT,
        Fault.NOBODY,
    ),
    "caller_comes_when_we_are_closed": (
        [offered(), found(), answered(), gone(6, left_by="closed")],
        ["FindContact", "SetVariables", "CloseBridge", "CloseRecording"],
        Phase.ENDED,
        Disposition.CLOSED,
        Fault.NOBODY,
    ),
    "an_agents_phone_sends_the_caller_to_a_gateway": (
        [offered(), found(), answered(), joined(), agent_joined(5), bridged(5.04), gateway(30), unbridged(30)],
        ["FindContact", "SetVariables", "OpenBridge", "Audit", "HangUp", "CloseBridge"],
        Phase.TALKING,
        None,
        None,
    ),
    "the_recording_is_masked_while_a_card_number_is_read_out": (
        [offered(), found(), answered(), joined(), agent_joined(5), bridged(5.04), masked(10), unmasked(30)],
        ["FindContact", "SetVariables", "OpenBridge", "OpenGap", "CloseGap"],
        Phase.TALKING,
        None,
        None,
    ),
    "the_queue_joined_them_and_the_caller_was_gone": (
        # Between bridge-agent-start and CHANNEL_BRIDGE there are 40 ms; the queue counts the call as answered.
        [offered(), found(), answered(), joined(), agent_joined(5), gone(5.02), left(5.1)],
        ["FindContact", "SetVariables", "CloseBridge", "CloseRecording"],
        Phase.ENDED,
        Disposition.ANSWERED,
        Fault.NOBODY,
    ),
    "agent_sends_the_caller_back_to_a_queue": (
        [offered(), found(), answered(), joined(), agent_joined(5), bridged(5.04), unbridged(30),
         joined(31, "sales@fsctl")],
        ["FindContact", "SetVariables", "OpenBridge", "CloseBridge"],
        Phase.QUEUED,
        None,
        None,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HISTORIES)
def test_history(name: str) -> None:
    history, asked, phase, disposition, fault = HISTORIES[name]
    call, came_out = play(history)
    assert call is not None
    assert kinds(came_out) == asked
    assert (call.phase, call.disposition, call.fault) == (phase, disposition, fault)


def test_every_phase_has_a_cell_for_every_event() -> None:
    assert set(machine.TABLE) == set(Phase)
    for phase, row in machine.TABLE.items():
        assert set(row) == set(events.EVENTS), phase


def test_every_event_class_is_in_the_list_of_events() -> None:
    def below(kind: type) -> set[type]:
        children: list[type] = kind.__subclasses__()
        return {kind} | {deeper for child in children for deeper in below(child)}

    assert set(events.EVENTS) == below(CallEvent) - {CallEvent}


@pytest.mark.parametrize("name", HISTORIES)
def test_an_event_told_twice_leaves_the_call_as_it_was(name: str) -> None:
    history = HISTORIES[name][0]
    once, _ = play(history)
    doubled = [event for event in history for _ in range(2)]
    twice, _ = play(doubled)
    assert twice == once


def test_a_replay_of_the_whole_call_leaves_it_as_it_was() -> None:
    call, _ = play(CONVERSATION)
    for event in CONVERSATION:
        after, asked = machine.step(call, event, POLICY)
        assert after == call
        assert not [c for c in asked if isinstance(c, commands.SetVariables | commands.FindContact)]


def test_an_unknown_uuid_that_was_not_offered_is_none_of_ours() -> None:
    assert machine.step(None, joined(), POLICY) == (None, ())


def test_store_commands_come_before_switch_commands() -> None:
    for event in (offered(), found()):
        _, asked = play([offered(), event])
        order = [isinstance(c, commands.SwitchCommand) for c in asked]
        assert order == sorted(order)


def test_the_dialplan_is_told_queue_thread_and_language() -> None:
    _, asked = play([offered(to_number="34600000900"), found()])
    (steer,) = [c for c in asked if isinstance(c, commands.SetVariables)]
    assert dict(steer.variables) == {
        "fsctl_queue": "soporte@fsctl",
        "fsctl_thread": "9",
        "fsctl_language": "es",
        "fsctl_caller_name": "Ann",
    }


def after(*history: CallEvent, phase: Phase | None = None) -> Call:
    call, _ = play(list(history))
    assert call is not None
    assert phase is None or call.phase is phase
    return call


WAITING = [offered(), found(), answered(), joined()]
IN: dict[Phase, list[CallEvent]] = {
    Phase.OFFERED: [offered(), found()],
    Phase.ANSWERED: [offered(), found(), answered()],
    Phase.QUEUED: WAITING,
    Phase.RINGING: [*WAITING, ringing(2)],
    Phase.TALKING: [*WAITING, ringing(2), agent_joined(5), bridged(5.04)],
    Phase.ENDED: [*WAITING, gone(9)],
}
"""How to get into each phase."""


def test_what_routing_decided_stands_on_the_call() -> None:
    past = Past(
        last_queue="support@fsctl", last_agent="agent1", last_agent_at=at(-60), last_agent_is_free=True
    )
    loads = {"support@fsctl": Load(waiting=1, agents_staffed=2, handling_s=120.0)}
    contact = replace(found(language="pt"), known=Known(past=past, loads=loads))  # type: ignore[call-arg]
    call = after(offered(), contact)
    assert (call.queue, call.language, call.sticky_agent) == ("support@fsctl", "pt", "agent1")
    assert (call.expected_wait_s, call.answer_within_s) == (120, 25)
    assert (call.score, call.skill, call.payload_trusted) == (None, None, False)
    assert call.route_reason is not None
    assert "agent1 first" in call.route_reason


def test_what_is_known_of_the_caller_is_no_fact_of_the_call() -> None:
    """It is for the rules; the story of the call must not hold the customer's chat."""
    assert events.ContactFound.__dataclass_fields__["known"].metadata == {"story": False}
    assert found() == replace(found(), known=Known(past=Past(vip=True)))  # type: ignore[call-arg]


def test_the_agent_of_last_time_first_then_the_queue() -> None:
    first = [offered(), found(), answered(), joined(1.2, STICKY)]
    call = after(*first, ringing(2, queue=STICKY), phase=Phase.RINGING)
    assert (call.queue, call.agent, call.answer_within_s) == (STICKY, "agent1", 25)
    call = after(*first, ringing(2, queue=STICKY), left(12, "Cancel", "TIMEOUT"), joined(12.1))
    assert (call.phase, call.queue, call.agent, call.member_cause) == (
        Phase.QUEUED, "support@fsctl", None, None
    )  # fmt: skip
    assert call.queued_at == at(1.2)


def test_the_first_queues_joining_told_again_does_not_send_the_call_back() -> None:
    history = [
        offered(),
        found(),
        answered(),
        joined(1.2, STICKY),
        left(12, "Cancel", "TIMEOUT"),
        joined(12.1),
    ]
    call = after(*history)
    assert machine.step(call, joined(1.2, STICKY), POLICY) == (call, ())
    # Read from the channel it has whole seconds.
    assert machine.step(call, joined(1, STICKY), POLICY) == (call, ())
    told_again = dataclasses.replace(joined(12), member_uuid="m-12.1")
    assert machine.step(call, told_again, POLICY) == (call, ())


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.ENDED])
def test_quality_is_measured_while_the_call_lasts(phase: Phase) -> None:
    call, asked = machine.step(after(*IN[phase], phase=phase), measured(20, 3.1), POLICY)
    assert call is not None
    assert (call.mos, call.loss_percent, call.jitter_ms, call.phase) == (3.1, 0.5, 3.0, phase)
    assert [type(c) for c in asked] == [commands.SaveCall, commands.AppendEvent]


def test_the_last_measure_is_that_of_the_hang_up() -> None:
    history = [*WAITING, measured(5, 3.1)]
    assert after(*history, gone(9)).mos == 4.5
    assert after(*history, gone(9, quality=None)).mos == 3.1
    assert after(*history, gone(9), measured(10, 1.0)).mos == 4.5


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.ENDED])
def test_a_whatsapp_call_never_reaches_a_gateway(phase: Phase) -> None:
    call = after(*IN[phase], phase=phase)
    left_as_it_was, asked = machine.step(call, gateway(20), POLICY)
    assert left_as_it_was == call
    audit, hang_up = asked
    assert isinstance(audit, commands.Audit)
    assert (audit.action, audit.node) == ("gateway.barred", "fs1")
    assert dict(audit.detail) == {"gateway": "pstn", "leg": AGENT}
    assert hang_up == commands.HangUp(uuid=CALLER, leg_uuid=AGENT, cause="OUTGOING_CALL_BARRED")


def test_an_ordinary_call_may_reach_a_gateway() -> None:
    call = after(offered(channel="sip"), found())
    assert machine.step(call, gateway(20), POLICY) == (call, ())


def test_a_call_that_the_dialplan_refused_is_audited_with_its_reason() -> None:
    _, asked = play([offered(), gone(0.2, "INCOMPATIBLE_DESTINATION", refused="no-srtp")])
    (audit,) = [c for c in asked if isinstance(c, commands.Audit)]
    assert (audit.action, audit.uuid) == ("call.refused", CALLER)
    assert dict(audit.detail) == {"why": "no-srtp", "cause": "INCOMPATIBLE_DESTINATION"}


def test_the_end_of_the_callers_leg_tells_how_it_was() -> None:
    call = after(*WAITING, gone(9, consent="given", encryption="tls+sdes:X", language="hi"))
    assert (call.consent, call.encryption, call.language) == ("given", "tls+sdes:X", "hi")
    call = after(*WAITING, gone(9, leg="agent", consent="refused", language="es"))
    assert (call.consent, call.language, call.mos) == (None, None, None)


def test_a_call_told_by_the_ledger_after_it_was_given_up_gets_its_true_end() -> None:
    lost = after(*WAITING, gone(300, "LOST"))
    assert (lost.disposition, lost.fault) == (Disposition.FAILED, Fault.US)
    call, _ = machine.step(lost, gone(20), POLICY)
    assert call is not None
    assert (call.disposition, call.hangup_cause, call.ended_at) == (
        Disposition.ABANDONED, "NORMAL_CLEARING", at(20)
    )  # fmt: skip


def test_the_contacts_own_language_wins_over_the_numbers() -> None:
    call, _ = play([offered(to_number="34600000900"), found(language="pt")])
    assert call is not None
    assert call.language == "pt"


def test_the_bridge_begins_when_the_legs_hear_each_other_not_when_the_queue_says_so() -> None:
    _, asked = play(CONVERSATION)
    (bridge,) = [c for c in asked if isinstance(c, commands.OpenBridge)]
    assert (bridge.at, bridge.agent) == (at(5.04), "agent1")


def test_a_joining_told_again_with_its_time_cut_to_a_second_is_no_new_one() -> None:
    talking = [offered(), found(), answered(), joined(1.2), ringing(2), agent_joined(5), bridged(5.9)]
    moved = [*talking, unbridged(6.1), joined(6.8, "sales@fsctl")]
    again = events.MemberJoined(uuid=CALLER, at=at(6.0), queue="sales@fsctl", member_uuid="m-6.8")
    call, asked = play([*moved, again])
    before, asked_before = play(moved)
    assert (call, asked) == (before, asked_before)
    assert call is not None
    assert (call.phase, call.queue) == (Phase.QUEUED, "sales@fsctl")


def test_what_one_queue_wants_redacted_the_next_one_does_not_show() -> None:
    policy = replace(
        POLICY,
        queues={
            **POLICY.queues,
            "support@fsctl": Queue(redact=("card",)),
            "billing@fsctl": Queue(redact=("customer", "card")),
        },
        patterns={"customer": "KD[0-9]+"},
    )
    history = [
        offered(),
        found(),
        answered(),
        joined(1.2),
        joined(9.0, "billing@fsctl"),
        joined(12.0, "sales@fsctl"),
    ]
    call: Call | None = None
    seen = []
    for event in history:
        call, _ = machine.step(call, event, policy)
        seen.append(call.redact if call else ())
    assert seen == [(), ("card",), ("card",), ("card",), *[("card", "customer=KD[0-9]+")] * 2]


def test_what_may_be_spoken_in_one_queue_stays_when_the_call_moves_on() -> None:
    policy = replace(
        POLICY,
        queues={
            "support@fsctl": Queue(spoken=("en", "es")),
            "billing@fsctl": Queue(spoken=("pt", "en")),
        },
    )
    talking = [offered(), found(), answered(), joined(1.2), ringing(2), agent_joined(5), bridged(5.9)]
    history = [*talking, unbridged(6.1), joined(6.8, "sales@fsctl"), joined(9.0, "billing@fsctl")]
    call: Call | None = None
    seen = []
    for event in history:
        call, _ = machine.step(call, event, policy)
        seen.append(call.spoken if call else ())
    told = seen.index(("en", "es"))
    assert told <= 3
    assert seen[told:-1] == [("en", "es")] * (len(history) - told - 1)
    assert seen[-1] == ("en", "es", "pt")
