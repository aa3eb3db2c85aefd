"""Outcomes on their way to Meta: rows, the outbox, its pump, and a fake of Meta's Conversions API."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import gevent
import psycopg
import pytest

from fsctl.call import commands
from fsctl.call.events import Alias
from fsctl.call.state import Call, Phase
from fsctl.config_chat import WhatsApp
from fsctl.errors import DatabaseDown
from fsctl.sim.graph import FakeGraph
from fsctl.sim.graph_conversions import Conversions as Dataset
from fsctl.store import outcomes, touches
from fsctl.store.calls import Calls
from fsctl.store.db import Database
from fsctl.store.outbox import Outbox
from fsctl.store.outcomes import Outcome
from fsctl.store.threads import Threads
from fsctl.store.touches import Touch
from fsctl.whatsapp.conversions import KIND, WAIT, Conversions, ConversionSender
from fsctl.whatsapp.graph import Graph
from fsctl.whatsapp.pump import Pump
from fsctl.whatsapp.touches import CallTouches

NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)
EVENTS = r"/777/events"
ON = WhatsApp(conversions_dataset="777", conversions_consent=True, waba_id="102")


@pytest.fixture
def meta() -> Iterator[FakeGraph]:
    graph = FakeGraph()
    graph.start()
    yield graph
    graph.stop()


@pytest.fixture
def dataset(meta: FakeGraph) -> Dataset:
    return Dataset(meta, "777", "102")


@pytest.fixture
def ann(database: Database) -> int:
    """A thread that an ad brought, and a call in it."""
    thread_id = Threads(database).add_messages(
        [Alias(kind="bsuid", value="US.1")], "Ann", None, "15550100900", []
    )
    with database.transaction("test") as transaction:
        for key, at, click in (
            ("1", NOW - 3 * HOUR, "Aff-1"),
            ("2", NOW - 2 * HOUR, "Aff-2"),
            ("3", NOW, "Aff-3"),
        ):
            touches.record(
                transaction, Touch(thread_id=thread_id, at=at, source="ad", key=key, ctwa_clid=click)
            )
    call = Call(
        uuid="c-1",
        node="fs1",
        channel="whatsapp",
        phase=Phase.OFFERED,
        offered_at=NOW - HOUR,
        thread_id=thread_id,
    )
    Calls(database).apply([commands.SaveCall(uuid="c-1", call=call)])
    return thread_id


def later() -> datetime:
    """When what was said by now has had its time."""
    return datetime.now(UTC) + WAIT + timedelta(seconds=1)


def say(database: Database, **what: Any) -> None:
    given: dict[str, Any] = {
        "kind": "sale",
        "at": NOW,
        "who": "ann",
        "value": Decimal(120),
        "currency": "EUR",
    }
    with database.transaction("test") as transaction:
        outcomes.add(transaction, Outcome(**given | what))


def told(database: Database) -> list[str | None]:
    with database.transaction("test") as transaction:
        return [one.conversion for one in outcomes.latest(transaction, None)]


def pump(database: Database, meta: FakeGraph, answer_s: float = 5.0) -> Pump:
    graph = Graph(meta.url, "v25.0", meta.token, answer_s=answer_s)
    return Pump(Outbox(database), {KIND: ConversionSender(graph, ON)})


def send(one: Pump, database: Database) -> list[dict[str, Any]]:
    """Let the pump look once, as if every pause were over."""
    with psycopg.connect(database.dsn) as connection:
        connection.execute("update outbox set not_before = now() where state = 'pending'")
    one.tick()
    assert one.join(10) in (True, None)
    with database.transaction("test") as transaction:
        return [
            {"state": row["state"], "reason": row["reason"]}
            for row in transaction.rows("outbox.list", state=None, thread_id=None, key=None, most=10)
        ]


def test_a_sale_reaches_meta_with_the_click_before_the_call(
    database: Database, meta: FakeGraph, dataset: Dataset, ann: int
) -> None:
    say(database, call_uuid="c-1")
    assert ann
    assert Conversions(database, ON).tick(later()) == 1
    assert send(pump(database, meta), database) == [{"state": "sent", "reason": ""}]
    (event,) = dataset.events
    assert event["user_data"]["ctwa_clid"] == "Aff-2"
    assert event["custom_data"] == {"currency": "EUR", "value": 120.0}
    assert told(database) == ["queued"]


def test_a_slip_is_put_right_before_meta_is_told(
    database: Database, meta: FakeGraph, dataset: Dataset, ann: int
) -> None:
    say(database, thread_id=ann, value=Decimal(12000))
    loop = Conversions(database, ON)
    assert loop.tick(datetime.now(UTC)) == 0
    say(database, thread_id=ann)
    assert loop.tick(later()) == 2
    send(pump(database, meta), database)
    assert [event["custom_data"]["value"] for event in dataset.events] == [120.0]
    assert told(database) == ["replaced", "queued"]


def test_what_was_told_is_not_told_again(
    database: Database, meta: FakeGraph, dataset: Dataset, ann: int
) -> None:
    loop, one = Conversions(database, ON), pump(database, meta)
    for minute in range(3):
        say(database, thread_id=ann, value=Decimal(120 + minute), at=NOW + timedelta(minutes=minute))
        loop.tick(later())
        send(one, database)
    assert dataset.posts == 1
    assert told(database) == ["queued", "told before", "told before"]
    say(database, thread_id=ann, order_ref="another")
    loop.tick(later())
    send(one, database)
    assert len(dataset.events) == 2


def test_two_loops_tell_once(database: Database, ann: int) -> None:
    for number in range(5):
        say(database, thread_id=ann, order_ref=str(number))
    loops = [gevent.spawn(Conversions(database, ON).tick, later()) for _ in range(3)]
    assert sum(loop.get() for loop in loops) == 5
    assert told(database) == ["queued"] * 5


@pytest.mark.parametrize(
    "fault",
    [
        {"drop": True},
        {"drop_after_accept": True},
        {"timeout_after_accept": True},
        {"code": 2},
        {"status": 502},
    ],
)
def test_after_a_fault_meta_counts_it_once(
    database: Database, meta: FakeGraph, dataset: Dataset, ann: int, fault: dict[str, Any]
) -> None:
    meta.hang_s = 3.0
    meta.fail_next(1, path=EVENTS, **fault)
    say(database, thread_id=ann)
    Conversions(database, ON).tick(later())
    one = pump(database, meta, answer_s=1.0)
    (first,) = send(one, database)
    assert first["state"] == "pending"
    assert first["reason"]
    assert send(one, database)[0]["state"] == "sent"
    assert len(dataset.events) == 1


def test_what_meta_refuses_has_its_reason(
    database: Database, meta: FakeGraph, dataset: Dataset, ann: int
) -> None:
    say(database, thread_id=ann)
    Conversions(database, replace(ON, waba_id="9")).tick(later())
    (found,) = send(pump(database, meta), database)
    assert found["state"] == "failed"
    assert "whatsapp_business_account_id" in found["reason"]
    assert dataset.events == []


def test_off_is_off_and_what_was_said_then_is_never_told(
    database: Database, meta: FakeGraph, dataset: Dataset, ann: int
) -> None:
    say(database, thread_id=ann)
    assert Conversions(database, WhatsApp()).tick(later()) == 1
    assert Conversions(database, ON).tick(later()) == 0
    assert send(pump(database, meta), database) == []
    assert told(database) == ["off"]
    assert dataset.posts == 0


class Away:
    """A Postgres that is away at first."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.asked = 0

    def transaction(self, doing: str) -> Any:
        self.asked += 1
        if self.asked < 3:
            raise DatabaseDown(f"{doing}: away")
        return self._database.transaction(doing)


