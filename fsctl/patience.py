"""What a loop does while Postgres is away: it says so, waits, and tries again.

    patience = Patience(log, "webhooks wait in the inbox")
    while True:
        with patience:
            tick()
            time.sleep(EVERY_S)

Knows our errors; refuses to know Postgres and what a round is. Called by the loops of every process.
"""

import logging
import time
from collections.abc import Callable
from types import TracebackType
from typing import TypeVar

from fsctl.backoff import Backoff
from fsctl.errors import DatabaseDown, DatabaseError

T = TypeVar("T")


class Patience:
    """A block under ``with`` that fails for want of Postgres has waited when it ends, and no error leaves it.

    One that succeeds makes the next wait short again.
    """

    def __init__(
        self,
        log: logging.Logger,
        meanwhile: str = "trying again",
        *,
        waits_for: type[DatabaseError] = DatabaseDown,
        sleep: Callable[[float], object] = time.sleep,
        first_s: float = 0.2,
        most_s: float = 15.0,
    ) -> None:
        """
        Args:
            log: the loop's; each failure is a line in it.
            meanwhile: ends that line: what becomes of the work.
            waits_for: with ``DatabaseError`` it waits where Postgres refuses, too; the log has the trace of that.
            sleep: given seconds.
            first_s, most_s: the shortest wait and the longest; see ``Backoff``.
        """
        self._log = log
        self._meanwhile = meanwhile
        self._waits_for = waits_for
        self._sleep = sleep
        self._backoff = Backoff(first_s, most_s)

    def until_done(self, deed: Callable[[], T]) -> T:
        """Do it again and again until it succeeds, and return what it returned."""
        while True:
            with self:
                return deed()

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if error is None:
            self._backoff.reset()
            return False
        if not isinstance(error, self._waits_for):
            return False
        if isinstance(error, DatabaseDown):
            self._log.warning("%s; %s", error, self._meanwhile)
        else:
            self._log.error("%s; %s", error, self._meanwhile, exc_info=error)
        self._sleep(self._backoff.next_s())
        return True
