"""Missed calls become messages in the outbox, on a real Postgres: each call one verdict, five calls one message."""

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fsctl.call import commands, payload, slots
from fsctl.call.events import Alias
from fsctl.call.hours import Hours
from fsctl.call.policy import Followup, Number, Policy, Queue
from fsctl.call.state import Call, Disposition, Fault, Phase
from fsctl.store.calls import Calls
from fsctl.store.contacts import Who, find
from fsctl.store.db import Database
from fsctl.store.followups import LOCK, Followups
from fsctl.whatsapp.followup import FollowupLoop
from tests.fix_database import run

SECRET = b"a secret of ours, long enough"
NUMBER = "15550100900"
ON = Followup(on=True, links={"es": ("Su pedido: https://shop.example/es",)}, template="missed_call")
NEVER = Hours(zone=UTC, week=((),) * 7)


def policy(on: Followup = ON, **queue: Any) -> Policy:
    return Policy(
        numbers={NUMBER: Number(phone_number_id="1")},
        queues={"q@x": Queue(followup=on, **queue)},
        hours={"never": NEVER},
        payload_secrets=(SECRET,),
    )


class House:
    """A database with one customer, and calls as the controller stores them."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.calls = Calls(database)
        self.now = datetime.now(UTC)
        self.count = 0
        with database.transaction("test") as transaction:
            who = Who(
                aliases=(Alias(kind="wa_id", value="34600000142"),), at=self.now, name="Ann", language="es"
            )
            self.place = find(transaction, who, NUMBER)

    def miss(self, **fields: Any) -> Call:
        """A call of the customer that ended two seconds ago."""
        self.count += 1
        base: dict[str, Any] = {
            "uuid": f"call-{self.count}",
            "node": "fs1",
            "channel": "whatsapp",
            "phase": Phase.ENDED,
            "offered_at": self.now - timedelta(seconds=60),
            "answered_at": self.now - timedelta(seconds=59),
            "queued_at": self.now - timedelta(seconds=50),
            "ended_at": self.now - timedelta(seconds=2),
            "to_number": NUMBER,
            "wacid": f"wacid.{self.count}",
            "contact_id": self.place.contact_id,
            "thread_id": self.place.thread_id,
            "queue": "q@x",
            "disposition": Disposition.ABANDONED,
            "fault": Fault.CALLER,
        }
        call = Call(**(base | fields))
        self.calls.apply([commands.SaveCall(uuid=call.uuid, call=call)])
        return call

    def loop(self, rules: Policy | None = None, url: str = "https://calls.example") -> FollowupLoop:
        return FollowupLoop(self.database, rules or policy(), url, now=lambda: self.now)

    def verdicts(self) -> list[tuple[str, str, str]]:
        found = Followups(self.database).of_thread(self.place.thread_id)
        return sorted((one.call_uuid, one.outcome, one.reason) for one in found)

    def outbox(self) -> list[dict[str, Any]]:
        return run(self.database, "select * from outbox order by id")


@pytest.fixture
def house(database: Database) -> House:
    return House(database)


def test_a_missed_call_is_written_about_once_with_a_button_that_keeps_the_place(house: House) -> None:
    call = house.miss()
    loop = house.loop()
    assert [loop.tick(), loop.tick(), house.loop().tick()] == [1, 0, 0]
    (item,) = house.outbox()
    assert (item["key"], item["kind"], item["thread_id"]) == (
        "followup/call-1",
        "message",
        house.place.thread_id,
    )
    interactive = item["payload"]["message"]["interactive"]
    assert interactive["type"] == "voice_call"
    assert interactive["body"]["text"].startswith("No pudimos atender su llamada. Puede volver a llamarnos")
    assert interactive["body"]["text"].endswith("\nSu pedido: https://shop.example/es")
    ticket = payload.read(interactive["action"]["parameters"]["payload"], [SECRET])
    assert ticket is not None
    assert (ticket.queue, ticket.contact_id) == ("q@x", house.place.contact_id)
    assert call.answered_at is not None
    assert ticket.since == call.answered_at.replace(microsecond=0)
    assert item["payload"]["template"]["template"]["name"] == "missed_call"
    assert house.verdicts() == [("call-1", "message", "abandoned")]


def test_five_calls_make_one_message_and_five_verdicts(house: House) -> None:
    for _ in range(5):
        house.miss()
    assert house.loop().tick() == 5
    assert len(house.outbox()) == 1
    assert [outcome for _, outcome, _ in house.verdicts()].count("message") == 1
    assert {reason for _, outcome, reason in house.verdicts() if outcome == "none"} == {"written 0 min ago"}


def test_a_call_that_was_answered_in_between_ends_the_quiet(house: House) -> None:
    house.miss()
    house.loop().tick()
    later = house.now + timedelta(minutes=5)
    house.miss(
        disposition=Disposition.ANSWERED,
        fault=Fault.NOBODY,
        offered_at=later,
        bridged_at=later,
        ended_at=later,
    )
    house.now = later + timedelta(minutes=5)
    house.miss()
    house.loop().tick()
    assert len(house.outbox()) == 2


def test_one_wacid_on_two_nodes_is_one_call(house: House) -> None:
    rules = policy(replace(ON, quiet_s=0))
    first = house.miss()
    house.miss(wacid=first.wacid, node="fs2")
    house.loop(rules).tick()
    assert len(house.outbox()) == 1
    assert ("call-2", "none", "written already about this call") in house.verdicts()


def test_who_opted_out_is_not_written_to_and_the_row_says_so(house: House) -> None:
    run(house.database, "update contact set opted_out_at = now() where id = %s", house.place.contact_id)
    house.miss()
    house.loop().tick()
    assert house.outbox() == []
    assert house.verdicts() == [("call-1", "none", "the customer has opted out")]


def test_a_customer_who_calls_again_at_once_is_left_alone(house: House) -> None:
    house.miss()
    house.miss(
        phase=Phase.QUEUED,
        ended_at=None,
        disposition=None,
        fault=None,
        offered_at=house.now - timedelta(seconds=1),
    )
    house.loop().tick()
    assert house.outbox() == []
    assert house.verdicts() == [("call-1", "none", "the customer calls again now")]


def test_a_closed_line_offers_times_by_a_signed_link(house: House) -> None:
    house.miss(disposition=Disposition.CLOSED, left_by="closed", queued_at=None)
    house.loop(policy(hours="never")).tick()
    (item,) = house.outbox()
    url = item["payload"]["message"]["interactive"]["action"]["parameters"]["url"]
    assert url.startswith("https://calls.example/callback/")
    invitation = slots.invitation(url.rpartition("/")[2], [SECRET])
    assert invitation is not None
    assert invitation.call_uuid == "call-1"


def test_a_bad_line_is_offered_the_chat_while_the_call_goes_on_once(house: House) -> None:
    rules = policy(replace(ON, kinds=("bad_line",), bad_line_mos=2.5))
    talking: dict[str, Any] = {
        "phase": Phase.TALKING, "ended_at": None, "disposition": None, "fault": None, "bridged_at": house.now
    }  # fmt: skip
    house.miss(**talking, mos=4.4)
    assert house.loop(rules).tick() == 0
    call = house.miss(**talking, mos=1.9)
    assert house.loop(rules).tick() == 1
    assert house.outbox()[0]["payload"]["message"]["text"]["body"].startswith(
        "La línea de su llamada es mala"
    )
    ended = replace(
        call, phase=Phase.ENDED, ended_at=house.now, disposition=Disposition.ANSWERED, fault=Fault.NETWORK
    )
    house.calls.apply([commands.SaveCall(uuid=call.uuid, call=ended)])
    assert house.loop(rules).tick() == 0
    assert house.verdicts() == [("call-2", "message", "bad_line")]


def test_calls_that_ended_while_we_were_away_get_a_verdict_and_no_message(house: House) -> None:
    ended = house.now - timedelta(hours=5)
    house.miss(offered_at=ended - timedelta(seconds=9), ended_at=ended)
    house.miss(ended_at=house.now - timedelta(minutes=20))
    loop = house.loop()
    loop.tick()
    assert house.verdicts() == [
        ("call-1", "none", "it ended 300 min ago"),
        ("call-2", "message", "abandoned"),
    ]


def test_many_that_decide_at_once_write_once(house: House, dsn: str) -> None:
    for _ in range(20):
        house.miss()
    databases = [Database(dsn, process="test", size=1) for _ in range(4)]
    loops = []
    for one in databases:
        one.open()
        loops.append(FollowupLoop(one, policy(), now=lambda: house.now))
    threads = [threading.Thread(target=lambda loop=loop: [loop.tick() for _ in range(10)]) for loop in loops]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one in databases:
        one.close()
    assert len(house.outbox()) == 1
    assert len(house.verdicts()) == 20


def test_while_one_decides_nobody_else_does(house: House) -> None:
    house.miss()
    with house.database.transaction("deciding") as transaction:
        transaction._connection.execute(b"select pg_advisory_xact_lock(%s)", (LOCK,))
        assert house.loop().tick() == 0
    assert house.loop().tick() == 1


def test_a_verdict_and_its_message_are_one(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> bool:
        raise RuntimeError("killed")

    house.miss()
    with monkeypatch.context() as patch:
        patch.setattr("fsctl.whatsapp.followup.outbox.add", fails)
        with pytest.raises(RuntimeError):
            house.loop().tick()
    assert (house.outbox(), house.verdicts()) == ([], [])
    house.loop().tick()
    assert len(house.outbox()) == len(house.verdicts()) == 1


def test_what_meta_would_refuse_does_not_stand_in_the_way_of_others(house: House) -> None:
    house.miss(queue="q" * 500 + "@x", ended_at=house.now - timedelta(seconds=3))
    house.miss()
    rules = policy()
    rules = replace(rules, queues={**rules.queues, "q" * 500 + "@x": Queue(followup=ON)})
    assert house.loop(rules).tick() == 2
    (refused, written) = house.verdicts()
    assert refused[1] == "none"
    assert refused[2].startswith("abandoned: cannot be written: the payload has ")
    assert written == ("call-2", "message", "abandoned")


def test_what_is_due_is_found_by_the_index(house: House) -> None:
    with house.database.transaction("test") as transaction:
        connection = transaction._connection
        connection.execute(b"set local enable_seqscan = off")
        plan = connection.execute(
            b"explain select * from call where ended_at > now() - interval '5 minutes'"
            b" and (disposition <> 'answered' or fault = 'network')"
        ).fetchall()
    assert "call_ended_at_idx" in str(plan)
