"""One connection that does not wait for the disk, on a real Postgres that is really killed."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from fsctl.errors import DatabaseDown, DatabaseError
from fsctl.store import migrate
from fsctl.store.db import CHECK_AFTER_S, Database
from fsctl.store.embedded import Embedded
from fsctl.store.recordings import Recordings
from tests.fix_database import run
from tests.integration.test_spool import UUID, Room


@pytest.fixture
def session(dsn: str) -> Iterator[Database]:
    """A database with one session."""
    opened = Database(dsn, process="test session", one_session=True)
    opened.open()
    yield opened
    opened.close()


@pytest.fixture
def lazy(open_folder: Path) -> Iterator[Embedded]:
    """A server of its own that writes to its disk only for those who wait for it."""
    server = Embedded(open_folder / "pg")
    server.start()
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute("alter system set wal_writer_delay = '10s'")
        connection.execute("select pg_reload_conf()")
    migrate.migrate(server.dsn)
    yield server
    server.stop()


def end_session(database: Database) -> None:
    """As an administrator does, or a network that goes away."""
    with psycopg.connect(database.dsn, autocommit=True) as connection:
        connection.execute(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity"
            " where application_name = 'fsctl test session' and datname = current_database()"
        )


def test_a_session_does_not_wait_for_the_disk_and_a_pool_does(session: Database, database: Database) -> None:
    assert run(session, "show synchronous_commit") == [{"synchronous_commit": "off"}]
    assert run(database, "show synchronous_commit") == [{"synchronous_commit": "on"}]


def test_a_session_that_broke_is_told_once_however_long_it_was_idle(session: Database) -> None:
    run(session, "select 1")
    end_session(session)
    time.sleep(CHECK_AFTER_S)  # a pool would look then whether the connection is still there, and mend it
    with pytest.raises(DatabaseDown):
        run(session, "select 1")
    assert run(session, "show synchronous_commit") == [{"synchronous_commit": "off"}]


def test_what_postgres_refuses_does_not_end_the_session(session: Database) -> None:
    (before,) = run(session, "select pg_backend_pid() as pid")
    with pytest.raises(DatabaseError) as caught:
        run(session, "select 1 / 0")
    assert not isinstance(caught.value, DatabaseDown)
    assert run(session, "select pg_backend_pid() as pid") == [before]


def test_a_session_is_begun_when_it_is_needed(tmp_path: Path) -> None:
    away = Database(f"host={tmp_path} dbname=x user=y", process="test", one_session=True)
    away.open()
    with pytest.raises(DatabaseDown, match="test: Postgres cannot be reached"):
        run(away, "select 1")
    away.close()


def test_what_a_crashed_postgres_forgot_is_cut_again(lazy: Embedded, tmp_path: Path) -> None:
    with (
        closing(Database(lazy.dsn, process="test")) as database,
        closing(Database(lazy.dsn, process="test session", one_session=True)) as session,
    ):
        database.open()
        require_cut_again(lazy, tmp_path, database, session)


def require_cut_again(lazy: Embedded, folder: Path, database: Database, session: Database) -> None:
    """Cut a recording, kill Postgres, and look at what is there before and after the next rounds."""
    room = Room(folder, database, Recordings(session, "fs1"))
    room.write(age_s=40)
    room.know(recording=False, ended=True)
    room.ticks()
    before = run(database, "select leg, start_sample, end_sample from utterance order by 1, 2")
    pid = lazy.pid()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    lazy.start()
    time.sleep(CHECK_AFTER_S)
    assert run(database, "select 1 from recording") == []
    with pytest.raises(DatabaseDown):
        room.ticks(1)
    room.ticks()
    assert run(database, "select leg, start_sample, end_sample from utterance order by 1, 2") == before
    assert room.utterances.progress(UUID).recordings_cut == 1
