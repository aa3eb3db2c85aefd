"""The order of facts in the five ways a queue call goes, on both formats of events.

FreeSWITCH's threads race at the end of a call, so only the order of what one thread says is asserted there.
"""

from collections.abc import Sequence
from typing import Any

import pytest

from fsctl.call import events
from fsctl.call.events import Alias, CallEvent
from fsctl.esl import encode
from fsctl.sim import CallPlan, Ring
from tests.contract.switches import SwitchUnderTest, Watch, commands, kinds, new_wacid

ARRIVES = ["CallOffered", "CallAnswered", "RecordingStarted", "MemberJoined", "AgentOffered"]
TALKS = [*ARRIVES, "AgentBridged", "LegsBridged"]
ENDS = {"LegsUnbridged", "RecordingStopped", "LegHungUp agent", "LegHungUp caller", "MemberLeft"}


def planned(**options: Any) -> CallPlan:
    """A short call of a known customer."""
    headers = (
        ("x-wa-meta-wacid", new_wacid()),
        ("x-wa-meta-user-id", "US.13491208655302741918"),
        ("x-wa-meta-cta-payload", "order=8812&step=2"),
    )
    given: dict[str, Any] = {"display_name": "Ann Lee", "talk_s": 1.5, "rings": (Ring("answer", 0.5),)}
    return CallPlan(headers=headers, **(given | options))


def play(switch: SwitchUnderTest, watch: Watch, **options: Any) -> list[CallEvent]:
    """Let a call take its course; its facts."""
    plan = planned(**options)
    switch.place_call(plan)
    return watch.whole(watch.offered(plan).uuid)


def one(facts: Sequence[CallEvent], kind: type[CallEvent], **fields: object) -> Any:
    """The only fact of a kind."""
    found = [
        fact
        for fact in facts
        if isinstance(fact, kind) and all(getattr(fact, name) == value for name, value in fields.items())
    ]
    assert len(found) == 1, kinds(facts)
    return found[0]


def in_order(facts: Sequence[CallEvent], *names: str) -> bool:
    """Whether these come in this order, whatever comes between."""
    positions = [kinds(facts).index(name) for name in names]
    return positions == sorted(positions)


def test_an_offered_call_says_who_calls_whom(switch: SwitchUnderTest, watch: Watch) -> None:
    plan = planned()
    switch.place_call(plan)
    call = watch.offered(plan)
    assert (call.node, call.channel, call.transport) == ("fs1", "whatsapp", "tls")
    assert call.aliases == (
        Alias(kind="bsuid", value="US.13491208655302741918"),
        Alias(kind="wa_id", value="15550100142"),
    )
    assert (call.display_name, call.to_number) == ("Ann Lee", "15550100900")
    assert call.cta_payload == "order=8812&step=2"


def test_a_caller_talks_to_an_agent_and_hangs_up(switch: SwitchUnderTest, watch: Watch) -> None:
    facts = play(switch, watch)
    assert kinds(facts)[:7] == TALKS
    assert set(kinds(facts)[7:]) == ENDS
    assert in_order(facts, "RecordingStopped", "LegHungUp caller")
    assert in_order(facts, "LegsUnbridged", "LegHungUp caller")
    assert one(facts, events.CallAnswered).encryption == "tls+sdes:AES_CM_128_HMAC_SHA1_80"
    agent = one(facts, events.AgentBridged)
    assert (agent.agent, agent.agent_uuid) == (
        one(facts, events.AgentOffered).agent,
        one(facts, events.LegsBridged).agent_uuid,
    )
    assert one(facts, events.LegHungUp, leg="agent").leg_uuid == agent.agent_uuid
    assert one(facts, events.LegHungUp, leg="caller").cause == "NORMAL_CLEARING"
    assert (one(facts, events.MemberLeft).cause, one(facts, events.MemberLeft).reason) == ("Terminated", None)


def test_an_agent_hangs_up_first(switch: SwitchUnderTest, watch: Watch) -> None:
    facts = play(switch, watch, hangs_up="agent")
    assert kinds(facts)[:7] == TALKS
    assert set(kinds(facts)[7:]) == ENDS
    assert in_order(facts, "LegHungUp agent", "LegHungUp caller")
    assert in_order(facts, "LegsUnbridged", "LegHungUp caller")
    assert one(facts, events.LegHungUp, leg="caller").cause == "NORMAL_CLEARING"
    assert one(facts, events.MemberLeft).cause == "Terminated"


