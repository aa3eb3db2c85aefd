"""Numbers given after the commit: who reads on by cursor misses nothing, whoever commits in whatever order."""

import os
import random
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import gevent
import jsonschema
import psycopg
import pytest
from gevent.event import Event

from fsctl.call import commands, events
from fsctl.call.events import Alias
from fsctl.call.state import Call, Disposition, Fault, Phase
from fsctl.crm import events as crm_events
from fsctl.crm.sequencer import Sequencer
from fsctl.errors import DatabaseError
from fsctl.store import contacts, migrate, touches
from fsctl.store.calls import Calls
from fsctl.store.db import Database
from fsctl.store.embedded import Embedded
from fsctl.store.events import Event as StoredEvent
from fsctl.store.events import Events
from fsctl.store.sequence import LOCK, Sequence

T0 = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
NUMBER = "15550100900"
CALL = Call(
    uuid="c-1", node="fs1", channel="whatsapp", phase=Phase.OFFERED, offered_at=T0, to_number=NUMBER,
    aliases=(Alias(kind="wa_id", value="15550100142"),),
)  # fmt: skip
WRITERS = 16


def run(dsn: str, sql: str, *params: object) -> list[dict[str, Any]]:
    with psycopg.connect(dsn, autocommit=True, row_factory=psycopg.rows.dict_row) as connection:
        cursor = connection.execute(sql.encode(), params)
        return cursor.fetchall() if cursor.description else []


def make_thread(dsn: str, name: str = "Ann") -> int:
    (row,) = run(
        dsn,
        "with c as (insert into contact (display_name) values (%s) returning id) "
        "insert into thread (contact_id, business_number) select id, %s from c returning id",
        name, NUMBER,
    )  # fmt: skip
    return int(row["id"])


def write(dsn: str, thread: int, wamid: str, direction: str = "inbound") -> None:
    run(
        dsn,
        "insert into message (thread_id, wamid, direction, body, sent_at) values (%s, %s, %s, 'hello', %s)",
        thread, wamid, direction, T0,
    )  # fmt: skip


def told(dsn: str) -> list[str]:
    """Types in order; each of them is as its schema says."""
    rows = run(dsn, "select place as seq, id, type, thread_id, call_uuid, at, data from event order by place")
    for row in rows:
        jsonschema.validate(crm_events.payload(StoredEvent(**row)), crm_events.schema())
    return [row["type"] for row in rows]


def drain(sequence: Sequence) -> None:
    while sequence.number():
        pass


# --- what is written in the transaction of the fact


def save(calls: Calls, call: Call) -> None:
    calls.apply([commands.SaveCall(uuid=call.uuid, call=call)])


def test_a_call_tells_of_itself_once_in_order(database: Database, dsn: str) -> None:
    calls, thread = Calls(database), make_thread(dsn)
    known = replace(CALL, thread_id=thread, contact_id=1, queue="sales@fsctl")
    talking = replace(known, phase=Phase.TALKING, bridged_at=T0 + timedelta(seconds=9), agent="ann")
    ended = replace(
        talking, phase=Phase.ENDED, ended_at=T0 + timedelta(seconds=60), hangup_cause="NORMAL_CLEARING",
        disposition=Disposition.ANSWERED, fault=Fault.NOBODY,
    )  # fmt: skip
    offered = events.AgentOffered(uuid="c-1", at=T0, queue="sales@fsctl", agent="ann")
    for one in (CALL, known, known):
        save(calls, one)
    for _ in range(2):
        calls.apply([commands.AppendEvent(uuid="c-1", event=offered)])
    for one in (talking, replace(talking, mos=4.0), ended, replace(ended, mos=3.0)):
        save(calls, one)
    assert told(dsn) == ["chat.started", "call.offered", "call.ringing", "call.connected", "call.ended"]
    (end,) = run(dsn, "select * from event where type = 'call.ended'")
    assert (end["thread_id"], end["call_uuid"], end["at"]) == (thread, "c-1", ended.ended_at)
    assert end["data"]["disposition"] == "answered"
    assert run(dsn, "select thread_id, kind, ref from item") == [
        {"thread_id": thread, "kind": "call", "ref": "c-1"}
    ]


def test_a_missed_call_is_told_and_a_verdict_that_changes_is_told_again(database: Database, dsn: str) -> None:
    calls = Calls(database)
    thread = make_thread(dsn)
    missed = replace(
        CALL, thread_id=thread, contact_id=1, phase=Phase.ENDED, ended_at=T0, disposition=Disposition.FAILED,
        fault=Fault.NETWORK,
    )  # fmt: skip
    save(calls, missed)
    late = replace(missed, disposition=Disposition.ABANDONED, fault=Fault.CALLER)
    save(calls, late)
    save(calls, late)
    found = run(
        dsn, "select type, data ->> 'disposition' as how from event where call_uuid = 'c-1' order by place"
    )
    assert [(row["type"], row["how"]) for row in found] == [
        ("call.offered", None), ("call.ended", "failed"), ("call.missed", "failed"), ("call.ended", "abandoned"),
    ]  # fmt: skip


