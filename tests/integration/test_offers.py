"""What an agent gets when the phone rings: from a real Postgres, and with the simulated switch end to end."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import gevent
import psycopg
import pytest

from fsctl import cli
from fsctl.call import commands, events
from fsctl.call.events import Alias
from fsctl.call.policy import Number, Policy
from fsctl.call.state import Call, Phase
from fsctl.console import offers as console
from fsctl.controller import Controller
from fsctl.esl.decode import Origin
from fsctl.esl.link import Address, Link
from fsctl.sim import CallPlan, Ring, Switch
from fsctl.store.calls import Calls
from fsctl.store.db import Database, Wakeup
from fsctl.store.offers import CHANNEL, MESSAGE_LENGTH, Offer, Offers
from fsctl.store.threads import NewMessage, Threads
from tests.fix_switch import PASSWORD

NOW = datetime.now(UTC)
ANN = [Alias(kind="bsuid", value="US.1"), Alias(kind="wa_id", value="15550100142")]
CALL = Call(
    uuid="c-1", node="fs1", channel="whatsapp", phase=Phase.RINGING, offered_at=NOW, queued_at=NOW,
    to_number="15550100900", queue="q@x", agent="agent1", display_name="sent name",
)  # fmt: skip


def ring(database: Database, uuid: str = "c-1", agent: str = "agent1", **fields: Any) -> None:
    """A phone rings: the row and its fact, as the controller stores them."""
    call = replace(CALL, **({"uuid": uuid, "agent": agent} | fields))
    fact = events.AgentOffered(uuid=uuid, at=NOW + timedelta(seconds=12), queue="q@x", agent=agent)
    Calls(database).apply(
        [commands.SaveCall(uuid=uuid, call=call), commands.AppendEvent(uuid=uuid, event=fact)]
    )


def chat(database: Database, *bodies: str, direction: str = "inbound") -> int:
    messages = [
        NewMessage(wamid=f"w{i}", direction=direction, body=body, sent_at=NOW + timedelta(seconds=i))
        for i, body in enumerate(bodies)
    ]
    return Threads(database).add_messages(ANN, "Ann", "es", "15550100900", messages)


def test_an_offer_has_all_that_the_agent_needs(database: Database) -> None:
    offers = Offers(database)
    assert offers.news() == []
    thread_id = chat(database, "hello", "where is my order?")
    ring(database, contact_id=1, thread_id=thread_id, language="pt", route_reason="because")
    (offer,) = offers.news()
    assert (offer.call_uuid, offer.agent, offer.queue, offer.thread_id) == ("c-1", "agent1", "q@x", thread_id)
    assert (offer.name, offer.language, offer.reason, offer.waited_s) == ("Ann", "pt", "because", 12.0)
    assert offer.aliases == [("bsuid", "US.1"), ("wa_id", "15550100142")]
    assert (offer.message_from, offer.message) == ("inbound", "where is my order?")
    assert offers.news() == []


def test_an_offer_of_a_caller_who_is_not_known_yet_is_told_too(database: Database) -> None:
    offers = Offers(database)
    offers.news()
    ring(database, aliases=tuple(ANN), queued_at=None)
    (offer,) = offers.news()
    assert (offer.name, offer.thread_id, offer.contact_id, offer.waited_s) == ("sent name", None, None, None)
    assert offer.aliases == [("bsuid", "US.1"), ("wa_id", "15550100142")]
    assert (offer.message, offer.message_from) == (None, None)


def test_the_last_message_is_bounded(database: Database) -> None:
    thread_id = chat(database, "é" * 10_000, direction="outbound")
    ring(database, thread_id=thread_id)
    (offer,) = Offers(database).news()
    assert offer.message == "é" * MESSAGE_LENGTH
    assert offer.message_from == "outbound"


def test_one_agent_sees_only_the_own_phone(database: Database) -> None:
    mine, all_of_them = Offers(database, "agent1"), Offers(database)
    mine.news(), all_of_them.news()
    for number, agent in enumerate(("agent1", "agent2", "agent1")):
        ring(database, uuid=f"c-{number}", agent=agent)
    assert [offer.call_uuid for offer in mine.news()] == ["c-0", "c-2"]
    assert [offer.agent for offer in all_of_them.news()] == ["agent1", "agent2", "agent1"]


def test_who_comes_back_sees_the_phone_that_rings_and_nothing_of_before(database: Database) -> None:
    ring(database, uuid="over", phase=Phase.ENDED, ended_at=NOW)
    ring(database, uuid="taken", phase=Phase.TALKING)
    ring(database, uuid="rings")
    ring(database, uuid="moved-on", agent="agent2")
    with psycopg.connect(database.dsn) as connection:
        connection.execute("update call set agent = 'agent3' where uuid = 'moved-on'")
    offers = Offers(database)
    assert [offer.call_uuid for offer in offers.news()] == ["rings"]
    ring(database, uuid="new")
    assert [offer.call_uuid for offer in offers.news()] == ["new"]


def test_an_offer_that_is_committed_late_is_told_once(database: Database) -> None:
    """Its id is older than one that was told already."""
    offers = Offers(database)
    offers.news()
    ring(database, uuid="base", phase=Phase.ENDED, ended_at=NOW)
    offers.news()
    insert = (
        "insert into call_event (call_uuid, at, kind, key, data) "
        "values ('base', now(), 'agent_offered', 'late', '{\"agent\": \"late\", \"queue\": \"q@x\"}')"
    )
    with psycopg.connect(database.dsn) as slow:
        slow.execute(insert)
        ring(database, uuid="quick")
        assert [offer.agent for offer in offers.news()] == ["agent1"]
        slow.commit()
    assert [offer.agent for offer in offers.news()] == ["late"]
    assert offers.news() == []


def test_who_follows_is_woken(database: Database) -> None:
    wakeup = Wakeup(database.dsn, [CHANNEL])
    told: list[Offer] = []
    watching = gevent.spawn(lambda: told.extend(console.follow(Offers(database), wakeup, lambda: bool(told))))
    gevent.sleep(0.3)
    assert not told
    began = time.monotonic()
    ring(database)
    watching.get(timeout=console.IDLE_S / 2)
    assert len(told) == 1
    assert time.monotonic() - began < console.IDLE_S / 2
    wakeup.close()


TRICKS = "Ann\x1b[2J\u202e\n|'\""
OFFER = Offer(
    id=1, at=NOW, call_uuid="c-1", node="fs1", agent="agent1\x07", queue="q@x", thread_id=9, contact_id=7,
    name=TRICKS, aliases=[("wa_id", "15550100142")], language="es", reason=TRICKS, waited_s=12.34,
    message_from="inbound", message=TRICKS, is_ringing=True,
)  # fmt: skip


def test_lines_for_people_are_escaped() -> None:
    text = console.as_text(OFFER)
    assert len(text.splitlines()) == 4
    assert not {character for character in text if character in "\x1b\x07\u202e"}
    assert "Ann\\x1b[2J\\u202e\\x0a|'\"" in text
    assert "waited 12 s" in text
    assert "thread 9" in text
    bare = replace(
        OFFER, thread_id=None, name="", aliases=[], language=None, reason=None, waited_s=None, message=None
    )
    assert "unknown (no number)" in console.as_text(bare)


def test_a_program_gets_one_object_a_line() -> None:
    line = console.as_json(OFFER)
    assert "\n" not in line
    found = json.loads(line)
    assert found["contact"]["name"] == TRICKS
    assert (found["waited_s"], found["last_message"]["body"]) == (12.3, TRICKS)
    assert json.loads(console.as_json(replace(OFFER, message=None)))["last_message"] is None


POLICY = Policy(numbers={"15550100900": Number(queue="sales@fsctl", language="pt")})


@pytest.fixture
def served(make_switch: Callable[..., Switch], database: Database) -> Iterator[Switch]:
    """A switch with a controller; simulated and wall clock are the same, for times are compared."""
    switch = make_switch(speed=1.0)
    link = Link(Address("127.0.0.1", switch.port, PASSWORD), Origin("fs1", {"whatsapp": "whatsapp"}))
    link.listener = Controller(Calls(database), POLICY, link.request)
    link.start()
    assert link.ready.wait(10)
    yield switch
    link.stop()


def test_the_agent_knows_who_calls_while_the_phone_rings(served: Switch, database: Database) -> None:
    chat(database, "order 42")
    wakeup = Wakeup(database.dsn, [CHANNEL])
    seen: list[tuple[Offer, float]] = []

    def watch() -> None:
        for offer in console.follow(Offers(database, None), wakeup, lambda: bool(seen)):
            seen.append((offer, time.time()))

    watching = gevent.spawn(watch)
    uuid = served.place_call(CallPlan(from_user="+15550100142", rings=(Ring("answer", 3.0),), talk_s=1.0))
    watching.get(timeout=20)
    ((offer, at),) = seen
    assert (offer.call_uuid, offer.queue, offer.name, offer.language) == (uuid, "sales@fsctl", "Ann", "es")
    assert offer.agent.startswith("agent")
    assert offer.message == "order 42"
    assert offer.reason is not None
    assert "15550100900" in offer.reason
    # How fast it is, the benchmark says; here only that it is no matter of looking again now and then.
    assert at - offer.at.timestamp() < console.IDLE_S / 2
    wakeup.close()


def test_the_command_prints_them(
    database: Database, tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FSCTL_DATABASE_URL", database.dsn)
    monkeypatch.chdir(tmp_path)
    ring(database)
    watching = gevent.spawn(cli.main, ["agent", "watch", "agent1", "--json"])
    gevent.sleep(1.0)
    watching.kill()
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["call"] == "c-1"
