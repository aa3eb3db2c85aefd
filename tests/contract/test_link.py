"""After a gap: what stands is told as if it had just happened."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

import gevent
import pytest
from gevent.event import Event as Flag

from fsctl.call import events
from fsctl.call.events import CallEvent
from fsctl.esl import decode
from fsctl.esl.link import Address, Link
from fsctl.sim import CallPlan, Ring
from tests.contract.switches import (
    ORIGIN,
    PATIENCE_S,
    SwitchUnderTest,
    Watch,
    commands,
    dump,
    ended,
    kinds,
    new_wacid,
    pour,
)
from tests.fix_proxy import Proxy

SNAPSHOT = ["CallOffered", "CallAnswered", "MemberJoined", "AgentBridged", "LegsBridged"]


class Ear:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.facts: list[CallEvent] = []
        self.resyncs: list[set[str]] = []
        self.up_since: datetime | None = None
        self._news = Flag()

    def on_events(self, facts: Sequence[CallEvent]) -> None:
        self.facts += facts
        self._news.set()

    def knows(self, uuid: str) -> bool:
        return any(fact.uuid == uuid for fact in self.facts)

    def gone(self, _node: str, standing: set[str], up_since: datetime | None) -> list[CallEvent]:
        self.resyncs.append(standing)
        self.up_since = up_since
        self._news.set()
        return []

    def until(self, done: Callable[[], bool]) -> None:
        """Wait until something is so."""
        with gevent.Timeout(PATIENCE_S, AssertionError(f"never: {kinds(self.facts)} {self.resyncs}")):
            while not done():
                self._news.clear()
                self._news.wait(0.5)


@pytest.fixture
def talking(switch: SwitchUnderTest, watch: Watch) -> events.CallOffered:
    """A call that is bridged and stays so."""
    headers = (("x-wa-meta-wacid", new_wacid()),)
    plan = CallPlan(headers=headers, rings=(Ring("answer", 0.5),), hangs_up="nobody")
    switch.place_call(plan)
    call = watch.offered(plan)
    watch.fact(events.LegsBridged, call.uuid)
    return call


@pytest.fixture
def between(switch: SwitchUnderTest, proxy: Callable[[tuple[str, int]], Proxy]) -> Proxy:
    """A proxy before the switch."""
    return proxy((switch.address.host, switch.address.port))


@pytest.fixture
def link(switch: SwitchUnderTest, between: Proxy) -> Iterator[Link]:
    """A link through the proxy, not started, with an Ear to listen to it."""
    one = Link(Address("127.0.0.1", between.port, switch.address.password), ORIGIN)
    one.listener = Ear()
    yield one
    one.stop()


@pytest.fixture
def linked(link: Link) -> tuple[Link, Ear]:
    """The same, up."""
    link.start()
    assert link.ready.wait(PATIENCE_S)
    ear = link.listener
    assert isinstance(ear, Ear)
    ear.until(lambda: bool(ear.resyncs))
    return link, ear


def test_the_dump_of_a_bridged_call_tells_what_was_told_live(
    watch: Watch, talking: events.CallOffered
) -> None:
    told = list(decode.snapshot(dump(watch.connection, talking.uuid), ORIGIN))
    assert kinds(told) == SNAPSHOT
    live = {type(fact): fact for fact in watch.of(talking.uuid)}
    offered, answered, joined, agent, legs = told
    assert offered == talking
    assert answered == live[events.CallAnswered]
    assert legs == live[events.LegsBridged]
    assert _nearly(joined, live[events.MemberJoined])
    assert _nearly(agent, live[events.AgentBridged])


def _nearly(told: CallEvent, live: CallEvent) -> bool:
    """The same but for the time: mod_callcenter keeps whole seconds, and says "bridged" before it is."""
    near = abs(told.at - live.at) <= timedelta(seconds=1)
    return near and {**vars(told), "at": None} == {**vars(live), "at": None}


def test_the_agents_leg_of_a_bridged_call_is_no_call_of_ours(
    watch: Watch, talking: events.CallOffered
) -> None:
    agent = watch.fact(events.LegsBridged, talking.uuid).agent_uuid
    assert list(decode.snapshot(dump(watch.connection, agent), ORIGIN)) == []


def test_a_link_that_is_cut_in_mid_call_comes_back_and_tells_what_stands(
    switch: SwitchUnderTest, talking: events.CallOffered, linked: tuple[Link, Ear], between: Proxy
) -> None:
    link, ear = linked
    assert ear.resyncs == [{talking.uuid}]
    ear.facts.clear()
    between.cut()
    ear.until(lambda: len(ear.resyncs) == 2)
    assert link.ready.wait(PATIENCE_S)
    assert ear.resyncs[1] == {talking.uuid}
    assert kinds(ear.facts) == SNAPSHOT
    with commands(switch) as run:
        run(f"api uuid_kill {talking.uuid}")
    ear.until(lambda: "MemberLeft" in kinds(ear.facts))
    assert {"LegsUnbridged", "RecordingStopped", "LegHungUp caller", "LegHungUp agent"} <= set(
        kinds(ear.facts)
    )


def test_a_call_that_ended_during_the_gap_does_not_stand(
    switch: SwitchUnderTest,
    watch: Watch,
    talking: events.CallOffered,
    linked: tuple[Link, Ear],
    between: Proxy,
) -> None:
    _link, ear = linked
    between.refuse()
    with commands(switch) as run:
        run(f"api uuid_kill {talking.uuid}")
    watch.whole(talking.uuid)
    between.accept()
    ear.until(lambda: len(ear.resyncs) == 2)
    assert ear.resyncs == [{talking.uuid}, set()]


def test_a_call_that_waits_is_found_with_the_phone_that_rings(
    switch: SwitchUnderTest, watch: Watch, linked: tuple[Link, Ear], between: Proxy
) -> None:
    _link, ear = linked
    plan = CallPlan(headers=(("x-wa-meta-wacid", new_wacid()),), rings=(Ring("no_answer"),))
    switch.place_call(plan)
    uuid = watch.offered(plan).uuid
    watch.fact(events.AgentOffered, uuid)
    ear.until(lambda: "AgentOffered" in kinds(ear.facts))
    ear.facts.clear()
    between.cut()
    ear.until(lambda: len(ear.resyncs) == 2)
    assert kinds(ear.facts) == [*SNAPSHOT[:3], "AgentOffered"]


def test_a_call_that_began_a_moment_before_the_link_is_not_missed(
    switch: SwitchUnderTest, watch: Watch, link: Link
) -> None:
    plan = CallPlan(headers=(("x-wa-meta-wacid", new_wacid()),), rings=(Ring("no_answer"),))
    switch.place_call(plan)
    call = watch.offered(plan)
    link.start()
    assert link.ready.wait(PATIENCE_S)
    ear = link.listener
    assert isinstance(ear, Ear)
    ear.until(lambda: bool(ear.resyncs))
    assert ear.resyncs == [{call.uuid}]
    assert ear.facts[0] == call


def test_a_call_that_ends_while_the_link_comes_up_is_not_lost(
    switch: SwitchUnderTest,
    watch: Watch,
    talking: events.CallOffered,
    link: Link,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("fsctl.esl.resync.ROWS_LAG_S", 3.0)
    link.start()
    gevent.sleep(1.5)  # It has subscribed, and reads the rows only after this.
    with commands(switch) as run:
        run(f"api uuid_kill {talking.uuid} MANAGER_REQUEST")
    watch.whole(talking.uuid)
    assert link.ready.wait(PATIENCE_S)
    ear = link.listener
    assert isinstance(ear, Ear)
    ear.until(lambda: bool(ear.resyncs))
    assert ear.resyncs == [{talking.uuid}]
    ended = [
        fact for fact in ear.facts if fact.uuid == talking.uuid and kinds([fact]) == ["LegHungUp caller"]
    ]
    assert {fact.cause for fact in ended if isinstance(fact, events.LegHungUp)} == {"MANAGER_REQUEST"}


@pytest.mark.parametrize("graceful", [True, False], ids=["shut down", "killed"])
def test_a_switch_that_is_restarted_in_mid_call_is_noticed_and_its_call_is_over(
    graceful: bool, switch: SwitchUnderTest, talking: events.CallOffered, linked: tuple[Link, Ear]
) -> None:
    link, ear = linked
    first = link.status().core_uuid
    switch.restart(graceful=graceful)
    ear.until(lambda: len(ear.resyncs) == 2)
    assert link.ready.wait(PATIENCE_S)
    status = link.status()
    assert (status.state, status.restarts, status.gaps) == ("ready", 1, 1)
    assert status.core_uuid != first
    assert talking.uuid not in ear.resyncs[1]
    assert ear.up_since is not None
    assert ear.up_since > talking.at
    assert set(_causes(ear, talking.uuid)) == ({"SYSTEM_SHUTDOWN"} if graceful else set())


@pytest.mark.parametrize("graceful", [True, False], ids=["shut down", "killed"])
def test_the_ledger_outlives_a_switch_that_is_restarted_while_nobody_listens(
    graceful: bool,
    switch: SwitchUnderTest,
    watch: Watch,
    talking: events.CallOffered,
    linked: tuple[Link, Ear],
    between: Proxy,
) -> None:
    link, ear = linked
    between.refuse()
    ear.facts.clear()
    with commands(switch) as run:
        run(f"api uuid_kill {talking.uuid} MANAGER_REQUEST")
    watch.whole(talking.uuid)
    plan = CallPlan(headers=(("x-wa-meta-wacid", new_wacid()),), rings=(Ring("no_answer"),))
    switch.place_call(plan)
    cut_off = watch.offered(plan)
    watch.fact(events.MemberJoined, cut_off.uuid)
    switch.restart(graceful=graceful)
    assert ear.facts == []
    between.accept()
    ear.until(lambda: len(ear.resyncs) == 2)
    assert link.status().restarts == 1
    assert _causes(ear, talking.uuid) == [watch.fact(events.LegHungUp, talking.uuid, leg="caller").cause]
    # FreeSWITCH unloads mod_db before the calls that it hangs up as it goes down have ended.
    assert _causes(ear, cut_off.uuid) == []
    with commands(switch) as run:
        assert ended(run) == ()


FLOOD = 115_000
"""More than FreeSWITCH keeps for a listener (100,000), what the sockets hold (4.8 MB), and 501 to lose."""


def test_a_listener_that_the_switch_killed_is_noticed_and_its_call_ends_with_its_cause(
    switch: SwitchUnderTest,
    watch: Watch,
    talking: events.CallOffered,
    linked: tuple[Link, Ear],
    between: Proxy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    link, ear = linked
    monkeypatch.setattr("fsctl.esl.link.AUDIT_S", 600.0)
    monkeypatch.setattr("fsctl.esl.link.SILENCE_S", 600.0)
    watch.connection.close()
    ear.facts.clear()
    between.flowing.clear()
    pour(switch.address, FLOOD // 2)
    with commands(switch) as run:
        run(f"api uuid_kill {talking.uuid} MANAGER_REQUEST")
    # FreeSWITCH says why it kills a listener, in the thread that hands out all events, and waits for it to read:
    # until then nobody gets any event, and who fires one waits too.
    more = gevent.spawn(pour, switch.address, FLOOD // 2)
    more.join(20)
    between.flowing.set()
    more.get(timeout=PATIENCE_S)
    ear.until(lambda: len(ear.resyncs) == 2)
    assert link.status().gaps == 1
    assert _causes(ear, talking.uuid) == ["MANAGER_REQUEST"]


def _causes(ear: Ear, uuid: str) -> list[str]:
    """Why a call ended, as often as it was told."""
    ends = (one for one in ear.facts if isinstance(one, events.LegHungUp) and one.leg == "caller")
    return [one.cause for one in ends if one.uuid == uuid]
