"""Whatever strangers call themselves and write: no table, CSV or JSON of ours moves a terminal or forges a line.

Every text that somebody else can have put into Postgres is spoilt there, in all tables at once; then every command
that shows something shows it.
"""

import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from fsctl import cli
from fsctl.console import commands as console_commands
from fsctl.console import offers
from fsctl.console.commands import Who
from fsctl.console.commands.completion import Completion
from fsctl.console.report import FORMULAS
from fsctl.sim import Switch
from fsctl.store.db import Database
from fsctl.store.offers import Offers
from fsctl.store.sequence import Sequence
from fsctl.terminal import escape
from tests.integration.console_house import ConsoleHouse
from tests.integration.test_console import talking, waiting
from tests.integration.test_sequence import drain, run

FORGED = "FORGED"
EVIL = (
    "=x\x1b[2J\x1b]0;t\x07\x9b31m\x7f\u202eevil\u2066\u200f\u061c\U000e0041"
    f"\u2028{FORGED}\n{FORGED}\r{FORGED}\r\n{FORGED}\t"
)
"""Escapes of a terminal (C0 and C1), characters that turn text round or that nobody sees, ends of lines."""

WORDS_OF_OURS = {
    "action", "channel", "controller", "conversion", "currency", "digest", "direction", "disposition",
    "fault", "form", "format", "found", "id", "key", "kind", "lane", "leg", "left_by", "consent", "node",
    "offer", "outcome", "outbox_key", "pass", "phase", "ref", "secret", "old_secret", "sha256", "source",
    "state", "status", "type", "what", "uuid", "call_uuid", "agent_uuid", "member_uuid", "wamid", "wacid",
    "event_id", "target",
}  # fmt: skip
"""Columns that hold words of the schema, or keys that rows are joined by."""
NOT_SPOILT = {"migration", "tally", "tallied", "change", "event", "item", "alias_word", "alias_link"}


def spoil(dsn: str) -> int:
    """Put EVIL into all text and JSON that is not a word of ours; returns how many values."""
    spoilt = 0
    with psycopg.connect(dsn, autocommit=True, row_factory=dict_row) as connection:
        connection.execute("set session_replication_role = replica")
        columns = connection.execute(
            "select c.table_name, c.column_name, c.data_type from information_schema.columns c"
            " join information_schema.tables t using (table_schema, table_name)"
            " where table_schema = 'public' and table_type = 'BASE TABLE' and data_type in ('text', 'jsonb')"
            " and is_generated = 'NEVER' order by 1, 2"
        ).fetchall()
        for one in columns:
            table, column = one["table_name"], one["column_name"]
            if table not in NOT_SPOILT and column not in WORDS_OF_OURS:
                spoilt += _spoil(connection, table, column, is_json=one["data_type"] == "jsonb")
    return spoilt


def _spoil(connection: psycopg.Connection[Any], table: str, column: str, *, is_json: bool) -> int:
    names = {"place": sql.Identifier(table), "one": sql.Identifier(column)}
    if not is_json:
        text = sql.SQL("update {place} set {one} = %s || {one} where {one} is not null").format(**names)
        try:
            return connection.execute(text, [EVIL]).rowcount
        except psycopg.errors.CheckViolation:
            return 0
    found = sql.SQL("select ctid::text as at, {one} as value from {place} where {one} is not null").format(
        **names
    )
    rows = connection.execute(found).fetchall()
    for row in rows:
        text = sql.SQL("update {place} set {one} = %s where ctid = %s::tid").format(**names)
        connection.execute(text, [Jsonb(_evil(row["value"])), row["at"]])
    return len(rows)


def _evil(value: Any) -> Any:
    if isinstance(value, str):
        return EVIL + value
    if isinstance(value, dict):
        return {key: _evil(one) for key, one in value.items()}
    return [_evil(one) for one in value] if isinstance(value, list) else value


