"""From the outbox to the fake Graph and back: exactly one message each, or a recorded reason."""

import logging
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent.event import Event

from fsctl.call.policy import Number as CallNumber
from fsctl.call.policy import Policy
from fsctl.store.alarms import Alarms
from fsctl.store.db import Database, Wakeup
from fsctl.store.inbox import Inbox
from fsctl.store.outbox import CHANNEL, Claimed, Outbox, Outcome, Sent
from fsctl.whatsapp import messages, retry
from fsctl.whatsapp.graph import Graph
from fsctl.whatsapp.intake import Intake
from fsctl.whatsapp.pump import ALARM, Pump
from fsctl.whatsapp.retry import RULES, Rule, Then
from fsctl.whatsapp.sender import MessageSender
from tests.fix_proxy import Proxy
from tests.integration.sending import NUMBER, NUMBER_ID, House, house, road

TEMPLATE = messages.template("missed_call", "es", [messages.body_texts("Ann")])
BOTH = {"message": messages.text("hello"), "template": TEMPLATE}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits between tries are a hundredth of what they are."""
    rules = {
        code: replace(rule, first_s=rule.first_s / 100, most_s=rule.most_s / 100)
        for code, rule in RULES.items()
    }
    monkeypatch.setattr(retry, "RULES", rules)
    monkeypatch.setattr(retry, "UNREACHABLE", Rule(Then.AGAIN, "", 0.05, 1.0, 0.05, whole_number=True))
    monkeypatch.setattr("fsctl.store.outbox.AGAIN_AFTER_S", 0.05)


def keys(made: House) -> list[str]:
    return [one["biz_opaque_callback_data"] for one in made.fake.received]


def test_a_message_is_sent_and_stands_in_the_thread(made: House) -> None:
    thread, user = made.thread()
    made.add(thread, "k", "hello Ann")
    made.work(made.pump())
    (received,) = made.fake.received
    assert (received["to"], received["text"]["body"], received["biz_opaque_callback_data"]) == (
        user,
        "hello Ann",
        "k",
    )
    row = made.row("k")
    assert (row["state"], row["wamid"], row["told"]) == ("sent", received["wamid"], 4)
    (message,) = made.rows("select * from message where direction = 'outbound'")
    assert (message["wamid"], message["body"]) == (received["wamid"], "hello Ann")


def test_outside_the_window_the_template_goes(made: House) -> None:
    thread, _ = made.thread(open_window=False)
    made.add(thread, "k", payload=BOTH)
    made.work(made.pump())
    (received,) = made.fake.received
    assert received["template"]["name"] == "missed_call"
    assert made.rows("select body from message where direction = 'outbound'") == [
        {"body": "[missed_call: Ann]"}
    ]


def refused(made: House, key: str, reason: str) -> None:
    assert made.fake.received == []
    row = made.row(key)
    assert row["state"] == "failed"
    assert reason in row["reason"]


def test_what_cannot_be_sent_has_a_reason(made: House) -> None:
    thread, _ = made.thread(open_window=False)
    made.add(thread, "k")
    made.work(made.pump())
    refused(made, "k", "window is closed, and there is no template")
    thread, user = made.thread()
    made.run("update alias set ended_at = now() where value = %s", user)
    made.add(thread, "nameless")
    made.work(made.pump())
    refused(made, "nameless", "neither a number nor a user id")
    thread, _ = made.thread()
    made.run("update contact set opted_out_at = '2026-11-20'")
    made.add(thread, "out")
    made.work(made.pump())
    refused(made, "out", "opted out on 2026-11-20")
    made.run("update contact set opted_out_at = null")
    made.add(made.thread()[0], "number")
    made.work(made.pump({"message": MessageSender(made.graph, {})}))
    refused(made, "number", "phone_number_id")


def test_a_user_without_a_number_is_written_to_by_user_id(made: House) -> None:
    thread, user = made.thread()
    made.run("update alias set kind = 'bsuid', value = 'US.1349' where value = %s", user)
    made.fake.messages.open_window(NUMBER_ID, "US.1349")
    made.add(thread, "k")
    made.work(made.pump())
    (received,) = made.fake.received
    assert received["recipient"] == "US.1349"
    assert "to" not in received


def test_meta_is_written_to_as_it_spells_a_number(made: House) -> None:
    """Brazil's ninth digit: our spelling is one, Meta's may be the other."""
    thread, user = made.thread(user="5511987654321")
    made.run("update alias set said = '551187654321' where value = %s", user)
    made.fake.messages.open_window(NUMBER_ID, "551187654321")
    made.add(thread, "k")
    made.work(made.pump())
    assert [one["to"] for one in made.fake.received] == ["551187654321"]


def test_what_metas_answer_calls_the_customer_is_kept(made: House) -> None:
    thread, user = made.thread()
    made.add(thread, "k")
    made.work(made.pump())
    found = "select kind, value from alias a join thread t on t.contact_id = a.contact_id where t.id = %s"
    named = {(row["kind"], row["value"]) for row in made.rows(found, thread)}
    assert named == {("wa_id", user), ("bsuid", f"US.{user}")}
    made.add(thread, "l")
    made.work(made.pump())
    assert len(made.rows("select from contact")) == 1


# --- each error of Meta's, told at once and told later


ONCE: dict[str, Callable[[House], None]] = {
    "130429": lambda made: made.fake.fail_next(3, code=130429),
    "131056": lambda made: made.fake.fail_next(3, code=131056),
    "131000": lambda made: made.fake.fail_next(2, code=131000),
    "131016": lambda made: made.fake.fail_next(2, code=131016),
    "2": lambda made: made.fake.fail_next(2, code=2),
    "131057": lambda made: made.fake.fail_next(code=131057),
    "190": lambda made: made.fake.fail_next(code=190),
    "time-out after acceptance": lambda made: made.fake.fail_next(timeout_after_accept=True),
    "cut after acceptance": lambda made: made.fake.fail_next(drop_after_accept=True),
    "131000 later": lambda made: made.fake.fail_next(code=131000, later=True),
}


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("name", ONCE)
def test_what_passes_ends_in_exactly_one_message(made: House, name: str) -> None:
    thread, _ = made.thread()
    # Later than another try would be.
    made.fake.messages.statuses = (("sent", 1.2), ("delivered", 1.3))
    ONCE[name](made)
    made.add(thread, "k")
    made.work(made.pump())
    arrived = [row for row in made.rows("select key, state, wamid from outbox") if row["state"] == "sent"]
    assert len(arrived) == 1
    failed_later = [one["wamid"] for code, one in made.fake.messages.refused if "wamid" in one]
    reached = [one["wamid"] for one in made.fake.received if one["wamid"] not in failed_later]
    assert reached == [arrived[0]["wamid"]]
    (message,) = made.rows("select wamid from message where wamid = %s", reached[0])
    assert message


@pytest.mark.parametrize("code", [131026, 131049, 131050, 131051, 131008, 131009, 100, 132001, 131062])
@pytest.mark.parametrize("later", [False, True])
def test_what_does_not_pass_has_its_reason_and_is_tried_once(made: House, code: int, later: bool) -> None:
    thread, _ = made.thread()
    made.fake.fail_next(code=code, later=later)
    made.add(thread, "k")
    made.work(made.pump())
    assert len(made.fake.asked) == 1
    (row,) = made.rows("select * from outbox")
    assert (row["state"], row["code"]) == ("failed", code)
    assert row["reason"]


@pytest.mark.parametrize("later", [False, True])
def test_a_window_that_was_closed_before_we_knew_ends_in_one_template(made: House, later: bool) -> None:
    thread, _ = made.thread()
    made.fake.fail_next(code=131047, later=later)
    made.add(thread, "k", payload=BOTH)
    made.work(made.pump())
    assert made.fake.received[-1]["type"] == "template"
    assert [one["type"] for one in made.fake.received] == (["text", "template"] if later else ["template"])
    states = {row["key"]: (row["state"], row["code"]) for row in made.rows("select * from outbox")}
    assert states == {"k": ("failed", 131047), "k:template": ("sent", 0)}


def test_the_fake_closes_the_window_by_itself_and_the_template_goes(made: House) -> None:
    """Our rows say that it is open; Meta knows better, and says so later."""
    thread, user = made.thread()
    made.fake.messages.open_window(NUMBER_ID, user, -1)
    made.add(thread, "k", payload=BOTH)
    made.work(made.pump())
    assert [one["type"] for one in made.fake.received] == ["text", "template"]
    assert made.row("k:template")["state"] == "sent"


def test_without_a_template_a_closed_window_is_a_reason(made: House) -> None:
    thread, _ = made.thread()
    made.fake.fail_next(code=131047)
    made.add(thread, "k")
    made.work(made.pump())
    refused(made, "k", "131047")


def test_the_whole_way_round_with_the_webhooks_as_serve_reads_them(made: House) -> None:
    policy = Policy(numbers={NUMBER: CallNumber(phone_number_id=NUMBER_ID)})
    made.intake = Intake(made.database, Inbox(made.database), policy)
    user = "15550300142"
    made.fake.user_writes(NUMBER_ID, user, "hi", name="Bob")
    made.fake.webhooks.join(5)
    (row,) = made.rows("select id from thread")
    made.fake.fail_next(timeout_after_accept=True)
    made.fake.webhooks.repeats = 3
    made.add(row["id"], "k", "hello Bob")
    made.work(made.pump())
    (received,) = made.fake.received
    assert (received["to"], made.row("k")["state"]) == (user, "sent")
    stored = made.rows("select direction, body from message order by sent_at")
    assert [(one["direction"], one["body"]) for one in stored] == [
        ("inbound", "hi"),
        ("outbound", "hello Bob"),
    ]
    statuses = made.rows(
        "select status from message_status where wamid = %s order by rank", received["wamid"]
    )
    assert [one["status"] for one in statuses] == ["sent", "delivered", "read"]


def doubtful(made: House) -> dict[str, Any]:
    """Drives an item that got no answer, until it fails for want of a webhook."""
    made.add(made.thread()[0], "k")
    pump = made.pump()
    for _ in range(2):
        pump.tick()
        pump.join(5)
    row = made.row("k")
    assert (row["state"], row["is_doubtful"]) == ("unsure", True)
    made.run("update outbox set tried_at = now() - interval '11 minutes'")
    made.work(pump)
    assert len(made.fake.asked) == 1
    return made.row("k")


@pytest.mark.parametrize("status", [500, 502, 504])
def test_an_error_of_a_gateway_is_not_tried_again(made: House, status: int) -> None:
    made.fake.fail_next(status=status)
    row = doubtful(made)
    assert row["state"] == "failed"
    assert f"HTTP {status}" in row["reason"]
    assert "no webhook said" in row["reason"]


def test_a_connection_that_was_cut_is_not_tried_again(made: House) -> None:
    made.fake.fail_next(drop=True)
    row = doubtful(made)
    assert (row["state"], row["is_doubtful"]) == ("failed", True)
    assert made.fake.received == []


@pytest.mark.usefixtures("quick")
def test_while_meta_cannot_be_reached_nothing_is_lost_and_nothing_doubtful(made: House) -> None:
    made.fake.stop()
    for number in range(5):
        made.add(made.thread()[0], f"k{number}")
    pump = made.pump()
    for _ in range(5):
        pump.tick()
        pump.join(5)
        gevent.sleep(0.06)
    rows = made.rows("select state, reason, is_doubtful from outbox")
    assert {row["state"] for row in rows} == {"pending"}
    assert not any(row["is_doubtful"] for row in rows)
    assert any("cannot be reached" in row["reason"] for row in rows)
    again = House(made.database)
    again.fake.messages.windows = made.fake.messages.windows
    pump = Pump(made.outbox, {"message": MessageSender(again.graph, {NUMBER: NUMBER_ID})})
    again.work(pump)
    assert sorted(keys(again)) == [f"k{number}" for number in range(5)]
    again.stop()


# --- limits, as the fake keeps them


def test_no_user_and_no_number_gets_more_than_meta_allows(database: Database) -> None:
    with house(database, pair_s=0.3, number_per_s=20) as made:
        made.fake.messages.pair_burst, made.fake.messages.pair_every_s = 1, 0.3
        made.fake.messages.number_per_s = 20
        threads = [made.thread()[0] for _ in range(30)]
        for thread in threads:
            for number in range(2):
                made.add(thread, f"k{thread}-{number}")
        made.work(made.pump(), until=30)
        assert made.fake.messages.refused == []
        assert sorted(keys(made)) == sorted(
            f"k{thread}-{number}" for thread in threads for number in range(2)
        )
        for thread in threads:
            mine = [key for key in keys(made) if key.startswith(f"k{thread}-")]
            assert mine == sorted(mine)


def test_a_sender_without_our_limits_would_be_seen(made: House) -> None:
    """The test above can fail."""
    made.fake.messages.pair_burst = 1
    thread, _ = made.thread()
    for number in range(2):
        made.add(thread, f"k{number}")
    pump = made.pump()
    for _ in range(2):
        pump.tick()
        pump.join(5)
    assert [code for code, _ in made.fake.messages.refused] == [131056]


# --- crashes


@pytest.fixture
def far(dsn: str) -> Iterator[tuple[Database, Proxy]]:
    """The same database over a road that can be broken."""
    with road(dsn) as (address, proxy):
        database = Database(address, process="far", size=4)
        database.open()
        yield database, proxy
        database.close()


def test_postgres_that_is_away_when_the_answer_comes(made: House, far: tuple[Database, Proxy]) -> None:
    database, proxy = far
    thread, _ = made.thread()
    made.add(thread, "k")
    made.fake.messages.statuses = ()
    slow = SlowGraph(made.graph)
    pump = Pump(Outbox(database, pair_s=0.0), {"message": MessageSender(slow, {NUMBER: NUMBER_ID})})
    assert pump.tick() == 1
    slow.began.wait(5)
    proxy.refuse()
    slow.go.set()
    gevent.sleep(0.5)
    assert made.row("k")["state"] == "claimed"
    assert len(made.fake.received) == 1
    proxy.accept()
    assert pump.join(20)
    assert (made.row("k")["state"], made.row("k")["wamid"]) == ("sent", made.fake.received[0]["wamid"])


class SlowGraph(Graph):
    """Waits for a sign between the answer and its being told."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self.began, self.go = Event(), Event()

    def post(self, path: str, json: dict[str, Any]) -> dict[str, Any]:
        answer = self._graph.post(path, json)
        self.began.set()
        self.go.wait(10)
        return answer


