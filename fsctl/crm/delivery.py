"""Sends events to endpoints: claims what is due, signs it, posts it, notes what came of it.

Runs in every process of ``fsctl serve``; a claim is one process's. While Postgres is away nothing is claimed, and
what was sent in that moment is noted when it is back, or sent again. Refuses to know what an event says.
"""

import logging
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime

import gevent
from gevent.event import Event as Signal
from gevent.pool import Pool

from fsctl.backoff import Backoff
from fsctl.crm import events, signing
from fsctl.crm.outward import Answer, Outward
from fsctl.errors import DatabaseDown, DatabaseError
from fsctl.logs import about
from fsctl.patience import Patience
from fsctl.store.db import Wakeup
from fsctl.store.deliveries import Claimed, Deliveries
from fsctl.store.events import Event

log = logging.getLogger(__name__)

WAITS_S = (5.0, 30.0, 120.0, 600.0, 1800.0, 3600.0, 7200.0, 14400.0, 28800.0, 43200.0, 86400.0)
"""Before each further try: twelve tries in two days."""
JITTER = 0.2
"""A wait is shorter or longer by at most this share: what failed together is not tried together."""
MOST_WAIT_S = WAITS_S[-1]
GONE = 410
AT_ONCE = 32
"""Requests under way, to all endpoints."""
IDLE_S = 0.5
"""Looks again after so long, whether it was woken or not: retries fall due without a word."""
REST_S = 0.01
"""Between two claims: those that are settled together make room together."""
PRUNE_S = 3600.0
AGENT = "fsctl"


def wait_s(attempts: int, retry_after_s: float | None = None, jitter: float = 0.0) -> float | None:
    """Seconds until the next try; None: there is none.

    Args:
        attempts: tries so far.
        retry_after_s: what the receiver asked for; never shorter than our own wait, nor longer than a day.
        jitter: -1 to 1.
    """
    if attempts > len(WAITS_S):
        return None
    own_s = WAITS_S[attempts - 1] * (1 + JITTER * jitter)
    return min(max(own_s, retry_after_s or 0.0), MOST_WAIT_S * (1 + JITTER))


def send(outward: Outward, url: str, secrets: list[str], event: Event, base_url: str = "") -> Answer:
    """Sign an event and post it, once."""
    content = events.body(event, base_url)
    headers = {"Content-Type": "application/json", "User-Agent": AGENT}
    return outward.post(
        url, headers | signing.headers(secrets, event.id, datetime.now(UTC), content), content
    )


class Courier:
    """One process's part in sending."""

    def __init__(
        self,
        deliveries: Deliveries,
        outward: Outward,
        wakeup: Callable[[], Wakeup] | None = None,
        base_url: str = "",
        keep_days: int = 0,
    ) -> None:
        """
        Args:
            wakeup: makes one on ``deliveries.CHANNEL``.
            base_url: ``[web] public_url``, for links.
            keep_days: ``[crm] keep_days``; 0: events are kept for ever.
        """
        self._deliveries = deliveries
        self._outward = outward
        self._wakeup = wakeup
        self._base_url = base_url
        self._keep_days = keep_days
        self._hands = Pool(AT_ONCE)
        self._more = Signal()

    def run(self) -> None:
        """Send until killed."""
        patience = Patience(log, waits_for=DatabaseError)
        pruned_at = 0.0
        listener = gevent.spawn(self._listen) if self._wakeup else None
        try:
            while True:
                self._more.clear()
                with patience:
                    # Where there is more, the next round goes on.
                    if time.monotonic() - pruned_at > PRUNE_S and not self._deliveries.prune(self._keep_days):
                        pruned_at = time.monotonic()
                    if self.tick():
                        gevent.sleep(REST_S)
                    else:
                        self._more.wait(IDLE_S)
                self._hands.wait_available()
        finally:
            if listener is not None:
                listener.kill()
            self._hands.kill()

    def tick(self) -> int:
        """Take what is due and there are hands for, and begin to send it; so many. Raises DatabaseError."""
        room = self._hands.free_count()
        taken = self._deliveries.claim(room) if room else []
        for one in taken:
            self._hands.spawn(self._handle, one)
        return len(taken)

    def join(self, timeout_s: float | None = None) -> bool:
        """Wait for what is under way; False when it took longer."""
        return bool(self._hands.join(timeout_s))

    def _listen(self) -> None:
        assert self._wakeup is not None
        wakeup = self._wakeup()
        backoff = Backoff()
        try:
            while True:
                try:
                    if wakeup.wait(60.0):
                        self._more.set()
                    backoff.reset()
                except DatabaseDown:
                    gevent.sleep(backoff.next_s())
        finally:
            wakeup.close()

    def _handle(self, one: Claimed) -> None:
        with about(one.event.call_uuid, one.event.thread_id):
            self._send(one)
        # The next of its lane may go.
        self._more.set()

    def _send(self, one: Claimed) -> None:
        answer = send(self._outward, one.url, list(one.secrets), one.event, self._base_url)
        try:
            # Nobody else knows; when the lease is over it is sent again.
            Patience(log).until_done(lambda: self._note(one, answer))
        except DatabaseError as error:
            log.error("%s", error)

    def _note(self, one: Claimed, answer: Answer) -> None:
        if answer.is_ok and answer.status is not None:
            self._deliveries.delivered(one, answer.status)
            log.debug("%s: delivered to endpoint %d", one.event.id, one.endpoint_id)
            return
        is_gone = answer.status == GONE
        # An endpoint that is gone keeps what waits for it, until a person enables or removes it.
        tries = 1 if is_gone else one.attempts
        after_s = wait_s(tries, answer.retry_after_s, random.uniform(-1, 1))
        disabled = self._deliveries.failed(one, answer.status, answer.error, after_s, is_gone)
        then = "given up" if after_s is None else f"again in {after_s:.0f} s"
        log.warning(
            "%s: endpoint %d: %s; %s", one.event.id, one.endpoint_id, answer.status or answer.error, then
        )
        if disabled:
            log.error("endpoint %d is disabled: %s", one.endpoint_id, disabled)
