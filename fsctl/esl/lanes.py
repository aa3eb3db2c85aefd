"""Per-call order without one slow call delaying another: a fixed number of queues, a call always in one."""

import logging
import time
import zlib
from collections.abc import Callable

import gevent
from gevent.queue import Queue

from fsctl.call.events import CallEvent

log = logging.getLogger(__name__)

LANES = 16
SLICE_S = 0.005
"""Longest time that a greenlet of the link keeps the hub for itself."""
YIELD_S = 1e-6
"""A timer, not 0: callbacks run before timers, and timers must run too."""


class Lanes:
    """Hands events to a handler: those of one call in order, those of different calls side by side."""

    def __init__(self, handler: Callable[[CallEvent], None]) -> None:
        """Args: handler: may block its lane; what it raises is logged with the call and the lane goes on."""
        self._handler = handler
        self._queues: list[Queue] = [Queue() for _ in range(LANES)]
        self._greenlets = [gevent.spawn(self._run, queue) for queue in self._queues]

    def put(self, event: CallEvent) -> None:
        """Add an event to its call's lane; never blocks."""
        self._queues[zlib.crc32(event.uuid.encode()) % LANES].put(event)

    def depth(self) -> int:
        """Events that wait."""
        return sum(queue.qsize() for queue in self._queues)

    def stop(self) -> None:
        """Drop what waits and end."""
        gevent.killall(self._greenlets)

    def _run(self, queue: Queue) -> None:
        since = time.monotonic()
        while True:
            event: CallEvent = queue.get()
            if time.monotonic() - since > SLICE_S:
                # A handler that never waits would keep the hub as long as there are events.
                gevent.sleep(YIELD_S)
                since = time.monotonic()
            try:
                self._handler(event)
            except Exception:
                log.exception("call %s: %s was not handled", event.uuid, type(event).__name__)
