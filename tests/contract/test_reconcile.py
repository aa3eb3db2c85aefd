"""mod_callcenter's stuck states, and that the commands against them work: on the simulator and on FreeSWITCH."""

import sqlite3
import time
from collections.abc import Iterator
from typing import cast

import gevent
import pytest

from fsctl.call import events
from fsctl.esl import encode
from fsctl.esl.callcenter import Agent, Snapshot
from fsctl.esl.connection import Connection
from fsctl.esl.findings import Finding, Kept, Ours
from fsctl.esl.reconcile import Memory, compare
from fsctl.esl.snapshot import Reader
from fsctl.sim import CallPlan, Ring
from tests.contract.live import Live
from tests.contract.switches import (
    ORIGIN,
    PATIENCE_S,
    Simulated,
    SwitchUnderTest,
    Watch,
    attach,
    commands,
    new_wacid,
)

QUEUE = "support@fsctl"
ON_FREESWITCH = pytest.mark.parametrize(
    "switch", [pytest.param("freeswitch", marks=pytest.mark.live)], indirect=True
)
"""The simulator has no agent's leg that outlives its caller, so nothing to release."""
PAUSE_S = 0.6
"""Between looks: longer than FreeSWITCH's lists lag."""


class House:
    """Looks at the switch as the reconciler does, and sends what is due."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.reader = Reader(connection.request, ORIGIN)
        self.calls: dict[str, str] = {}
        self.kept: dict[str, Kept] = {}

    def snapshot(self) -> Snapshot:
        return self.reader.snapshot(self.calls)

    def agent(self, name: str = "agent1") -> Agent:
        return next(one for one in self.snapshot().agents if one.name == name)

    def look(self, rounds: int = 2) -> Memory:
        """What stands in so many looks."""
        memory = Memory()
        for _ in range(rounds):
            ours = Ours(calls=self.calls, kept=self.kept)
            memory = compare(self.snapshot(), ours, memory, time.monotonic())
            gevent.sleep(PAUSE_S)
        return memory

    def due(self) -> list[Finding]:
        return [case.finding for case in self.look().cases if case.is_due]

    def repair(self) -> list[tuple[str, str]]:
        """Kind and subject of what was due and is sent."""
        found = self.due()
        for finding in found:
            for command in finding.repair:
                self.connection.request(command)
        gevent.sleep(PAUSE_S)
        return [finding.key for finding in found]


@pytest.fixture
def house(switch: SwitchUnderTest) -> Iterator[House]:
    connection = attach(switch.address)
    yield House(connection)
    connection.close()


def talking(switch: SwitchUnderTest, watch: Watch, house: House) -> events.LegsBridged:
    """A call that is bridged to an agent."""
    plan = CallPlan(headers=(("x-wa-meta-wacid", new_wacid()),), rings=(Ring("answer", 0.3),), talk_s=60.0)
    switch.place_call(plan)
    call = watch.offered(plan)
    house.calls[call.uuid] = "talking"
    return watch.fact(events.LegsBridged, call.uuid)


def strand_member(switch: SwitchUnderTest, state: str) -> str:
    """A member whose caller has no channel: by the simulator's hook, or in FreeSWITCH's own table."""
    if isinstance(switch, Simulated):
        return switch._switch.strand_member(QUEUE, state, "agent1")
    member = f"stranded-{time.time_ns()}"
    now = int(time.time())
    live = cast(Live, switch)
    with sqlite3.connect(live.process.home / "db" / "callcenter.db", timeout=10) as table:
        table.execute(
            "insert into members (queue, instance_id, uuid, session_uuid, cid_number, cid_name, system_epoch,"
            " joined_epoch, serving_agent, serving_system, state)"
            " values (?, 'single_box', ?, 'gone', 'a|b', 'c|d|e', ?, ?, 'agent1', 'single_box', ?)",
            (QUEUE, member, now, now, state),
        )
    return member


def phone(switch: SwitchUnderTest, agent: str, *, there: bool) -> None:
    """An agent's phone registers, or goes."""
    if isinstance(switch, Simulated):
        (switch._switch.register if there else switch._switch.unregister)(agent)
    else:
        cast(Live, switch).far.ask(f"sofia profile phones {'register' if there else 'unregister'} {agent}")


