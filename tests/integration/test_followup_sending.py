"""From a missed call to the customer's phone, on a real Postgres and Meta's API as documented, with its errors."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fsctl.call import commands
from fsctl.call.policy import Followup, Number, Policy, Queue
from fsctl.call.state import Call, Disposition, Fault, Phase
from fsctl.store.calls import Calls
from fsctl.store.followups import Followups
from fsctl.whatsapp.followup import FollowupLoop
from tests.integration.sending import NUMBER, NUMBER_ID, House

POLICY = Policy(
    numbers={NUMBER: Number(phone_number_id=NUMBER_ID)},
    queues={"q@x": Queue(followup=Followup(on=True, template="missed_call"))},
    payload_secrets=(b"a secret of ours, long enough",),
)


def miss(made: House, thread_id: int, name: str, **fields: Any) -> None:
    now = datetime.now(UTC)
    base: dict[str, Any] = {
        "uuid": name,
        "node": "fs1",
        "channel": "whatsapp",
        "phase": Phase.ENDED,
        "offered_at": now - timedelta(seconds=30),
        "answered_at": now - timedelta(seconds=29),
        "queued_at": now - timedelta(seconds=25),
        "ended_at": now - timedelta(seconds=1),
        "to_number": NUMBER,
        "wacid": f"wacid.{name}",
        "contact_id": made.rows("select contact_id from thread where id = %s", thread_id)[0]["contact_id"],
        "thread_id": thread_id,
        "queue": "q@x",
        "disposition": Disposition.ABANDONED,
        "fault": Fault.CALLER,
    }
    call = Call(**(base | fields))
    Calls(made.database).apply([commands.SaveCall(uuid=call.uuid, call=call)])


FAULTS: dict[str, tuple[dict[str, Any], int, set[str]]] = {
    # What goes wrong -> how many messages Meta takes, and in which states the outbox may be then.
    "nothing": ({}, 1, {"sent"}),
    "throughput of the number": ({"code": 130429}, 1, {"sent"}),
    "too many to this user": ({"code": 131056}, 1, {"sent"}),
    "taken, and never answered": ({"timeout_after_accept": True}, 1, {"sent"}),
    "taken, then cut": ({"drop_after_accept": True}, 1, {"sent"}),
    "the window is closed at Meta's: the template": ({"code": 131047}, 1, {"failed", "sent"}),
    "undeliverable": ({"code": 131026}, 0, {"failed"}),
    "undeliverable, told later": ({"code": 131026, "later": True}, 1, {"failed"}),
    # Nobody can say whether it was taken: it is not sent again, and its reason is kept when no webhook comes.
    "a gateway fails": ({"status": 500}, 0, {"unsure"}),
    "the connection is cut": ({"drop": True}, 0, {"unsure"}),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_missed_call_reaches_the_customer_once_or_a_reason_is_kept(made: House, name: str) -> None:
    fault, taken, states = FAULTS[name]
    thread_id, _ = made.thread()
    miss(made, thread_id, "call-1")
    if fault:
        made.fake.fail_next(1, **fault)
    loop, pump = FollowupLoop(made.database, POLICY), made.pump()
    assert loop.tick() == 1
    if states == {"unsure"}:
        for _ in range(3):
            pump.tick()
            pump.join(5)
    else:
        made.work(pump, until=30)
    assert loop.tick() == 0
    rows = made.rows("select * from outbox")
    assert {row["state"] for row in rows} == states
    assert all(row["reason"] for row in rows if row["state"] != "sent")
    assert len(made.fake.received) == taken
    (verdict,) = Followups(made.database).of_thread(thread_id)
    assert (verdict.outcome, verdict.outbox_key) == ("message", "followup/call-1")


def test_five_calls_in_a_row_reach_the_customer_as_one_message(made: House) -> None:
    thread_id, user = made.thread()
    loop, pump = FollowupLoop(made.database, POLICY), made.pump()
    for number in range(5):
        miss(made, thread_id, f"call-{number}")
        loop.tick()
        made.work(pump)
    (message,) = made.fake.received
    assert message["to"].lstrip("+") == user
    assert message["interactive"]["type"] == "voice_call"
    assert len(Followups(made.database).of_thread(thread_id)) == 5


def test_it_is_in_the_outbox_within_seconds_of_the_end(made: House) -> None:
    """The loop looks every two seconds: with Meta's answer that is well below ten."""
    import gevent

    thread_id, _ = made.thread()
    loop = gevent.spawn(FollowupLoop(made.database, POLICY).run)
    try:
        gevent.sleep(0.5)
        miss(made, thread_id, "call-1", ended_at=datetime.now(UTC))
        began = datetime.now(UTC)
        while not made.rows("select from outbox"):
            gevent.sleep(0.05)
            assert (datetime.now(UTC) - began).total_seconds() < 5
    finally:
        loop.kill()


def test_the_loop_waits_for_a_postgres_that_is_away(made: House, monkeypatch: pytest.MonkeyPatch) -> None:
    import gevent

    from fsctl.errors import DatabaseDown
    from fsctl.whatsapp import followup as module

    loop, asked = FollowupLoop(made.database, POLICY), []

    def tick() -> int:
        asked.append(1)
        if len(asked) == 1:
            raise DatabaseDown("away")
        return 0

    monkeypatch.setattr(loop, "tick", tick)
    monkeypatch.setattr(module, "EVERY_S", 0.01)
    running = gevent.spawn(loop.run)
    with gevent.Timeout(5):
        while len(asked) < 3:
            gevent.sleep(0.02)
    running.kill()
