"""A value that is read for whoever asks: not too often, by one greenlet at a time, and not waited for too long.

Who is asked by HTTP must answer when Postgres does not. Knows nothing of what is read.
"""

import time
from collections.abc import Callable
from typing import Generic, TypeVar

import gevent

from fsctl.errors import DatabaseDown, DatabaseError

T = TypeVar("T")

STUCK_S = 15.0
"""A read that takes longer is given up, and another one is begun: its connection has fallen silent."""


class Reading(Generic[T]):
    """The last value, or why there is none.

    ::

        numbers = Reading(operations.numbers, every_s=5.0, patience_s=2.0)
        numbers.get()    # asks Postgres at most every 5 s; raises DatabaseDown after 2 s without an answer
    """

    def __init__(
        self, read: Callable[[], T], *, every_s: float, patience_s: float, good_s: float = 0.0
    ) -> None:
        """
        Args:
            read: may take long, and raise DatabaseError.
            every_s: what was read counts for so long, errors too.
            patience_s: who asks waits so long for a read.
            good_s: a value that is not older is better than to say that the next one takes long.
        """
        self._read = read
        self._every_s, self._patience_s, self._good_s = every_s, patience_s, good_s
        self._value: T | None = None
        self._error: DatabaseError | None = None
        self._at = self._value_at = self._begun_at = float("-inf")
        self._greenlet: gevent.Greenlet | None = None

    def get(self) -> T:
        """The value.

        Raises:
            DatabaseDown: there is none to be had now.
            DatabaseError: reading it was refused.
        """
        if time.monotonic() - self._at >= self._every_s:
            greenlet = self._begin()
            greenlet.join(self._patience_s)
            if not greenlet.ready():
                return self._older()
        if self._error is not None:
            raise self._error
        assert self._value is not None
        return self._value

    def close(self) -> None:
        """Give up a read that is under way."""
        if self._greenlet is not None:
            self._greenlet.kill()

    def _begin(self) -> gevent.Greenlet:
        """The read that is under way, or a new one."""
        running = self._greenlet
        if running is not None and not running.ready():
            if time.monotonic() - self._begun_at < STUCK_S:
                return running
            running.kill(block=False)
        self._begun_at = time.monotonic()
        self._greenlet = gevent.spawn(self._take)
        return self._greenlet

    def _take(self) -> None:
        try:
            value = self._read()
        except DatabaseError as error:
            self._error = error
        else:
            self._value, self._error, self._value_at = value, None, time.monotonic()
        self._at = time.monotonic()

    def _older(self) -> T:
        if self._error is not None:
            raise self._error
        if self._value is not None and time.monotonic() - self._value_at < self._good_s:
            return self._value
        raise DatabaseDown(f"Postgres has not answered for {self._patience_s:g} s")
