"""One controller serves a node, another stands by and takes over; faults at random lose no call."""

import os
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import gevent
import psycopg
import pytest

from fsctl.call.policy import Policy
from fsctl.call.state import Phase
from fsctl.controller import Controller
from fsctl.esl import encode
from fsctl.esl.decode import Origin
from fsctl.esl.link import Address, Link
from fsctl.eventsocket.event import Event as SwitchEvent
from fsctl.eventsocket.event import Headers
from fsctl.serving import Serving
from fsctl.sim import CallPlan, Ring, Switch
from fsctl.store.calls import Calls
from fsctl.store.db import Database
from fsctl.store.links import Links, NodeLock
from tests.fix_proxy import Proxy
from tests.fix_switch import PASSWORD

POLICY = Policy(default_queue="support@fsctl")


MakeLink = Callable[..., Link]


def build(port: int, database: Database, high_water: int = 20_000) -> Link:
    link = Link(Address("127.0.0.1", port, PASSWORD), Origin("fs1", {"whatsapp": "whatsapp"}), high_water)
    link.listener = Controller(Calls(database), POLICY, link.request)
    return link


@pytest.fixture
def make_link(database: Database) -> Iterator[MakeLink]:
    """Makes links with controllers, started and ready."""
    made: list[Link] = []

    def make(port: int, **options: int) -> Link:
        made.append(build(port, database, **options))
        made[-1].start()
        assert made[-1].ready.wait(10)
        return made[-1]

    yield make
    for link in made:
        link.stop()


@pytest.fixture
def serve(database: Database) -> Iterator[Callable[[int], gevent.Greenlet]]:
    """Starts controllers of the node at a port, as many as asked for."""
    running: list[gevent.Greenlet] = []

    def start(port: int) -> gevent.Greenlet:
        one = Serving("fs1", NodeLock(database.dsn, "fs1"), Links(database), lambda: build(port, database))
        running.append(gevent.spawn(one.run))
        return running[-1]

    yield start
    gevent.killall(running)


def until(so: Callable[[], object], what: str, timeout_s: float = 20) -> None:
    with gevent.Timeout(timeout_s, AssertionError(f"never {what}")):
        while not so():
            gevent.sleep(0.05)


def states(database: Database) -> list[str]:
    return [report.state for report in Links(database).all()]


def test_the_second_controller_stands_by_and_takes_over_when_the_first_is_killed(
    make_switch: Callable[..., Switch], database: Database, serve: Callable[[int], gevent.Greenlet]
) -> None:
    switch, calls = make_switch(), Calls(database)
    first = serve(switch.port)
    until(lambda: states(database) == ["ready"], "ready")
    uuid = switch.place_call(CallPlan(talk_s=60.0, rings=(Ring("answer", 1.0),)))
    until(lambda: (c := calls.load(uuid)) and c.phase is Phase.TALKING, "talking")
    with psycopg.connect(database.dsn) as other:
        ours = other.execute("select pg_try_advisory_lock(1718317940, hashtext('fs1'))").fetchone()
        assert ours == (False,)
    second = Serving(
        "fs1", NodeLock(database.dsn, "fs1"), Links(database), lambda: build(switch.port, database)
    )
    assert not second._ours()
    first.kill()
    assert second._ours()
    standing_by = gevent.spawn(second.run)
    until(lambda: (c := calls.load(uuid)) and c.phase is Phase.ENDED, "ended")
    call = calls.load(uuid)
    assert call is not None
    assert call.hangup_cause == "NORMAL_CLEARING"
    standing_by.kill()


