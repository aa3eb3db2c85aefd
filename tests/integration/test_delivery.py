"""Events on their way to a CRM that fails in every way: each at least once, in order per thread."""

import logging
import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import gevent
import psycopg
import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from fsctl import app, app_crm
from fsctl.config import Config
from fsctl.config_crm import Crm
from fsctl.crm import delivery, signing
from fsctl.crm.delivery import Courier
from fsctl.crm.events import ON_REQUEST
from fsctl.crm.outward import Outward
from fsctl.crm.sequencer import Sequencer
from fsctl.patience import Patience
from fsctl.store import deliveries, migrate
from fsctl.store.alarms import Alarms
from fsctl.store.db import Database, Wakeup
from fsctl.store.deliveries import CHANNEL, Deliveries
from fsctl.store.embedded import Embedded
from fsctl.store.endpoints import Endpoint, Endpoints
from fsctl.store.events import Events
from fsctl.store.sequence import Sequence
from tests.integration.receiver import Receiver
from tests.integration.test_sequence import make_thread, run, write

TYPES = ["message.received"]


class House:
    """Events, one endpoint at a receiver of ours, and who sends."""

    def __init__(self, database: Database, *, total_s: float = 2.0, **limits: Any) -> None:
        self.database = database
        self.dsn = database.dsn
        self.sequence = Sequence(database)
        self.deliveries = Deliveries(database, sorted(ON_REQUEST), **limits)
        self.endpoints = Endpoints(database)
        self.receiver = Receiver()
        self.receiver.secret = signing.new_secret()
        self.outward = Outward(allow_private=True, total_s=total_s)
        self.courier = self.make_courier()
        self.id = self.endpoints.add(self.receiver.url, TYPES, self.receiver.secret, "test")

    def make_courier(self, **options: Any) -> Courier:
        return Courier(self.deliveries, self.outward, base_url="https://calls.example.com", **options)

    @property
    def endpoint(self) -> Endpoint:
        (found,) = self.endpoints.all(self.id)
        return found

    def write(self, thread: int, *wamids: str) -> None:
        for wamid in wamids:
            write(self.dsn, thread, wamid)

    def work(self, until: Callable[[], object] | None = None, for_s: float = 10.0) -> None:
        """Number, send, until it is so; else until nothing waits."""
        ends = datetime.now(UTC) + timedelta(seconds=for_s)
        while datetime.now(UTC) < ends:
            self.sequence.number()
            taken = self.courier.tick()
            self.courier.join(5)
            if until() if until else not taken and not self.endpoint.waiting:
                return
            gevent.sleep(0.01)
        raise AssertionError(self.deliveries.listed(state="waiting"))

    def wamids(self) -> list[str]:
        return [event["data"]["wamid"] for event in self.receiver.taken]


