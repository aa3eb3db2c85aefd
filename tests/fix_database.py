"""A real Postgres for the tests: one embedded server, a template with the schema, a copy for each."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from fsctl.store import migrate
from fsctl.store.db import Database
from fsctl.store.embedded import Embedded

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    """An embedded server for the session."""
    folder = tmp_path_factory.mktemp("postgres")
    for place in (folder, *folder.parents[:2]):
        # pytest makes its folders private; the server may have to run as another account.
        place.chmod(0o755)
    found = Embedded(folder / "data")
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
def open_folder(tmp_path: Path) -> Path:
    """A folder that an account without rights can reach, as the embedded server as root needs."""
    for place in (tmp_path, *tmp_path.parents[:2]):
        place.chmod(0o755)
    return tmp_path
