"""Per-call order without one slow call delaying another: a fixed number of queues, a call always in one.

Memory is bounded. Above a high-water mark the facts that can be had again are shed and counted: what a channel
is like can be read again while it lives, and its hang-up tells it once more. What comes only once never is.
"""

import logging
import time
import zlib
from collections.abc import Callable, Sequence

import gevent
from gevent.event import Event as Flag
from gevent.queue import Queue

from fsctl.call import events
from fsctl.call.events import CallEvent
from fsctl.logs import about

log = logging.getLogger(__name__)

LANES = 64
"""So many that a call which is offered seldom shares one with a call that is being stored."""
HIGH_WATER = 20_000
"""Facts that wait before any is shed: about 20 MB, and minutes of work."""
SHEDDABLE = (
    events.CallOffered,
    events.CallAnswered,
    events.RecordingStarted,
    events.LegsBridged,
    events.LegsUnbridged,
    events.QualityMeasured,
)
BATCH = 64
"""Most facts that are handled at once."""
SLICE_S = 0.001
"""Longest time that a greenlet of the link keeps the hub for itself."""
YIELD_S = 1e-6
"""A timer, not 0: callbacks run before timers, and timers must run too."""


class Lanes:
    """Hands facts to a handler: those of one call in order, those of different calls side by side."""

    def __init__(self, handler: Callable[[Sequence[CallEvent]], None], high_water: int = HIGH_WATER) -> None:
        """Args: handler: takes all that waits in a lane, up to BATCH; may block its lane. If it raises, each fact
        is given to it alone; one that still fails is logged with its call, and the lane goes on."""
        self.depth = 0
        """Facts that wait or are being handled."""
        self.shed = 0
        """Facts dropped so far."""
        self._handler = handler
        self._high_water = high_water
        self._yielded_at = 0.0
        self._queues: list[Queue] = [Queue() for _ in range(LANES)]
        self._greenlets = [gevent.spawn(self._run, queue) for queue in self._queues]

    def put(self, event: CallEvent, *, keep: bool = False) -> bool:
        """Add a fact to its call's lane; never blocks. False when it was shed, which ``keep`` forbids."""
        if not keep and self.sheds(event):
            return False
        self.depth += 1
        self._queues[zlib.crc32(event.uuid.encode("utf-8", "replace")) % LANES].put(event)
        return True

    def sheds(self, event: CallEvent, beside: int = 0) -> bool:
        """Whether there is no room for it; it is counted then. Args: beside: facts that wait elsewhere."""
        if self.depth + beside < self._high_water or not isinstance(event, SHEDDABLE):
            return False
        self.shed += 1
        return True

    @property
    def is_low(self) -> bool:
        """Whether it is far from shedding."""
        return self.depth < self._high_water // 2

    def flush(self) -> None:
        """Wait until everything that was put before this moment has been handled."""
        marks = [Flag() for _ in self._queues]
        for queue, mark in zip(self._queues, marks):
            queue.put(mark)
        gevent.wait(marks)

    def stop(self) -> None:
        """Drop what waits and end."""
        gevent.killall(self._greenlets)

    def _run(self, queue: Queue) -> None:
        while True:
            facts, mark = _waiting(queue)
            if facts and time.monotonic() - self._yielded_at > SLICE_S:
                # Handlers that never wait would keep the hub as long as there are facts, in all lanes together.
                gevent.sleep(YIELD_S)
                self._yielded_at = time.monotonic()
            self._handle(facts)
            self.depth -= len(facts)
            if mark is not None:
                mark.set()

    def _handle(self, facts: list[CallEvent]) -> None:
        try:
            if facts:
                self._handler(facts)
        except (Exception, gevent.Timeout):
            if len(facts) == 1:
                with about(facts[0].uuid):
                    log.exception("call %s: %s was not handled", facts[0].uuid, type(facts[0]).__name__)
                return
            for fact in facts:
                self._handle([fact])


def _waiting(queue: Queue) -> tuple[list[CallEvent], Flag | None]:
    """Facts that wait, at least one, and the mark behind them where there is one."""
    facts: list[CallEvent] = []
    while not facts or (len(facts) < BATCH and not queue.empty()):
        one: CallEvent | Flag = queue.get()
        if isinstance(one, Flag):
            return facts, one
        facts.append(one)
    return facts, None
