"""The road to Postgres: a pool, named queries, and errors in our words.

A query has a name and stands in ``queries/NOUN.sql``; nothing here or elsewhere puts SQL together. Under
gevent psycopg waits cooperatively only if the monkey was let loose before its import (it chooses its wait
function once), so that is checked.
"""

import logging
import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, partial
from importlib import resources
from typing import Any

import psycopg
from psycopg.rows import dict_row
from psycopg.types.string import BytesBinaryDumper
from psycopg_pool import ConnectionPool, PoolTimeout

from fsctl.errors import DatabaseDown, DatabaseError
from fsctl.store.session import Session

Row = dict[str, Any]

log = logging.getLogger(__name__)

RING_EVERY_S = 0.02
CHECK_AFTER_S = 1.0
"""A connection that has not been used for so long is asked whether it is still there."""

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_PARAMETER = re.compile(r"%\((\w+)\)s")


@cache
def queries() -> Mapping[str, str]:
    """Every named query, as ``noun.name``."""
    found: dict[str, str] = {}
    for file in (resources.files("fsctl.store") / "queries").iterdir():
        if file.name.endswith(".sql"):
            parts = _NAME.split(file.read_text())
            noun = file.name.removesuffix(".sql")
            found |= {f"{noun}.{name}": sql.strip() for name, sql in zip(parts[1::2], parts[2::2])}
    return found


@cache
def _native(name: str) -> tuple[bytes, tuple[str, ...]]:
    """A query as Postgres reads it, with ``$1`` for its first parameter, and the names of the parameters.

    psycopg would read a text of more than 4096 characters again each time that it is run.
    """
    names: list[str] = []

    def number(found: re.Match[str]) -> str:
        if found[1] not in names:
            names.append(found[1])
        return f"${names.index(found[1]) + 1}"

    text = _PARAMETER.sub(number, queries()[name])
    return (text.replace("%%", "%") if names else text).encode(), tuple(names)


