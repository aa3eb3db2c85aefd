"""The path in dialplan/: what a caller hears and is asked, which queue is tried, how a call ends without an agent.

The controller's part is played by the test: it sets variables within the second of silence.
"""

from pathlib import Path
from typing import Any

import pytest

from fsctl.call import events
from fsctl.esl import encode
from fsctl.sim import CallPlan, Ring
from fsctl.sim.plan import Transfer
from tests.contract.switches import SwitchUnderTest, Watch, commands, dump, new_wacid

IN_SILENCE_S = 0.5
"""Keys pressed before anything is asked."""


def planned(**options: Any) -> CallPlan:
    """A call with a wacid of its own, which an agent would answer soon."""
    given: dict[str, Any] = {"rings": (Ring("answer", 0.5),), "talk_s": 1.0}
    return CallPlan(headers=(("x-wa-meta-wacid", new_wacid()),), **(given | options))


def call(switch: SwitchUnderTest, watch: Watch, plan: CallPlan, **steering: str) -> str:
    """Place it and steer it; its uuid."""
    switch.place_call(plan)
    uuid = watch.offered(plan).uuid
    if steering:
        pairs = tuple((f"fsctl_{name}", value) for name, value in steering.items())
        watch.connection.must(encode.SetVariables(uuid, pairs))
    return uuid


def end(watch: Watch, uuid: str) -> events.LegHungUp:
    """How the caller's leg ended."""
    return watch.fact(events.LegHungUp, uuid, leg="caller")


def prompts(watch: Watch, uuid: str) -> list[str]:
    """What was played of the folder of prompts, as ``en/closed``; a list of files counts as each of them."""
    played = [
        event.get("Playback-File-Path") or ""
        for event in watch.events
        if event.name == "PLAYBACK_START" and event.get("Unique-ID") == uuid
    ]
    files = [Path(file) for path in played for file in path.split("!") if file.endswith(".wav")]
    return [f"{file.parent.name}/{file.stem}" for file in files]


def is_recorded(watch: Watch, uuid: str) -> bool:
    """Whether a recording began."""
    return any(isinstance(fact, events.RecordingStarted) for fact in watch.of(uuid))


def queues(watch: Watch, uuid: str) -> list[str]:
    """The queues that the caller was in, in order."""
    return [fact.queue for fact in watch.of(uuid) if isinstance(fact, events.MemberJoined)]


# --- with nobody steering, and how a recording is told or asked ------------------------------------------------


def test_a_call_that_nobody_steers_is_told_recorded_and_queued(switch: SwitchUnderTest, heard: Watch) -> None:
    uuid = call(switch, heard, planned())
    gone = end(heard, uuid)
    assert prompts(heard, uuid) == ["en/recorded"]
    assert (gone.consent, gone.left_by, gone.refused, gone.language) == ("disclosed", None, None, None)
    assert is_recorded(heard, uuid)
    assert queues(heard, uuid) == ["support@fsctl"]


def test_nonsense_in_the_steering_is_as_good_as_none(switch: SwitchUnderTest, heard: Watch) -> None:
    uuid = call(
        switch,
        heard,
        planned(),
        language="../..",
        recording="perhaps",
        queue="x",
        score="-1",
        wait_minutes="99",
    )
    gone = end(heard, uuid)
    assert prompts(heard, uuid) == ["en/recorded"]
    assert gone.consent == "disclosed"
    assert queues(heard, uuid) == ["support@fsctl"]


@pytest.mark.parametrize(
    ("keys", "answer", "recorded"), [("1", "given", True), ("2", "refused", False), ("", "refused", False)]
)
def test_consent_is_asked_for_by_key(
    switch: SwitchUnderTest, heard: Watch, keys: str, answer: str, recorded: bool
) -> None:
    plan = planned(keys=((3.0, keys),) if keys else ())
    uuid = call(switch, heard, plan, recording="consent", language="es")
    assert end(heard, uuid).consent == answer
    assert is_recorded(heard, uuid) is recorded
    assert prompts(heard, uuid) == ["es/consent", f"es/consent-{answer}"]


@pytest.mark.parametrize(("policy", "recorded"), [("always", True), ("never", False)])
def test_a_policy_without_words(switch: SwitchUnderTest, heard: Watch, policy: str, recorded: bool) -> None:
    uuid = call(switch, heard, planned(), recording=policy)
    assert end(heard, uuid).consent == policy
    assert is_recorded(heard, uuid) is recorded
    assert prompts(heard, uuid) == []


# --- closed, the menu, the wait --------------------------------------------------------------------------------


def test_a_closed_line_says_so_and_ends(switch: SwitchUnderTest, heard: Watch) -> None:
    uuid = call(switch, heard, planned(), action="closed", language="pt")
    gone = end(heard, uuid)
    assert (gone.cause, gone.left_by) == ("NORMAL_CLEARING", "closed")
    assert prompts(heard, uuid) == ["pt/closed"]
    assert not is_recorded(heard, uuid)
    assert queues(heard, uuid) == []


