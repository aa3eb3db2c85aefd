"""A real Postgres for the tests: one embedded server, a template with the schema, a copy for each."""

import itertools
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from fsctl.store import migrate
from fsctl.store.db import Database
from fsctl.store.embedded import Embedded

_numbers = itertools.count(1)


def run(database: Database, sql: str, *values: Any, **named: Any) -> list[dict[str, Any]]:
    """A statement of the test's own, in a transaction; returns its rows, if it has any."""
    with database.transaction("test") as transaction:
        done = transaction._connection.execute(sql.encode(), values or named or None)
        return [] if done.description is None else done.fetchall()


@contextmanager
def reachable_folder() -> Iterator[Path]:
    """A folder that any account can enter: as root the server runs as another, and pytest's are private."""
    with tempfile.TemporaryDirectory(prefix="fsctl-test-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@pytest.fixture(scope="session")
def server() -> Iterator[Embedded]:
    """An embedded server for the session."""
    with reachable_folder() as folder:
        found = Embedded(folder / "pg")
        found.start()
        yield found
        found.stop()


@pytest.fixture(scope="session")
def template(server: Embedded) -> str:
    """The name of a database that has every migration."""
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute("create database template_fsctl")
    migrate.migrate(server.dsn.replace("dbname=postgres", "dbname=template_fsctl"))
    return "template_fsctl"


@pytest.fixture
def dsn(server: Embedded, template: str) -> Iterator[str]:
    """The address of a fresh database with the schema."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute(f"create database {name} template {template}".encode())
    yield server.dsn.replace("dbname=postgres", f"dbname={name}")
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute(f"drop database {name} with (force)".encode())


@pytest.fixture
def database(dsn: str) -> Iterator[Database]:
    """The same, opened."""
    opened = Database(dsn, process="test", size=6)
    opened.open()
    yield opened
    opened.close()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """See reachable_folder."""
    with reachable_folder() as folder:
        yield folder
