"""/healthz, /readyz and /metrics over real HTTP, on a real Postgres: there, away, silent."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import gevent
import psycopg
import pytest
import urllib3
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families

from fsctl.config_chat import Web
from fsctl.console.counts import Counts
from fsctl.store import migrate
from fsctl.store.db import Database, queries
from fsctl.store.embedded import Embedded
from fsctl.store.operations import MOS_BOUNDS, WAIT_BOUNDS_S, Operations
from fsctl.store.sequence import Sequence
from fsctl.web import metrics
from fsctl.web.metrics import Counted
from fsctl.web.operations import OperationsPages
from fsctl.web.server import Server
from fsctl.whatsapp.journal import Journal
from tests.integration.test_sequence import drain, run

NODES = ("fs1",)
STATUS = {
    "lag_ms": 12.0, "waiting": 1, "in_flight": 2, "gaps": 3, "resyncs": 4, "restarts": 1, "repaired": 5, "shed": 6,
    "repairs": {"phone-gone": 7}, "left": ["an agent"], "error": None,
}  # fmt: skip
CALL = "insert into call (uuid, node, channel, phase, offered_at) values (%s, 'fs1', 'whatsapp', '{}', now())"
Key = tuple[str, tuple[tuple[str, str], ...]]


class Pages:
    """The three, as served."""

    def __init__(
        self, database: Database, folder: Path, networks: tuple[str, ...] = Web().operations
    ) -> None:
        self.journal = Journal(folder)
        self.console = Counts()
        counted = Counted(self.journal, lambda: self.server.counts, lambda: self.console)
        self.pages = OperationsPages(database, networks, NODES, counted)
        self.server = Server("127.0.0.1:0", self.pages.routes)
        self.server.start()
        self.http = urllib3.PoolManager(retries=False)

    def get(self, path: str, **headers: str) -> urllib3.BaseHTTPResponse:
        host, port = self.server.address
        return self.http.request("GET", f"http://{host}:{port}{path}", headers=headers, timeout=10)

    def numbers(self) -> dict[Key, float]:
        """Every sample of /metrics."""
        answer = self.get("/metrics")
        assert answer.status == 200
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(answer.data.decode())
            for sample in family.samples
        }

    def number(self, name: str, **labels: str) -> float | None:
        return self.numbers().get((name, tuple(sorted(labels.items()))))

    def missing(self) -> str:
        """What /readyz says is missing."""
        answer = self.get("/readyz")
        if answer.status == 200:
            return ""
        assert (answer.status, answer.headers["Content-Type"]) == (503, "application/problem+json")
        return str(json.loads(answer.data)["detail"])

    def stop(self) -> None:
        self.server.stop()
        self.pages.close()
        self.journal.close()


@contextmanager
def served(database: Database, folder: Path, **how: Any) -> Iterator[Pages]:
    found = Pages(database, folder, **how)
    try:
        yield found
    finally:
        found.stop()


@pytest.fixture
def pages(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pages]:
    """Reads anew for each who asks: how often it may is tested by itself."""
    monkeypatch.setattr(metrics, "EVERY_S", 0.0)
    monkeypatch.setattr("fsctl.web.health.EVERY_S", 0.0)
    with served(database, tmp_path / "journal") as found:
        yield found


def report(dsn: str, state: str = "ready", age_s: float = 0, controller: str = "a:1", **status: Any) -> None:
    run(
        dsn,
        "insert into link (node, controller, state, since, status, updated_at)"
        " values ('fs1', %s, %s, now(), %s, now() - make_interval(secs => %s))"
        " on conflict (node, controller) do update set state = excluded.state, updated_at = excluded.updated_at,"
        " status = excluded.status",
        controller, state, json.dumps(STATUS | status), age_s,
    )  # fmt: skip


def end_call(
    dsn: str, uuid: str, disposition: str, waited_s: float | None = None, mos: float | None = None
) -> None:
    """A call that begins and ends; it was answered after so long, or left its queue."""
    run(
        dsn,
        CALL.format("offered"),
        uuid,
    )
    run(
        dsn,
        "update call set phase = 'ended', ended_at = now(), disposition = %s, queue = 'q@x',"
        " queued_at = now() - interval '1 hour', mos = %s,"
        " bridged_at = now() - interval '1 hour' + make_interval(secs => %s) where uuid = %s",
        disposition, mos, waited_s, uuid,
    )  # fmt: skip


def number_all(database: Database) -> None:
    drain(Sequence(database))


def wait_for(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    with gevent.Timeout(seconds):
        while not condition():
            gevent.sleep(0.05)


# --- /healthz and /readyz


def test_ready_is_when_every_node_has_a_controller_that_is_synced(pages: Pages, dsn: str) -> None:
    assert pages.missing() == "node fs1: no controller serves it"
    report(dsn, "standby", controller="b:2")
    assert pages.missing() == "node fs1: no controller serves it"
    report(dsn, "resyncing", error="connection lost")
    assert pages.missing() == "node fs1: its link is resyncing: connection lost"
    report(dsn, "ready")
    assert pages.missing() == ""
    report(dsn, "ready", age_s=16)
    assert pages.missing() == "node fs1: no controller serves it"


def test_ready_is_when_the_schema_is_ours(pages: Pages, dsn: str) -> None:
    report(dsn)
    run(dsn, "delete from migration where name = '0014_attribution.sql'")
    assert pages.missing() == "migrations are to be applied: 0014_attribution.sql (run `fsctl init-db`)"
    run(dsn, "drop table migration")
    assert "migration" in pages.missing()
    assert pages.get("/healthz").status == 200


def test_postgres_that_goes_away_and_comes_back(open_folder: Path, tmp_path: Path) -> None:
    server = Embedded(open_folder / "pg")
    server.start()
    try:
        migrate.migrate(server.dsn)
        database = Database(server.dsn, process="test")
        database.open()
        with served(database, tmp_path / "journal") as pages:
            report(server.dsn)
            assert pages.missing() == ""
            assert pages.number("fsctl_database_up") == 1
            server.stop()
            wait_for(lambda: "Postgres" in pages.missing())
            wait_for(lambda: pages.number("fsctl_database_up") == 0, 30)
            assert {pages.number("fsctl_database_up") for _ in range(4)} == {0}, "not now and then"
            found = pages.numbers()
            assert found[("journal_full", ())] == 0
            assert ("outbox_depth", ()) not in found
            assert pages.get("/healthz").data == b"alive\n"
            server.start()
            report(server.dsn)
            wait_for(lambda: pages.missing() == "", 30)
            wait_for(lambda: pages.number("fsctl_database_up") == 1, 30)
        database.close()
    finally:
        server.stop()


def test_a_postgres_that_is_silent_is_not_waited_for(tmp_path: Path) -> None:
    with gevent.socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        host, port = silent.getsockname()
        database = Database(f"host={host} port={port} user=x dbname=x", process="test")
        database.open()
        with served(database, tmp_path / "journal") as pages:
            began = time.monotonic()
            asked = [
                gevent.spawn(pages.missing),
                *(gevent.spawn(pages.number, "fsctl_database_up") for _ in range(9)),
            ]
            gevent.joinall(asked, raise_error=True)
            assert time.monotonic() - began < 4
            assert "Postgres has not answered for 2 s" in asked[0].value
            assert {one.value for one in asked[1:]} == {0}
            assert pages.get("/healthz").status == 200
        database.close()


def test_while_one_read_takes_long_the_last_one_counts(pages: Pages, dsn: str) -> None:
    assert pages.number("inbox_waiting") == 0
    with psycopg.connect(dsn) as other:
        other.execute("lock table inbox in access exclusive mode")
        assert pages.number("inbox_waiting") == 0
        assert pages.missing() == "node fs1: no controller serves it"


# --- who may ask


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_who_is_of_no_such_network_is_refused(database: Database, tmp_path: Path, path: str) -> None:
    with served(database, tmp_path / "a") as pages:
        assert pages.get(path).status != 403
        assert pages.get(path, **{"X-Forwarded-For": "127.0.0.1"}).status == 403
        assert pages.get(path, Forwarded="for=127.0.0.1").status == 403
    with served(database, tmp_path / "b", networks=("10.0.0.0/8",)) as pages:
        refused = pages.get(path)
        assert (refused.status, refused.headers["Content-Type"]) == (403, "application/problem+json")
    with served(database, tmp_path / "c", networks=()) as pages:
        assert pages.get(path).status == 403


# --- /metrics


def fill(dsn: str) -> None:
    """A house in which everything has happened once at least."""
    report(dsn)
    run(
        dsn,
        "insert into queue (node, name, waiting, longest_since, agents_staffed, agents_ready)"
        " values ('fs1', 'q@x', 3, now() - interval '50 seconds', 4, 2)",
    )
    run(dsn, "insert into queue values ('fs1', 'old@x', 9, null, 1, 1, now() - interval '1 hour')")
    run(
        dsn,
        "insert into alarm (node, kind, subject, detail) values ('fs1', 'disk', 'a', ''), ('fs1', 'disk', 'b', '')",
    )
    run(
        dsn,
        "insert into inbox (digest, body, received_at, state) values (sha256('a'), 'a', now(), 'waiting')",
    )
    run(
        dsn, "insert into inbox (digest, body, received_at, state) values (sha256('b'), 'b', now(), 'failed')"
    )
    run(
        dsn,
        "insert into outbox (key, kind, payload, not_before, expires_at) values"
        " ('due', 'message', '{}', now() - interval '40 seconds', now() + interval '1 hour'),"
        " ('later', 'message', '{}', now() + interval '1 hour', now() + interval '2 hours')",
    )
    end_call(dsn, "c-1", "answered", waited_s=12, mos=4.2)
    end_call(dsn, "c-2", "abandoned", mos=1.5)
    run(dsn, CALL.format("queued"), "c-3")
    run(
        dsn,
        "insert into recording (call_uuid, node, path, started_at, state)"
        " values ('c-3', 'fs1', '/s/3', now(), 'growing')",
    )
    run(
        dsn,
        "insert into recording (call_uuid, node, path, started_at, state, archived_at, findings)"
        " values ('c-1', 'fs1', '/s/1', now(), 'archived', now() - interval '11 seconds', %s)",
        json.dumps([
            {"code": "length", "severity": "fault", "text": ""},
            {"code": "silent", "severity": "fault", "text": ""},
            {"code": "drift", "severity": "note", "text": ""},
        ]),
    )  # fmt: skip
    run(
        dsn,
        "insert into call_event (call_uuid, at, kind, key) values ('c-1', now(), 'recording_failed', '/s/1')",
    )
    run(
        dsn,
        "insert into utterance"
        " (recording_id, call_uuid, leg, start_sample, end_sample, rate, state, shed_at, created_at)"
        " select id, call_uuid, 'caller', place, place + 1, 8000, u.state, shed_at, now() - interval '30 seconds'"
        " from recording cross join (values (1, 'pending', null), (2, 'shed', now() - interval '11 seconds'))"
        " as u (place, state, shed_at) where call_uuid = 'c-3'",
    )
    run(
        dsn,
        "insert into segment"
        " (utterance_id, call_uuid, leg, start_ms, end_ms, text, model, suppressed_by, created_at)"
        " select id, call_uuid, 'caller', 0, 1, '', 'm', 'silence', now() - interval '11 seconds' from utterance",
    )


def rewind(dsn: str) -> None:
    """Counting began before what ``fill`` says happened."""
    run(dsn, "update tallied set until = now() - interval '1 day'")


@pytest.fixture
def filled(dsn: str, database: Database) -> None:
    rewind(dsn)
    fill(dsn)
    number_all(database)


EXPECTED: dict[tuple[str, str], float] = {
    ("fsctl_database_up", ""): 1,
    ("esl_link_state", "fs1"): 1,
    ("esl_event_lag_seconds", "fs1"): 0.012,
    ("esl_facts_waiting", "fs1"): 1,
    ("esl_commands_in_flight", "fs1"): 2,
    ("esl_event_gap_total", "fs1"): 3,
    ("esl_calls_repaired_total", "fs1"): 5,
    ("esl_facts_shed_total", "fs1"): 6,
    ("callcenter_reconcile_repairs_total", "phone-gone fs1"): 7,
    ("callcenter_reconcile_left", "fs1"): 1,
    ("queue_waiting", "fs1 q@x"): 3,
    ("queue_agents_staffed", "fs1 q@x"): 4,
    ("queue_agents_ready", "fs1 q@x"): 2,
    ("calls_open", "queued"): 1,
    ("calls_ended_total", "answered"): 1,
    ("calls_ended_total", "abandoned"): 1,
    ("calls_ended_total", "failed"): 0,
    ("queue_left_total", "q@x"): 1,
    ("queue_wait_seconds_bucket", "10.0 q@x"): 0,
    ("queue_wait_seconds_bucket", "20.0 q@x"): 1,
    ("queue_wait_seconds_bucket", "+Inf q@x"): 1,
    ("queue_wait_seconds_sum", "q@x"): 12,
    ("wa_leg_mos_bucket", "2.0"): 1,
    ("wa_leg_mos_bucket", "4.0"): 1,
    ("wa_leg_mos_bucket", "4.3"): 2,
    ("wa_leg_mos_count", ""): 2,
    ("recordings", "growing"): 1,
    ("recordings_failed_total", ""): 1,
    ("recording_faults_total", "length"): 1,
    ("recording_faults_total", "silent"): 1,
    ("recording_bytes_vs_duration_mismatch_total", ""): 1,
    ("stt_depth", ""): 1,
    ("stt_put_off", ""): 1,
    ("stt_shed_total", ""): 1,
    ("stt_suppressed_segments_total", "silence"): 2,
    ("outbox_depth", ""): 2,
    ("outbox_failed_total", ""): 0,
    ("inbox_waiting", ""): 1,
    ("inbox_failed", ""): 1,
    ("alarms_up", "disk"): 2,
    ("crm_events_unnumbered", ""): 0,
}


@pytest.mark.usefixtures("filled")
def test_the_numbers_are_those_of_the_house(pages: Pages) -> None:
    found = {
        (name, " ".join(value for _, value in labels)): value
        for (name, labels), value in pages.numbers().items()
    }
    assert {key: found.get(key) for key in EXPECTED} == pytest.approx(EXPECTED, rel=1e-4)
    assert found["queue_longest_wait_seconds", "fs1 q@x"] == pytest.approx(50, abs=15)
    assert found["outbox_oldest_age_seconds", ""] == pytest.approx(40, abs=15)
    assert found["stt_lag_seconds", ""] == pytest.approx(30, abs=15)
    assert ("queue_waiting", "fs1 old@x") not in found, "read an hour ago"
    assert ("recording_faults_total", "drift") not in found, "a note is no fault"


@pytest.mark.usefixtures("filled")
def test_what_was_counted_stays_counted_once(
    pages: Pages, database: Database, dsn: str, tmp_path: Path
) -> None:
    first = pages.numbers()
    counters = {
        key for key in first if key[0].endswith(("_total", "_bucket", "_count")) and "web_" not in key[0]
    }
    again = pages.numbers()
    assert {key: again[key] for key in counters} == {key: first[key] for key in counters}
    # Another process, that asks at the same time too, and the same one started anew.
    both = [Operations(database), Operations(database)]
    end_call(dsn, "c-9", "answered", waited_s=1)
    number_all(database)
    gevent.joinall([gevent.spawn(one.numbers) for one in both * 3], raise_error=True)
    assert pages.number("calls_ended_total", disposition="answered") == 2
    with served(database, tmp_path / "other") as other:
        assert other.number("calls_ended_total", disposition="answered") == 2


def test_a_verdict_that_the_queue_corrects_counts_once(pages: Pages, database: Database, dsn: str) -> None:
    end_call(dsn, "c-1", "abandoned")
    run(dsn, "update call set disposition = 'timed_out' where uuid = 'c-1'")
    number_all(database)
    assert pages.number("calls_ended_total", disposition="timed_out") == 1
    assert pages.number("calls_ended_total", disposition="abandoned") == 0


def test_many_are_counted_in_parts(database: Database, dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fsctl.store.operations.MOST", 3)
    for number in range(5):
        end_call(dsn, f"c-{number}", "failed")
    number_all(database)
    house = Operations(database)
    for _ in range(8):
        found = house.numbers()
    assert {one.label: one.count for one in found.counts if one.name == "calls_ended"} == {"failed": 5}


def test_a_text_that_is_still_being_written_is_counted_later(pages: Pages, dsn: str) -> None:
    rewind(dsn)
    fill(dsn)
    run(dsn, "update segment set created_at = now()")
    assert pages.number("stt_suppressed_segments_total", rule="silence") is None
    run(dsn, "update segment set created_at = now() - interval '11 seconds'")
    assert pages.number("stt_suppressed_segments_total", rule="silence") == 2


def test_postgres_is_asked_at_most_every_five_seconds(database: Database, tmp_path: Path) -> None:
    reads = 0

    def read() -> Any:
        nonlocal reads
        reads += 1
        return Operations(database).numbers()

    with served(database, tmp_path / "journal") as pages:
        pages.pages._metrics._numbers._read = read
        gevent.joinall([gevent.spawn(pages.numbers) for _ in range(20)], raise_error=True)
        assert reads == 1


def test_words_of_strangers_stay_words(pages: Pages, dsn: str) -> None:
    name = 'q"} 1\nfsctl_database_up 5\n\\x'
    run(
        dsn,
        "insert into queue (node, name, waiting, agents_staffed, agents_ready) values ('fs1', %s, 1, 1, 1)",
        name,
    )
    assert pages.number("queue_waiting", node="fs1", queue=name) == 1
    assert pages.number("fsctl_database_up") == 1


@pytest.mark.usefixtures("filled")
def test_openmetrics_for_who_asks_for_it(pages: Pages) -> None:
    answer = pages.get("/metrics", Accept="application/openmetrics-text; version=1.0.0")
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
    names = {family.name for family in read_openmetrics(answer.data.decode())}
    assert {"esl_event_gap", "wa_leg_mos", "calls_ended"} <= names


def test_consoles_are_counted_where_there_is_one(pages: Pages) -> None:
    pages.console.clients, pages.console.dropped = 3, 2
    pages.console.commands["operator", "refused"] = 5
    found = pages.numbers()
    assert found["console_clients", ()] == 3
    assert found["console_dropped_total", ()] == 2
    of_commands = {
        labels: count for (name, labels), count in found.items() if name == "console_commands_total"
    }
    assert len(of_commands) == 9, "all that can be is told from the start"
    assert of_commands[("result", "refused"), ("role", "operator")] == 5
    metrics_of = pages.pages._metrics
    metrics_of._counted = replace(metrics_of._counted, console=None)
    assert not [name for name, _ in pages.numbers() if name.startswith("console_")]


def test_a_full_house_is_rendered_in_fifteen_milliseconds(
    pages: Pages, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the hub's time: what is asked of Postgres is waited for, not worked for."""
    report(dsn)
    run(
        dsn,
        "insert into queue (node, name, waiting, agents_staffed, agents_ready)"
        " select 'fs1', 'q' || n || '@x', 1, 1, 1 from generate_series(1, 40) n",
    )
    run(dsn, "insert into tally select 'queue_wait', 'q' || n || '@x', 5, 1, 1 from generate_series(1, 40) n")
    show = pages.pages._metrics
    monkeypatch.setattr(show._numbers, "_every_s", 60.0)
    from werkzeug.test import EnvironBuilder

    request = EnvironBuilder().get_request()
    took = []
    for _ in range(7):
        began = time.thread_time()
        show.show(request, {})
        took.append(time.thread_time() - began)
    assert min(took[1:]) < 0.015