def test_a_controller_keeps_its_node_while_postgres_is_away(dsn: str) -> None:
    lock, rival = NodeLock(dsn, "fs1"), NodeLock(dsn, "fs1")
    assert lock.acquire()
    ours = (
        "from pg_stat_activity where application_name = 'fsctl serves fs1' and datname = current_database()"
    )
    with psycopg.connect(dsn, autocommit=True) as other:
        other.execute(f"select pg_terminate_backend(pid) {ours}".encode())
        until(lambda: other.execute(f"select count(*) {ours}".encode()).fetchone() == (0,), "terminated")
    assert lock.held()
    assert not rival.acquire()
    lock.release()
    until(rival.acquire, "released")
    assert not lock.held()
    away = NodeLock("host=/nowhere dbname=x user=y", "fs1")
    assert away.held()
    rival.release()
    lock.release()


def test_a_burst_beyond_the_high_water_mark_is_shed_and_had_again(
    make_switch: Callable[..., Switch], database: Database, make_link: MakeLink
) -> None:
    switch = make_switch()
    link = make_link(switch.port, high_water=3)
    plans = [
        CallPlan(from_user=f"+1555010{i:04}", talk_s=8.0, rings=(Ring("answer", 0.5),)) for i in range(12)
    ]
    uuids = [switch.place_call(plan) for plan in plans]
    assert switch.wait_idle(60)
    calls = Calls(database)
    until(lambda: all((c := calls.load(u)) and c.phase is Phase.ENDED for u in uuids), "all ended")
    status = link.status()
    assert status.shed > 0
    assert {c.hangup_cause for u in uuids if (c := calls.load(u))} == {"NORMAL_CLEARING"}


def test_a_job_in_the_background_brings_its_result(
    make_switch: Callable[..., Switch], make_link: MakeLink
) -> None:
    link = make_link(make_switch().port)
    jobs = [gevent.spawn(link.background, encode.Status()) for _ in range(20)]
    gevent.joinall(jobs, raise_error=True)
    assert all("FreeSWITCH" in job.value.text for job in jobs)
    assert not link.background(encode.HangUp("nobody")).ok
    assert link.status().in_flight == 0