KILLED = """
from gevent import monkey; monkey.patch_all()
import os, signal, sys
from fsctl.store.db import Database
from fsctl.store.outbox import Outbox
from fsctl.whatsapp.graph import Graph
from fsctl.whatsapp.pump import Pump
from fsctl.whatsapp.sender import MessageSender

dsn, url, when = sys.argv[1:]
class Killed(Graph):
    def post(self, path, json):
        if when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        answer = super().post(path, json)
        if when == "between":
            os.kill(os.getpid(), signal.SIGKILL)
        return answer
database = Database(dsn, process="killed", size=4)
database.open()
outbox = Outbox(database, lease_s=0.5)
pump = Pump(outbox, {"message": MessageSender(Killed(url, "v25.0", "token"), {"15550100900": "106540352242922"})})
pump.tick()
pump.join(10)
"""


@pytest.mark.parametrize("when", ["before", "between"])
def test_a_pump_that_is_killed_sends_nothing_twice(database: Database, when: str) -> None:
    with house(database, lease_s=0.5) as made:
        thread, _ = made.thread()
        made.add(thread, "k")
        statuses, made.fake.messages.statuses = made.fake.messages.statuses, ()
        found = subprocess.Popen([sys.executable, "-c", KILLED, database.dsn, made.fake.url, when],
                                 cwd=Path(__file__).parents[2])  # fmt: skip
        while found.poll() is None:
            gevent.sleep(0.05)
        assert found.returncode == -signal.SIGKILL
        assert made.row("k")["state"] == "claimed"
        assert len(made.fake.received) == (when == "between")
        gevent.sleep(0.6)
        pump = made.pump()
        for _ in range(3):
            pump.tick()
            pump.join(5)
        assert (made.row("k")["state"], len(made.fake.asked)) == ("unsure", when == "between")
        if when == "between":
            made.fake.webhooks.status(NUMBER_ID, made.fake.received[0], statuses[1][0])
            made.fake.webhooks.join(5)
            assert made.row("k")["state"] == "sent"
            assert len(made.rows("select from message where direction = 'outbound'")) == 1
        else:
            made.run("update outbox set tried_at = now() - interval '11 minutes'")
            pump.tick()
            assert made.row("k")["state"] == "failed"
            assert "was gone before it told" in made.row("k")["reason"]
        assert len(made.fake.received) == (when == "between")