@pytest.mark.parametrize("language", ["en", "es", "pt", "hi"])
def test_where_the_lines_are_busy_a_key_leads_to_the_chat(
    switch: SwitchUnderTest, heard: Watch, language: str
) -> None:
    uuid = call(switch, heard, planned(keys=((3.0, "1"),)), action="busy", language=language)
    gone = end(heard, uuid)
    assert (gone.cause, gone.left_by) == ("NORMAL_CLEARING", "chat")
    assert prompts(heard, uuid) == [f"{language}/dissuade", f"{language}/chat"]
    assert not is_recorded(heard, uuid)
    assert queues(heard, uuid) == []


@pytest.mark.parametrize("keys", ["", "2"])
def test_where_the_lines_are_busy_whoever_stays_is_queued(
    switch: SwitchUnderTest, heard: Watch, keys: str
) -> None:
    uuid = call(switch, heard, planned(keys=((3.0, keys),) if keys else ()), action="busy", language="pt")
    gone = end(heard, uuid)
    assert gone.left_by is None
    assert prompts(heard, uuid) == ["pt/dissuade", "pt/recorded"]
    assert queues(heard, uuid) == ["support@fsctl"]


@pytest.mark.parametrize(("keys", "language"), [("4", "hi"), ("", "es")])
def test_the_menu_chooses_the_language_and_silence_keeps_it(
    switch: SwitchUnderTest, heard: Watch, keys: str, language: str
) -> None:
    plan = planned(keys=((2.5, keys),) if keys else ())
    uuid = call(switch, heard, plan, menu="true", language="es")
    assert end(heard, uuid).language == (language if keys else None)
    assert prompts(heard, uuid)[-1] == f"{language}/recorded"


def test_the_wait_is_said_where_one_is_expected(switch: SwitchUnderTest, heard: Watch) -> None:
    uuid = call(switch, heard, planned(), wait_minutes="7", recording="never")
    end(heard, uuid)
    assert prompts(heard, uuid) == ["en/wait-10", "en/wait-key"]


# --- queues ----------------------------------------------------------------------------------------------------


def test_the_agent_of_last_time_is_tried_first(switch: SwitchUnderTest, heard: Watch) -> None:
    uuid = call(switch, heard, planned(), sticky_queue="agent2-own@fsctl", queue="sales@fsctl")
    assert heard.fact(events.AgentBridged, uuid).agent == "agent2"
    end(heard, uuid)
    assert queues(heard, uuid) == ["agent2-own@fsctl"]


def test_without_that_agent_the_caller_goes_on_and_keeps_the_place(
    switch: SwitchUnderTest, heard: Watch
) -> None:
    plan = planned(rings=(Ring("no_answer"),))
    with commands(switch) as run:
        run("api callcenter_config agent set status agent2 'On Break'")
        uuid = call(switch, heard, plan, sticky_queue="agent2-own@fsctl", queue="sales@fsctl", score="600")
        joined = heard.fact(events.MemberJoined, uuid, queue="sales@fsctl")
        members = run("api callcenter_config queue list members sales@fsctl").splitlines()
    assert queues(heard, uuid) == ["agent2-own@fsctl", "sales@fsctl"]
    row = dict(zip(members[0].split("|"), members[1].split("|"), strict=True))
    answered = heard.fact(events.CallAnswered, uuid)
    assert int(row["base_score"]) == pytest.approx(600 + (joined.at - answered.at).total_seconds(), abs=1.5)


def test_a_queue_that_does_not_exist_is_the_default_queue(switch: SwitchUnderTest, heard: Watch) -> None:
    uuid = call(switch, heard, planned(), queue="nobody@nowhere")
    end(heard, uuid)
    assert queues(heard, uuid) == ["support@fsctl"]


@pytest.mark.parametrize("sticky", [True, False])
def test_the_exit_key_leads_to_the_chat(switch: SwitchUnderTest, heard: Watch, sticky: bool) -> None:
    plan = planned(rings=(Ring("no_answer"),), keys=((7.0, "*"),))
    steering = {"sticky_queue": "agent2-own@fsctl"} if sticky else {}
    uuid = call(switch, heard, plan, recording="never", language="hi", **steering)
    gone = end(heard, uuid)
    assert (gone.cause, gone.left_by) == ("NORMAL_CLEARING", "chat")
    assert prompts(heard, uuid) == ["hi/chat"]
    assert queues(heard, uuid) == ["agent2-own@fsctl" if sticky else "support@fsctl"]
    assert heard.fact(events.MemberLeft, uuid).reason == "EXIT_WITH_KEY"


def test_a_star_pressed_before_anything_was_asked_leads_nowhere(
    switch: SwitchUnderTest, heard: Watch
) -> None:
    uuid = call(switch, heard, planned(keys=((IN_SILENCE_S, "*"),)))
    heard.fact(events.AgentBridged, uuid)
    assert end(heard, uuid).left_by is None