def test_a_line_that_stands_open_and_carries_nothing_is_noticed(
    make_switch: Callable[..., Switch],
    database: Database,
    make_link: MakeLink,
    proxy: Callable[[tuple[str, int]], Proxy],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("fsctl.esl.link.SILENCE_S", 2.5)
    switch = make_switch(speed=20.0)  # It beats every second of ours.
    between = proxy(("127.0.0.1", switch.port))
    link = make_link(between.port)
    uuid = switch.place_call(CallPlan(talk_s=400.0, rings=(Ring("answer", 1.0),)))
    until(lambda: (c := Calls(database).load(uuid)) and c.phase is Phase.TALKING, "talking")
    between.flowing.clear()
    until(lambda: not link.ready.is_set(), "noticed")
    assert "no heartbeat" in (link.status().error or "")
    between.flowing.set()
    assert link.ready.wait(20)
    until(lambda: (c := Calls(database).load(uuid)) and c.hangup_cause == "NORMAL_CLEARING", "ended", 40)
    assert link.status().gaps == 1


def test_two_switches_keep_their_calls_apart(
    make_switch: Callable[..., Switch], database: Database, tmp_path: Path
) -> None:
    calls = Calls(database)
    links, uuids = {}, {}
    for node, seed in (("fs1", 1), ("fs2", 2)):
        (tmp_path / node).mkdir()
        switch = make_switch(seed=seed, spool=tmp_path / node)
        link = Link(Address("127.0.0.1", switch.port, PASSWORD), Origin(node, {"whatsapp": "whatsapp"}))
        link.listener = Controller(calls, POLICY, link.request)
        link.start()
        assert link.ready.wait(10)
        links[node], uuids[node] = (
            link,
            switch.place_call(CallPlan(talk_s=60.0, rings=(Ring("answer", 1.0),))),
        )
    for node, uuid in uuids.items():
        until(lambda: (c := calls.load(uuid)) and c.phase is Phase.TALKING, "talking")  # noqa: B023
        assert (found := calls.load(uuid)) is not None
        assert found.node == node
    links["fs1"].stop()
    links["fs1"] = Link(links["fs1"].address, links["fs1"].origin)
    links["fs1"].listener = Controller(calls, POLICY, links["fs1"].request)
    links["fs1"].start()
    assert links["fs1"].ready.wait(10)
    for uuid in uuids.values():
        until(lambda: (c := calls.load(uuid)) and c.hangup_cause == "NORMAL_CLEARING", "ended")  # noqa: B023
    for link in links.values():
        link.stop()


class Witness:
    """The switch's own log of ends, taken inside of it: no line, nothing to cut."""

    def __init__(self, switch: Switch) -> None:
        self.ends: dict[str, str] = {}
        switch.bus.subscribers.append(self)

    def hears(self, name: str, _subclass: str, _own: Headers) -> bool:
        """Only the ends of channels."""
        return name == "CHANNEL_HANGUP_COMPLETE"

    def offer(self, event: SwitchEvent) -> None:
        """Every event that the switch fires."""
        headers = dict(event.headers)
        if headers["Event-Name"] == "CHANNEL_HANGUP_COMPLETE" and headers["Call-Direction"] == "inbound":
            self.ends[headers["Unique-ID"]] = headers["Hangup-Cause"]


SEEDS = range(int(os.environ.get("FSCTL_SEEDS", "12")))
"""FSCTL_SEEDS=300 runs hundreds, by hand."""


@pytest.mark.parametrize("seed", SEEDS)
def test_every_call_that_the_switch_ended_is_in_the_database_with_the_same_cause(
    seed: int,
    make_switch: Callable[..., Switch],
    database: Database,
    make_link: MakeLink,
    proxy: Callable[[tuple[str, int]], Proxy],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Calls of all kinds while the line is cut at random bytes, refused for a while, or the listener killed."""
    monkeypatch.setattr("fsctl.esl.resync.ROWS_LAG_S", 0.05)
    rng = random.Random(seed)
    switch = make_switch(seed=seed, speed=40.0)
    witness, between = Witness(switch), proxy(("127.0.0.1", switch.port))
    make_link(between.port)
    base = CallPlan(talk_s=5.0)
    for index in range(10):
        ring = rng.choice((Ring("answer", 0.5), Ring("answer", 0.5), Ring("reject", 0.3), Ring("no_answer")))
        plan = replace(
            base,
            from_user=f"+1555{seed:03}{index:04}",
            rings=(ring, Ring("answer", 1.0)),
            talk_s=rng.uniform(1, 40),
            abandon_after_s=rng.choice((None, None, rng.uniform(0.5, 20))),
            start_after_s=rng.uniform(0, 40),
            hangs_up=rng.choice(("caller", "agent")),
        )
        switch.place_call(plan)
    for _ in range(rng.randrange(2, 6)):
        gevent.sleep(rng.uniform(0.03, 0.4))
        _fault(rng, switch, between)
    assert switch.wait_idle(60)
    calls = Calls(database)

    def same() -> bool:
        found = {uuid: calls.load(uuid) for uuid in witness.ends}
        return {
            u: c.hangup_cause if c and c.phase is Phase.ENDED else None for u, c in found.items()
        } == witness.ends

    assert len(witness.ends) == 10
    until(same, f"the same as {witness.ends}")
    with database.transaction("test") as transaction:
        (count,) = transaction._connection.execute("select count(*) as n from call").fetchall()
        twice = transaction._connection.execute(
            "select call_uuid from call_event where kind = 'leg_hung_up' and key = call_uuid"
            " group by 1 having count(*) > 1"
        ).fetchall()
    assert count["n"] == 10
    assert twice == []


def _fault(rng: random.Random, switch: Switch, between: Proxy) -> None:
    """Something breaks."""
    match rng.randrange(4):
        case 0:
            between.cut()
        case 1:
            between.limit = rng.randrange(1, 20_000)
        case 2:
            between.refuse()
            gevent.sleep(rng.uniform(0.05, 0.8))
            between.accept()
        case 3:
            switch.kill_listener(torn=rng.random() < 0.5)