@pytest.fixture
def house(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    monkeypatch.setattr(delivery, "WAITS_S", (0.02,) * 5)
    made = House(database)
    yield made
    made.receiver.kill()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()
    found.secret = signing.new_secret()
    yield found
    found.kill()


def test_an_event_arrives_signed(house: House) -> None:
    house.write(make_thread(house.dsn), "w1")
    house.work()
    (taken,) = house.receiver.taken
    ((headers, body),) = house.receiver.requests
    assert taken["links"]["thread"] == f"https://calls.example.com/v1/threads/{taken['data']['thread_id']}"
    assert (headers["host"], headers["content-type"]) == (
        f"127.0.0.1:{house.receiver.port}",
        "application/json",
    )
    with pytest.raises(WebhookVerificationError):
        Webhook(house.receiver.secret).verify(body.replace(b"w1", b"w2"), headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(signing.new_secret()).verify(body, headers)


def test_only_what_an_endpoint_asks_for_goes_to_it(house: House) -> None:
    everything = Receiver()
    house.endpoints.add(everything.url, [], signing.new_secret(), "test")
    house.write(make_thread(house.dsn), "w1")
    run(
        house.dsn,
        "insert into event (id, type, at, data) values ('evt_s', 'transcript.segment', now(), '{}')",
    )
    house.work()
    assert {one.event_id for one in house.deliveries.listed()} == {event["id"] for event in everything.taken}
    assert [event["type"] for event in house.receiver.taken] == TYPES
    assert [event["type"] for event in everything.taken] == ["chat.started", *TYPES]
    everything.kill()


def test_while_a_secret_is_rotated_both_sign(house: House) -> None:
    thread, old, new = make_thread(house.dsn), house.receiver.secret, signing.new_secret()
    assert house.endpoints.rotate(house.id, new, 3600)
    house.write(thread, "w1")
    house.work()
    house.receiver.secret = new
    house.write(thread, "w2")
    house.work()
    assert house.wamids() == ["w1", "w2"]
    headers, body = house.receiver.requests[-1]
    assert len(headers["webhook-signature"].split(" ")) == 2
    Webhook(old).verify(body, headers)
    run(house.dsn, "update endpoint set old_secret_until = now()")
    house.write(thread, "w3")
    house.work()
    headers, body = house.receiver.requests[-1]
    with pytest.raises(WebhookVerificationError):
        Webhook(old).verify(body, headers)


def test_a_failing_event_holds_back_its_thread_and_no_other(house: House) -> None:
    ill, well = make_thread(house.dsn), make_thread(house.dsn)
    house.receiver.behave = lambda event: 500 if event["data"]["wamid"] == "bad" else 204
    house.write(ill, "bad", "next")
    house.write(well, "w1", "w2")
    house.work(lambda: {"w1", "w2"} <= set(house.wamids()))
    assert "next" not in house.wamids()
    house.work()
    assert house.wamids()[-1] == "next"
    (dead,) = house.deliveries.listed(state="dead")
    assert (dead.thread_id, dead.attempts, dead.status, dead.error) == (ill, 6, 500, "sorry")
    house.receiver.behave = lambda _event: 200
    assert house.deliveries.replay(house.id, dead=True) == 1
    house.work()
    assert house.wamids()[-1] == "bad"


WAYS = [
    500,
    503,
    302,
    404,
    "hang",
    "cut",
    "endless",
    "",
    "SSH-2.0-x\r\n",
    "HTTP/1.1 999 x\r\n\r\n",
]


@pytest.mark.parametrize("how", WAYS)
def test_no_failure_loses_or_blocks(house: House, how: int | str) -> None:
    house.outward._total_s = 0.5
    house.receiver.behave = lambda event: how if house.receiver.tries[event["id"]] < 3 else 204
    house.write(make_thread(house.dsn), "w1", "w2")
    house.work()
    assert house.wamids() == ["w1", "w2"]
    assert set(house.receiver.tries.values()) == {3}
    bodies = {body for _, body in house.receiver.requests}
    assert len(bodies) == 2


def test_410_disables_at_once_and_nothing_is_lost(house: House) -> None:
    thread = make_thread(house.dsn)
    house.receiver.behave = lambda _event: 410
    house.write(thread, "w1")
    house.work(lambda: house.endpoint.disabled_at)
    assert house.endpoint.disabled_why == "it answered 410 Gone"
    (alarm,) = Alarms(house.database, "crm").up()
    assert (alarm.kind, alarm.subject) == ("crm.endpoint", str(house.id))
    house.write(thread, "w2")
    for _ in range(3):
        house.sequence.number()
        assert house.courier.tick() == 0
    house.receiver.behave = lambda _event: 200
    house.endpoints.enable(house.id)
    house.work()
    assert house.wamids() == ["w1", "w2"]
    assert Alarms(house.database, "crm").up() == []


def test_an_endpoint_that_fails_for_long_is_disabled_with_an_alarm(house: House) -> None:
    house.receiver.behave = lambda _event: 500
    house.write(make_thread(house.dsn), "w1")
    house.work(lambda: house.endpoint.failures)
    run(house.dsn, "update endpoint set failing_since = now() - interval '49 hours'")
    house.work(lambda: house.endpoint.disabled_at)
    assert "for 48 hours nothing but failures" in house.endpoint.disabled_why
    assert len(Alarms(house.database, "crm").up()) == 1
    assert house.endpoint.waiting == 1


def test_an_endpoint_that_is_back_gets_all_that_waited_at_once(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "WAITS_S", (3600.0,) * 20)
    monkeypatch.setattr(deliveries, "FAILING", 4)
    house.receiver.kill()
    for number in range(20):
        house.write(make_thread(house.dsn), f"w{number}")
    house.work(lambda: house.endpoint.failures >= 20)
    house.receiver.come_back()
    house.write(make_thread(house.dsn), "last")
    house.work()
    assert set(house.wamids()) == {"last", *(f"w{number}" for number in range(20))}


def test_a_sender_that_dies_leaves_a_lease(house: House) -> None:
    house.deliveries._lease_s = 0.2
    house.write(make_thread(house.dsn), "w1", "w2")
    house.sequence.number()
    (held,) = house.deliveries.claim(8)
    assert house.deliveries.claim(8) == []
    house.work()
    assert house.wamids() == ["w1", "w2"]
    house.deliveries.failed(held, 500, "late", None)
    assert house.deliveries.listed(state="dead") == []


def test_no_more_than_so_many_wait_at_an_endpoint_that_is_away(database: Database) -> None:
    made = House(database, most_waiting=5)
    made.receiver.kill()
    thread = make_thread(made.dsn)
    made.write(thread, *(f"w{number}" for number in range(20)))
    made.sequence.number()
    made.deliveries.claim(1)
    made.deliveries.claim(1)
    assert made.endpoint.waiting == 5
    assert made.endpoint.cursor_seq < Events(database).head()


def test_replay_by_time_and_by_id(house: House) -> None:
    before = datetime.now(UTC)
    house.write(make_thread(house.dsn), "w1", "w2")
    house.work()
    assert house.deliveries.replay(house.id, since=before - timedelta(hours=1)) == 2
    house.work()
    assert house.wamids() == ["w1", "w2", "w1", "w2"]
    assert house.deliveries.replay(house.id, event_id=house.receiver.taken[0]["id"]) == 1
    assert house.deliveries.replay(house.id, since=datetime.now(UTC)) == 0
    house.work()
    assert house.wamids()[-1] == "w1"


def stored(house: House) -> tuple[int, int]:
    """Events and deliveries that there are."""
    (row,) = run(
        house.dsn, "select (select count(*) from event) as events, (select count(*) from delivery) as sent"
    )
    return row["events"], row["sent"]


def test_what_was_delivered_long_ago_is_forgotten(house: House) -> None:
    house.write(make_thread(house.dsn), "w1")
    house.work()
    assert not house.deliveries.prune(90)
    assert stored(house) == (2, 1)
    run(house.dsn, "update delivery set settled_at = now() - interval '31 days'")
    house.deliveries.prune(0)
    assert stored(house) == (2, 0)


def test_old_events_go_and_none_that_an_endpoint_waits_for(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.receiver.behave = lambda event: 500 if event["data"]["wamid"] == "dead" else 204
    thread = make_thread(house.dsn)
    house.write(thread, "w1", "dead", "w2")
    house.work()
    house.receiver.behave = lambda _event: 500
    house.write(thread, "waits")
    house.work(lambda: house.endpoint.failures)
    run(house.dsn, "update event set created_at = now() - interval '91 days'")
    run(house.dsn, "update delivery set settled_at = now() - interval '91 days' where state <> 'waiting'")
    slow = Endpoints(house.database).add("http://127.0.0.1:9/", TYPES, "whsec_x", "test", after=0)
    house.endpoints.disable(slow, "test")
    house.deliveries.prune(90)
    assert stored(house)[0] == 5, "an endpoint that is disabled waits for all of them"
    house.endpoints.remove(slow)
    house.deliveries.prune(0)
    assert stored(house)[0] == 5, "for ever"
    monkeypatch.setattr(deliveries, "MOST_PRUNED", 2)
    assert house.deliveries.prune(90), "there is more"
    while house.deliveries.prune(90):
        pass
    assert stored(house) == (1, 1)
    house.receiver.behave = lambda _event: 200
    house.work()
    run(house.dsn, "update delivery set settled_at = now() - interval '91 days'")
    house.deliveries.prune(90)
    assert stored(house) == (1, 0), "the last one stays"
    assert house.wamids() == ["w1", "w2", "waits"]
    house.write(thread, "w3")
    house.work()
    assert house.wamids()[-1] == "w3"


def test_a_removed_endpoint_takes_its_deliveries_along(house: House) -> None:
    house.write(make_thread(house.dsn), "w1")
    house.sequence.number()
    (held,) = house.deliveries.claim(8)
    assert house.endpoints.remove(house.id)
    house.deliveries.delivered(held, 200)
    assert house.deliveries.failed(held, 410, "", 1.0, is_gone=True) == ""
    assert not house.endpoints.remove(house.id)
    assert house.deliveries.listed() == []


THREADS, BATCH, BATCHES = 40, 50, 60
ILL: list[int | str] = [*[200] * 45, 500, 503, 302, "cut", "hang"]
"""How a receiver answers that is not well."""


def test_thousands_of_events_and_all_that_can_go_wrong_in_between(
    open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two senders; a receiver that fails, times out, breaks off, is killed in the middle of its answers, comes back
    and says 410; a Postgres that is restarted; transactions that are rolled back."""
    monkeypatch.setattr(delivery, "WAITS_S", (0.05,) * 400)
    server = Embedded(open_folder / "pg")
    server.start()
    migrate.migrate(server.dsn)
    database = Database(server.dsn, process="test", size=8)
    database.open()
    made = House(database, total_s=0.5, lease_s=3.0)
    threads = [make_thread(made.dsn) for _ in range(THREADS)]
    couriers = [made.make_courier(wakeup=lambda: Wakeup(made.dsn, [CHANNEL])) for _ in range(2)]
    working = [gevent.spawn(one) for one in (*(one.run for one in couriers), Sequencer(made.sequence).run)]
    try:
        _storm(made, server, threads)
        assert not any(one.ready() for one in working)
        committed = BATCH * BATCHES
        assert set(made.wamids()) == {f"kept-{n}" for n in range(committed)}, "each, and nothing else"
        (row,) = run(made.dsn, "select count(*) from event where type = 'message.received'")
        assert row["count"] == committed
    finally:
        gevent.killall(working)
        made.receiver.kill()
        database.close()
        server.stop()
    _check_order(made.receiver)


def _storm(made: House, server: Embedded, threads: list[int]) -> None:
    dice, seen = random.Random(7), set[int | str]()

    def ill(_event: dict[str, Any]) -> int | str:
        seen.add(how := dice.choice(ILL))
        return how

    receiver = made.receiver
    receiver.behave = ill
    _commit(made.dsn, threads, range(BATCHES // 2))
    _wait_for(lambda: _had(receiver) > BATCH * 8)
    receiver.behave = lambda _event: "half"
    half = len(receiver.taken) + 4
    _wait_for(lambda: len(receiver.taken) >= half)
    receiver.kill()
    server.stop()
    receiver.behave = ill
    receiver.come_back()
    gevent.sleep(0.3)
    server.start()
    _commit(made.dsn, threads, range(BATCHES // 2, BATCHES))
    _wait_for(lambda: _had(receiver) > BATCH * BATCHES // 2)
    receiver.behave = lambda _event: 410
    _wait_for(lambda: made.endpoint.disabled_at)
    receiver.behave = ill
    _wait_for(lambda: not run(made.dsn, "select 1 from delivery where is_held"))
    had = len(receiver.taken)
    gevent.sleep(0.5)
    assert len(receiver.taken) == had, "nothing is sent to who wants nothing"
    made.endpoints.enable(made.id)
    _wait_for(lambda: _had(receiver) == BATCH * BATCHES)
    assert seen == set(ILL)


def _commit(dsn: str, threads: list[int], batches: range) -> None:
    """Messages, a batch a transaction; between two of them one that is rolled back."""
    with psycopg.connect(dsn) as connection:
        for batch in batches:
            for name in ("gone", "kept"):
                connection.execute(
                    "insert into message (thread_id, wamid, direction, sent_at)"
                    " select (%s::bigint[])[1 + n %% %s], %s || '-' || n, 'inbound', now()"
                    " from generate_series(%s::integer, %s::integer) n",
                    (threads, len(threads), name, batch * BATCH, (batch + 1) * BATCH - 1),
                )
                connection.rollback() if name == "gone" else connection.commit()


def _check_order(receiver: Receiver) -> None:
    order = defaultdict(list)
    for event in receiver.taken:
        order[event["data"]["thread_id"]].append(event)
    assert len(order) == THREADS
    repeats = 0
    for events in order.values():
        # Of a thread: never back, but for a repeat of the last one.
        assert all(one["seq"] <= two["seq"] for one, two in pairwise(events))
        assert all(one["id"] == two["id"] for one, two in pairwise(events) if one["seq"] == two["seq"])
        repeats += sum(one["seq"] == two["seq"] for one, two in pairwise(events))
    assert repeats >= 4, "those whose answer was cut off in the middle"
    bodies = defaultdict(set)
    for headers, body in receiver.requests:
        bodies[headers["webhook-id"]].add(body)
    assert all(len(one) == 1 for one in bodies.values()), "the same byte for byte"


def _had(receiver: Receiver) -> int:
    return len({event["id"] for event in receiver.taken})


def _wait_for(so: Callable[[], object]) -> None:
    """However long Postgres is away: each connection of a pool learns by itself that its server is gone."""
    patience = Patience(logging.getLogger(__name__), sleep=gevent.sleep, first_s=0.05, most_s=0.2)
    with gevent.Timeout(60):
        while not patience.until_done(so):
            gevent.sleep(0.05)


def test_what_serve_runs_delivers_as_it_happens(dsn: str, receiver: Receiver) -> None:
    settings = Config(source="test", database_url=dsn, crm=Crm(allow_private=True))
    with app.database(settings, "test") as database, app_crm.loops(settings) as loops:
        Endpoints(database).add(receiver.url, TYPES, receiver.secret, "test")
        working = [gevent.spawn(one) for one in loops]
        try:
            for number in range(5):
                write(dsn, 1 if number else make_thread(dsn), f"w{number}")
                with gevent.Timeout(3):
                    while len(receiver.taken) <= number:
                        gevent.sleep(0.01)
            assert not any(one.ready() for one in working)
        finally:
            gevent.killall(working)