def test_the_loops_outlive_a_postgres_that_is_away(database: Database, ann: int) -> None:
    calls = Calls(database)
    found = calls.load("c-1")
    assert found is not None
    calls.apply([commands.SaveCall(uuid="c-2", call=replace(found, uuid="c-2", deeplink_payload="spring"))])
    say(database, thread_id=ann)
    with psycopg.connect(database.dsn) as connection:
        connection.execute("update outcome set made_at = made_at - interval '1 hour'")
    away: Any = [Away(database), Away(database)]
    loops = [gevent.spawn(CallTouches(away[0], []).run), gevent.spawn(Conversions(away[1], ON).run)]
    with gevent.Timeout(10):
        while told(database) != ["queued"] or len(touched(database, ann)) < 4:
            gevent.sleep(0.05)
    gevent.killall(loops)
    assert touched(database, ann)[0].campaign == "spring"


def touched(database: Database, thread_id: int) -> list[Touch]:
    """Those of calls first."""
    with database.transaction("test") as transaction:
        found = touches.of_thread(transaction, thread_id)
    return sorted(found, key=lambda one: one.call_uuid is None)


@pytest.mark.parametrize(
    ("event", "why"),
    [
        ({"event_name": "Lead"}, "Invalid Event Type"),
        ({"action_source": "website"}, "action_source"),
        ({"messaging_channel": "sms"}, "action_source"),
        ({"event_time": int(NOW.timestamp()) - 8 * 86400}, "event_time"),
        ({"user_data": {"whatsapp_business_account_id": "102"}}, "ctwa_clid"),
        ({"custom_data": {"value": 1}}, "currency"),
        ({"custom_data": None}, "currency"),
    ],
)
def test_the_fake_refuses_what_meta_refuses(
    meta: FakeGraph, dataset: Dataset, event: dict[str, Any], why: str
) -> None:
    good = {
        "event_name": "Purchase", "event_time": int(NOW.timestamp()), "event_id": "x",
        "action_source": "business_messaging", "messaging_channel": "whatsapp",
        "user_data": {"whatsapp_business_account_id": "102", "ctwa_clid": "Aff"},
        "custom_data": {"value": 1, "currency": "EUR"},
    }  # fmt: skip
    graph = Graph(meta.url, "v25.0", meta.token)
    assert graph.post("777/events", {"data": [good]})["events_received"] == 1
    with pytest.raises(Exception, match=why):
        graph.post("777/events", {"data": [good, good | event]})
    assert len(dataset.events) == 1
    with pytest.raises(Exception, match="190"):
        Graph(meta.url, "v25.0", "another").post("777/events", {"data": [good]})
