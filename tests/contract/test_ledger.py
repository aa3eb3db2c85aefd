"""The ledger of ended calls: FreeSWITCH writes down each call as it ends, for a controller that was away."""

import pytest

from fsctl.call import events
from fsctl.esl import encode, ledger
from fsctl.sim import CallPlan, Ring
from tests.contract.switches import ORIGIN, SwitchUnderTest, Watch, commands, kinds, new_wacid

STORY = ["CallOffered", "CallAnswered", "MemberJoined", "AgentBridged", "LegsBridged", "LegHungUp caller"]


def entries(switch: SwitchUnderTest) -> dict[str, list[events.CallEvent]]:
    with commands(switch) as run:
        return dict(ledger.read(run(encode.ReadLedger().render()), ORIGIN))


@pytest.mark.parametrize("wacid", ["wacid.HBgLMTIx", "wacid.a/b+c="])
def test_a_call_that_ended_stands_in_the_ledger_as_it_was_told_live(
    switch: SwitchUnderTest, watch: Watch, wacid: str
) -> None:
    wacid += new_wacid().removeprefix("wacid.").rstrip("=")
    plan = CallPlan(headers=(("x-wa-meta-wacid", wacid),), rings=(Ring("answer", 0.5),), talk_s=1.0)
    switch.place_call(plan)
    uuid = watch.offered(plan).uuid
    watch.whole(uuid)
    told = entries(switch)[uuid]
    assert kinds(told) == STORY
    live = {type(fact): fact for fact in watch.of(uuid) if kinds([fact]) != ["LegHungUp agent"]}
    offered, answered, _joined, agent, legs, gone = told
    assert isinstance(offered, events.CallOffered)
    first = live[events.CallOffered]
    assert isinstance(first, events.CallOffered)
    assert (offered.at, offered.aliases, offered.to_number) == (first.at, first.aliases, first.to_number)
    assert offered.wacid == first.wacid == wacid
    assert answered.at == live[events.CallAnswered].at
    assert legs == live[events.LegsBridged]
    assert isinstance(agent, events.AgentBridged)
    assert isinstance(joined := live[events.AgentBridged], events.AgentBridged)
    assert (agent.agent, agent.agent_uuid) == (joined.agent, joined.agent_uuid)
    assert isinstance(gone, events.LegHungUp)
    assert gone.cause == "NORMAL_CLEARING"
    assert abs((gone.at - live[events.LegHungUp].at).total_seconds()) < 0.5


def test_a_call_that_nobody_took_has_no_bridge_in_the_ledger(switch: SwitchUnderTest, watch: Watch) -> None:
    plan = CallPlan(
        headers=(("x-wa-meta-wacid", new_wacid()),), rings=(Ring("no_answer"),), abandon_after_s=3.0
    )
    switch.place_call(plan)
    uuid = watch.offered(plan).uuid
    watch.whole(uuid)
    assert kinds(entries(switch)[uuid]) == [*STORY[:3], "LegHungUp caller"]


def test_a_call_is_struck_out_once(switch: SwitchUnderTest, watch: Watch) -> None:
    plan = CallPlan(headers=(("x-wa-meta-wacid", new_wacid()),), rings=(Ring("answer", 0.5),), talk_s=0.5)
    switch.place_call(plan)
    uuid = watch.offered(plan).uuid
    watch.whole(uuid)
    with commands(switch) as run:
        assert run(encode.StrikeOut(uuid).render()) == "+OK\n"
        assert run(encode.StrikeOut(uuid).render()) == "-ERR Not found\n"
    assert uuid not in entries(switch)
