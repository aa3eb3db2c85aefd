"""How long to wait before trying again."""

import random


class Backoff:
    """Doubles from ``first_s`` to ``most_s``, with jitter so that many clients do not come back at once."""

    def __init__(self, first_s: float = 0.2, most_s: float = 15.0) -> None:
        self._first_s, self._most_s = first_s, most_s
        self._next_s = first_s

    def reset(self) -> None:
        """The last try went well."""
        self._next_s = self._first_s

    def next_s(self) -> float:
        """Seconds to wait before the next try."""
        now_s, self._next_s = self._next_s, min(self._next_s * 2, self._most_s)
        return now_s * random.uniform(0.5, 1.0)
