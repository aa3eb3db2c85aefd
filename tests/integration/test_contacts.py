"""Contacts on a real Postgres: found, joined with all that is theirs, parted; at once, behind a memory's back."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import gevent
import psycopg
import pytest

from fsctl.arguments import make_parser
from fsctl.call import commands
from fsctl.call.events import Alias
from fsctl.call.state import Phase
from fsctl.console import contacts as console
from fsctl.errors import BadInput
from fsctl.store import contacts, directory
from fsctl.store.audit import Audit
from fsctl.store.calls import Calls
from fsctl.store.contacts import Place, Who
from fsctl.store.db import Database, queries
from fsctl.store.threads import NewMessage, Threads
from tests.fix_database import run
from tests.integration.test_identity import NUMBER, T0, offered

BSUID = Alias(kind="bsuid", value="US.13491208655302741918")
WA_ID = Alias(kind="wa_id", value="15550100142")
OTHER_BSUID = Alias(kind="bsuid", value="US.2")
NEW_WA_ID = Alias(kind="wa_id", value="15550100777")
USERNAME = Alias(kind="username", value="ann")


def minute(number: float) -> datetime:
    return T0 + timedelta(minutes=number)


def find(database: Database, *names: Alias, at: float = 0, number: str = NUMBER, **more: Any) -> Place:
    with database.transaction("test") as transaction:
        return contacts.find(transaction, Who(aliases=names, at=minute(at), **more), number)


def write(database: Database, name: Alias, body: str, number: str = NUMBER) -> int:
    message = NewMessage(wamid=f"wamid.{body}", direction="inbound", body=body, sent_at=minute(1))
    return Threads(database).add_messages([name], "", None, number, [message])


def bodies(database: Database, thread_id: int) -> list[str]:
    rows = run(database, "select body from message where thread_id = %(id)s order by body", id=thread_id)
    return [row["body"] for row in rows]


def log(database: Database, contact_id: int | None = None) -> list[str]:
    with database.transaction("test") as transaction:
        return [entry.what for entry in directory.log(transaction, contact_id)]


def current(database: Database, contact_id: int) -> set[str]:
    rows = run(
        database, "select value from alias where contact_id = %(id)s and ended_at is null", id=contact_id
    )
    return {row["value"] for row in rows}


# --- found ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("called", [[BSUID], [WA_ID], [BSUID, WA_ID], [BSUID, WA_ID, USERNAME]])
@pytest.mark.parametrize("is_call_first", [True, False])
def test_a_call_and_its_webhook_end_in_one_thread(
    database: Database, called: Sequence[Alias], is_call_first: bool
) -> None:
    if is_call_first:
        call = offered(database, "c-1", called, minute(0))
    place = find(database, BSUID, WA_ID, at=0.01)
    if not is_call_first:
        call = offered(database, "c-1", called, minute(0))
    assert (call.contact_id, call.thread_id) == (place.contact_id, place.thread_id)
    assert len(run(database, "select id from contact")) == 1
    assert find(database, BSUID, WA_ID, at=1) == place


ROWS = (
    "select display_name, named_at, language from contact where id = %(id)s",
    "select kind, value, said, seen_at, ended_at, split_at from alias where contact_id = %(id)s order by 1, 2",
    "select business_number, merged_into from thread where contact_id = %(id)s",
    "select w.kind, w.value, anchor_kind, anchor_value, first_at, last_at from alias_word w "
    "join alias using (portfolio, kind, value) where contact_id = %(id)s order by 1, 2",
)


@pytest.mark.parametrize("number", ["15550100142", "555199990000"])
def test_who_calls_for_the_first_time_is_welcomed_as_any_other_is_found(
    database: Database, number: str
) -> None:
    """In one statement, and with the same rows as by the long way; in another portfolio the names are new again."""
    names = (Alias(kind="wa_id", value=number), BSUID, USERNAME)
    with database.statement("test") as transaction:
        made = contacts.welcome(transaction, Who(aliases=names, at=T0, name="Ann", is_hint=True), NUMBER)
    long_way = find(database, *names, name="Ann", is_hint=True, portfolio="other")
    assert made is not None
    assert made != long_way
    for query in ROWS:
        rows = run(database, query, id=made.contact_id)
        assert rows == run(database, query, id=long_way.contact_id)
        assert rows
    assert find(database, *names) == made


def test_whose_name_is_known_is_not_welcomed_as_somebody_new(database: Database) -> None:
    place = find(database, WA_ID)
    with database.statement("test") as transaction:
        assert contacts.welcome(transaction, Who(aliases=(BSUID, WA_ID), at=T0), NUMBER) is None
        assert contacts.welcome(transaction, Who(aliases=(), at=T0), NUMBER) is None
    assert run(database, "select count(*) as made from contact") == [{"made": 1}]
    assert find(database, WA_ID) == place


def test_names_of_two_contacts_make_them_one_and_the_older_stays(database: Database) -> None:
    by_number, by_id = find(database, WA_ID), find(database, BSUID)
    joined = find(database, BSUID, WA_ID, at=1)
    assert joined == by_number
    assert find(database, BSUID, at=2) == by_number
    assert log(database) == ["merged"]
    (gone,) = run(database, "select merged_into from contact where id = %(id)s", id=by_id.contact_id)
    assert gone == {"merged_into": by_number.contact_id}


def test_a_number_goes_to_who_was_named_with_it_last(database: Database) -> None:
    ann, bob = find(database, BSUID, WA_ID, at=1), find(database, OTHER_BSUID, WA_ID, at=9)
    assert ann.contact_id != bob.contact_id
    assert find(database, WA_ID, at=10).contact_id == bob.contact_id
    # A webhook of the time before comes late: the number stays where it is.
    assert find(database, BSUID, WA_ID, at=2) == ann
    assert find(database, WA_ID, at=11).contact_id == bob.contact_id
    assert log(database) == ["moved"]


def test_what_comes_late_goes_to_who_had_the_number_then(database: Database) -> None:
    ann, bob = find(database, BSUID, WA_ID, at=1), find(database, OTHER_BSUID, WA_ID, at=9)
    assert find(database, WA_ID, at=2) == ann
    assert offered(database, "c-1", [WA_ID], minute(3)).thread_id == ann.thread_id
    assert find(database, WA_ID, at=10) == bob
    change(database, WA_ID, NEW_WA_ID, at=20)
    somebody = find(database, WA_ID, at=30)
    assert find(database, WA_ID, at=19) == bob
    assert find(database, WA_ID, at=30) == somebody


def test_the_latest_webhook_says_what_a_contact_is_called(database: Database) -> None:
    def called() -> tuple[str, str | None]:
        (row,) = run(database, "select display_name, language from contact")
        return row["display_name"], row["language"]

    offered(database, "c-1", [BSUID], minute(50))
    assert called() == ("15550100142", None)
    find(database, BSUID, at=5, name="Ann", language="en")
    assert called() == ("Ann", "en")
    find(database, BSUID, at=3, name="Annie", language="es")
    find(database, BSUID, at=9)
    assert called() == ("Ann", "en")
    find(database, BSUID, WA_ID, at=7, name="Ann B.", language="pt")
    find(database, BSUID, at=60, name="from a call", is_hint=True)
    assert called() == ("Ann B.", "pt")


def test_a_name_that_was_said_later_survives_the_merge(database: Database) -> None:
    find(database, WA_ID, at=1, name="Old")
    find(database, BSUID, at=5, name="New", language="es")
    find(database, BSUID, WA_ID, at=6)
    (row,) = run(database, "select display_name, language from contact where merged_into is null")
    assert row == {"display_name": "New", "language": "es"}


@pytest.mark.parametrize(
    ("first", "then"), [("5511987654321", "551187654321"), ("551187654321", "+5511987654321")]
)
def test_brazils_ninth_digit_is_no_other_person(database: Database, first: str, then: str) -> None:
    offered(database, "c-1", [Alias(kind="wa_id", value=first)], minute(0))
    find(database, Alias(kind="wa_id", value=then), at=1)
    (row,) = run(database, "select value, said from alias")
    assert row["value"] == "5511987654321"
    assert row["said"] == ("551187654321" if then == "551187654321" else None)
    assert [one.id for one in Threads(database).find("551187654321")] == [1]


def test_a_landline_of_brazil_has_no_ninth_digit(database: Database) -> None:
    assert find(database, Alias(kind="wa_id", value="551133224455")) != find(
        database, Alias(kind="wa_id", value="5511933224455")
    )


def test_a_portfolio_knows_its_own_names_only(database: Database) -> None:
    assert find(database, BSUID, portfolio="a") != find(database, BSUID, portfolio="b")


def test_names_from_before_the_portfolio_had_a_name_are_its_own(database: Database) -> None:
    place = find(database, BSUID, WA_ID)
    for _ in range(2):
        with database.transaction("test") as transaction:
            contacts.adopt(transaction, "acme")
    assert find(database, BSUID, WA_ID, portfolio="acme") == place
    found = Calls(database, "acme").answer(
        commands.FindContact(uuid="u", at=T0, node="fs1", aliases=(WA_ID,), display_name="", to_number=NUMBER)
    )
    assert found.thread_id == place.thread_id


def test_rows_that_came_without_a_word_are_their_contacts(database: Database) -> None:
    """An import, or a database from before words."""
    run(database, "insert into contact (display_name) values ('Ann')")
    run(
        database, "insert into alias (kind, value, contact_id) values ('bsuid', 'US.2', 1), ('wa_id', '1', 1)"
    )
    place = find(database, OTHER_BSUID, USERNAME)
    assert place.contact_id == 1
    assert current(database, 1) == {"US.2", "1", "ann"}


# --- changed -------------------------------------------------------------------------------------------------


def change(database: Database, old: Alias, *new: Alias, at: float) -> int:
    with database.transaction("test") as transaction:
        return contacts.changed(transaction, old, new, minute(at))


def test_who_changes_the_number_is_the_same_contact_and_the_old_number_is_free(database: Database) -> None:
    ann = find(database, BSUID, WA_ID, at=1)
    for _ in range(2):
        assert change(database, WA_ID, NEW_WA_ID, at=5) == ann.contact_id
    assert current(database, ann.contact_id) == {BSUID.value, NEW_WA_ID.value}
    assert log(database) == ["changed"]
    assert find(database, NEW_WA_ID, at=6) == ann
    late = find(database, WA_ID, at=4)
    assert late == ann
    somebody = find(database, WA_ID, at=7)
    assert somebody.contact_id != ann.contact_id
    assert current(database, ann.contact_id) == {BSUID.value, NEW_WA_ID.value}


def test_what_is_told_with_the_change_or_right_before_it_is_of_the_same_contact(database: Database) -> None:
    ann = find(database, WA_ID, at=1)
    later = find(database, NEW_WA_ID, at=9)
    change(database, WA_ID, NEW_WA_ID, at=5)
    for number in (4, 5, 6):
        assert find(database, NEW_WA_ID, at=number) == ann
    assert later != ann
    assert len(run(database, "select id from contact where merged_into is null")) == 1


def test_a_call_by_a_number_that_was_given_up_is_of_somebody_else(database: Database) -> None:
    ann = find(database, WA_ID, at=1)
    change(database, WA_ID, NEW_WA_ID, at=5)
    assert offered(database, "c-1", [WA_ID], minute(9)).contact_id != ann.contact_id
    assert offered(database, "c-2", [NEW_WA_ID], minute(9)).contact_id == ann.contact_id


def test_a_new_user_id_is_the_same_contact(database: Database) -> None:
    ann, new = find(database, BSUID, WA_ID, at=1), find(database, OTHER_BSUID, NEW_WA_ID, at=6)
    assert change(database, BSUID, OTHER_BSUID, NEW_WA_ID, at=5) == ann.contact_id
    assert find(database, OTHER_BSUID, NEW_WA_ID, at=7) == ann
    assert new.contact_id != ann.contact_id
    assert log(database) == ["merged", "changed"]


def test_a_change_among_unknown_names_makes_a_contact(database: Database) -> None:
    contact_id = change(database, WA_ID, NEW_WA_ID, at=1)
    assert find(database, NEW_WA_ID, at=2).contact_id == contact_id
    assert change(database, WA_ID, WA_ID, at=3) != 0
    with pytest.raises(BadInput, match="no such names"):
        change(database, Alias(kind="wa_id", value=""), at=3)


# --- all that is theirs --------------------------------------------------------------------------------------


def test_a_merge_moves_everything_and_old_ids_lead_on(database: Database) -> None:
    by_number = write(database, WA_ID, "a")
    write(database, WA_ID, "elsewhere", "15550100901")
    by_id = write(database, BSUID, "b")
    alone = write(database, BSUID, "c", "15550100902")
    call = offered(database, "c-1", [BSUID], minute(2))
    assert call.thread_id == by_id
    place = find(database, BSUID, WA_ID, at=5)
    assert place.thread_id == by_number
    assert bodies(database, by_number) == ["a", "b"]
    assert bodies(database, alone) == ["c"]
    loaded = Calls(database).load("c-1")
    assert loaded is not None
    assert (loaded.contact_id, loaded.thread_id) == (place.contact_id, by_number)
    assert {t.id for t in Threads(database).find(BSUID.value)} == {by_number, alone, 2}
    assert Threads(database).find(str(by_id))[0].id == by_number


def test_a_memory_from_before_the_merge_does_not_undo_it(database: Database) -> None:
    place = find(database, WA_ID)
    calls = Calls(database)
    remembered = offered(database, "c-1", [BSUID], minute(1))
    find(database, BSUID, WA_ID, at=2)
    for call in (remembered, replace(remembered, uuid="c-2")):
        talking = replace(call, phase=Phase.TALKING)
        calls.apply([commands.SaveCall(uuid=call.uuid, call=talking)])
        assert calls.load(call.uuid) == replace(
            talking, contact_id=place.contact_id, thread_id=place.thread_id
        )
    late = NewMessage(wamid="late", direction="outbound", body="late", sent_at=minute(3))
    with database.transaction("test") as transaction:
        transaction.run("threads.add_message", thread_id=remembered.thread_id, **vars(late))
    assert bodies(database, place.thread_id) == ["late"]


def test_every_table_that_names_a_thread_or_contact_follows_a_merge(database: Database) -> None:
    """Also one that is made tomorrow; of two rows that cannot both be there, one stays where it was."""
    listed = {row["relation"] for row in run(database, "select relation::text from fsctl_place")}
    named = run(
        database,
        "select distinct table_name as name from information_schema.columns join information_schema.tables "
        "using (table_schema, table_name) where column_name in ('thread_id', 'contact_id') "
        "and table_schema = 'public' and table_type = 'BASE TABLE'",
    )
    assert listed == {row["name"] for row in named} - {"alias", "thread", "contact_log"}
    assert {"message", "call"} <= listed
    run(database, "create table pledge (thread_id bigint, what text, unique (thread_id, what))")
    one, other = find(database, WA_ID), find(database, BSUID)
    for what, thread_id in (("a", one.thread_id), ("a", other.thread_id), ("b", other.thread_id)):
        run(database, "insert into pledge values (%(id)s, %(what)s)", id=thread_id, what=what)
    find(database, WA_ID, BSUID, at=1)
    rows = {(row["thread_id"], row["what"]) for row in run(database, "select * from pledge")}
    assert rows == {(one.thread_id, "a"), (one.thread_id, "b"), (other.thread_id, "a")}


def test_a_contact_that_was_merged_twice_leads_to_the_last(database: Database) -> None:
    old, middle, young = find(database, USERNAME), find(database, WA_ID), find(database, BSUID)
    find(database, BSUID, WA_ID, at=1)
    find(database, WA_ID, USERNAME, at=2)
    rows = run(database, "select id, merged_into from contact order by id")
    assert [row["merged_into"] for row in rows] == [None, old.contact_id, old.contact_id]
    rows = run(database, "select merged_into from thread where merged_into is not null")
    assert [row["merged_into"] for row in rows] == [old.thread_id] * 2
    with database.transaction("test") as transaction:
        assert (
            contacts.now(transaction, young.contact_id)
            == old.contact_id
            == contacts.now(transaction, middle.contact_id)
        )


def test_a_caller_is_told_with_the_ids_that_it_had(database: Database) -> None:
    """A payload that we signed for one of them is good for the contact that it has become."""
    one, other = find(database, WA_ID), find(database, BSUID)
    find(database, BSUID, WA_ID, at=1)
    question = commands.FindContact(
        uuid="u", at=minute(2), node="fs1", aliases=(BSUID,), display_name="", to_number=NUMBER
    )
    found = Calls(database).answer(question)
    assert (found.contact_id, found.known.past.former_ids) == (one.contact_id, (other.contact_id,))


def test_who_opted_out_stays_so(database: Database) -> None:
    find(database, WA_ID)
    young = find(database, BSUID)
    with database.transaction("test") as transaction:
        for at in (5, 5, 4):
            contacts.opt_out(transaction, young.contact_id, minute(at), "wrote STOP")
    find(database, BSUID, WA_ID, at=6)
    (row,) = run(database, "select opted_out_at from contact where merged_into is null")
    assert row == {"opted_out_at": minute(5)}
    assert log(database) == ["opted_out", "merged"]


# --- at once -------------------------------------------------------------------------------------------------


def test_two_webhooks_and_a_call_of_somebody_new_make_one_contact(database: Database) -> None:
    for number in range(15):
        names = [Alias(kind="bsuid", value=f"US.{number}"), Alias(kind="wa_id", value=f"1555010{number:04}")]
        at_once = [
            gevent.spawn(find, database, *names),
            gevent.spawn(find, database, *reversed(names), at=1),
            gevent.spawn(offered, database, f"c-{number}", names[:1], minute(0)),
            gevent.spawn(offered, database, f"d-{number}", names[1:], minute(0)),
        ]
        gevent.joinall(at_once, raise_error=True, timeout=30)
    rows = run(database, "select contact_id, count(*) from alias group by contact_id")
    assert [row["count"] for row in rows] == [2] * 15
    assert len(run(database, "select id from contact where merged_into is null")) == 15
    gone = "select uuid from call k join contact c on c.id = k.contact_id where c.merged_into > 0"
    assert run(database, gone) == []
    assert (
        run(database, "select uuid from call k join thread t on t.id = k.thread_id where t.merged_into > 0")
        == []
    )


def test_transactions_that_join_the_same_people_in_other_orders_do_not_wait_in_a_circle(
    database: Database,
) -> None:
    people = [
        (Alias(kind="bsuid", value=f"US.{i}"), Alias(kind="wa_id", value=f"1555010{i:04}")) for i in range(12)
    ]
    for pair in people:
        for name in pair:
            find(database, name)

    def join(order: Sequence[tuple[Alias, Alias]]) -> None:
        with database.transaction("joining") as transaction:
            for pair in order:
                contacts.find(transaction, Who(aliases=pair, at=minute(1)), NUMBER)
                gevent.sleep(0)

    joining = [gevent.spawn(join, order) for order in (people, people[::-1], people[6:] + people[:6])]
    gevent.joinall(joining, raise_error=True, timeout=60)
    assert len(run(database, "select id from contact where merged_into is null")) == 12


def test_a_call_of_somebody_known_waits_for_nobody(database: Database) -> None:
    place = find(database, BSUID, WA_ID)
    with psycopg.connect(database.dsn) as other:
        other.execute(queries()["contacts.lock"].encode())
        with gevent.Timeout(5):
            assert offered(database, "c-1", [BSUID, WA_ID], minute(3)).thread_id == place.thread_id


def test_a_row_written_while_its_thread_is_merged_is_led_on(database: Database) -> None:
    one, other = find(database, WA_ID), find(database, BSUID)
    with database.transaction("merging") as transaction:
        contacts.find(transaction, Who(aliases=(BSUID, WA_ID), at=minute(1)), NUMBER)
        late = NewMessage(wamid="late", direction="outbound", body="late", sent_at=minute(3))

        def write_late() -> None:
            with database.transaction("writing") as writing:
                writing.run("threads.add_message", thread_id=other.thread_id, **vars(late))

        writing = gevent.spawn(write_late)
        gevent.sleep(0.2)
        assert not writing.ready()
    writing.get(timeout=10)
    assert bodies(database, one.thread_id) == ["late"]


# --- by hand -------------------------------------------------------------------------------------------------


def command(database: Database, *words: str) -> int:
    return console.main(make_parser().parse_args(["contact", *words]), database, "ops", "")


def shown(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_people_merge_and_split(database: Database, capsys: pytest.CaptureFixture[str]) -> None:
    ann = write(database, WA_ID, "from ann")
    bob = write(database, BSUID, "from bob")
    call = offered(database, "c-1", [BSUID], minute(2))
    assert command(database, "merge", WA_ID.value, BSUID.value, "--yes", "--json") == 0
    merged = shown(capsys)
    assert (merged["id"], merged["merged"]) == (1, [call.contact_id])
    assert bodies(database, ann) == ["from ann", "from bob"]
    assert find(database, BSUID, at=9).thread_id == ann

    assert command(database, "split", "1", f"bsuid:{BSUID.value}", "--yes", "--json") == 0
    parted = shown(capsys)
    assert [name["value"] for name in parted["aliases"]] == [BSUID.value]
    thread = find(database, BSUID, at=10).thread_id
    assert thread not in (ann, bob)
    assert (bodies(database, ann), bodies(database, thread)) == (["from ann"], ["from bob"])
    moved = Calls(database).load("c-1")
    assert moved is not None
    assert (moved.contact_id, moved.thread_id) == (parted["id"], thread)
    Calls(database).apply([commands.SaveCall(uuid="c-1", call=call)])
    assert Calls(database).load("c-1") == moved

    command(database, "log", "1", "--json")
    assert [(entry["what"], entry["who"]) for entry in shown(capsys)] == [("merged", "ops"), ("split", "ops")]
    assert [entry.action for entry in Audit(database).entries()] == ["contact.merge", "contact.split"]
    # What Meta says later counts again.
    assert find(database, BSUID, WA_ID, at=10**9 / 60).contact_id == 1


def test_what_was_said_before_a_split_does_not_come_back(database: Database) -> None:
    ann = find(database, BSUID, WA_ID, USERNAME, at=1)
    offered(database, "c-1", [BSUID, WA_ID], minute(2))
    with database.transaction("test") as transaction:
        made = contacts.split(transaction, ann.contact_id, WA_ID, "ops")
    assert find(database, WA_ID, at=3).contact_id == made
    find(database, BSUID, WA_ID, at=4)
    find(database, BSUID, USERNAME, at=5)
    assert current(database, made) == {WA_ID.value}
    assert current(database, ann.contact_id) == {BSUID.value, USERNAME.value}


@pytest.mark.parametrize(
    ("names", "name"), [([WA_ID], WA_ID), ([BSUID, WA_ID], BSUID), ([BSUID, WA_ID], USERNAME)]
)
def test_a_split_that_would_leave_nothing_is_refused(
    database: Database, names: Sequence[Alias], name: Alias
) -> None:
    place = find(database, *names)
    with pytest.raises(BadInput), database.transaction("test") as transaction:
        contacts.split(transaction, place.contact_id, name, "ops")
    assert find(database, *names, at=1) == place
    assert log(database) == []


def test_nothing_is_done_without_a_yes(
    database: Database, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    find(database, WA_ID, name="Ann\x1b[2J")
    find(database, BSUID, name="Bob")
    for answer in ("n", ""):
        monkeypatch.setattr("builtins.input", lambda answer=answer: answer)
        with pytest.raises(BadInput, match="nothing was done"):
            command(database, "merge", WA_ID.value, "bob")
    assert "\x1b" not in capsys.readouterr().err
    assert Audit(database).entries() == []
    monkeypatch.setattr("builtins.input", lambda: "y")
    assert command(database, "merge", WA_ID.value, "bob") == 0
    out = capsys.readouterr().out
    assert "was also contact 2" in out
    assert "contact 2 became 1, by ops" not in out.split("\n")[0]
    assert "contact 2 became 1" in out


def test_who_is_meant(database: Database, capsys: pytest.CaptureFixture[str]) -> None:
    find(database, WA_ID, BSUID, USERNAME, name="Ann")
    find(database, NEW_WA_ID, name="Ann")
    find(database, OTHER_BSUID, WA_ID, at=9)
    for who in (BSUID.value, "@Ann", "1"):
        command(database, "show", who, "--json")
        found = shown(capsys)
        assert found["id"] == 1
        assert found["lost"][0]["value"] == WA_ID.value
    assert command(database, "show", "1") == 0
    assert "now of contact 3" in capsys.readouterr().out
    with pytest.raises(BadInput, match="no contact is known"):
        command(database, "show", "nobody")
    assert command(database, "show", "Ann", "--json") == 0  # A username is a name of one only.


def test_a_name_that_two_have_is_not_enough(database: Database) -> None:
    find(database, WA_ID, name="Ann")
    find(database, NEW_WA_ID, name="Ann")
    with pytest.raises(BadInput, match="may be contact 1, 2"):
        command(database, "show", "Ann")
    with pytest.raises(BadInput, match="one contact already"):
        command(database, "merge", WA_ID.value, WA_ID.value, "--yes")


# --- cheap ---------------------------------------------------------------------------------------------------

CROWD = """
insert into contact (display_name) select 'c' || i from generate_series(1, 50000) i;
insert into alias (kind, value, contact_id) select 'wa_id', 15551000000 + i, i from generate_series(1, 50000) i;
insert into alias (kind, value, contact_id) select 'bsuid', 'US.' || i, i from generate_series(1, 50000) i;
insert into alias_word select '', 'wa_id', 15551000000 + i, 'bsuid', 'US.' || i, now(), now()
    from generate_series(1, 50000) i;
insert into alias_link select '', 'wa_id', 15551000000 + i, 'bsuid', 'US.' || i, now(), 'changed'
    from generate_series(1, 50000) i
"""


def test_fifty_thousand_contacts_do_not_make_it_slow(database: Database) -> None:
    for statement in CROWD.split(";"):
        run(database, statement)
    run(database, "analyze")
    params = {
        "portfolio": "", "kinds": ["bsuid", "wa_id"], "values": ["US.7", "15551000007"],
        "spellings": ["US.7", "15551000007"], "at": datetime.now(UTC), "contacts": [7],
    }  # fmt: skip
    for name in ("contacts.seen", "contacts.near", "contacts.words", "contacts.links", "contacts.called"):
        rows = run(database, f"explain {queries()[name]}", **params)
        plan = "\n".join(row["QUERY PLAN"] for row in rows)
        assert "Seq Scan on alias" not in plan, (name, plan)
