"""A hundred thousand events at once over a TCP proxy, with calls of ours among them."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import gevent
import pytest

from fsctl.call.state import Phase
from fsctl.esl.link import Link
from fsctl.sim import CallPlan, Ring, Switch
from fsctl.store.calls import Calls
from fsctl.store.db import Database
from tests.fix_proxy import Proxy
from tests.integration.test_serving import Witness, build, until

FLOOD = 100_000
HIGH_WATER = 1_000
STRANGERS = [f"stranger-{number}" for number in range(400)]
"""Channels that are answered again and again and that nobody has heard of."""


@pytest.fixture
def linked(
    make_switch: Callable[..., Switch], database: Database, proxy: Callable[[tuple[str, int]], Proxy]
) -> Iterator[tuple[Switch, Link]]:
    """A switch with twelve calls that talk, and our link to it through a proxy."""
    switch = make_switch(speed=10.0)
    link = build(proxy(("127.0.0.1", switch.port)).port, database, HIGH_WATER)
    link.start()
    assert link.ready.wait(10)
    yield switch, link
    link.stop()


def flood(switch: Switch) -> None:
    """Each event about a kilobyte; the rest of the process gets its turn every millisecond or so."""
    padding = [("variable_padding", "x" * 250)]
    for number in range(FLOOD):
        uuid = STRANGERS[number % len(STRANGERS)]
        headers = [("Unique-ID", uuid), ("Call-Direction", "inbound"), ("Caller-Context", "whatsapp")]
        switch.bus.fire("CHANNEL_ANSWER", [*headers, *padding])
        if number % 50 == 0:
            gevent.sleep(1e-6)


def test_a_flood_sheds_what_can_be_had_again_and_loses_no_hang_up(
    linked: tuple[Switch, Link], database: Database
) -> None:
    switch, link = linked
    witness, calls = Witness(switch), Calls(database)
    talkers = [CallPlan(from_user=f"+1555020{n:04}", rings=(Ring("answer", 0.5),)) for n in range(3)]
    waiters = [
        CallPlan(from_user=f"+1555021{n:04}", rings=(Ring("answer", 0.5),), talk_s=20.0) for n in range(9)
    ]
    plans = [replace(plan, talk_s=60.0 + 40.0 * n) for n, plan in enumerate(talkers)]
    plans += [replace(plan, abandon_after_s=10.0 + 10.0 * n) for n, plan in enumerate(waiters)]
    uuids = [switch.place_call(plan) for plan in plans]
    flooding, deepest = gevent.spawn(flood, switch), 0
    while not flooding.dead:
        deepest = max(deepest, link.status().waiting)
        gevent.sleep(0.01)
    assert flooding.successful()
    assert switch.wait_idle(120)
    until(lambda: all((c := calls.load(u)) and c.phase is Phase.ENDED for u in uuids), "all ended", 60)
    assert len(witness.ends) == len(plans)
    assert {u: c.hangup_cause for u in uuids if (c := calls.load(u))} == witness.ends
    assert link.status().shed > 0
    assert deepest < 1.5 * HIGH_WATER
    with database.transaction("test") as transaction:
        ends = transaction._connection.execute(
            "select call_uuid from call_event where kind = 'leg_hung_up' and key = call_uuid"
        ).fetchall()
    assert sorted(row["call_uuid"] for row in ends) == sorted(uuids)