def test_two_pumps_at_once_send_each_item_once(database: Database) -> None:
    with house(database) as made:
        threads = [made.thread()[0] for _ in range(20)]
        for number in range(60):
            made.add(threads[number % 20], f"k{number}")
        other = Database(database.dsn, process="other", size=4)
        other.open()
        pumps = [made.pump(at_once=4)]
        sender = MessageSender(made.graph, {NUMBER: NUMBER_ID})
        pumps.append(Pump(Outbox(other, pair_s=0.0), {"message": sender}, at_once=4))
        running = [gevent.spawn(pump.run) for pump in pumps]
        ends = time.monotonic() + 30
        while time.monotonic() < ends and made.rows("select from outbox where state <> 'sent'"):
            gevent.sleep(0.1)
        gevent.killall(running)
        assert sorted(keys(made)) == sorted(f"k{number}" for number in range(60))
        other.close()


def test_a_running_pump_sends_at_once_what_is_added(made: House) -> None:
    wakeup = Wakeup(made.database.dsn, [CHANNEL])
    pump = made.pump(wakeup=wakeup)
    running = gevent.spawn(pump.run)
    gevent.sleep(0.5)
    thread, _ = made.thread()
    began = time.monotonic()
    made.add(thread, "k")
    while not made.fake.received and time.monotonic() - began < 5:
        gevent.sleep(0.01)
    took = time.monotonic() - began
    running.kill()
    wakeup.close()
    assert took < 0.8


