"""The line of a call that goes on: asked of the switch, stored on the call while people talk."""

from collections.abc import Callable

import gevent

from fsctl.call.events import CallEvent
from fsctl.call.policy import Policy
from fsctl.controller import Controller
from fsctl.esl.decode import Origin
from fsctl.esl.link import Address, Link
from fsctl.quality import Sampler
from fsctl.sim import CallPlan, Quality, Ring, Switch
from fsctl.store.calls import Calls
from fsctl.store.db import Database

ORIGIN = Origin("fs1", {"whatsapp": "whatsapp"})


def test_a_bad_line_is_known_while_people_talk(
    make_switch: Callable[..., Switch], database: Database
) -> None:
    switch = make_switch(speed=10.0)
    calls = Calls(database)
    link = Link(Address("127.0.0.1", switch.port, switch.options.password), ORIGIN)
    link.listener = Controller(calls, Policy(), link.request)
    link.start()
    assert link.ready.wait(10)
    told: list[CallEvent] = []

    def tell(fact: CallEvent) -> None:
        told.append(fact)
        link.tell(fact)

    sampler = Sampler("fs1", calls, link.request, tell)
    sampler.sample()
    assert told == []
    bad = Quality(mos=2.31, lost=40, flaws=46)
    switch.place_call(CallPlan(rings=(Ring("answer", 0.5),), talk_s=100.0, quality=bad))
    with gevent.Timeout(20, AssertionError("never measured")):
        while not told:
            sampler.sample()
            gevent.sleep(0.05)
        while (call := calls.load(told[0].uuid)) is None or call.mos is None:
            gevent.sleep(0.05)
    assert (call.phase.value, call.mos) == ("talking", 2.31)
    assert call.loss_percent is not None
    assert call.loss_percent > 0
    assert call.jitter_ms is not None
    link.stop()
