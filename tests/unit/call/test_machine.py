"""Histories: what happens to a call, event by event, and what must come out."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fsctl.call import commands, events, machine
from fsctl.call.events import Alias, CallEvent
from fsctl.call.routing import Number, Policy
from fsctl.call.state import Call, Disposition, Fault, Phase

T0 = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
POLICY = Policy(
    default_queue="support@fsctl", numbers={"34600000900": Number(queue="soporte@fsctl", language="es")}
)
CALLER, AGENT = "c-1", "a-1"


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


def joined(seconds: float = 1.2, queue: str = "support@fsctl") -> CallEvent:
    return events.MemberJoined(uuid=CALLER, at=at(seconds), queue=queue, member_uuid="m-1")


def ringing(seconds: float, agent: str = "agent1") -> CallEvent:
    return events.AgentOffered(uuid=CALLER, at=at(seconds), queue="support@fsctl", agent=agent)


def no_answer(seconds: float, agent: str = "agent1") -> CallEvent:
    return events.AgentFailed(uuid=CALLER, at=at(seconds), agent=agent, cause="ALLOTTED_TIMEOUT")


def agent_joined(seconds: float, agent: str = "agent1") -> CallEvent:
    return events.AgentBridged(uuid=CALLER, at=at(seconds), agent=agent, agent_uuid=AGENT)


def bridged(seconds: float) -> CallEvent:
    return events.LegsBridged(uuid=CALLER, at=at(seconds), agent_uuid=AGENT)


def unbridged(seconds: float) -> CallEvent:
    return events.LegsUnbridged(uuid=CALLER, at=at(seconds), agent_uuid=AGENT)


def left(seconds: float, cause: str = "Terminated", reason: str | None = None) -> CallEvent:
    return events.MemberLeft(uuid=CALLER, at=at(seconds), cause=cause, reason=reason)


def gone(seconds: float, cause: str = "NORMAL_CLEARING", leg: str = "caller") -> CallEvent:
    uuid = CALLER if leg == "caller" else AGENT
    return events.LegHungUp(uuid=CALLER, at=at(seconds), leg=leg, leg_uuid=uuid, cause=cause, mos=4.5)  # type: ignore[arg-type]


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
        return {kind} | {deeper for child in kind.__subclasses__() for deeper in below(child)}

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
    }


def test_the_contacts_own_language_wins_over_the_numbers() -> None:
    call, _ = play([offered(to_number="34600000900"), found(language="pt")])
    assert call is not None
    assert call.language == "pt"


def test_the_bridge_begins_when_the_legs_hear_each_other_not_when_the_queue_says_so() -> None:
    _, asked = play(CONVERSATION)
    (bridge,) = [c for c in asked if isinstance(c, commands.OpenBridge)]
    assert (bridge.at, bridge.agent) == (at(5.04), "agent1")
