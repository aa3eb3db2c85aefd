"""Pages: in order, nothing missed and nothing twice, whoever commits in whatever order."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import gevent
import psycopg
import pytest
from gevent.event import Event

from fsctl.store.db import Database
from fsctl.store.pages import MOST_NUMBER, Page, Pages, Place
from fsctl.store.sequence import Sequence
from tests.integration.full_house import KINDS, SUPPRESSED, fill, number, run
from tests.integration.test_sequence import WRITERS, Reader, at_work, done, make_thread


def all_of(ask: Callable[[Any], Page[Any]], begin: Any) -> list[dict[str, Any]]:
    """Every row, page by page."""
    rows: list[dict[str, Any]] = []
    page = ask(begin)
    while page.has_more:
        rows += page.rows
        assert page.rows
        assert len(rows) <= 100
        page = ask(page.next)
    return rows + page.rows


# --- a thread


@pytest.mark.parametrize("limit", [1, 2, 3, 8, 9, 10])
def test_a_thread_is_read_in_order_of_time_both_ways(database: Database, limit: int) -> None:
    thread = fill(database)
    pages = Pages(database)
    there = all_of(lambda after: pages.items(thread, after, limit), None)
    assert [row["kind"] for row in there] == KINDS
    assert [row["at"] for row in there] == sorted(row["at"] for row in there)
    back = all_of(lambda after: pages.items(thread, after, limit, "desc"), None)
    assert back == there[::-1]


def test_items_of_one_moment_are_told_apart(database: Database, dsn: str) -> None:
    thread = make_thread(dsn)
    run(
        dsn,
        "insert into message (thread_id, wamid, direction, sent_at) "
        "select %s, n::text, 'inbound', '2026-11-22T09:00Z' from generate_series(1, 100) n", thread,
    )  # fmt: skip
    pages = Pages(database)
    rows = all_of(lambda after: pages.items(thread, after, 7), None)
    assert [row["body"]["wamid"] for row in rows] == [str(n) for n in range(1, 101)]


def test_a_body_says_what_the_item_is(database: Database) -> None:
    thread = fill(database)
    found = {row["kind"]: row["body"] for row in Pages(database).items(thread).rows[::-1]}
    assert found["message"].items() >= {"direction": "inbound", "text": "Where is my order?"}.items()
    answer = Pages(database).items(thread).rows[2]["body"]
    assert answer.items() >= {"status": "read", "reply_to": "w-1", "reactions": {"inbound": "👍"}}.items()
    assert (
        found["call"].items()
        >= {"call_uuid": "c-1", "disposition": "answered", "queue": "sales@fsctl"}.items()
    )
    assert found["touch"].items() >= {"source": "ad", "trusted": True, "ctwa_clid": "click"}.items()
    assert found["outcome"].items() >= {"outcome": "sale", "value": "12.5", "currency": "EUR"}.items()
    assert found["followup"].items() >= {"call_uuid": "c-2", "outcome": "message", "offer": "slot"}.items()
    assert found["callback"].items() >= {"call_uuid": "c-2", "state": "booked"}.items()
    assert found["witness"].items() >= {"wacid": "wacid.9", "status": "FAILED"}.items()
    told = repr(Pages(database).items(thread).rows)
    for hidden in (SUPPRESSED, "refund", "odrer", "raw", "signed", "a payload"):
        assert hidden not in told, hidden


def test_what_is_not_there_is_none_or_empty(database: Database) -> None:
    pages = Pages(database)
    for found in (
        pages.thread(9),
        pages.call("x"),
        pages.call("a\x00b"),
        pages.transcript("x"),
        pages.contact(9),
    ):
        assert found is None
    assert pages.items(9) == Page([], None, False)
    last = Place(datetime(9999, 1, 1, tzinfo=UTC), MOST_NUMBER)
    assert pages.items(9, last) == Page([], last, False)
    for ask in (pages.threads, pages.changes, pages.events, pages.calls):
        assert ask(MOST_NUMBER) == Page([], MOST_NUMBER, False)


def test_a_merged_thread_says_where_its_items_are(database: Database, dsn: str) -> None:
    first, second = make_thread(dsn, "Ann"), make_thread(dsn, "Ann again")
    number(database)
    pages = Pages(database)
    cursor = pages.threads().next
    run(dsn, "update thread set merged_into = %s where id = %s", first, second)
    number(database)
    (row,) = pages.threads(cursor).rows
    assert (row["thread_id"], row["merged_into"]) == (second, first)
    found = pages.thread(second)
    assert found is not None
    assert found["merged_into"] == first


# --- calls, text, contacts


def test_calls_are_filtered_and_come_again_when_they_change(database: Database, dsn: str) -> None:
    fill(database)
    pages = Pages(database)
    assert {row["call_uuid"] for row in pages.calls().rows} == {"c-1", "c-2"}
    assert pages.calls(phase="queued").rows == pages.calls(queue="x\x00").rows == []
    assert len(pages.calls(phase="ended", queue="sales@fsctl").rows) == 2
    cursor = pages.calls().next
    run(dsn, "update call set mos = 4.1 where uuid = 'c-1'")
    assert pages.calls(cursor).rows == []
    number(database)
    (row,) = pages.calls(cursor).rows
    assert (row["call_uuid"], row["mos"]) == ("c-1", pytest.approx(4.1))


def test_a_transcript_is_what_stands_in_order_of_speech(database: Database) -> None:
    fill(database)
    pages = Pages(database)
    said = pages.transcript("c-1")
    assert said is not None
    assert [(row["start_ms"], row["leg"], row["text"]) for row in said] == [
        (1000, "caller", "I want a refund."),
        (2000, "agent", "Which card did you use?"),
        # Of the second recording, which began three minutes after the first.
        (181000, "caller", "Goodbye."),
    ]
    assert pages.transcript("c-2") == []


def test_a_contact_has_the_names_that_it_has_now(database: Database) -> None:
    fill(database)
    found = Pages(database).contact(1)
    assert found is not None
    assert found["display_name"] == "Ann Example"
    assert found["aliases"] == [{"kind": "bsuid", "value": "US.1"}, {"kind": "wa_id", "value": "15550100142"}]


# --- who numbers waits for nobody


def test_numbering_does_not_wait_for_who_names_a_contact_or_thread(database: Database, dsn: str) -> None:
    """A row that refers to another holds it; numbers are no keys, so that does not matter."""
    thread = make_thread(dsn)
    with psycopg.connect(dsn) as other:
        other.execute(
            "insert into call (uuid, node, channel, phase, offered_at, contact_id, thread_id) "
            "values ('c-1', 'fs1', 'whatsapp', 'offered', now(), 1, %s)", (thread,),
        )  # fmt: skip
        with gevent.Timeout(5):
            number(database)
        assert [row["thread_id"] for row in Pages(database).threads().rows] == [thread]
        found = Pages(database).contact(1)
        assert found is not None
        assert found["change_seq"] is not None


# --- polling


class Poller(Reader):
    """Copies the house by pages, as a CRM does."""

    LIMIT = 7

    def __init__(self, database: Database) -> None:
        super().__init__(database.dsn)
        self.pages = Pages(database)
        self.calls_cursor = 0
        self.calls: dict[str, tuple[str, str]] = {}
        self.numbers: list[int] = []

    def poll(self) -> None:
        page = self.pages.events(self.events[-1][0] if self.events else 0, self.LIMIT)
        self.events += [(row["seq"], row["event_id"]) for row in page.rows]
        page = self.pages.changes(self.cursor, self.LIMIT)
        self.numbers += [row["change_seq"] for row in page.rows]
        for row in page.rows:
            self.copy[row["ref"]] = (row["body"]["phase"], row["body"]["agent"] or "")
        self.cursor = page.next
        page = self.pages.calls(self.calls_cursor, self.LIMIT)
        for row in page.rows:
            self.calls[row["call_uuid"]] = (row["phase"], row["agent"] or "")
        self.calls_cursor = page.next

    def run(self, stop: Event) -> None:
        while not stop.is_set():
            self.poll()
            gevent.sleep(0.001)


def test_polling_while_sixteen_writers_commit_out_of_order_misses_nothing(dsn: str) -> None:
    assert WRITERS == 16
    make_thread(dsn)
    database = Database(dsn, process="polling", size=3)
    database.open()
    pollers = [Poller(database), Poller(database)]
    try:
        with at_work(dsn, [*pollers], 5.0):
            pass
        truth = {
            row["uuid"]: (row["phase"], row["agent"] or "")
            for row in run(dsn, "select uuid, phase, agent from call")
        }
        told = {row["id"] for row in run(dsn, "select id from event")}
        assert len(truth) > 30
        for one in pollers:
            assert done(dsn, one)
            while one.calls_cursor < one.cursor and one.pages.calls(one.calls_cursor, 1).rows:
                one.poll()
            assert one.copy == truth
            assert one.calls == truth
            ids = [id_ for _, id_ in one.events]
            assert set(ids) == told
            assert len(ids) == len(told)
            assert one.numbers == sorted(set(one.numbers))
    finally:
        database.close()


def test_what_has_no_number_yet_comes_with_the_next_page(database: Database, dsn: str) -> None:
    make_thread(dsn)
    number(database)
    pages = Pages(database)
    cursor = pages.events().next
    with psycopg.connect(dsn) as slow:
        slow.execute(
            "insert into message (thread_id, wamid, direction, sent_at) values (1, 'slow', 'inbound', now())"
        )
        run(
            dsn,
            "insert into message (thread_id, wamid, direction, sent_at) values (1, 'quick', 'inbound', now())",
        )
        number(database)
        first = pages.events(cursor)
        assert [row["data"]["wamid"] for row in first.rows] == ["quick"]
    assert pages.events(first.next).rows == []
    assert Sequence(database).number() > 0
    assert [row["data"]["wamid"] for row in pages.events(first.next).rows] == ["slow"]