def test_a_quiet_switch_is_as_it_should_be(house: House) -> None:
    snapshot = house.snapshot()
    assert {queue.name for queue in snapshot.queues} >= {QUEUE, "sales@fsctl"}
    agents = {agent.name: agent for agent in snapshot.agents}
    assert set(agents) == {"agent1", "agent2", "agent3"}
    assert {agent.registered for agent in agents.values()} == {True}
    assert {tier.state for tier in snapshot.tiers} <= {"Ready", "No Answer"}
    loads = {load.name: load for load in snapshot.loads()}
    assert (loads[QUEUE].waiting, loads[QUEUE].agents_staffed, loads[QUEUE].agents_ready) == (0, 3, 3)
    assert house.look().cases == ()


@pytest.mark.parametrize("state", ["Receiving", "Reserved", "In a queue call"])
def test_an_agent_stuck_without_a_call_gets_calls_again(
    switch: SwitchUnderTest, watch: Watch, house: House, state: str
) -> None:
    with commands(switch) as run:
        for agent in ("agent1", "agent2", "agent3"):
            run(f"api callcenter_config agent set state {agent} '{state}'")
            run(f"api callcenter_config tier set state {QUEUE} {agent} Offering")
    assert sorted(house.repair()) == [("agent-without-channel", f"agent{n}") for n in (1, 2, 3)]
    assert house.look().cases == ()
    talking(switch, watch, house)


def test_a_tier_stuck_without_a_call_gets_calls_again(
    switch: SwitchUnderTest, watch: Watch, house: House
) -> None:
    with commands(switch) as run:
        for agent in ("agent1", "agent2", "agent3"):
            run(f"api callcenter_config tier set state {QUEUE} {agent} Standby")
    assert sorted(house.repair()) == [("tier-without-call", f"agent{n} {QUEUE}") for n in (1, 2, 3)]
    talking(switch, watch, house)


def test_a_call_is_nobodys_finding_at_any_time(switch: SwitchUnderTest, watch: Watch, house: House) -> None:
    plan = CallPlan(headers=(("x-wa-meta-wacid", new_wacid()),), rings=(Ring("answer", 2.0),), talk_s=3.0)
    switch.place_call(plan)
    call = watch.offered(plan)
    house.calls[call.uuid] = "answered"
    memory, seen = Memory(), set()
    with gevent.Timeout(PATIENCE_S, AssertionError("the call does not end")):
        while not any(
            isinstance(one, events.LegHungUp) and one.leg == "caller" for one in watch.of(call.uuid)
        ):
            snapshot = house.snapshot()
            seen |= {member.state for member in snapshot.members} | {agent.state for agent in snapshot.agents}
            memory = compare(snapshot, Ours(calls=house.calls), memory, time.monotonic())
            assert [case.finding for case in memory.cases if case.rounds >= 2] == []
            gevent.sleep(PAUSE_S / 2)
    assert seen >= {"Answered", "In a queue call"}


@ON_FREESWITCH
def test_an_agent_held_by_a_caller_who_is_gone_is_released(
    switch: SwitchUnderTest, watch: Watch, house: House
) -> None:
    """The agent's leg was parked, the caller hung up: mod_callcenter waits for the leg for ever."""
    bridged = talking(switch, watch, house)
    with commands(switch) as run:
        run(f"api uuid_transfer {bridged.agent_uuid} park inline")
        gevent.sleep(PAUSE_S)
        run(f"api uuid_kill {bridged.uuid}")
        watch.fact(events.LegHungUp, bridged.uuid, leg="caller")
        house.calls.clear()
        gevent.sleep(PAUSE_S)
        # One whom a neighbour's test abandoned may stand there for a while yet.
        (member,) = (one for one in house.snapshot().members if one.channel_uuid == bridged.uuid)
        assert member.state == "Answered"
        held = next(one for one in house.snapshot().agents if one.name == member.agent)
        assert held.state == "In a queue call"
        assert house.repair() == [("member-without-channel", member.uuid)]
        assert member.uuid not in {one.uuid for one in house.snapshot().members}
        assert house.agent(member.agent).state == "Waiting"
        assert run(f"api uuid_exists {bridged.agent_uuid}") == "true"


