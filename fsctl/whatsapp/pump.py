"""Empties the outbox: claims what is due, hands each item to the sender of its kind, notes what came of it.

Knows: kinds and their senders, how many may be on their way at once. Refuses to know JSON and Meta's codes.
Runs in ``fsctl serve``, in as many processes as there are. While Postgres is away nothing is claimed; what was sent
in that moment is noted when it is back. A process that is killed leaves what it held to ``Outbox.tidy``.
"""

import logging
import os
import socket
import time
from collections.abc import Mapping

import gevent
from gevent.pool import Pool

from fsctl.errors import DatabaseError
from fsctl.logs import about
from fsctl.patience import Patience
from fsctl.store.alarms import Alarms
from fsctl.store.db import Wakeup
from fsctl.store.outbox import Again, Claimed, Failed, Outbox, Outcome, Sent, Unsure
from fsctl.whatsapp.retry import WAYS, Then
from fsctl.whatsapp.sender import Sender

log = logging.getLogger(__name__)

AT_ONCE = 32
"""Requests on their way at once: with Meta's answer in 0.3 s that is more than a number may send."""
IDLE_S = 1.0
"""Looks again after so long, whether it was woken or not: retries fall due without a word."""
ALARM = "whatsapp.sending"


class Pump:
    """One process's part in sending."""

    def __init__(
        self,
        outbox: Outbox,
        senders: Mapping[str, Sender],
        wakeup: Wakeup | None = None,
        alarms: Alarms | None = None,
        *,
        at_once: int = AT_ONCE,
    ) -> None:
        """Args: senders: by kind; an item of another kind waits. alarms: for what only a person can mend."""
        self._outbox = outbox
        self._senders = senders
        self._wakeup = wakeup
        self._alarms = alarms
        self._hands = Pool(at_once)
        self._worker = f"{socket.gethostname()}:{os.getpid()}"
        self._well: set[str] = set()

    def run(self) -> None:
        """Send until killed."""
        patience = Patience(log, waits_for=DatabaseError)
        tidied_at = 0.0
        while True:
            with patience:
                if time.monotonic() - tidied_at >= IDLE_S:
                    self._tidy()
                    tidied_at = time.monotonic()
                if not self._take():
                    self._wait()
            self._hands.wait_available()

    def tick(self) -> int:
        """Take what is due and there are hands for, and begin to send it.

        Returns:
            How many items that is.

        Raises:
            DatabaseError: nothing was taken.
        """
        self._tidy()
        return self._take()

    def join(self, timeout_s: float | None = None) -> bool:
        """Wait for what is on its way; False when it took longer."""
        return bool(self._hands.join(timeout_s))

    def _tidy(self) -> None:
        self._outbox.tidy(WAYS[Then.TEMPLATE], WAYS[Then.AGAIN])

    def _take(self) -> int:
        items = self._outbox.claim(list(self._senders), self._worker, self._hands.free_count())
        for item in items:
            self._hands.spawn(self._handle, item)
        return len(items)

    def _wait(self) -> None:
        if self._wakeup is None:
            gevent.sleep(IDLE_S)
        else:
            self._wakeup.wait(IDLE_S)

    def _handle(self, item: Claimed) -> None:
        with about(thread=item.thread_id):
            self._send(item)

    def _send(self, item: Claimed) -> None:
        try:
            outcome = self._senders[item.kind].send(item)
        except Exception as error:
            log.exception("%s: the sender failed", item.key)
            # It may have failed after the request had left.
            outcome = Unsure(f"the sender failed: {type(error).__name__}")
        _tell(item, outcome)
        self._store(item, outcome)
        try:
            self._watch(item, outcome)
            if isinstance(outcome, Sent):
                self._outbox.learn(item, outcome)
        except DatabaseError as error:
            log.warning("%s", error)

    def _store(self, item: Claimed, outcome: Outcome) -> None:
        """Note it, whatever time that takes: nobody else knows."""
        try:
            Patience(log).until_done(lambda: self._outbox.finish(item, outcome))
        except DatabaseError as error:
            # Its lease runs out, and it is unsure.
            log.error("%s", error)

    def _watch(self, item: Claimed, outcome: Outcome) -> None:
        """An alarm for each number, until something is sent from it."""
        number = item.business_number
        if self._alarms is None or not number:
            return
        if isinstance(outcome, Again) and outcome.alarm:
            self._well.discard(number)
            self._alarms.put_up(ALARM, number, outcome.reason)
        elif isinstance(outcome, Sent) and number not in self._well:
            self._alarms.clear(ALARM, number)
            self._well.add(number)


def _tell(item: Claimed, outcome: Outcome) -> None:
    """To the log: never what was written."""
    if isinstance(outcome, Sent):
        log.info("%s: sent %s", item.key, outcome.wamid)
    elif isinstance(outcome, Failed):
        log.warning("%s: not sent: %s", item.key, outcome.reason)
    else:
        log.warning("%s: %s: %s", item.key, type(outcome).__name__.lower(), outcome.reason)
