"""Simulated time: seconds since the epoch that run ``speed`` times faster than the wall clock."""

import time

import gevent


class Clock:
    """Starts at ``start_epoch_s`` (default: now) when made. ``speed`` is simulated seconds a wall second."""

    def __init__(self, speed: float = 1.0, start_epoch_s: float | None = None) -> None:
        if speed <= 0:
            raise ValueError(f"speed must be positive, not {speed}")
        self.speed = speed
        self.start_epoch_s = time.time() if start_epoch_s is None else start_epoch_s
        self._wall_start_s = time.monotonic()

    def elapsed_s(self) -> float:
        """Simulated seconds since the start."""
        return (time.monotonic() - self._wall_start_s) * self.speed

    def now_s(self) -> float:
        """Simulated time, seconds since the epoch."""
        return self.start_epoch_s + self.elapsed_s()

    def now_us(self) -> int:
        """Simulated time in microseconds, the unit of FreeSWITCH's timestamps."""
        return int(self.now_s() * 1_000_000)

    def wall_s(self, simulated_s: float) -> float:
        """How long a simulated duration takes on the wall clock."""
        return max(simulated_s, 0.0) / self.speed

    def sleep(self, simulated_s: float) -> None:
        """Let other greenlets run for a simulated duration."""
        gevent.sleep(self.wall_s(simulated_s))
