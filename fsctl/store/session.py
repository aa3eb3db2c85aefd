"""One connection in place of a pool: for who does not want to wait for Postgres's disk.

A commit that does not wait may be forgotten by a Postgres that crashes (its manual, "Asynchronous Commit"): it, and
every commit after it, whoever made them; never one alone. And a crash breaks every connection. So while one lasts,
nothing of what came by it is forgotten, and who makes again, whenever a new one begins, what it finds missing loses
nothing. A pool would mend a broken connection without a word.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

import psycopg
from psycopg.pq import TransactionStatus

AnyConnection = TypeVar("AnyConnection", bound=psycopg.Connection[Any])


class Session(Generic[AnyConnection]):
    """Lends its connection to one at a time; opens it when it is first asked for, and after one that broke."""

    def __init__(self, connect: Callable[[], AnyConnection]) -> None:
        self._connect = connect
        self._connection: AnyConnection | None = None
        self._lock = threading.Lock()

    def open(self) -> None:
        """Nothing to be done: Postgres may be away."""

    @contextmanager
    def connection(self) -> Iterator[AnyConnection]:
        """The connection; one that broke is an error to who uses it next, once.

        Raises:
            psycopg.OperationalError: there is none to be had now, or it broke.
        """
        with self._lock:
            if self._connection is None:
                self._connection = self._begin()
            try:
                yield self._connection
            finally:
                if self._connection.info.transaction_status != TransactionStatus.IDLE:
                    self._drop()

    def close(self, timeout: float) -> None:
        """Close the connection; who uses it gets so many seconds to end."""
        is_free = self._lock.acquire(timeout=timeout)
        self._drop()
        if is_free:
            self._lock.release()

    def _begin(self) -> AnyConnection:
        connection = self._connect()
        try:
            connection.execute("set synchronous_commit = off")
        except psycopg.Error:
            connection.close()
            raise
        return connection

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
