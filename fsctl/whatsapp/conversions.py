"""Meta's Conversions API for business messaging: that a click on an ad became a lead or a sale.

Knows: which outcomes Meta is told of, in its words, and what its refusals mean. Refuses to know how outcomes come
to be. Off unless the config names a dataset and says that customers agreed (``WhatsApp.has_conversions``).

::

    outcome --Conversions (a loop over rows)--> outbox, kind "conversion" --ConversionSender (the pump)--> Meta

An outcome waits for WAIT before it is told, so that a slip can be put right; what was told cannot be taken back. An
event's id is of what was sold, not of the word that said it: Meta takes the same id once (within 48 hours), and our
outbox the same key once, ever.

Sources: Meta, "Conversions API for Business Messaging" (send events for WhatsApp) and "Server event parameters".
"""

import hashlib
import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from fsctl.config_chat import WhatsApp
from fsctl.errors import DatabaseError, GraphError
from fsctl.patience import Patience
from fsctl.store import outbox, outcomes, touches
from fsctl.store.db import Database, Transaction
from fsctl.store.outbox import Again, Claimed, Failed, Item, Sent
from fsctl.store.outcomes import Outcome, Undecided
from fsctl.whatsapp import retry
from fsctl.whatsapp.graph import GraphDown, GraphRefused, GraphUnsure
from fsctl.whatsapp.retry import Rule, Then

log = logging.getLogger(__name__)

KIND = "conversion"
EVENTS: Mapping[str, str] = {"sale": "Purchase", "lead": "LeadSubmitted"}
"""Our kind of outcome -> Meta's event. It takes AddToCart, InitiateCheckout and ViewContent here, too."""
WAIT = timedelta(minutes=5)
MOST_AGE = timedelta(days=7)
"""Meta refuses a whole request with an older event in it."""
EVERY_S = 5.0
MOST = 200

LIMITS = frozenset({17, 32, 341, 613})
"""Rate limits of this part of the Graph API, besides those of sending (Meta, "Rate limiting")."""
LIMITED = Rule(Then.AGAIN, "too many events", 60, 2.0, 900)


class Posts(Protocol):
    """What is needed of ``whatsapp.graph.Graph``."""

    def post(self, path: str, json: dict[str, Any]) -> dict[str, Any]:
        """See there."""


def decide(word: Undecided, click: str | None, settings: WhatsApp, now: datetime) -> str | Item:
    """What becomes of an outcome: an item for the outbox, or why there is none.

    Args:
        click: Meta's id of the last click on an ad until then.
    """
    said = word.outcome
    if not settings.has_conversions:
        return "off"
    if not said.counts:
        return "replaced"
    if said.kind not in EVENTS:
        return "not for Meta"
    if click is None or word.thread_id is None:
        return "no click on an ad"
    if now - said.at > MOST_AGE:
        return "too old"
    if said.kind == "sale" and said.value is None:
        return "a sale without a value"
    event = event_of(said, click, settings.waba_id, now)
    return Item(
        key=f"{KIND}/{event['event_id']}",
        kind=KIND,
        thread_id=word.thread_id,
        payload={"event": event},
        expires_at=said.at + MOST_AGE,
        why=f"{said.kind} of {outcomes.subject(said)}",
    )


def event_of(said: Outcome, click: str, waba_id: str, now: datetime) -> dict[str, Any]:
    """The event in Meta's words. It names the click and nothing else of the customer."""
    name = EVENTS[said.kind]
    what = "\n".join((name, outcomes.subject(said), said.order_ref))
    event: dict[str, Any] = {
        "event_name": name,
        "event_time": int(min(said.at, now).timestamp()),
        "event_id": hashlib.sha256(what.encode()).hexdigest()[:32],
        "action_source": "business_messaging",
        "messaging_channel": "whatsapp",
        "user_data": {"whatsapp_business_account_id": waba_id, "ctwa_clid": click},
    }
    if said.value is not None:
        event["custom_data"] = {"currency": said.currency, "value": float(said.value)}
    return event


class Conversions:
    """The loop: decides on outcomes that had time to be put right. Any number of them may run at once."""

    def __init__(self, database: Database, settings: WhatsApp) -> None:
        self._database = database
        self._settings = settings

    def run(self) -> None:
        """Until it is killed; a Postgres that is away is waited for."""
        patience = Patience(log, waits_for=DatabaseError)
        while True:
            with patience:
                while self.tick(datetime.now(UTC)) == MOST:
                    pass
                time.sleep(EVERY_S)

    def tick(self, now: datetime) -> int:
        """Decide on what is there, at most MOST outcomes.

        Returns:
            How many were decided on.

        Raises:
            DatabaseError: none of them was.
        """
        with self._database.transaction("deciding what Meta is told") as transaction:
            words = outcomes.undecided(transaction, now - WAIT, MOST)
            for word in words:
                assert word.outcome.id is not None
                outcomes.decide(transaction, word.outcome.id, self._queued(transaction, word, now))
        return len(words)

    def _queued(self, transaction: Transaction, word: Undecided, now: datetime) -> str:
        click = None
        if self._settings.has_conversions and word.thread_id is not None:
            click = touches.click(transaction, word.thread_id, word.moment, word.outcome.call_uuid)
        decided = decide(word, click, self._settings, now)
        if isinstance(decided, str):
            return decided
        return "queued" if outbox.add(transaction, decided) else "told before"


class ConversionSender:
    """The pump's Sender of kind ``conversion``."""

    def __init__(self, graph: Posts, settings: WhatsApp) -> None:
        self._graph = graph
        self._settings = settings

    def send(self, item: Claimed) -> outbox.Outcome:
        """Tell Meta of one event. To say it twice does no harm, so nothing here is ever unsure."""
        if not self._settings.has_conversions:
            return Failed("switched off since")
        if item.opted_out_at is not None:
            return Failed("the customer opted out")
        try:
            answer = self._graph.post(
                f"{self._settings.conversions_dataset}/events", {"data": [item.payload["event"]]}
            )
        except GraphRefused as error:
            rule = LIMITED if error.code in LIMITS else retry.rule_of(error.code, error.status)
            return _after(rule, error, item.attempts, error.code, error.retry_after)
        except (GraphDown, GraphUnsure) as error:
            return _after(retry.UNREACHABLE, error, item.attempts)
        return Sent() if answer.get("events_received") == 1 else Failed("Meta took no event")


def _after(
    rule: Rule, error: GraphError, attempts: int, code: int = 0, least_s: float | None = None
) -> outbox.Outcome:
    """What the table of errors says; but whatever it is, messages of the number go on."""
    decided = retry.decide(rule, str(error), attempts, code, least_s)
    return replace(decided, whole_number=False) if isinstance(decided, Again) else decided