@pytest.mark.parametrize("state", ["Answered", "Trying"])
def test_no_command_removes_a_member_without_channels(
    switch: SwitchUnderTest, house: House, state: str
) -> None:
    member = strand_member(switch, state)
    (case,) = house.look().cases
    assert (case.finding.kind, case.finding.subject) == ("member-without-channel", member)
    assert not case.is_due
    assert "reload mod_callcenter" in case.finding.advice
    with commands(switch) as run:
        assert "+OK module loaded" in run("api reload mod_callcenter")
        left = {one.uuid: one.state for one in house.snapshot().members}
        assert left[member] == "Abandoned"
    assert house.look().cases == ()


def test_reload_is_refused_while_a_caller_waits(switch: SwitchUnderTest, watch: Watch) -> None:
    """So a stopped dispatcher cannot be started while there is anybody to be offered."""
    plan = CallPlan(headers=(("x-wa-meta-wacid", new_wacid()),), rings=(Ring("no_answer"),))
    switch.place_call(plan)
    watch.fact(events.MemberJoined, watch.offered(plan).uuid)
    gevent.sleep(PAUSE_S)
    with commands(switch) as run:
        assert "-ERR unloading module [Module in use.]" in run("api reload mod_callcenter")


def test_an_agent_without_a_phone_is_put_away_and_comes_back(switch: SwitchUnderTest, house: House) -> None:
    phone(switch, "agent2", there=False)
    try:
        with gevent.Timeout(PATIENCE_S, AssertionError("the phone is never gone")):
            while house.agent("agent2").registered is not False:
                gevent.sleep(0.2)
        assert house.repair() == [("phone-gone", "agent2")]
        away = house.agent("agent2")
        assert away.status == "On Break"
        house.kept["agent2"] = Kept(away_since=away.status_since)
        assert house.due() == []
    finally:
        phone(switch, "agent2", there=True)
    with gevent.Timeout(PATIENCE_S, AssertionError("the phone never comes back")):
        while not house.agent("agent2").registered:
            gevent.sleep(0.2)
    assert house.repair() == [("phone-back", "agent2")]
    assert house.agent("agent2").status == "Available"


def test_a_contact_that_is_no_registration_is_not_judged(switch: SwitchUnderTest, house: House) -> None:
    with commands(switch) as run:
        run("api callcenter_config agent set contact agent1 sofia/agents/agent1@127.0.0.1|user/agent1@fsctl")
        run("api callcenter_config agent set contact agent2 user/nobody@fsctl")
    agents = {agent.name: agent for agent in house.snapshot().agents}
    assert agents["agent1"].contact == "sofia/agents/agent1@127.0.0.1|user/agent1@fsctl"
    assert [agents[name].registered for name in ("agent1", "agent2", "agent3")] == [None, None, True]


def test_a_kill_in_the_middle_of_a_call_leaves_nobody_stuck(
    switch: SwitchUnderTest, watch: Watch, house: House
) -> None:
    """mod_callcenter sets agents and members back when it is loaded, and phones stay registered."""
    talking(switch, watch, house)
    house.connection.close()
    switch.restart(graceful=False)
    with commands(switch):
        again = House(attach(switch.address))
        members = {member.state for member in again.snapshot().members}
        assert members <= {"Abandoned"}
        assert {agent.state for agent in again.snapshot().agents} == {"Waiting"}
        assert again.look().cases == ()
        again.connection.close()


@ON_FREESWITCH
@pytest.mark.usefixtures("switch")
def test_releasing_a_leg_that_is_not_there_is_an_error(house: House) -> None:
    reply = house.connection.request(encode.ReleaseAgent("00000000-0000-4000-8000-000000000000"))
    assert reply.text == "-ERR Session not found for uuid 00000000-0000-4000-8000-000000000000\n"


def test_the_switch_tells_its_clock(house: House) -> None:
    text = house.connection.request(encode.ReadClock()).text
    assert text.isdigit()