def test_a_running_pump_outlives_a_postgres_that_is_away(made: House, far: tuple[Database, Proxy]) -> None:
    database, proxy = far
    wakeup = Wakeup(database.dsn, [CHANNEL])
    pump = Pump(Outbox(database), {"message": MessageSender(made.graph, {NUMBER: NUMBER_ID})}, wakeup)
    running = gevent.spawn(pump.run)
    gevent.sleep(0.3)
    proxy.refuse()
    gevent.sleep(0.5)
    proxy.accept()
    made.add(made.thread()[0], "k")
    ends = time.monotonic() + 15
    while time.monotonic() < ends and made.row("k")["state"] != "sent":
        gevent.sleep(0.1)
    running.kill()
    wakeup.close()
    assert made.row("k")["state"] == "sent"


# --- what goes wrong in a sender


class Broken:
    """Raises."""

    def send(self, _item: Claimed) -> Outcome:
        raise ZeroDivisionError


def test_a_sender_that_fails_leaves_its_item_unsure(made: House, caplog: pytest.LogCaptureFixture) -> None:
    made.add(made.thread()[0], "k")
    pump = made.pump({"message": Broken()})
    pump.tick()
    pump.join(5)
    assert (made.row("k")["state"], made.row("k")["reason"]) == (
        "unsure",
        "the sender failed: ZeroDivisionError",
    )
    assert "the sender failed" in caplog.text