def test_what_is_rolled_back_was_never_told(database: Database, dsn: str) -> None:
    thread = make_thread(dsn)
    before = told(dsn)
    with psycopg.connect(dsn) as connection:
        connection.execute(
            "insert into message (thread_id, wamid, direction, sent_at) values (%s, 'w', 'inbound', now())",
            (thread,),
        )
        connection.rollback()
    sequence = Sequence(database)
    drain(sequence)
    assert told(dsn) == before
    assert sequence.changed(0, 100) == []


@pytest.mark.parametrize("kind", ["recording_ready", "recording_failed", "transcript_ready"])
def test_the_storys_lines_about_recordings_are_events(database: Database, dsn: str, kind: str) -> None:
    save(Calls(database), CALL)
    run(
        dsn,
        "insert into call_event (call_uuid, at, kind, key) values ('c-1', %s, %s, '/spool/a.wav')",
        T0,
        kind,
    )
    run(dsn, "insert into call_event (call_uuid, at, kind, key) values ('c-1', %s, 'dtmf', '')", T0)
    assert told(dsn) == [kind.replace("_", ".")]
    assert "/spool" not in str(run(dsn, "select data from event"))


def test_touches_outcomes_and_segments(database: Database, dsn: str) -> None:
    thread = make_thread(dsn)
    save(Calls(database), replace(CALL, thread_id=thread, contact_id=1))
    with database.transaction("test") as transaction:
        for _ in range(2):
            touches.record(
                transaction,
                touches.Touch(key="k", thread_id=thread, at=T0, source="ad", trusted=True, source_id="12"),
            )
    run(dsn, "insert into outcome (call_uuid, at, kind, who) values ('c-1', %s, 'sold', 'ann')", T0)
    segment(dsn, 1)
    assert told(dsn) == ["chat.started", "call.offered", "touch.recorded", "outcome.set"]
    run(
        dsn,
        "insert into endpoint (url, types, secret, cursor_seq, made_by) "
        "values ('x', '{transcript.segment}', '', 0, '')",
    )
    segment(dsn, 2)
    assert told(dsn)[-1] == "transcript.segment"
    standing = {row["kind"]: row["thread_id"] for row in run(dsn, "select kind, thread_id from item")}
    assert standing == {"call": thread, "touch": thread, "outcome": thread}


def segment(dsn: str, number: int) -> None:
    run(
        dsn,
        "with r as (insert into recording (call_uuid, node, path, started_at) "
        "           values ('c-1', 'fs1', %s, now()) returning id), "
        "u as (insert into utterance (recording_id, call_uuid, leg, start_sample, end_sample, rate) "
        "      select id, 'c-1', 'caller', 0, 9, 8000 from r returning id) "
        "insert into segment (utterance_id, call_uuid, leg, start_ms, end_ms, text, model) "
        "select id, 'c-1', 'caller', 0, 1, 'hello', 'm' from u",
        f"/spool/{number}.wav",
    )  # fmt: skip


def test_what_is_told_of_a_message_afterwards_is_a_change_of_it(database: Database, dsn: str) -> None:
    thread, sequence = make_thread(dsn), Sequence(database)
    write(dsn, thread, "w", "outbound")
    drain(sequence)
    (item,) = sequence.changed(0, 10)
    for sql in (
        "insert into message_status (wamid, status, rank, at) values ('w', 'read', 3, now())",
        "update message_status set at = now() where wamid = 'w'",
        "insert into reaction (wamid, target, direction, emoji, at) values ('x', 'w', 'inbound', 'a', now())",
        "update message set body = '', deleted_at = now() where wamid = 'w'",
    ):
        run(dsn, sql)
        drain(sequence)
        (later,) = sequence.changed(item.change_seq, 10)
        assert (later.id, later.ref) == (item.id, item.ref)
        item = later


def test_segments_and_contacts_are_numbered_again_when_they_change(database: Database, dsn: str) -> None:
    make_thread(dsn)
    save(Calls(database), CALL)
    segment(dsn, 1)
    segment(dsn, 2)
    sequence, last = Sequence(database), 0
    for sql in (
        "select 1",
        "update segment set superseded_by = 2 where id = 1",
        "update contact set display_name = 'Bob'",
        "insert into alias (kind, value, contact_id) select 'wa_id', '1', id from contact",
        "delete from alias",
    ):
        run(dsn, sql)
        drain(sequence)
        (row,) = run(
            dsn, "select (select max(change_seq) from segment) s, (select max(change_seq) from contact) c"
        )
        assert max(row.values()) > last
        last = max(row.values())
        assert sequence.waiting() == (0, 0)
    assert sequence.head() == last


