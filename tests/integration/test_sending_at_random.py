"""Hundreds of messages through random faults and kills: each arrives once, in order, or has a reason."""

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import gevent
import pytest

from fsctl.store.db import Database
from fsctl.store.outbox import Outbox
from fsctl.whatsapp import messages, retry
from fsctl.whatsapp.graph import Graph
from fsctl.whatsapp.pump import Pump
from fsctl.whatsapp.sender import MessageSender
from tests.integration.sending import NUMBER, NUMBER_ID, House, house

FAULTS: tuple[dict[str, Any], ...] = (
    *({"code": code} for code in (130429, 131056, 131000, 2, 131026, 131047, 131049, 190)),
    *({"code": code, "later": True} for code in (131047, 131026, 131000)),
    *({"status": status} for status in (500, 502)),
    {"timeout_after_accept": True},
    {"drop": True},
    {"drop_after_accept": True},
)
BOTH = {"message": messages.text("hello"), "template": messages.template("hello", "en")}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    rules = {
        code: replace(rule, first_s=min(rule.first_s, 0.02), factor=1.5, most_s=min(rule.most_s, 0.1))
        for code, rule in retry.RULES.items()
    }
    monkeypatch.setattr(retry, "RULES", rules)
    monkeypatch.setattr("fsctl.store.outbox.AGAIN_AFTER_S", 0.05)


def fill(made: House, messages_each: int, threads: int) -> dict[str, int]:
    """Key -> thread."""
    found = {}
    ids = [made.thread()[0] for _ in range(threads)]
    for number in range(messages_each):
        for thread in ids:
            key = f"t{thread:03}-{number:03}"
            made.add(thread, key, payload=BOTH)
            found[key] = thread
    return found


def settle(made: House, pump: Pump, seconds: float) -> None:
    """Without more faults, until everything is decided."""
    made.fake._faults.clear()
    ends = time.monotonic() + seconds
    while made.at_work() and time.monotonic() < ends:
        pump.tick()
        pump.join(10)
        gevent.sleep(0.02)
    made.fake.webhooks.join(10)
    assert made.at_work() == []


def judge(made: House, added: dict[str, int]) -> Counter[str]:
    """What must hold whatever happened. Returns: how many ended how."""
    rows = {row["key"]: row for row in made.rows("select * from outbox")}
    assert set(added) <= set(rows)
    arrived = [one["biz_opaque_callback_data"] for one in made.fake.received]
    assert len(arrived) == len(set(arrived)), "something was sent twice"
    failed = {one["wamid"] for _, one in made.fake.messages.refused if "wamid" in one}
    stored = {row["wamid"] for row in made.rows("select wamid from message where direction = 'outbound'")}
    for one in made.fake.received:
        row = rows[one["biz_opaque_callback_data"]]
        assert row["state"] == ("failed" if one["wamid"] in failed else "sent"), row
        assert row["wamid"] == one["wamid"]
        assert one["wamid"] in stored
    for key, row in rows.items():
        assert row["state"] in ("sent", "failed"), row
        assert (key in arrived) or (row["state"] == "failed" and row["reason"]), row
        if ":" in key:
            way = key.rpartition(":")[2]
            because = rows[key.rpartition(":")[0]]
            assert because["state"] == "failed"
            assert (way == "template") == (because["code"] == 131047), because
    for thread in set(added.values()):
        mine = [key for key in arrived if ":" not in key and added[key] == thread]
        assert mine == sorted(mine), "out of order"
    return Counter(
        f"{row['state']} {'doubtful' if row['is_doubtful'] else row['code']}" for row in rows.values()
    )


class Killable:
    """A pump with connections of its own, as a process has them."""

    def __init__(self, made: House, limits: Any) -> None:
        self._database = Database(made.database.dsn, process="killable", size=4)
        self._database.open()
        sender = MessageSender(made.graph, {NUMBER: NUMBER_ID})
        self.pump = Pump(Outbox(self._database, **limits), {"message": sender}, at_once=6)

    def kill(self) -> None:
        """It dies with all that it has in its hands, wherever that is."""
        self.pump._hands.kill()
        self._database.close()


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # Who is killed closes nothing.
@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_whatever_goes_wrong_each_message_is_sent_once_or_has_a_reason(database: Database, seed: int) -> None:
    rng = random.Random(seed)
    limits: dict[str, Any] = {"pair_s": 0.02, "number_per_s": 500, "lease_s": 1.5, "unsure_for_s": 3.0}
    with house(database, **limits) as made:
        made.graph = Graph(made.fake.url, "v25.0", "token", connect_s=1.0, answer_s=0.3)
        made.fake.hang_s = 0.6
        made.fake.webhooks.repeats = 2
        made.fake.messages.pair_burst, made.fake.messages.pair_every_s = 1, 0.02
        added = fill(made, 5, 30)
        pumps = [Killable(made, limits) for _ in range(2)]
        for _ in range(60):
            if rng.random() < 0.8:
                made.fake.fail_next(rng.randint(1, 3), **rng.choice(FAULTS))
            for place, pump in enumerate(pumps):
                pump.pump.tick()
                if rng.random() < 0.15:
                    gevent.sleep(rng.random() * 0.02)
                    pump.kill()
                    pumps[place] = Killable(made, limits)
            gevent.sleep(rng.random() * 0.05)
        settle(made, made.pump(), 60)
        for pump in pumps:
            pump.kill()
        ended = judge(made, added)
    assert ended["sent 0"] > 20, ended
    assert sum(count for how, count in ended.items() if how != "sent 0") > 5, ended


PUMP = """
from gevent import monkey; monkey.patch_all()
import sys
from fsctl.store.db import Database
from fsctl.store.outbox import Outbox
from fsctl.store.outbox import Outbox
from fsctl.whatsapp.graph import Graph
from fsctl.whatsapp.pump import Pump
from fsctl.whatsapp.sender import MessageSender

database = Database(sys.argv[1], process="killed", size=6)
database.open()
sender = MessageSender(Graph(sys.argv[2], "v25.0", "token"), {sys.argv[3]: sys.argv[4]})
Pump(Outbox(database, pair_s=0.0, number_per_s=60, lease_s=2.0), {"message": sender}, at_once=8).run()
"""


def test_processes_that_are_killed_again_and_again_send_nothing_twice(database: Database) -> None:
    rng = random.Random(7)
    with house(database, lease_s=2.0, unsure_for_s=4.0, number_per_s=200) as made:
        added, left = fill(made, 4, 50), []
        for _ in range(4):
            found = subprocess.Popen(
                [sys.executable, "-c", PUMP, database.dsn, made.fake.url, NUMBER, NUMBER_ID],
                cwd=Path(__file__).parents[2],
            )
            before = len(made.fake.received)
            ends = time.monotonic() + 20
            while len(made.fake.received) < before + 20 and time.monotonic() < ends:
                gevent.sleep(0.005)
            gevent.sleep(rng.random() * 0.1)
            found.send_signal(signal.SIGKILL)
            while found.poll() is None:
                gevent.sleep(0.01)
            left += made.rows("select from outbox where state = 'claimed'")
        settle(made, Pump(made.outbox, {"message": MessageSender(made.graph, {NUMBER: NUMBER_ID})}), 60)
        ended = judge(made, added)
    assert left, "none was killed with something in its hands"
    assert ended["sent 0"] > 190, ended
    assert set(ended) <= {"sent 0", "failed doubtful"}, ended
