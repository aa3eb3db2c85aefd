"""Touches, outcomes and the report on real rows: the order in which facts come never matters, sums are right."""

import argparse
import itertools
import json
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fsctl.arguments import make_parser
from fsctl.call import commands, payload
from fsctl.call.events import Alias
from fsctl.call.payload import Ticket
from fsctl.call.policy import Number, Policy
from fsctl.call.state import Call, Phase
from fsctl.config import Config
from fsctl.console import attribution as console
from fsctl.errors import BadInput, ConfigError
from fsctl.store import contacts, outcomes, touches
from fsctl.store.attribution import Attribution, Line, total
from fsctl.store.audit import Audit
from fsctl.store.calls import Calls
from fsctl.store.db import Database
from fsctl.store.outcomes import Outcome
from fsctl.store.threads import NewMessage, Threads
from fsctl.store.touches import Ends, Touch
from fsctl.whatsapp.touches import CallTouches

T0 = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
SECRET = b"a secret of sixteen bytes or more"
NUMBER = "15550100900"
CONFIG = Config(policy=Policy(payload_secrets=(SECRET,), numbers={NUMBER: Number(queue="sales@fsctl")}))


def thread(database: Database, who: str = "ann", at: datetime = T0) -> int:
    """A thread in which the customer wrote."""
    message = NewMessage(wamid=f"wamid.{who}.{at:%s}", direction="inbound", body="hello", sent_at=at)
    return Threads(database).add_messages(
        [Alias(kind="bsuid", value=f"US.{who}")], who, None, NUMBER, [message]
    )


def call(database: Database, uuid: str, thread_id: int | None, at: datetime = T0, **what: Any) -> Call:
    offered = Call(
        uuid=uuid, node="fs1", channel="whatsapp", phase=Phase.OFFERED, offered_at=at, to_number=NUMBER,
        thread_id=thread_id, **what,
    )  # fmt: skip
    Calls(database).apply([commands.SaveCall(uuid=uuid, call=offered)])
    return offered


def touch(database: Database, thread_id: int, at: datetime, key: str, **what: Any) -> None:
    given: dict[str, Any] = {"thread_id": thread_id, "at": at, "key": key, "source": "ad"}
    with database.transaction("test") as transaction:
        touches.record(transaction, Touch(**(given | what)))


def ends(database: Database, *, thread_id: int | None = None, call_uuid: str = "") -> Ends | None:
    with database.transaction("test") as transaction:
        if thread_id is not None:
            return touches.ends_of_thread(transaction, thread_id)
        return touches.ends_of_call(transaction, call_uuid)


def say(database: Database, **what: Any) -> bool:
    given: dict[str, Any] = {"kind": "sale", "at": T0, "who": "ann"}
    with database.transaction("test") as transaction:
        return outcomes.add(transaction, Outcome(**(given | what)))


def report(
    database: Database, by: Any = "source", model: Any = "last", until: datetime = T0 + DAY
) -> list[Line]:
    return Attribution(database).report(T0 - DAY, until, by, model)


# --- touches -----------------------------------------------------------------------------------------------


def test_a_fact_told_twice_stands_once(database: Database) -> None:
    ann = thread(database)
    touch(
        database,
        ann,
        T0,
        "message/1",
        ctwa_clid="Aff",
        source_id="120",
        headline="Call us",
        data={"a": [1], "b": {"text": "x"}, "c": float("nan"), "d": 2.5},
    )
    touch(database, ann, T0 + DAY, "message/1", ctwa_clid="other")
    with database.transaction("test") as transaction:
        (found,) = touches.of_thread(transaction, ann)
    assert (found.ctwa_clid, found.source_id, found.headline, found.at) == ("Aff", "120", "Call us", T0)
    assert found.data == {"a": "[1]", "b": '{"text": "x"}', "c": "NaN", "d": 2.5}


def test_strangers_text_is_bounded_and_storable(database: Database) -> None:
    ann = thread(database)
    data = {f"k{number}": "v" * 5000 for number in range(100)} | {"\x00": "\ud800"}
    touch(database, ann, T0, "k", campaign="a\x00b\ud800", headline="h" * 5000, data=data)
    with database.transaction("test") as transaction:
        (found,) = touches.of_thread(transaction, ann)
    assert found.campaign == "a b?"
    assert (len(found.headline), len(found.data)) == (touches.MAX_TEXT, touches.MAX_DATA)
    assert {len(value) for value in found.data.values()} == {touches.MAX_TEXT}


