"""The ledger of ended calls: FreeSWITCH writes down each call as it ends, for a controller that was away."""

from uuid import uuid4

import pytest

from fsctl.call import events
from fsctl.esl import encode, ledger
from fsctl.sim import CallPlan, Ring
from tests.contract.switches import SwitchUnderTest, Watch, commands, ended, kinds, new_wacid, page_of

STORY = ["CallOffered", "CallAnswered", "MemberJoined", "AgentBridged", "LegsBridged", "LegHungUp caller"]


def entries(switch: SwitchUnderTest) -> dict[str, list[events.CallEvent]]:
    with commands(switch) as run:
        return {entry.uuid: list(entry.told) for entry in ended(run)}


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


TIMES = "1795350000000001|1795350000000002|0|1795350000000003"
ROW = f"NORMAL_CLEARING|{TIMES}/||support@fsctl|whatsapp|15550100900|+15550100142"
"""A caller who gave up, without the uuid before and the wacid behind."""


def test_a_ledger_longer_than_an_answer_is_read_in_pages(switch: SwitchUnderTest) -> None:
    uuids = {str(uuid4()) for _ in range(100)}
    with commands(switch) as run:
        for one in uuids:
            assert run(f"api db insert/fsctl_ended/{one}|{ROW}|wacid.x") == "+OK"
        found: list[set[str]] = []
        is_last = False
        while not is_last:
            page = page_of(run)
            is_last = page.is_last
            assert {tuple(kinds(entry.told)) for entry in page.entries} == {(*STORY[:3], STORY[-1])}
            found.append({entry.uuid for entry in page.entries})
            for entry in page.entries:
                run(encode.StrikeOut(entry.key).render())
    assert len(found) == 3
    assert set().union(*found) == uuids
    assert sum(len(one) for one in found) == 100


def test_half_a_wacid_is_none(switch: SwitchUnderTest) -> None:
    longest = "wacid." + "x" * (ledger.SELECT_BYTES - 1 - len(f"{ROW.partition('/')[2]}|wacid."))
    with commands(switch) as run:
        for wacid in (longest, longest + "x", longest + "xy"):
            run(f"api db insert/fsctl_ended/{uuid4()}|{ROW}|{wacid}")
        told = {
            one.wacid for entry in ended(run) for one in entry.told if isinstance(one, events.CallOffered)
        }
    assert told == {longest, None}


def test_a_call_is_struck_out_once(switch: SwitchUnderTest, watch: Watch) -> None:
    plan = CallPlan(headers=(("x-wa-meta-wacid", new_wacid()),), rings=(Ring("answer", 0.5),), talk_s=0.5)
    switch.place_call(plan)
    uuid = watch.offered(plan).uuid
    watch.whole(uuid)
    with commands(switch) as run:
        (key,) = (entry.key for entry in ended(run) if entry.uuid == uuid)
        assert run(encode.StrikeOut(key).render()) == "+OK"
        assert run(encode.ReadRow(key).render()) == "-ERR no reply\n"
        assert run(encode.StrikeOut(key).render()) == "+OK"
    assert uuid not in entries(switch)