class Takes:
    """Sends everything."""

    def __init__(self) -> None:
        self.items: list[Claimed] = []

    def send(self, item: Claimed) -> Outcome:
        self.items.append(item)
        return Sent()


def test_each_kind_goes_to_its_sender_and_others_wait(made: House) -> None:
    conversions = Takes()
    made.add(made.thread()[0], "m")
    made.add(None, "c", kind="conversion", payload={"event": 1})
    pump = made.pump({"conversion": conversions})
    assert pump.tick() == 1
    pump.join(5)
    assert [item.payload for item in conversions.items] == [{"event": 1}]
    assert made.row("m")["state"] == "pending"


def test_what_only_a_person_can_mend_raises_an_alarm_until_something_is_sent(made: House) -> None:
    alarms = Alarms(made.database, "whatsapp")
    made.fake.fail_next(code=131042)
    thread, _ = made.thread()
    made.add(thread, "k")
    pump = made.pump(alarms=alarms)
    pump.tick()
    pump.join(5)
    (alarm,) = alarms.up(NUMBER)
    assert alarm.kind == ALARM
    assert "131042" in alarm.detail
    made.add(made.thread()[0], "other")
    assert pump.tick() == 0
    made.run("update outbox_pause set until = now()")
    made.run("update outbox set not_before = now()")
    made.work(pump)
    assert alarms.up(NUMBER) == []


def test_the_log_tells_what_became_of_it_and_not_what_was_written(
    made: House, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "fsctl")
    made.add(made.thread()[0], "k", "a secret of Ann's")
    made.work(made.pump())
    assert "k: sent wamid." in caplog.text
    assert "secret" not in caplog.text