RUNS = itertools.count()
MINUTES = st.integers(0, 4)
FACTS = st.dictionaries(st.sampled_from("abcdef"), MINUTES, min_size=1)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(facts=FACTS, chance=st.randoms(use_true_random=False), at=MINUTES)
def test_first_and_last_touch_do_not_depend_on_order(
    database: Database, facts: dict[str, int], chance: random.Random, at: int
) -> None:
    run = next(RUNS)
    ann, offered = thread(database, f"ann{run}"), T0 + at * MINUTE
    told = {f"{run}/{name}": T0 + minute * MINUTE for name, minute in facts.items()}
    steps = [*told, *told, "call"]
    chance.shuffle(steps)
    for step in steps:
        if step == "call":
            call(database, f"c-{run}", ann, offered)
        else:
            touch(database, ann, told[step], step)
    ordered = sorted(told, key=lambda key: (told[key], key))
    assert keys(ends(database, thread_id=ann)) == (ordered[0], ordered[-1])
    before = [key for key in ordered if told[key] <= offered]
    assert keys(ends(database, call_uuid=f"c-{run}")) == ((before[0], before[-1]) if before else None)


def keys(found: Ends | None) -> tuple[str, str] | None:
    return (found.first.key, found.last.key) if found else None


def test_a_thread_and_a_call_without_touch_have_none(database: Database) -> None:
    ann = thread(database)
    call(database, "c-1", ann)
    assert ends(database, thread_id=ann) is None
    assert ends(database, call_uuid="c-1") is None
    assert ends(database, call_uuid="nobody") is None


def test_the_loop_takes_what_calls_tell_and_once(database: Database) -> None:
    ann = thread(database)
    text = payload.sign(Ticket(expires=T0 + DAY, queue="sales@fsctl", campaign="spring"), SECRET)
    call(database, "c-1", ann, deeplink_payload=text, request_params=(("tgrp", "wacall"),))
    call(database, "c-2", ann, T0 + MINUTE, cta_payload="summer")
    call(database, "c-3", ann, T0 + 2 * MINUTE)
    call(database, "c-4", None, T0 + 2 * MINUTE, cta_payload="nobody yet")
    loop = CallTouches(database, [SECRET])
    assert loop.tick() == 2
    assert loop.tick() == 0
    found = ends(database, call_uuid="c-3")
    assert found is not None
    assert (found.first.campaign, found.first.source, found.first.trusted) == ("spring", "link", True)
    assert (found.last.campaign, found.last.source, found.last.trusted) == ("summer", "button", False)
    # The controller goes on saving the call, and does not undo it; and what had no thread is taken when it has one.
    Calls(database).apply(
        [commands.SaveCall(uuid="c-1", call=replace(call(database, "c-1", ann), queue="q@x"))]
    )
    call(database, "c-4", ann, T0 + 2 * MINUTE, cta_payload="nobody yet")
    assert loop.tick() == 1


def test_two_loops_share_the_calls(database: Database) -> None:
    ann = thread(database)
    for number in range(6):
        call(database, f"c-{number}", ann, cta_payload=f"campaign {number}")
    with database.transaction("one") as one:
        first = touches.take_calls(one, 4)
        with database.transaction("other") as other:
            second = touches.take_calls(other, 4)
    assert (len(first), len(second)) == (4, 2)
    assert len({call.uuid for call in first + second}) == 6


