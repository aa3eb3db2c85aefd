"""Missed calls become messages: looks for them, has the decision made, and puts the message into the outbox.

Knows: how words become Meta's message with a button. Refuses to know: why something is written or not
(``call/followup.py``), and how it is sent (``whatsapp/pump.py``). Runs in every ``fsctl serve``; one decides.
"""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import gevent

from fsctl.call import followup, payload, slots
from fsctl.call.followup import Chat, Words
from fsctl.call.policy import Policy
from fsctl.call.state import Call
from fsctl.errors import BadInput, DatabaseError
from fsctl.logs import about
from fsctl.patience import Patience
from fsctl.store import outbox
from fsctl.store.db import Database, Transaction
from fsctl.store.followups import Followup, Followups
from fsctl.whatsapp import messages

log = logging.getLogger(__name__)

EVERY_S = 2.0
"""A customer reads of it within ten seconds of the end."""
LOOK_BACK_S = 300.0
LONG_LOOK_BACK_S = 86_400.0
"""Now and then calls are looked for that ended long ago: they were found in a ledger, or we were away."""
LONG_LOOK_EVERY_S = 60.0
MOST = 200
"""Calls decided in one transaction."""


class FollowupLoop:
    """Decides about missed calls for as long as the process lives."""

    def __init__(
        self,
        database: Database,
        policy: Policy,
        public_url: str = "",
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Args: public_url: where customers reach our pages; empty: no time can be chosen."""
        self._followups = Followups(database)
        self._policy = policy
        self._public_url = public_url.rstrip("/")
        self._now = now
        self._mos = max((one.followup.bad_line_mos for one in policy.queues.values()), default=0.0)
        self._looked_long_at: datetime | None = None

    def run(self) -> None:
        """Until it is killed. A Postgres that is away is waited for."""
        patience = Patience(log, "missed calls are followed up later", waits_for=DatabaseError)
        while True:
            with patience:
                decided = self.tick()
                gevent.sleep(0.0 if decided >= MOST else EVERY_S)

    def tick(self) -> int:
        """Decide about what is due; how many calls that were."""
        now = self._now()
        is_long = (
            self._looked_long_at is None or (now - self._looked_long_at).total_seconds() >= LONG_LOOK_EVERY_S
        )
        since = now - timedelta(seconds=LONG_LOOK_BACK_S if is_long else LOOK_BACK_S)
        decided = self._followups.process(self._decide, since, self._mos, MOST)
        if is_long and decided < MOST:
            self._looked_long_at = now
        return decided

    def _decide(self, transaction: Transaction, call: Call, chat: Chat) -> Followup:
        now = self._now()
        decision = followup.decide(call, chat, self._policy, now)
        words, reason = None, decision.reason
        if decision.writes and decision.kind is not None:
            words = followup.words(
                call, decision.kind, chat.language, self._policy, now, bool(self._public_url)
            )
            try:
                outbox.add(transaction, self._item(call, words, reason, now))
            except (BadInput, ValueError) as error:
                # What Meta would refuse now it would refuse again: one row's fault is not that of the others.
                words, reason = None, f"{reason}: cannot be written: {error}"
        with about(call.uuid, call.thread_id):
            log.info("call %s: %s (%s)", call.uuid, "written to" if words else "nothing written", reason)
        return Followup(
            call_uuid=call.uuid,
            thread_id=call.thread_id,
            wacid=call.wacid,
            kind=decision.kind,
            outcome="message" if words else "none",
            reason=reason,
            offer=words.offer if words else None,
            outbox_key=_key(call) if words else None,
            decided_at=now,
        )

    def _item(self, call: Call, words: Words, why: str, now: datetime) -> outbox.Item:
        settings = self._policy.queue(followup.queue_of(call, self._policy)).followup
        expires_at = now + timedelta(seconds=followup.LATE_S)
        code = settings.template_languages.get(words.language, words.language)
        ticket = followup.ticket(call, self._policy, now)
        parts: list[Any] = [messages.body_texts(words.why)]
        match words.offer:
            case "button":
                signed = payload.sign(ticket, self._policy.payload_secrets[0])
                ttl = max(1, settings.keep_s // 60)
                message = messages.call_button(
                    words.body, label=words.button, ttl_minutes=ttl, payload=signed
                )
                parts.append(messages.template_call_button(ttl_minutes=ttl, payload=signed))
            case "slot":
                token = slots.invite(call.uuid, ticket.expires, self._policy.payload_secrets[0])
                url = f"{self._public_url}/callback/{token}"
                message = messages.url_button(words.body, label=words.button, url=url)
                parts.append(messages.template_url_button(token))
            case _:
                message = messages.text(words.body)
        template = messages.template(settings.template, code, parts) if settings.template else None
        return outbox.Item(
            key=_key(call),
            kind="message",
            thread_id=call.thread_id,
            payload={"message": message, "template": template},
            expires_at=expires_at,
            why=f"missed call: {why}",
        )


def _key(call: Call) -> str:
    return f"followup/{call.uuid}"