@contextmanager
def our_errors(doing: str) -> Iterator[None]:
    """Translate the driver's errors, once, at this edge.

    Raises:
        DatabaseDown: Postgres is away or went away; what was being done was rolled back.
        DatabaseError: it is there and said no.
    """
    try:
        yield
    except (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout) as error:
        raise DatabaseDown(f"{doing}: Postgres cannot be reached: {_first_line(error)}") from error
    except psycopg.Error as error:
        raise DatabaseError(f"{doing}: Postgres refused: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    """What Postgres says, without the row of its DETAIL and without the value that it quotes of bad data."""
    line = str(error).strip().split("\n", 1)[0]
    return line.partition(": ")[0] if isinstance(error, psycopg.DataError) else line


class _AsItIs(BytesBinaryDumper):
    """Hands bytes to libpq, which copies them; psycopg's own dumper in C copies audio once more before."""


psycopg.adapters.register_dumper(bytes, _AsItIs)


class _Connection(psycopg.Connection[Row]):
    """Knows when it was last of use."""

    used_at = 0.0


def _check(connection: _Connection) -> None:
    """Ask a connection whether it is still there, unless it was there a moment ago: that would be one more wait
    in five for every fact of a call. One that went in that moment is a DatabaseDown, as it is in mid-transaction.
    """
    if time.monotonic() - connection.used_at > CHECK_AFTER_S:
        ConnectionPool.check_connection(connection)


class Transaction:
    """One transaction. Commits when its block ends, rolls back when it raises."""

    def __init__(self, connection: psycopg.Connection[Row]) -> None:
        self._connection = connection

    def run(self, name: str, **params: Any) -> int:
        """Run a named query for its effect; returns the number of rows."""
        return self._execute(name, params).rowcount

    def rows(self, name: str, **params: Any) -> list[Row]:
        """Run a named query and take its rows."""
        return self._execute(name, params).fetchall()

    def one(self, name: str, **params: Any) -> Row | None:
        """Run a named query and take its first row, if any."""
        return self._execute(name, params).fetchone()

    def _execute(self, name: str, params: Mapping[str, Any]) -> psycopg.Cursor[Row]:
        sql, names = _native(name)
        return psycopg.RawCursor(self._connection).execute(sql, [params[one] for one in names])


class Database:
    """Connections to one database: a pool of them, or a single one."""

    def __init__(self, dsn: str, *, process: str, size: int = 8, one_session: bool = False) -> None:
        """Open nothing yet.

        Args:
            dsn: libpq's.
            process: shown in pg_stat_activity.
            size: most connections at once.
            one_session: one connection instead, which does not wait for the disk (``session``).
        """
        self.dsn = dsn
        settings: dict[str, Any] = {
            "row_factory": dict_row,
            "application_name": f"fsctl {process}",
            "connect_timeout": 5,
            "autocommit": True,
        }
        self._pool: ConnectionPool[_Connection] | Session[_Connection]
        if one_session:
            self._pool = Session(partial(_Connection.connect, dsn, **settings))
        else:
            self._pool = ConnectionPool(
                dsn,
                connection_class=_Connection,
                min_size=0,
                max_size=size,
                timeout=10,
                open=False,
                name=process,
                kwargs=settings,
                check=_check,
                reconnect_timeout=0,
            )

    def open(self) -> None:
        """Start the pool; connections are made when they are needed."""
        _require_cooperation()
        self._pool.open()

    def close(self) -> None:
        """Close every connection."""
        self._pool.close(timeout=2)

    @contextmanager
    def transaction(self, doing: str) -> Iterator[Transaction]:
        """A transaction; ``doing`` names it in the error, such as "saving call 1234".

        Raises:
            DatabaseDown, DatabaseError: see ``our_errors``.
        """
        with our_errors(doing), self._pool.connection() as connection:
            with connection.transaction():
                yield Transaction(connection)
            connection.used_at = time.monotonic()

    @contextmanager
    def statement(self, doing: str) -> Iterator[Transaction]:
        """The same for one statement, which is a transaction by itself: one wait for Postgres instead of three.

        Raises:
            DatabaseDown, DatabaseError: see ``our_errors``.
        """
        with our_errors(doing), self._pool.connection() as connection:
            yield Transaction(connection)
            connection.used_at = time.monotonic()


class Bell:
    """Wakes those who LISTEN, after the rows are committed, and for many rows once.

    A NOTIFY within a transaction makes its commit wait for that of every other with one, flush to disk included
    (measured: PreCommit_Notify takes one lock for the whole server). One of its own writes nothing and is over at
    once. Who dies in between leaves the listeners to look by themselves, which they do every few seconds.
    """

    def __init__(self, database: "Database", query: str, every_s: float = RING_EVERY_S) -> None:
        """Args: query: name of the query that notifies; every_s: rows that come closer are told together."""
        self._database = database
        self._query = query
        self._every_s = every_s
        self._rung = threading.Event()
        self._thread: threading.Thread | None = None

    def ring(self) -> None:
        """There is something to see; never waits."""
        self._rung.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self._query, daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while True:
            self._rung.wait()
            self._rung.clear()
            try:
                with self._database.statement("waking listeners") as transaction:
                    transaction.run(self._query)
            except DatabaseError as error:
                log.debug("%s", error)
            time.sleep(self._every_s)


class Wakeup:
    """LISTEN on a connection of its own. Says "look now"; never what there is to see."""

    def __init__(self, dsn: str, channels: Sequence[str]) -> None:
        self._dsn = dsn
        self._channels = channels
        self._connection: psycopg.Connection[Any] | None = None

    def wait(self, timeout_s: float) -> bool:
        """Wait for a wake-up, at most so long.

        A connection that was lost is made again, and counts as a wake-up: something may have been missed.

        Raises:
            DatabaseDown: there is no connection to be had now.
        """
        with our_errors("waiting for a wake-up"):
            if self._connection is None:
                self._connection = self._connect()
                return True
            try:
                return any(True for _ in self._connection.notifies(timeout=timeout_s, stop_after=1))
            except psycopg.Error:
                self.close()
                raise

    def close(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _connect(self) -> psycopg.Connection[Any]:
        connection = psycopg.connect(self._dsn, autocommit=True, connect_timeout=5)
        for channel in self._channels:
            connection.execute(psycopg.sql.SQL("listen {}").format(psycopg.sql.Identifier(channel)))
        return connection


def _require_cooperation() -> None:
    """Fail loudly where psycopg would block the whole hub instead of one greenlet."""
    import select

    patched = not isinstance(select.select, type(len))
    if patched and getattr(psycopg.waiting.wait, "__name__", "") == "wait_c":
        raise RuntimeError("psycopg was imported before gevent patched the process; see fsctl/__main__.py")