def test_a_merge_takes_items_and_events_along(database: Database, dsn: str) -> None:
    with database.transaction("test") as transaction:
        ann, bob = (
            contacts.find(
                transaction, contacts.Who(aliases=(Alias(kind="wa_id", value=name),), at=T0), NUMBER
            )
            for name in ("15550100142", "15550100143")
        )
    write(dsn, ann.thread_id, "a")
    write(dsn, bob.thread_id, "b")
    save(Calls(database), replace(CALL, thread_id=bob.thread_id, contact_id=bob.contact_id))
    run(dsn, "insert into outcome (call_uuid, at, kind, who) values ('c-1', %s, 'sold', 'ann')", T0)
    sequence = Sequence(database)
    drain(sequence)
    head = sequence.head()
    with database.transaction("test") as transaction:
        contacts.merge(transaction, ann.contact_id, bob.contact_id, "me")
    drain(sequence)
    assert {row["thread_id"] for row in run(dsn, "select thread_id from item")} == {ann.thread_id}
    assert {(one.kind, one.thread_id) for one in sequence.changed(head, 10)} == {
        (kind, ann.thread_id) for kind in ("message", "call", "outcome")
    }


def test_the_id_of_an_event_is_derived_in_python_as_in_postgres(dsn: str) -> None:
    write(dsn, make_thread(dsn), "wamid.\u00e4")
    found = {row["id"] for row in run(dsn, "select id from event")}
    assert crm_events.event_id("message.received", "wamid.\u00e4") in found


def test_events_are_read_on_from_a_number(database: Database, dsn: str) -> None:
    before = datetime.now(UTC) - timedelta(hours=1)
    thread, events_ = make_thread(dsn), Events(database)
    for number in range(5):
        write(dsn, thread, f"w{number}")
    assert events_.after(0, 10) == []
    drain(Sequence(database))
    first, *others = events_.after(0, 10)
    assert events_.after(first.seq, 10) == others
    assert [one.type for one in events_.after(0, 2, ["message.received"])] == ["message.received"] * 2
    assert events_.one(first.id) == first
    assert events_.one("evt_x") is None
    assert (events_.before(before), events_.before(datetime.now(UTC)), events_.head()) == (
        first.seq - 1, others[-1].seq, others[-1].seq,
    )  # fmt: skip


# --- numbering


def test_only_one_numbers_at_a_time(database: Database, dsn: str) -> None:
    make_thread(dsn)
    with psycopg.connect(dsn) as other:
        other.execute("select pg_advisory_xact_lock(%s)", (LOCK,))
        assert Sequence(database).number() == 0
    assert Sequence(database).number() > 0


def test_a_row_that_somebody_writes_is_numbered_afterwards(database: Database, dsn: str) -> None:
    """The reader saw the old row under the first number; the change is never without one of its own."""
    save(Calls(database), CALL)
    sequence = Sequence(database)
    with psycopg.connect(dsn) as other:
        other.execute("update call set agent = 'ann' where uuid = 'c-1'")
        drain(sequence)
        (first,) = sequence.changed(0, 10)
    drain(sequence)
    (second,) = sequence.changed(first.change_seq, 10)
    assert second.ref == "c-1"
    with psycopg.connect(dsn) as other:
        other.execute("select from item for update")
        run(dsn, "update call set agent = 'bob' where uuid = 'c-1'")
        assert sequence.number() == 0
    assert sequence.number() == 1


