"""Schema crm_v1: every column has a comment, its role reads that and no more, every statement of the docs runs."""

import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from fsctl.store import migrate
from fsctl.store.db import Database, Wakeup
from fsctl.store.embedded import Embedded
from fsctl.store.sequence import CHANNEL
from tests.integration.full_house import SUPPRESSED, fill, number, run

DOCS = (Path(__file__).parent.parent.parent / "docs" / "crm-sql.md").read_text()
ROLE = "fsctl_crm_reader"
REFUSED = (
    psycopg.errors.InsufficientPrivilege,
    # Of views, some are for nobody to write.
    psycopg.errors.WrongObjectType,
    psycopg.errors.ObjectNotInPrerequisiteState,
)
VIEWS = {"thread_item", "call", "transcript_segment", "contact", "event"}


@pytest.fixture
def reader(database: Database, dsn: str) -> Iterator["psycopg.Connection[Any]"]:
    """A full house, seen by an account that has the role."""
    fill(database)
    (row,) = run(dsn, "select 'crm_' || pg_backend_pid() as name")
    run(dsn, f"create role {row['name']} login in role {ROLE}")
    try:
        with psycopg.connect(
            dsn.replace("user=postgres", f"user={row['name']}"), autocommit=True
        ) as connection:
            yield connection
    finally:
        run(dsn, f"drop role {row['name']}")


def read(reader: "psycopg.Connection[Any]", relation: str) -> list[Any]:
    return reader.execute(f"table {relation}".encode()).fetchall()


def columns(dsn: str) -> list[dict[str, Any]]:
    return run(
        dsn,
        "select c.relname as view, a.attname as name, a.atttypid::regtype::text as type, "
        "col_description(c.oid, a.attnum) as comment, obj_description(c.oid) as about "
        "from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 "
        "where c.relnamespace = 'crm_v1'::regnamespace",
    )


def test_every_column_of_every_view_has_a_comment(dsn: str) -> None:
    found = columns(dsn)
    assert {row["view"] for row in found} == VIEWS
    assert [(row["view"], row["name"]) for row in found if not row["comment"] or not row["about"]] == []
    numbered = {
        row["view"] for row in found if row["name"] in ("change_seq", "seq") and row["type"] == "bigint"
    }
    assert numbered == VIEWS
    assert all(row["comment"].endswith(".") for row in found)


def test_the_role_reads_every_view(reader: "psycopg.Connection[Any]") -> None:
    for view in VIEWS:
        assert read(reader, f"crm_v1.{view}"), view


def test_the_role_reads_nothing_else_and_changes_nothing(reader: "psycopg.Connection[Any]", dsn: str) -> None:
    relations = run(
        dsn,
        "select c.oid::regclass::text as name, c.relkind "
        "from pg_class c join pg_namespace n on n.oid = c.relnamespace "
        "where n.nspname !~ '^pg_|^information_schema$' and c.relkind in ('r', 'v', 'm', 'p', 'S')",
    )
    assert len(relations) > 40
    for row in relations:
        name = row["name"]
        if not name.startswith("crm_v1."):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                read(reader, name)
            if row["relkind"] == "S":
                continue
        for change in ("delete from {}", "insert into {} default values", "truncate {}"):
            with pytest.raises(REFUSED):
                reader.execute(change.format(name).encode())
    for made in (
        "create table crm_v1.mine (a int)",
        "create table public.mine (a int)",
        "create schema mine",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.execute(made.encode())
    functions = run(
        dsn,
        "select count(*) as n from pg_proc where prosecdef "
        "and pronamespace in ('public'::regnamespace, 'crm_v1'::regnamespace)",
    )
    assert functions == [{"n": 0}]


def test_what_nobody_may_see_is_in_no_view(reader: "psycopg.Connection[Any]") -> None:
    told = "".join(repr(row) for view in VIEWS for row in read(reader, f"crm_v1.{view}"))
    assert "I want a refund." in told
    assert "Where is my order?" in told
    for hidden in (SUPPRESSED, "reef", "odrer", "raw", "signed", "a payload", "15550100199"):
        assert hidden not in told, hidden


def test_a_segment_that_is_replaced_tells_its_readers(database: Database, dsn: str) -> None:
    fill(database)
    (before,) = run(dsn, "select max(change_seq) as seq from crm_v1.transcript_segment")
    run(dsn, "update segment set superseded_by = 3 where id = 2")
    number(database)
    found = run(
        dsn,
        "select segment_id, stands, text from crm_v1.transcript_segment where change_seq > %s",
        before["seq"],
    )
    assert found == [{"segment_id": 2, "stands": False, "text": None}]


def test_who_listens_is_woken(database: Database, dsn: str) -> None:
    fill(database)
    wakeup = Wakeup(dsn, [CHANNEL])
    try:
        assert wakeup.wait(0)
        assert not wakeup.wait(0.05)
        run(dsn, "update call set mos = 4 where uuid = 'c-1'")
        number(database)
        assert wakeup.wait(5)
    finally:
        wakeup.close()


# --- the docs


def statements() -> list[str]:
    blocks = re.findall(r"```sql\n(.*?)```", DOCS, re.DOTALL)
    return [one.strip() for block in blocks for one in block.split(";\n") if one.strip()]


GRANTING = [one for one in statements() if one.startswith(("create role", "grant"))]
READING = [one for one in statements() if one not in GRANTING]


def test_the_docs_have_what_is_run_here() -> None:
    assert (len(GRANTING), len(READING)) == (4, 9)


@pytest.mark.parametrize("sql", READING)
def test_every_statement_of_the_docs_gives_rows(reader: "psycopg.Connection[Any]", sql: str) -> None:
    """Its example numbers are changed for ours."""
    cursor = reader.execute(
        sql.replace("4711", "0").replace("interval '1 day'", "interval '100 years'").encode()
    )
    if not sql.startswith("listen"):
        assert cursor.fetchall(), sql


def test_where_no_role_may_be_made_it_is_said_and_the_docs_say_what_to_do(
    open_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = Embedded(open_folder / "pg")
    server.start()
    try:
        run(server.dsn, "create role fsctl_app login")
        run(server.dsn, "create database calls owner fsctl_app")
        owner = server.dsn.replace("dbname=postgres", "dbname=calls")
        with caplog.at_level(logging.WARNING):
            migrate.migrate(owner.replace("user=postgres", "user=fsctl_app"))
        assert "fsctl_crm_reader was not made" in caplog.text
        assert "docs/crm-sql.md" in caplog.text
        login, *grants = GRANTING
        for one in (*grants, login):
            run(owner, one)
        reader = owner.replace("user=postgres", "user=crm")
        assert run(reader, "select * from crm_v1.event") == []
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            run(reader, "select * from call")
    finally:
        server.stop()
