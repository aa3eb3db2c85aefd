"""Who stores the steps of many calls: those that come while others are being written go together in the next write.

A commit costs the same for one row and for fifty. At a few calls a second each step is written at once, by itself;
under load the writes grow instead of their number. A call's route does not wait for it: it is told before
(``fsctl.controller``).
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from fsctl.call.commands import StoreCommand
from fsctl.errors import DatabaseDown

WRITERS = 2
"""While one waits for the disk, the other hands its rows to Postgres."""
REST_S = 0.01
"""Between two writes of one writer: what comes meanwhile goes together."""
MOST = 200
"""Commands of one write, a few more when the last ones come together: a transaction of some 20 ms."""

Write = Callable[[Sequence[StoreCommand]], None]


@dataclass
class _Step:
    """Commands that belong together, and how it went with them."""

    commands: Sequence[StoreCommand]
    done: threading.Event = field(default_factory=threading.Event)
    error: Exception | None = None


class Writer:
    """Writes steps together. All of one step or none; a step's caller waits for it, so that a call's steps come one
    after the other."""

    def __init__(self, write: Write, writers: int = WRITERS) -> None:
        """Args: write: stores commands, all or none, or raises."""
        self._write = write
        self._most = writers
        self._waiting: deque[_Step] = deque()
        self._awake = threading.Event()
        self._threads: list[threading.Thread] = []

    def apply(self, commands: Sequence[StoreCommand]) -> None:
        """Store the commands, and wait until they are.

        Who is killed while waiting does not know whether they were, as with any commit.

        Raises:
            DatabaseDown: Postgres is away; nothing of them was stored, or it went while it answered.
            DatabaseError: they were refused; the steps of others written with them were not.
        """
        step = _Step(commands)
        self._waiting.append(step)
        if len(self._threads) < self._most:
            self._begin()
        self._awake.set()
        step.done.wait()
        if step.error is not None:
            raise step.error

    def _begin(self) -> None:
        thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _run(self) -> None:
        while True:
            self._awake.wait()
            self._awake.clear()
            while steps := self._take():
                self._store(steps)
                time.sleep(REST_S)

    def _take(self) -> list[_Step]:
        steps: list[_Step] = []
        room = MOST
        while self._waiting and room > 0:
            steps.append(self._waiting.popleft())
            room -= len(steps[-1].commands)
        return steps

    def _store(self, steps: Sequence[_Step]) -> None:
        error: Exception | None = None
        try:
            self._write([command for step in steps for command in step.commands])
        except Exception as raised:
            error = raised
        if error is not None and len(steps) > 1 and not isinstance(error, DatabaseDown):
            # One that is refused must not take those of other calls with it.
            for step in steps:
                self._store([step])
            return
        for step in steps:
            step.error = error
            step.done.set()