def test_when_two_contacts_are_one_so_is_what_brought_them(database: Database) -> None:
    ann, bob = thread(database, "ann"), thread(database, "bob")
    touch(database, bob, T0, "ad")
    touch(database, ann, T0 + MINUTE, "link", source="link")
    call(database, "c-1", ann, T0 + 2 * MINUTE)
    say(database, thread_id=bob, kind="lead")
    with database.transaction("test") as transaction:
        rows = [transaction.one("threads.thread_by_id", id=one) for one in (ann, bob)]
        first, second = (row["contact_id"] for row in rows if row)
        contacts.merge(transaction, first, second, "eve")
    # What comes late for a thread that was merged belongs into the one that it became.
    touch(database, ann, T0 + 3 * MINUTE, "late 1")
    touch(database, bob, T0 + 3 * MINUTE, "late 2")
    say(database, thread_id=bob, order_ref="2")
    assert keys(ends(database, call_uuid="c-1")) == ("ad", "link")
    with database.transaction("test") as transaction:
        both = {one: touches.of_thread(transaction, one) for one in (ann, bob)}
        said = {one: outcomes.of_thread(transaction, one) for one in (ann, bob)}
    assert sorted(map(len, both.values())) == [0, 4]
    assert sorted(map(len, said.values())) == [0, 2]
    assert counts(total(report(database))) == (1, 1, 0, 1)


# --- outcomes ----------------------------------------------------------------------------------------------


def test_the_latest_word_counts_and_all_are_kept(database: Database) -> None:
    ann = thread(database)
    call(database, "c-1", ann)
    say(database, call_uuid="c-1", value=Decimal(120), currency="EUR", at=T0 + 2 * MINUTE)
    say(database, call_uuid="c-1", kind="no-sale", at=T0 + MINUTE)
    say(database, call_uuid="c-1", value=Decimal(80), currency="EUR", order_ref="b", at=T0)
    say(database, thread_id=ann, kind="lead", at=T0)
    with database.transaction("test") as transaction:
        found = outcomes.of_thread(transaction, ann)
    assert [(one.kind, one.value, one.counts) for one in found] == [
        ("sale", 80, True), ("lead", None, True), ("no-sale", None, False), ("sale", 120, True),
    ]  # fmt: skip
    entries = Audit(database).entries(action="outcome.set")
    assert [entry.subject for entry in entries] == ["call c-1"] * 3 + [f"thread {ann}"]
    assert entries[0].detail["value"] == "120"


def test_a_crm_may_say_the_same_twice(database: Database) -> None:
    ann = thread(database)
    assert say(database, thread_id=ann, key="crm/1")
    assert not say(database, thread_id=ann, key="crm/1")
    assert len(Audit(database).entries(action="outcome.set")) == 1


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ({}, "of a call or of a thread"),
        ({"call_uuid": "c", "thread_id": 1}, "of a call or of a thread"),
        ({"thread_id": 1, "kind": "Sale!"}, "kind: expected"),
        ({"thread_id": 1, "value": Decimal(1)}, "needs a currency"),
        ({"thread_id": 1, "currency": "EUR"}, "currency a value"),
        ({"thread_id": 1, "value": Decimal(1), "currency": "eur"}, "three letters"),
        ({"thread_id": 1, "value": Decimal(-1), "currency": "EUR"}, "value: expected"),
        ({"thread_id": 1, "value": Decimal("NaN"), "currency": "EUR"}, "value: expected"),
        ({"thread_id": 1, "value": Decimal("1e99"), "currency": "EUR"}, "value: expected"),
        ({"thread_id": 1, "value": Decimal("0.00001"), "currency": "EUR"}, "value: expected"),
        ({"thread_id": 1, "order_ref": "x" * 101}, "100 characters"),
        ({"thread_id": 1, "at": T0.replace(tzinfo=None)}, "zone"),
    ],
)
def test_what_cannot_be_is_refused(database: Database, what: dict[str, Any], why: str) -> None:
    with pytest.raises(BadInput, match=why):
        say(database, **what)


# --- the report --------------------------------------------------------------------------------------------


def ledger(database: Database) -> None:
    """Ann: an ad, later a link; two calls, one answered, one sale each. Bob: nothing known. Eve: an ad, later."""
    ann, bob, eve = (thread(database, who) for who in ("ann", "bob", "eve"))
    touch(database, ann, T0, "ad", campaign="spring", source_id="120", headline="Call us")
    touch(database, ann, T0 + 30 * MINUTE, "link", source="link", campaign="fair")
    call(database, "a-1", ann, T0 + 10 * MINUTE, bridged_at=T0 + 11 * MINUTE)
    call(database, "a-2", ann, T0 + 40 * MINUTE)
    call(database, "b-1", bob, T0 + 10 * MINUTE, bridged_at=T0 + 11 * MINUTE)
    call(database, "nobody", None, T0 + 10 * MINUTE)
    call(database, "scanner", None, T0 + 10 * MINUTE, refused="no-tls")
    touch(database, eve, T0 + DAY, "late", campaign="late")
    say(database, call_uuid="a-1", value=Decimal(120), currency="EUR", at=T0 + 50 * MINUTE)
    say(database, call_uuid="a-2", value=Decimal(30), currency="USD", at=T0 + 50 * MINUTE)
    say(database, call_uuid="a-2", value=Decimal(10), currency="EUR", order_ref="2", at=T0 + 50 * MINUTE)
    say(database, thread_id=bob, at=T0 + 50 * MINUTE)
    say(database, call_uuid="b-1", value=Decimal(999), currency="EUR", at=T0 + 50 * MINUTE)
    say(database, call_uuid="b-1", kind="no-sale", at=T0 + 51 * MINUTE)