FILL = """
insert into message (thread_id, wamid, direction, type, body, media, sent_at) values
    (:thread, 'w1', 'inbound', 'text', 'hello', null, now()),
    (:thread, 'w2', 'inbound', 'document', 'bill', '{"filename": "bill.pdf", "mime_type": "text/plain"}', now());
insert into message_status (wamid, status, rank, at, title) values ('w1', 'failed', 9, now(), 'no');
insert into reaction (wamid, target, direction, emoji, at) values ('r1', 'w1', 'inbound', 'x', now());
insert into touch (key, thread_id, at, source, trusted, campaign, source_id, headline, url, call_uuid)
values ('t1', :thread, now(), 'ad', true, 'spring', 'a1', 'Buy', 'https://x', ':call');
insert into outcome (call_uuid, at, kind, note, who, value, currency, order_ref)
values (':call', now(), 'sale', 'well', 'ann', 5, 'EUR', 'o1');
insert into recording (call_uuid, node, path, started_at, state, error, findings)
values (':call', 'fs1', '/s/x.wav', now(), 'growing', 'no', '[{"code": "a", "severity": "fault", "text": "b"}]');
insert into utterance (recording_id, call_uuid, leg, start_sample, end_sample, rate)
select max(id), ':call', 'caller', 0, 8000, 8000 from recording;
insert into segment (utterance_id, call_uuid, leg, start_ms, end_ms, text, model)
select id, call_uuid, 'caller', 0, 900, 'hi', 'm' from utterance;
insert into alarm (node, kind, subject, detail) values ('fs1', 'disk', '/x', 'full');
insert into inbox (digest, body, received_at, state, reason)
values (sha256('b'), convert_to('{"a": "b"}', 'UTF8'), now(), 'failed', 'why');
insert into outbox (key, kind, payload, thread_id, state, reason, not_before, expires_at)
values ('k1', 'message', '{"message": {"text": {"body": "hi"}}}', :thread, 'failed', 'no', now(), now());
insert into followup (call_uuid, thread_id, outcome, reason, decided_at)
values (':call', :thread, 'none', 'none', now());
insert into endpoint (url, secret, cursor_seq, made_by, disabled_at, disabled_why)
values ('https://x', 's', 0, 'ann', now(), 'gone');
insert into delivery (endpoint_id, seq, event_id, lane, error)
select 1, row_number() over (), id, 't1', 'no' from event;
insert into stray (digest, field, reason, value, came_at) values (sha256('s'), 'f', 'r', '{"a": "b"}', now());
insert into link (node, controller, state, since, status)
values ('fs1', 'a:1', 'ready', now(), '{"error": "x", "left": ["an agent"]}');
insert into audit (who, action, subject, detail, result) values ('ann', 'agent.status', 'x', '{"a": "b"}', 'ok');
insert into contact_log (contact_id, what, detail) select contact_id, 'changed', '{"a": "b"}' from thread limit 1;
insert into call_link (payload, url, kind, number, campaign, expires_at, made_by)
values ('p', 'https://x', 'link', '15550100900', 'spring', now(), 'ann');
insert into token (name, digest, scopes) values ('crm', sha256('d'), '{crm}');
"""
"""A row at least in every table that a command shows."""


@pytest.fixture
def house(make_switch: Callable[..., Switch], database: Database, tmp_path: Path) -> Iterator[ConsoleHouse]:
    one = ConsoleHouse(make_switch(speed=30.0), database, tmp_path)
    yield one
    one.served.detach()


@pytest.fixture
def calls(house: ConsoleHouse, database: Database) -> tuple[str, str]:
    """A call that is talked in and one that waits, in a house full of strangers' words."""
    found = talking(house, display_name="Ann"), waiting(house)
    house.round()
    house.served.detach()
    (place,) = run(database.dsn, "select thread_id from call where uuid = %s", found[0])
    run(database.dsn, FILL.replace(":thread", str(place["thread_id"])).replace(":call", found[0]))
    drain(Sequence(database))
    assert spoil(database.dsn) > 50
    return found