def test_a_caller_gives_up_while_an_agent_is_ringing(switch: SwitchUnderTest, watch: Watch) -> None:
    plan = planned(rings=(Ring("no_answer"),), abandon_after_s=3.0)
    switch.place_call(plan)
    uuid = watch.offered(plan).uuid
    failed = watch.fact(events.AgentFailed, uuid)
    facts = watch.whole(uuid)
    assert kinds(facts)[:5] == ARRIVES
    assert set(kinds(facts)[5:]) == ENDS - {"LegsUnbridged"} | {"AgentFailed"}
    assert in_order(facts, "MemberLeft", "LegHungUp caller")
    assert in_order(facts, "RecordingStopped", "LegHungUp caller")
    left = one(facts, events.MemberLeft)
    assert (left.cause, left.reason) == ("Cancel", "BREAK_OUT")
    assert failed.cause == "ORIGINATOR_CANCEL"
    assert one(facts, events.LegHungUp, leg="agent").cause == "ORIGINATOR_CANCEL"


def test_an_agent_rejects_and_another_answers(switch: SwitchUnderTest, watch: Watch) -> None:
    facts = play(switch, watch, rings=(Ring("reject", 0.5), Ring("answer", 0.5)))
    assert [kind for kind in kinds(facts) if kind not in ENDS] == [
        *ARRIVES, "AgentFailed", "AgentOffered", "AgentBridged", "LegsBridged",
    ]  # fmt: skip
    failed = one(facts, events.AgentFailed)
    assert failed.cause == "USER_BUSY"
    offers = [fact.agent for fact in facts if isinstance(fact, events.AgentOffered)]
    assert offers == [failed.agent, one(facts, events.AgentBridged).agent]
    assert len(set(offers)) == 2


@pytest.mark.parametrize(
    ("contact", "cause"),
    [("user/{agent}@fsctl", "NO_ANSWER"), ("sofia/agents/{agent}@{phone}", "ALLOTTED_TIMEOUT")],
)
def test_an_agent_does_not_answer_and_another_does(
    switch: SwitchUnderTest, watch: Watch, contact: str, cause: str
) -> None:
    with commands(switch) as run:
        for agent in ("agent1", "agent2", "agent3"):
            where = contact.format(agent=agent, phone=switch.phone)
            line = f"api callcenter_config agent set contact {agent} [leg_timeout=2]{where}"
            assert run(line) == "+OK\n"
    facts = play(switch, watch, rings=(Ring("no_answer"), Ring("answer", 0.5)))
    assert [kind for kind in kinds(facts) if kind not in ENDS] == [
        *ARRIVES, "AgentFailed", "AgentOffered", "AgentBridged", "LegsBridged",
    ]  # fmt: skip
    assert one(facts, events.AgentFailed).cause == cause


def test_both_formats_of_events_tell_the_same(switch: SwitchUnderTest, watch: Watch) -> None:
    _event, _format, kinds_of_events = encode.Subscribe().render().split(" ", 2)
    others = [Watch(switch.address, f"event {one} {kinds_of_events}") for one in ("plain", "json")]
    facts = play(switch, watch)
    for other in others:
        assert other.whole(facts[0].uuid) == facts
        other.connection.close()


@pytest.mark.parametrize("steered", [True, False])
def test_a_queue_chosen_within_the_second_of_silence_counts(
    switch: SwitchUnderTest, watch: Watch, steered: bool
) -> None:
    plan = planned(rings=(Ring("no_answer"),))
    switch.place_call(plan)
    uuid = watch.offered(plan).uuid
    if steered:
        watch.connection.must(encode.SetVariables(uuid, (("fsctl_queue", "sales@fsctl"),)))
    joined = watch.fact(events.MemberJoined, uuid)
    assert joined.queue == ("sales@fsctl" if steered else "support@fsctl")


def test_a_queue_with_a_strange_name_does_not_count(switch: SwitchUnderTest, watch: Watch) -> None:
    plan = planned(rings=(Ring("no_answer"),))
    switch.place_call(plan)
    uuid = watch.offered(plan).uuid
    watch.connection.must(encode.SetVariables(uuid, (("fsctl_queue", "sales@fsctl inline:hangup"),)))
    assert watch.fact(events.MemberJoined, uuid).queue == "support@fsctl"