def counts(line: Line) -> tuple[int, int, int, int]:
    return line.chats, line.calls, line.answered, line.sales


def test_each_thing_is_counted_once_for_the_last_touch(database: Database) -> None:
    ledger(database)
    found = {line.source: line for line in report(database)}
    assert {source: counts(line) for source, line in found.items()} == {
        "ad": (1, 1, 1, 1), "link": (0, 1, 0, 2), "direct": (2, 2, 1, 1),
    }  # fmt: skip
    assert found["ad"].values == {"EUR": 120}
    assert found["link"].values == {"USD": 30, "EUR": 10}
    assert found["direct"].values == {}


def test_each_thing_is_counted_once_for_the_first_touch(database: Database) -> None:
    ledger(database)
    found = {line.source: line for line in report(database, model="first")}
    assert {source: counts(line) for source, line in found.items()} == {
        "ad": (1, 2, 1, 3), "direct": (2, 2, 1, 1),
    }  # fmt: skip
    assert found["ad"].values == {"EUR": 130, "USD": 30}


@pytest.mark.parametrize("model", ["first", "last"])
@pytest.mark.parametrize("by", ["source", "campaign", "ad"])
def test_however_it_is_cut_the_sums_are_the_same(database: Database, by: str, model: str) -> None:
    ledger(database)
    whole = total(report(database, by, model))
    assert counts(whole) == (3, 4, 2, 4)
    assert whole.values == {"EUR": 130, "USD": 30}


def test_a_line_names_campaign_and_ad_and_hints_stand_apart(database: Database) -> None:
    ledger(database)
    touch(database, thread(database, "zoe"), T0, "hint", source="link", campaign="fair", trusted=False)
    lines = report(database, "ad")
    assert [(line.source, line.trusted, line.campaign, line.source_id, line.headline) for line in lines] == [
        ("ad", True, "spring", "120", "Call us"), ("direct", True, "", "", ""),
        ("link", True, "fair", "", ""), ("link", False, "fair", "", ""),
    ]  # fmt: skip


def test_what_is_outside_the_time_does_not_count(database: Database) -> None:
    ledger(database)
    assert [(line.source, counts(line)) for line in report(database, until=T0 + 20 * MINUTE)] == [
        ("ad", (1, 1, 1, 0)), ("direct", (2, 2, 1, 0)),
    ]  # fmt: skip


# --- commands ----------------------------------------------------------------------------------------------


def command(database: Database, *arguments: str, config: Config = CONFIG) -> int:
    options: argparse.Namespace = make_parser().parse_args(arguments)
    return console.main(options, config, database, "ann")