def test_a_caller_whom_nobody_serves_is_told_after_the_queues_time(
    switch: SwitchUnderTest, heard: Watch
) -> None:
    plan = planned(rings=(Ring("reject", 0.2),))
    uuid = call(switch, heard, plan, queue="agent3-own@fsctl", recording="never")
    gone = end(heard, uuid)
    assert (gone.cause, gone.left_by) == ("NORMAL_CLEARING", "timeout")
    assert prompts(heard, uuid) == ["en/busy"]


def test_a_caller_is_told_when_there_is_no_agent(switch: SwitchUnderTest, heard: Watch) -> None:
    with commands(switch) as run:
        run("api callcenter_config agent set status agent3 'Logged Out'")
        uuid = call(switch, heard, planned(), queue="agent3-own@fsctl", recording="never")
        gone = end(heard, uuid)
        run("api callcenter_config agent set status agent3 Available")
    assert (gone.cause, gone.left_by) == ("NORMAL_CLEARING", "no-agents")
    assert prompts(heard, uuid) == ["en/busy"]


# --- what is refused -------------------------------------------------------------------------------------------


def test_an_offer_without_srtp_is_refused_and_says_why(switch: SwitchUnderTest, heard: Watch) -> None:
    uuid = call(switch, heard, planned(crypto=False))
    gone = end(heard, uuid)
    assert (gone.cause, gone.refused, gone.encryption) == ("INCOMPATIBLE_DESTINATION", "no-srtp", None)
    assert not [fact for fact in heard.of(uuid) if isinstance(fact, events.CallAnswered)]


@pytest.mark.parametrize("dialled", ["queue", "answered", "record"])
def test_nobody_can_dial_a_step_of_the_path(switch: SwitchUnderTest, heard: Watch, dialled: str) -> None:
    plan = planned(to_number=dialled)
    uuid = call(switch, heard, plan)
    gone = end(heard, uuid)
    assert (gone.cause, gone.refused) == ("UNALLOCATED_NUMBER", "number")


# --- transfers by the agent's phone ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "then"),
    [("sales", "sales@fsctl"), ("agent3", "agent3-own@fsctl"), ("nobody", "support@fsctl")],
)
def test_an_agent_hands_the_caller_on(switch: SwitchUnderTest, heard: Watch, target: str, then: str) -> None:
    uuid = call(switch, heard, planned(transfer=Transfer(1.0, target)))
    heard.until(lambda: True if len(queues(heard, uuid)) == 2 else None, "the second queue")
    second = heard.until(
        lambda: [b for b in heard.of(uuid) if isinstance(b, events.AgentBridged)][1:] or None,
        "the second agent",
    )[0]
    gone = end(heard, uuid)
    assert queues(heard, uuid) == ["support@fsctl", then]
    assert target != "agent3" or second.agent == "agent3"
    assert (gone.refused, gone.left_by, gone.cause) == (None, None, "NORMAL_CLEARING")


def test_a_caller_is_never_handed_to_the_telephone_network(switch: SwitchUnderTest, heard: Watch) -> None:
    uuid = call(switch, heard, planned(transfer=Transfer(1.0, "+12125550100")))
    gone = end(heard, uuid)
    assert gone.refused == "pstn"
    assert queues(heard, uuid) == ["support@fsctl", "support@fsctl"]
    assert len([fact for fact in heard.of(uuid) if isinstance(fact, events.AgentBridged)]) == 2


# --- what the agent's phone gets -------------------------------------------------------------------------------


def test_the_agents_leg_has_the_name_and_none_of_the_customers_headers(
    switch: SwitchUnderTest, heard: Watch
) -> None:
    plan = planned(talk_s=3.0)
    uuid = call(switch, heard, plan, caller_name="Ann O\u2019Lee, Ltd <b>", thread="42")
    agent_uuid = heard.fact(events.AgentBridged, uuid).agent_uuid
    made = next(
        one for one in heard.events if one.name == "CHANNEL_CREATE" and one.get("Unique-ID") == agent_uuid
    )
    assert made.get("Caller-Caller-ID-Name") == "Ann O\u2019Lee, Ltd <b>"
    leg = dump(heard.connection, agent_uuid)
    assert leg.get("variable_fsctl_thread") == "42"
    assert not [name for name, _ in leg.fields.items() if "wa-meta" in name.lower()]
    end(heard, uuid)


# --- ordinary calls --------------------------------------------------------------------------------------------


def test_an_ordinary_call_takes_the_same_path(switch: SwitchUnderTest, heard: Watch) -> None:
    switch.place_call(planned(kind="sip", from_user="+12125550177"))
    offered = heard.until(
        lambda: next((one for one in heard.facts if isinstance(one, events.CallOffered)), None), "the call"
    )
    assert (offered.channel, offered.aliases[0].value) == ("sip", "12125550177")
    gone = end(heard, offered.uuid)
    assert (gone.consent, gone.refused) == ("disclosed", None)
    assert prompts(heard, offered.uuid) == ["en/recorded"]
    assert queues(heard, offered.uuid) == ["support@fsctl"]
    assert is_recorded(heard, offered.uuid)