# --- what it costs Postgres

GREAT = {
    "call",
    "call_event",
    "segment",
    "utterance",
    "recording",
    "event",
    "outbox",
    "inbox",
    "message",
    "delivery",
    "item",
}


@pytest.mark.parametrize("name", sorted(name for name in queries() if name.startswith("metrics.")))
def test_no_great_table_is_read_as_a_whole(name: str, dsn: str) -> None:
    """Each of them by a condition on an index, or by an index of few rows; that the planner would do otherwise
    while a table is small is switched off."""
    sql = queries()[name]
    values = {"most": 100, "wait_bounds": list(WAIT_BOUNDS_S), "mos_bounds": list(MOS_BOUNDS)}
    with psycopg.connect(dsn) as connection:
        connection.execute("set enable_seqscan = off")
        indexes = connection.execute(
            "select i.relname, t.relname, indpred is not null from pg_index x"
            " join pg_class i on i.oid = x.indexrelid join pg_class t on t.oid = x.indrelid"
        ).fetchall()
        params = values if "%(" in sql else None
        row = connection.execute(f"explain (format json) {sql}".encode(), params).fetchone()
    assert row
    partial = {index for index, _, is_partial in indexes if is_partial}
    of_great = {index for index, table, _ in indexes if table in GREAT}
    looked = 0
    for node in nodes_of(row[0][0]["Plan"]):
        if node.get("Relation Name") in GREAT:
            assert node["Node Type"] != "Seq Scan", node
        if node.get("Index Name") in of_great:
            looked += 1
            assert "Index Cond" in node or node["Index Name"] in partial, node
    assert looked or name in ("metrics.counters", "metrics.migrations", "metrics.alarms")


def nodes_of(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes_of(child)
