"""Keeps numbering what is committed (store/sequence.py), in each process of ``fsctl serve``: one at a time does it.

Refuses to know what it numbers. A process that dies leaves nothing half done; another one goes on.
"""

import logging
import time

from fsctl.errors import DatabaseError
from fsctl.patience import Patience
from fsctl.store.db import Wakeup
from fsctl.store.sequence import Sequence

log = logging.getLogger(__name__)

WOKEN_BY = ("fsctl_story", "fsctl_offer")
"""What others notify after a commit: lines of calls' stories and text, phones that ring. The rest is found by
looking."""
IDLE_S = 0.2
"""Looks again after so long, whether it was woken or not."""
REST_S = 0.02
"""Between two rounds: facts that come together are numbered together."""


class Sequencer:
    """One process's part in numbering."""

    def __init__(self, sequence: Sequence, wakeup: Wakeup | None = None) -> None:
        """Args: wakeup: on ``WOKEN_BY``; without one it only looks."""
        self._sequence = sequence
        self._wakeup = wakeup

    def run(self) -> None:
        """Number until killed. A Postgres that is away is waited for."""
        patience = Patience(log, waits_for=DatabaseError)
        try:
            while True:
                with patience:
                    if self.tick():
                        time.sleep(REST_S)
                    else:
                        self._wait()
        finally:
            if self._wakeup is not None:
                self._wakeup.close()

    def tick(self) -> int:
        """One round; returns how many rows were numbered. Raises DatabaseError."""
        return self._sequence.number()

    def _wait(self) -> None:
        if self._wakeup is None:
            time.sleep(IDLE_S)
        else:
            self._wakeup.wait(IDLE_S)