def check(what: str, text: str, *, is_json: bool = False) -> None:
    bad = {character for character in text if character != "\n" and escape(character) != character}
    assert not bad, (what, bad, text)
    # Lines of a message stand far to the right, below its first.
    begins = [line for line in text.splitlines() if line.lstrip().startswith(FORGED)]
    assert all(line.startswith(" " * 14) for line in begins), (what, begins)
    assert not is_json or json.loads(text) is not None, what


LISTS = """thread list, thread show, contact show 1, contact log, recording list, link, agent list, queue list,
audit, links list, outcome list, outbox list, outbox show 1, inbox list, strays, crm endpoint list,
crm deliveries, token list, transcribe --status"""
REPORTS = [
    f"report attribution --by {by} --format {form}"
    for by in ("source", "campaign", "ad")
    for form in ("table", "csv", "json")
]
LINES = [line for one in LISTS.split(",") for line in (one, f"{one} --json")]
TABLES = [line.split() for line in (*LINES, "inbox show 1", "reconcile --dry-run", *REPORTS)]
ELSEWHERE = {
    "run", "serve", "media", "archive", "simulate", "init-db", "whatsapp", "console", "route", "message", "export",
    "check", "models", "db",
}  # fmt: skip
"""Commands that show nothing of Postgres, or are tried below or in tests of their own."""


def test_no_command_is_left_out() -> None:
    assert {words[0] for words in TABLES} | ELSEWHERE == set(cli.COMMANDS)


def test_tables_csv_and_json(
    house: ConsoleHouse, calls: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "fsctl.toml"
    (node,) = house.house.config.nodes
    (tmp_path / "password").write_text(node.password)
    file.write_text(
        f'database_url = "{house.database.dsn}"\n[[node]]\nname = "fs1"\nport = {node.port}\n'
        f'password_file = "password"\nspool = "{node.spool}"\n'
    )
    exports = [["export", calls[0], "--format", form] for form in ("json", "vtt", "srt", "txt", "vcon")]
    for words in [*TABLES, *exports]:
        capsys.readouterr()
        assert cli.main(["--config", str(file), *words]) in (0, 1), capsys.readouterr().err
        shown = capsys.readouterr()
        assert shown.out, (words, shown.err)
        check(" ".join(words), shown.out, is_json={"--json", "json", "vcon"} & set(words) != set())
        check(" ".join(words), shown.err)
        if "csv" in words:
            rows = list(csv.reader(io.StringIO(shown.out)))
            assert len(rows) == 2, words
            assert not any(cell.lstrip().startswith(FORMULAS) for cell in rows[1]), rows


def test_the_console(house: ConsoleHouse, calls: tuple[str, str]) -> None:
    thread = run(house.database.dsn, "select thread_id from call where uuid = %s", calls[0])[0]["thread_id"]
    lines = [f"call {calls[0]}", f"call {calls[1]}", f"thread {thread}", "calls where state=all"]
    lines += [f"route explain --call {calls[0]}", *(f"{name}" for name in console_commands.COMMANDS)]
    for line in lines:
        check(line, house.run(line).text)
        result = house.run(f"{line} --json")
        check(f"{line} --json", result.text, is_json=result.ok)
    assert len(house.run("calls").text.splitlines()) == 3


def test_completion(house: ConsoleHouse, calls: tuple[str, str]) -> None:
    completion = Completion(Who("eva", "admin"), house.house)
    lines = (
        "agent ",
        "call ",
        "queues where queue=",
        "use ",
        "transfer ",
        f"transfer {calls[0]} ",
        "say ",
        "route ",
    )
    found = [word for line in lines for word in completion.of(f"fsctl {line}")]
    assert calls[0] in found
    for word in found:
        check("completion", word)


def test_what_an_agent_gets(house: ConsoleHouse, calls: tuple[str, str]) -> None:
    assert calls
    found = Offers(house.database, None).news()
    assert found
    for one in found:
        check("agent watch", offers.as_text(one))
        check("agent watch --json", offers.as_json(one), is_json=True)