class Reader:
    """Copies the house by cursors, as a CRM does."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self.events: list[tuple[int, str]] = []
        self.copy: dict[str, tuple[str, str]] = {}
        self.cursor = 0

    def read(self, connection: "psycopg.Connection[Any]") -> None:
        last = self.events[-1][0] if self.events else 0
        for row in connection.execute(
            "select seq, id from event where seq > %s order by seq limit 7", (last,)
        ).fetchall():
            assert row[0] > last
            self.events.append((row[0], row[1]))
        for seq, ref, phase, agent in connection.execute(
            "select i.change_seq, i.ref, c.phase, coalesce(c.agent, '') from item i join call c on c.uuid = i.ref "
            "where i.change_seq > %s order by i.change_seq limit 7", (self.cursor,),
        ).fetchall():  # fmt: skip
            assert seq > self.cursor
            self.cursor = seq
            self.copy[ref] = (phase, agent)

    def run(self, stop: Event) -> None:
        while not stop.is_set():
            try:
                with psycopg.connect(self.dsn, autocommit=True) as connection:
                    while not stop.is_set():
                        self.read(connection)
                        gevent.sleep(0.001)
            except psycopg.OperationalError:
                gevent.sleep(0.01)


def writer(dsn: str, number: int, ends: float) -> None:
    """Facts about calls of its own and of everybody, committed late, early or not at all, in any order."""
    dice = random.Random(number)
    while gevent.get_hub().loop.now() < ends:
        uuid = f"c-{dice.randrange(40)}"
        try:
            with psycopg.connect(dsn, autocommit=True) as connection:
                for _ in range(20):
                    gevent.sleep(dice.random() * 0.004)
                    with connection.transaction() as within:
                        connection.execute(
                            "insert into call (uuid, node, channel, phase, offered_at, thread_id) "
                            "values (%s, 'fs1', 'whatsapp', 'offered', now(), 1) on conflict (uuid) do update "
                            "set phase = %s, agent = %s, bridged_at = now()",
                            (uuid, dice.choice(["queued", "ringing", "talking"]), f"a{dice.random()}"),
                        )  # fmt: skip
                        gevent.sleep(dice.choice([0, 0, 0.002, 0.02]))
                        if dice.random() < 0.2:
                            raise psycopg.Rollback(within)
                        uuid = f"c-{dice.randrange(40)}-{dice.randrange(9)}"
        except (psycopg.OperationalError, psycopg.Rollback):
            gevent.sleep(0.02)


@contextmanager
def at_work(dsn: str, readers: list[Reader], for_s: float) -> Iterator[list[Sequencer]]:
    """Sixteen writers, two sequencers, and who reads; at the end all is read."""
    opened = [Database(dsn, process=f"sequencer {n}", size=2) for n in range(2)]
    for one in opened:
        one.open()
    sequencers = [Sequencer(Sequence(one)) for one in opened]
    stop = Event()
    ends = gevent.get_hub().loop.now() + for_s
    writers = [gevent.spawn(writer, dsn, number, ends) for number in range(WRITERS)]
    others = [gevent.spawn(one.run) for one in sequencers] + [gevent.spawn(one.run, stop) for one in readers]
    try:
        yield sequencers
        gevent.joinall(writers, raise_error=True)
        until = gevent.get_hub().loop.now() + 20
        while not all(done(dsn, one) for one in readers) and gevent.get_hub().loop.now() < until:
            gevent.sleep(0.05)
            assert not any(one.ready() for one in others), [one.exception for one in others]
    finally:
        stop.set()
        gevent.killall([*writers, *others])
        for database in opened:
            database.close()


def done(dsn: str, reader: Reader) -> bool:
    """Everything is numbered, and what is numbered is read."""
    (row,) = run(
        dsn,
        "select (select count(*) from change) + (select count(*) from event where seq is null) as waiting, "
        "(select max(change_seq) from item) as changed, (select max(seq) from event) as told",
    )
    return row["waiting"] == 0 and (reader.cursor, reader.events[-1][0]) == (row["changed"], row["told"])


def check(dsn: str, reader: Reader) -> None:
    ids = [one for _, one in reader.events]
    assert len(ids) == len(set(ids))
    assert set(ids) == {row["id"] for row in run(dsn, "select id from event")}
    truth = {
        row["uuid"]: (row["phase"], row["agent"] or "")
        for row in run(dsn, "select uuid, phase, agent from call")
    }
    assert reader.copy == truth
    assert len(truth) > 30


def test_sixteen_writers_commit_out_of_order_and_readers_miss_nothing(dsn: str) -> None:
    make_thread(dsn)
    readers = [Reader(dsn), Reader(dsn)]
    with at_work(dsn, readers, 5.0):
        pass
    for one in readers:
        check(dsn, one)


def test_postgres_is_restarted_in_between(open_folder: Path) -> None:
    server = Embedded(open_folder / "pg")
    server.start()
    try:
        migrate.migrate(server.dsn)
        make_thread(server.dsn)
        reader = Reader(server.dsn)
        with at_work(server.dsn, [reader], 6.0):
            gevent.sleep(1.5)
            server.stop()
            server.start()
            gevent.sleep(1.5)
            # And once without a word: what was committed is there, numbers included.
            pid = server.pid()
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            gevent.sleep(0.3)
            server.start()
        check(server.dsn, reader)
    finally:
        server.stop()


def test_a_sequencer_waits_for_a_postgres_that_is_away(tmp_path: Path) -> None:
    away = Database(f"host={tmp_path} dbname=x user=y", process="test", size=1)
    away._pool.timeout = 0.2  # type: ignore[union-attr]
    away.open()
    try:
        one = Sequencer(Sequence(away))
        with pytest.raises(DatabaseError):
            one.tick()
        running = gevent.spawn(one.run)
        gevent.sleep(0.6)
        assert not running.ready()
        running.kill()
    finally:
        away.close()