def test_links_are_signed_stored_and_counted(
    database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = ("links", "new", "--campaign", "fair", "--queue", "sales@fsctl")
    assert command(database, *new) == 0
    assert command(database, *new, "--qr", str(tmp_path / "code.svg")) == 0
    plain, printed = capsys.readouterr().out.split()
    assert plain.startswith(f"https://wa.me/call/{NUMBER}?biz_payload=f1.")
    assert plain != printed
    assert (tmp_path / "code.svg").stat().st_size > 500
    ticket = payload.read(printed.partition("=")[2], [SECRET])
    assert ticket is not None
    assert (ticket.campaign, ticket.queue) == ("fair", "sales@fsctl")
    assert timedelta(days=89) < ticket.expires - datetime.now(UTC) < timedelta(days=91)
    call(database, "c-1", thread(database), deeplink_payload=printed.partition("=")[2])
    CallTouches(database, [SECRET]).tick()
    command(database, "links", "list", "--json")
    found = json.loads(capsys.readouterr().out)
    assert [(one["kind"], one["calls"], one["made_by"]) for one in found] == [
        ("qr", 1, "ann"),
        ("link", 0, "ann"),
    ]
    assert [(line.source, line.calls) for line in report(database)] == [("qr", 1)]
    assert len(Audit(database).entries(action="link.new")) == 2
    command(database, "links", "list")
    assert len(capsys.readouterr().out.strip().split("\n")) == 2


@pytest.mark.parametrize(
    ("arguments", "error", "why"),
    [
        (("--campaign", "x" * 100, "--queue", "q" * 300 + "@x"), ConfigError, "WhatsApp takes 512"),
        (("--campaign", "x", "--queue", "no queue"), ConfigError, "expected a queue"),
        (("--campaign", "x", "--queue", "q@x", "--number", "1"), ConfigError, "not one of ours"),
        (("--campaign", "\x1b[2J", "--queue", "q@x"), BadInput, "--campaign"),
        (("--campaign", "x", "--queue", "q@x", "--expires", "0d"), BadInput, "--expires"),
        (("--campaign", "x", "--queue", "q@x", "--qr", "code.gif"), BadInput, "ends in"),
        (("--campaign", "x", "--queue", "q@x", "--qr", "/no/such/folder/code.svg"), OSError, "No such file"),
    ],
)
def test_a_link_that_cannot_be_leaves_nothing_behind(
    database: Database, arguments: tuple[str, ...], error: type[Exception], why: str
) -> None:
    with pytest.raises(error, match=why):
        command(database, "links", "new", *arguments)
    with database.transaction("test") as transaction:
        assert transaction.rows("call_links.all_links", most=10) == []


def test_a_secret_is_needed_to_make_a_link(database: Database) -> None:
    config = Config(policy=replace(CONFIG.policy, payload_secrets=()))
    with pytest.raises(ConfigError, match="nothing to sign with"):
        command(database, "links", "new", "--campaign", "x", "--queue", "q@x", config=config)


def test_outcomes_by_hand(database: Database, capsys: pytest.CaptureFixture[str]) -> None:
    ann = thread(database)
    call(database, "c-1", ann, wacid="wacid.x")
    sale = ("--kind", "sale", "--value", "120", "--currency", "EUR")
    assert command(database, "outcome", "set", "wacid.x=", *sale, "--note", "\x1b[2J") == 0
    assert command(database, "outcome", "set", "c-1", "--kind", "no-sale") == 0
    assert command(database, "outcome", "set", str(ann), *sale, "--order", "A7") == 0
    with pytest.raises(BadInput, match="no such call or thread"):
        command(database, "outcome", "set", "nobody", *sale)
    out = capsys.readouterr().out
    assert "call c-1  sale  120.00 EUR" in out
    assert "\x1b" not in out
    command(database, "outcome", "list", "--json")
    assert [(one["kind"], one["value"], one["counts"]) for one in json.loads(capsys.readouterr().out)] == [
        ("sale", "120.00", False), ("no-sale", None, True), ("sale", "120.00", True),
    ]  # fmt: skip
    command(database, "outcome", "list")
    assert "(replaced)" in capsys.readouterr().out


def test_the_report_in_three_forms(database: Database, capsys: pytest.CaptureFixture[str]) -> None:
    ledger(database)
    period = ("--since", (T0 - DAY).isoformat(), "--until", (T0 + DAY).isoformat())
    command(database, "report", "attribution", *period)
    assert capsys.readouterr().out.splitlines()[-1].split()[:5] == ["total", "3", "4", "2", "4"]
    command(database, "report", "attribution", *period, "--by", "campaign", "--format", "csv")
    assert capsys.readouterr().out.splitlines()[0].endswith("sales,value_EUR,value_USD")
    command(database, "report", "attribution", *period, "--model", "first", "--format", "json")
    assert json.loads(capsys.readouterr().out)["total"]["values"] == {"EUR": "130.00", "USD": "30.00"}
    with pytest.raises(BadInput, match="--since"):
        command(database, "report", "attribution", "--since", "2026-01-02", "--until", "2026-01-01")
