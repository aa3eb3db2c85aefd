"""Rows on a real Postgres: once is enough, twice changes nothing, at once is safe."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import gevent
import psycopg
import pytest

from fsctl.call import commands, events
from fsctl.call.events import Alias
from fsctl.call.state import Call, Disposition, Fault, Phase
from fsctl.errors import DatabaseDown, DatabaseError
from fsctl.store import migrate
from fsctl.store.calls import Calls
from fsctl.store.db import Database, Wakeup, queries
from fsctl.store.items import CallItem, MessageItem, read_thread
from fsctl.store.recordings import Cuts, NewUtterance, Recordings
from fsctl.store.steps import kind_of
from fsctl.store.threads import NewMessage, Threads
from fsctl.store.utterances import Utterances

T0 = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
CALL = Call(
    uuid="c-1",
    node="fs1",
    channel="whatsapp",
    phase=Phase.OFFERED,
    offered_at=T0,
    display_name="Ann \U0001f600",
    aliases=(Alias(kind="bsuid", value="US.1"), Alias(kind="wa_id", value="15550100142")),
    to_number="15550100900",
    request_params=(("a", ""), ("tgrp", "wacall"), ("trunk-context", "x=y")),
)


def save(calls: Calls, call: Call = CALL) -> None:
    calls.apply([commands.SaveCall(uuid=call.uuid, call=call)])


def ask(calls: Calls, *aliases: Alias) -> events.ContactFound:
    question = commands.FindContact(
        uuid="c-1", at=T0, node="fs1", aliases=aliases, display_name="Ann", to_number="15550100900"
    )
    return calls.answer(question)


def test_a_call_comes_back_as_it_was_saved(database: Database) -> None:
    calls = Calls(database)
    ended = replace(
        CALL, phase=Phase.ENDED, ended_at=T0 + timedelta(seconds=60), disposition=Disposition.ANSWERED,
        fault=Fault.NOBODY, mos=4.5, wacid="wacid.x", queue="q@x", payload_trusted=True, score=300,
        skill="billing", sticky_agent="agent1", expected_wait_s=90, answer_within_s=20, consent="given",
        refused="no-srtp", left_by="no-agents", loss_percent=0.5, jitter_ms=3.25, contact_id=None,
    )  # fmt: skip
    save(calls)
    assert calls.load("c-1") == CALL
    save(calls, ended)
    assert calls.load("c-1") == ended
    assert calls.load("nobody") is None


def test_open_calls_are_those_of_the_node_that_have_not_ended(database: Database) -> None:
    calls = Calls(database)
    for uuid, node, phase in (
        ("a", "fs1", Phase.TALKING),
        ("b", "fs2", Phase.QUEUED),
        ("c", "fs1", Phase.ENDED),
    ):
        save(
            calls,
            replace(CALL, uuid=uuid, node=node, phase=phase, ended_at=T0 if phase is Phase.ENDED else None),
        )
    assert [call.uuid for call in calls.open_calls("fs1")] == ["a"]


def test_the_same_fact_told_twice_stands_once(database: Database) -> None:
    calls = Calls(database)
    save(calls)
    fact = commands.AppendEvent(uuid="c-1", event=events.CallAnswered(uuid="c-1", at=T0))
    ringing = [
        commands.AppendEvent(uuid="c-1", event=events.AgentOffered(uuid="c-1", at=T0, queue="q", agent=agent))
        for agent in ("agent1", "agent2")
    ]
    calls.apply([fact, *ringing])
    calls.apply([fact, *ringing])
    with database.transaction("test") as transaction:
        told = transaction.rows("calls.story_since", event_cursor=0, segment_cursor=0)
    assert sorted(row["kind"] for row in told) == ["agent_offered", "agent_offered", "call_answered"]


def test_what_fails_in_the_middle_of_a_step_leaves_nothing(database: Database) -> None:
    calls = Calls(database)
    broken = commands.OpenBridge(uuid="not-a-call", at=T0, agent="a", agent_uuid="u")
    with pytest.raises(DatabaseError, match="saving call c-1"):
        calls.apply([commands.SaveCall(uuid="c-1", call=CALL), broken])
    assert calls.load("c-1") is None


def answered(calls: Calls) -> None:
    """A step that is one statement: the call, and the fact that changed it."""
    fact = events.CallAnswered(uuid="c-1", at=T0)
    calls.apply([commands.SaveCall(uuid="c-1", call=CALL), commands.AppendEvent(uuid="c-1", event=fact)])


def test_a_step_of_one_statement_is_whole_or_not_there(database: Database) -> None:
    calls = Calls(database)
    wrong = replace(CALL, phase=Phase.ENDED)
    fact = commands.AppendEvent(uuid="c-1", event=events.CallAnswered(uuid="c-1", at=T0))
    with pytest.raises(DatabaseError, match="saving call c-1: Postgres refused"):
        calls.apply([commands.SaveCall(uuid="c-1", call=wrong), fact])
    assert calls.load("c-1") is None
    answered(calls)
    answered(calls)
    assert calls.load("c-1") == CALL
    with database.transaction("test") as transaction:
        told = transaction.rows("calls.story_since", event_cursor=0, segment_cursor=0)
    assert [row["kind"] for row in told] == ["call_answered"]
    # The connection came back as it was: what follows is a transaction again.
    broken = commands.OpenBridge(uuid="not-a-call", at=T0, agent="a", agent_uuid="u")
    with pytest.raises(DatabaseError):
        calls.apply([commands.SaveCall(uuid="c-2", call=replace(CALL, uuid="c-2")), broken])
    assert calls.load("c-2") is None


def test_who_is_killed_while_storing_dies(database: Database) -> None:
    """An error in place of the end would be waited out, for ever."""
    calls = Calls(database)
    bridge = commands.OpenBridge(uuid="c-1", at=T0, agent="agent1", agent_uuid="u")

    def store() -> None:
        while True:
            calls.apply([commands.SaveCall(uuid="c-1", call=CALL), bridge])

    for number in range(40):
        storing = gevent.spawn(store)
        gevent.sleep(number / 4000)
        storing.kill(timeout=10)
        assert isinstance(storing.value, gevent.GreenletExit)


def test_a_connection_that_went_is_told_once_and_replaced(database: Database) -> None:
    calls = Calls(database)
    answered(calls)
    with psycopg.connect(database.dsn, autocommit=True) as other:
        other.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where datname = current_database() and pid <> pg_backend_pid()"
        )
    with pytest.raises(DatabaseDown, match="saving call c-1"):
        answered(calls)
    answered(calls)
    assert calls.load("c-1") == CALL


def test_any_alias_finds_the_contact_and_new_ones_are_added_to_it(database: Database) -> None:
    calls = Calls(database)
    phone, bsuid = Alias(kind="wa_id", value="15550100142"), Alias(kind="bsuid", value="US.1")
    first = ask(calls, phone)
    assert ask(calls, bsuid, phone).contact_id == first.contact_id
    assert ask(calls, bsuid) == replace(first, name="Ann")
    assert ask(calls, Alias(kind="wa_id", value="999999")).contact_id != first.contact_id


def test_two_calls_of_a_new_contact_at_once_make_one_contact(database: Database) -> None:
    calls = Calls(database)
    alias = Alias(kind="wa_id", value="15550100142")
    greenlets = [gevent.spawn(ask, calls, alias) for _ in range(6)]
    gevent.joinall(greenlets, raise_error=True)
    assert len({g.value.contact_id for g in greenlets}) == 1
    assert len({g.value.thread_id for g in greenlets}) == 1


def test_a_thread_holds_chat_call_and_turns_in_order(database: Database) -> None:
    calls, threads = Calls(database), Threads(database)
    alias = Alias(kind="wa_id", value="15550100142")
    messages = [
        NewMessage(wamid="w1", direction="inbound", body="Hi", sent_at=T0 - timedelta(minutes=2)),
        NewMessage(wamid="w2", direction="outbound", body="Bye", sent_at=T0 + timedelta(minutes=2)),
    ]
    thread_id = threads.add_messages([alias], "Ann", "en", "15550100900", messages)
    assert threads.add_messages([alias], "Ann", "en", "15550100900", messages) == thread_id
    found = ask(calls, alias)
    assert (found.thread_id, found.language) == (thread_id, "en")
    save(calls, replace(CALL, contact_id=found.contact_id, thread_id=thread_id))
    (thread,) = threads.find("+15550100142")
    items = read_thread(database, thread).items
    assert [type(item) for item in items] == [MessageItem, CallItem, MessageItem]
    assert [threads.find(who)[0].id for who in ("15550100142", "Ann", str(thread_id), "")] == [thread_id] * 4
    assert threads.find("nobody") == []


def with_utterances(database: Database, count: int) -> Utterances:
    """A call with a recording and so many utterances of 0.1 s, one a second."""
    save(Calls(database))
    Calls(database).apply([commands.OpenRecording(uuid="c-1", at=T0, node="fs1", path="/spool/c-1.wav")])
    recordings = Recordings(database, "fs1")
    (live,) = recordings.live()
    cuts = [
        NewUtterance(
            leg="caller", start_sample=i * 16000, end_sample=i * 16000 + 1600, rate=16000, pcm=bytes(3200)
        )
        for i in range(count)
    ]
    assert recordings.store([Cuts(live, cuts, {})]) == count
    assert recordings.store([Cuts(live, cuts, {})]) == 0
    return Utterances(database)


def test_what_is_no_speech_is_kept_with_its_reason_and_not_decoded(database: Database) -> None:
    utterances = with_utterances(database, 2)
    recordings = Recordings(database, "fs1")
    (live,) = recordings.live()
    spoken = NewUtterance(leg="agent", start_sample=0, end_sample=3, rate=16000, pcm=b"spoken")
    tone = NewUtterance(
        leg="agent", start_sample=9, end_sample=11, rate=16000, pcm=b"tone", no_speech="a telephone's tones"
    )
    assert (
        recordings.store([Cuts(live, [tone, spoken], {"agent:0": 11}), Cuts(live, [], {"caller:0": 7})]) == 1
    )
    with database.transaction("test") as transaction:
        rows = transaction._connection.execute(
            "select u.start_sample, u.state, u.error, a.pcm from utterance u"
            " left join utterance_audio a on a.utterance_id = u.id where u.leg = 'agent' order by 1"
        ).fetchall()
    assert [tuple(row.values()) for row in rows] == [
        (0, "pending", None, b"spoken"),
        (9, "done", "a telephone's tones", None),
    ]
    assert recordings.live()[0].seams == {"agent:0": 11, "caller:0": 7}
    assert utterances.progress("c-1").done == 1


def test_new_audio_wakes_who_waits(database: Database) -> None:
    wakeup = Wakeup(database.dsn, ["fsctl_utterance"])
    assert wakeup.wait(0.1)
    assert not wakeup.wait(0.1)
    waiting = gevent.spawn(wakeup.wait, 10)
    gevent.sleep(0.05)
    with_utterances(database, 1)
    assert waiting.get(timeout=2)
    wakeup.close()


def test_every_query_is_one_that_postgres_understands(database: Database) -> None:
    import re

    for name, sql in queries().items():
        plain = re.sub(r"%\(\w+\)s", "null", re.sub(r"--.*", "", sql))
        with database.transaction(name) as transaction:
            transaction._connection.execute(f"explain {plain.strip().removesuffix(';')}".encode())


def test_migrations_are_applied_once(dsn: str) -> None:
    assert migrate.migrate(dsn) == []
    assert migrate.pending(dsn) == []
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("insert into migration (name) values ('9999_from_the_future.sql')")
    with pytest.raises(DatabaseError, match="9999_from_the_future"):
        migrate.migrate(dsn)


def test_a_server_that_is_away_is_told_apart_from_one_that_refuses(
    database: Database, tmp_path: object
) -> None:
    away = Database(f"host={tmp_path} dbname=x user=y", process="test", size=1)
    away._pool.timeout = 0.5  # type: ignore[union-attr]
    away.open()
    with pytest.raises(DatabaseDown, match="loading call x"):
        Calls(away).load("x")
    away.close()
    with pytest.raises(DatabaseError) as caught, database.transaction("trying nonsense") as transaction:
        transaction.run("threads.thread_by_id", id="no number")
    assert not isinstance(caught.value, DatabaseDown)


def test_every_kind_of_event_has_a_name_of_its_own() -> None:
    assert len({kind_of(event) for event in events.EVENTS}) == len(events.EVENTS)
