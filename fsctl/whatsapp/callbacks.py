"""Callbacks whose time has come: we call who permits it, others get a button that leads to their place.

Knows: what is written then, and what happens to a callback that nobody could keep. Refuses to know: which times
there are, and how a message is sent (``whatsapp/pump.py``). Runs in every ``fsctl serve``; one takes a callback.
"""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import gevent

from fsctl.call import followup, payload, wording
from fsctl.call.followup import Chat
from fsctl.call.payload import Ticket
from fsctl.call.policy import Policy
from fsctl.call.state import Call
from fsctl.errors import BadInput, DatabaseError
from fsctl.logs import about
from fsctl.patience import Patience
from fsctl.store import outbox
from fsctl.store.callbacks import Callback, Callbacks, Settled
from fsctl.store.db import Database, Transaction
from fsctl.store.followups import chat
from fsctl.whatsapp import messages
from fsctl.whatsapp.dial import Dialler

log = logging.getLogger(__name__)

EVERY_S = 2.0
LATE_S = 1800
"""So long after its time a callback is still begun; then the customer has given up on us."""
RUNG_S = 90
"""After so long the customer has answered or not: a phone rings for ``dial.RING_S``."""
MOST = 50
"""Callbacks begun in one transaction."""


class CallbackLoop:
    """Begins callbacks at their time for as long as the process lives."""

    def __init__(
        self,
        database: Database,
        policy: Policy,
        dialler: Dialler | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Args: dialler: calls customers; None: everybody gets the button."""
        self._callbacks = Callbacks(database)
        self._policy = policy
        self._dialler = dialler
        self._now = now

    def run(self) -> None:
        """Until it is killed. A Postgres that is away is waited for."""
        patience = Patience(log, "callbacks wait", waits_for=DatabaseError)
        while True:
            with patience:
                self.tick()
                gevent.sleep(EVERY_S)

    def tick(self) -> int:
        """Begin what is due; how many that were."""
        now = self._now()
        due = self._callbacks.settle_due(self._settle, now, now - timedelta(seconds=RUNG_S), MOST)
        for one in due:
            with about(one.call_uuid, one.thread_id):
                log.info("callback %d of call %s: %s (%s)", one.id, one.call_uuid, one.state, one.reason)
                if one.state == "calling":
                    self._call(one)
        return len(due)

    # --- what becomes of it ------------------------------------------------------------------------------------

    def _settle(self, transaction: Transaction, due: Callback, call: Call) -> Settled:
        now = self._now()
        if due.taken_by is not None:
            return Settled(state="called", reason=f"taken: call {due.taken_by}")
        why_not = _needless(chat(transaction, due.call_uuid), due)
        if why_not is not None:
            return Settled(state="cancelled", reason=why_not)
        if due.state == "calling":
            return self._offer(transaction, due, call, now, "we called, and nobody answered")
        if now > due.ends_at + timedelta(seconds=LATE_S):
            return Settled(state="failed", reason=f"we were away until {now:%Y-%m-%d %H:%M} UTC")
        if self._dialler is not None and self._policy.queue(due.queue).followup.call_back:
            try:
                return Settled(state="calling", reason="calling", payload=self._signed(due, call, now))
            except (BadInput, ValueError) as error:
                return Settled(state="failed", reason=f"cannot be called: {error}")
        return self._offer(transaction, due, call, now, "its time has come")

    def _call(self, callback: Callback) -> None:
        """It is stored that we call, so nobody calls twice; where it cannot be done the button is sent."""
        assert self._dialler is not None
        assert callback.payload is not None
        call = self._callbacks.call(callback.call_uuid)
        assert call is not None
        names = self._callbacks.names(callback.thread_id)
        job = f"callback-{callback.id}"
        why_not = self._dialler.call(names, call.to_number, call.node, callback.payload, job)
        if why_not is None:
            return
        log.info("callback %d: not called: %s", callback.id, why_not)
        self._callbacks.settle(
            callback,
            lambda transaction, due, missed: self._offer(transaction, due, missed, self._now(), why_not),
            self._now(),
        )

    def _offer(self, transaction: Transaction, due: Callback, call: Call, now: datetime, why: str) -> Settled:
        """The button, by the outbox."""
        key = f"callback/{due.id}"
        try:
            item = self._item(key, due, call, now)
        except (BadInput, ValueError) as error:
            return Settled(state="failed", reason=f"cannot be written: {error}")
        outbox.add(transaction, item)
        return Settled(state="offered", reason=why, outbox_key=key)

    # --- what is sent ------------------------------------------------------------------------------------------

    def _signed(self, due: Callback, call: Call, now: datetime) -> str:
        """What leads to the queue, at the place that was kept. Raises BadInput, ValueError."""
        if not self._policy.payload_secrets:
            raise BadInput("nothing to sign with: [payload] names no secret")
        ticket = Ticket(
            expires=now + timedelta(seconds=self._policy.queue(due.queue).followup.keep_s),
            queue=due.queue,
            score=due.score,
            since=due.since,
            language=due.language,
            campaign="callback",
            contact_id=call.contact_id,
        )
        return payload.sign(ticket, self._policy.payload_secrets[0])

    def _item(self, key: str, due: Callback, call: Call, now: datetime) -> outbox.Item:
        settings = self._policy.queue(due.queue).followup
        language = followup.tongue({}, due.language)
        why, signed = wording.WHY[language]["opened"], self._signed(due, call, now)
        label, minutes = followup.button(settings, language), settings.keep_s // 60
        body = wording.CALL_NOW[language].replace("{why}", why)
        parts = [messages.body_texts(why), messages.template_call_button(ttl_minutes=minutes, payload=signed)]
        code = settings.template_languages.get(language, language)
        return outbox.Item(
            key=key,
            kind="message",
            thread_id=due.thread_id,
            payload={
                "message": messages.call_button(body, label=label, ttl_minutes=minutes, payload=signed),
                "template": messages.template(settings.template, code, parts) if settings.template else None,
            },
            expires_at=due.ends_at + timedelta(seconds=LATE_S),
            why="callback at the time that the customer chose",
        )


def _needless(known: Chat, due: Callback) -> str | None:
    """Why nobody waits for this callback any more."""
    if known.opted_out:
        return "the customer has opted out"
    if known.calls_now:
        return "the customer is on the line"
    if known.answered_at is not None and known.answered_at > due.booked_at:
        return "a call of the customer was answered since"
    return None
