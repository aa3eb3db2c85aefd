"""How much a client may ask of us: bytes, seconds, connections. Whoever asks for more is refused, and counted.

A client that waits for nothing but its own next byte holds a connection, little memory, and no more than the
seconds below. When connections run short, the one that has waited longest for its client goes.
"""

from dataclasses import dataclass

import gevent

TURN_S = 0.005
"""So long one connection may hold the hub before others get a turn."""
YIELD_S = 1e-6
"""``sleep(0)`` would leave timers waiting."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a client may ask for."""

    connections: int = 500
    head_bytes: int = 32768
    """Of all headers together; the request line may have 8192 besides."""
    idle_s: float = 60.0
    """Between two requests, and before the first."""
    head_s: float = 10.0
    """From the first byte of a request to the last of its head; for a TLS handshake as well."""
    body_s: float = 15.0
    """From the end of the head to that of the body. Meta gives up after 20 s."""
    send_s: float = 15.0
    """For each write of an answer."""
    linger_s: float = 1.0
    """Who is refused with more on its way gets so long to read why."""
    linger_bytes: int = 4 << 20
    held_bytes: int = 64 << 20
    """Of all bodies that are being read. Above it only those are read that are small."""
    small_bytes: int = 65536


@dataclass
class Counts:
    """What was asked of us since the start."""

    requests: int = 0
    malformed: int = 0
    """Not HTTP, or two ways to read where a request ends."""
    too_big: int = 0
    slow: int = 0
    crowded: int = 0
    """Connections and bodies there was no room for."""
    no_tls: int = 0
    """Handshakes that came to nothing."""
    failed: int = 0
    """Answered with 500: a defect of ours, see the log."""


class Slow(Exception):
    """A client took longer than it may."""


class Wait:
    """One wait for a client."""

    def __init__(self, waiting: dict[gevent.Greenlet, None], seconds: float) -> None:
        self._waiting = waiting
        self._timeout = gevent.Timeout(seconds, Slow())
        self._greenlet = gevent.getcurrent()

    def __enter__(self) -> None:
        self._waiting[self._greenlet] = None
        self._timeout.start()

    def __exit__(self, *_: object) -> None:
        self._timeout.close()
        self._waiting.pop(self._greenlet, None)


class Crowd:
    """Connections by how long they have been waiting for their client."""

    def __init__(self, limits: Limits, counts: Counts) -> None:
        self.held_bytes = 0
        """Of bodies that are being read."""
        self._limits = limits
        self._counts = counts
        self._waiting: dict[gevent.Greenlet, None] = {}

    def wait(self, seconds: float) -> "Wait":
        """As a context: wait for the client of this greenlet's connection; it may be ended meanwhile.

        Raises:
            Slow: within it; it took longer.
        """
        return Wait(self._waiting, seconds)

    def make_room(self, connections: int) -> bool:
        """Called by a new connection, one of so many. False: all are busy, there is no room for it."""
        if connections <= self._limits.connections:
            return True
        self._counts.crowded += 1
        oldest = next(iter(self._waiting), None)
        if oldest is None:
            return False
        del self._waiting[oldest]
        oldest.kill(block=False)
        return True

    def has_room(self, size: int) -> bool:
        """Whether a body that has so many bytes already may go on."""
        if size <= self._limits.small_bytes or self.held_bytes <= self._limits.held_bytes:
            return True
        self._counts.crowded += 1
        return False
