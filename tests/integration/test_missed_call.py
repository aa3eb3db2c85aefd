"""The whole story on a simulated FreeSWITCH and a real Postgres: missed, written to, back in its place; called."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import gevent
import pytest

from fsctl.call import followup, payload
from fsctl.call.policy import Followup, Number, Policy, Queue
from fsctl.call.slots import Slot
from fsctl.call.state import Call, Disposition, Phase
from fsctl.controller import Controller
from fsctl.esl.connection import Connection
from fsctl.esl.decode import Origin
from fsctl.esl.link import Address, Link
from fsctl.sim import CallPlan, Ring, Switch
from fsctl.store.callbacks import Callbacks
from fsctl.store.db import Database
from fsctl.whatsapp.callbacks import CallbackLoop
from fsctl.whatsapp.dial import Dialler
from fsctl.whatsapp.followup import FollowupLoop
from tests.fix_database import run
from tests.fix_switch import PASSWORD
from tests.integration.test_controller import Served

NUMBER = "15550100900"
QUEUE = "support@fsctl"
POLICY = Policy(
    default_queue=QUEUE,
    numbers={NUMBER: Number(phone_number_id="1065")},
    queues={QUEUE: Queue(recording="never", followup=Followup(on=True, call_back=True))},
    payload_secrets=(b"a secret of ours, long enough",),
)
CONTEXTS = {"whatsapp": "whatsapp", "fsctl-callback": "whatsapp"}
WAITS = CallPlan(from_user="+34600000142", rings=(Ring("answer", 0.3),), talk_s=2.0)


class House(Served):
    """A controller that knows both doors."""

    def attach(self) -> None:
        self.link = Link(Address("127.0.0.1", self._port, PASSWORD), Origin("fs1", CONTEXTS))
        self.controller = Controller(self.calls, self._policy, self.link.request)
        self.link.listener = self.controller
        self.link.start()
        assert self.link.ready.wait(10)

    @contextmanager
    def commands(self, _node: str) -> Iterator[Connection]:
        connection = Connection("127.0.0.1", self._port, PASSWORD, lambda _event: None)
        connection.connect()
        try:
            yield connection
        finally:
            connection.close()

    def everybody(self, status: str) -> None:
        for agent in ("agent1", "agent2", "agent3"):
            with self.commands("fs1") as connection:
                connection.send(f"api callcenter_config agent set status {agent} '{status}'")

    def missed(self) -> Call:
        """The customer waits, and gives up."""
        uuid = self.switch.place_call(CallPlan(from_user="+34600000142", abandon_after_s=8.0))
        call = self.ended(uuid)
        assert call.disposition is Disposition.ABANDONED
        return call

    def rows(self, statement: str) -> list[dict[str, Any]]:
        return run(self._database, statement)


@pytest.fixture
def house(make_switch: Callable[..., Switch], database: Database) -> Iterator[House]:
    switch = make_switch(speed=5.0)
    one = House(switch, switch.port, database, POLICY)
    one.everybody("On Break")
    yield one
    one.detach()


def test_a_customer_who_comes_back_by_the_button_is_served_before_who_came_later(
    house: House, database: Database
) -> None:
    missed = house.missed()
    assert FollowupLoop(database, POLICY, now=lambda: missed.ended_at or datetime.now(UTC)).tick() == 1
    (item,) = house.rows("select payload from outbox")
    button = item["payload"]["message"]["interactive"]["action"]["parameters"]["payload"]
    other = house.switch.place_call(CallPlan(from_user="+34600000777", rings=WAITS.rings, talk_s=2.0))
    house.until(other, lambda call: call.phase is Phase.QUEUED)
    back = house.switch.place_call(
        CallPlan(
            from_user="+34600000142",
            rings=WAITS.rings,
            talk_s=2.0,
            headers=(("x-wa-meta-cta-payload", button),),
        )
    )
    call = house.until(back, lambda call: call.phase is Phase.QUEUED)
    assert call.payload_trusted
    assert call.score is not None
    assert call.score > 8
    house.everybody("Available")
    first, second = house.ended(back), house.ended(other)
    assert first.thread_id == missed.thread_id
    assert first.bridged_at is not None
    assert second.bridged_at is not None
    assert first.bridged_at < second.bridged_at


class Meta:
    """Everybody permits calls."""

    def get(self, path: str, **params: str | int) -> dict[str, Any]:
        assert (path, params) == ("1065/call_permissions", {"user_wa_id": "34600000142"})
        return {"permission": {"status": "permanent"}}


@pytest.mark.parametrize("takes_it", [True, False])
def test_at_the_time_chosen_the_business_calls(house: House, database: Database, takes_it: bool) -> None:
    missed = house.missed()
    asked = Callbacks(database).asked_by(missed.uuid)
    assert asked is not None
    at = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
    ticket = followup.ticket(missed, POLICY, at)
    slot = Slot(at, at + timedelta(minutes=15))
    assert Callbacks(database).book(asked, ticket, slot, 1, missed.offered_at) == "booked"
    house.switch.customer = lambda _number: WAITS if takes_it else None
    house.everybody("Available")
    clock = [at]
    dialler = Dialler(Meta(), {NUMBER: "1065"}, house.commands)
    loop = CallbackLoop(database, POLICY, dialler, now=lambda: clock[0])
    assert loop.tick() == 1
    if takes_it:
        with gevent.Timeout(15):
            while len(found := house.rows("select uuid from call")) < 2:
                gevent.sleep(0.05)
        (uuid,) = {row["uuid"] for row in found} - {missed.uuid}
        call = house.ended(uuid)
        assert (call.disposition, call.queue, call.thread_id) == (
            Disposition.ANSWERED,
            QUEUE,
            missed.thread_id,
        )
        assert call.payload_trusted
        assert payload.read(call.cta_payload or "", POLICY.payload_secrets) is not None
    clock[0] += timedelta(seconds=91)
    assert loop.tick() == 1
    (row,) = house.rows("select state, reason from callback")
    if takes_it:
        assert row == {"state": "called", "reason": f"taken: call {uuid}"}
        assert house.rows("select from outbox") == []
    else:
        assert row == {"state": "offered", "reason": "we called, and nobody answered"}
        assert len(house.rows("select from outbox")) == 1
