"""The inbox -> rows: what each webhook tells is put into the thread of whom it names.

One transaction takes a post: its facts, and the note that it is done. Posts come late, twice and in any order, and
so do the calls that they tell of; no fact waits for another here. After each round ``settle`` joins what has met:
edits with their messages, calls with what Meta saw of them.

Called by: ``fsctl serve``, any number of them at once.
"""

import logging
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import gevent

from fsctl.call.policy import Policy
from fsctl.patience import Patience
from fsctl.store import accounts, contacts, messages, outbox, strays, touches, witness
from fsctl.store.contacts import Place, Who
from fsctl.store.db import Database, Transaction, Wakeup
from fsctl.store.inbox import WAKES, Inbox, Post
from fsctl.store.messages import Change, NewMessage, Reaction
from fsctl.whatsapp import contents, rows, webhook
from fsctl.whatsapp.facts import (
    AccountTold,
    CallSeen,
    ChatFact,
    Fact,
    IdentityChanged,
    MessageChanged,
    MessageWritten,
    PreferenceChanged,
    Reacted,
    StatusChanged,
    Unknown,
)

log = logging.getLogger(__name__)

MOST = 50
"""Posts in one transaction. Until its end it alone decides who is who: the call of somebody new waits."""
FORGET_S = 3600.0
"""So often posts that are no longer kept are emptied."""
EVERY_S = 5.0
"""So often we look without being woken: alarms fall due by time."""


class Intake:
    """Processes the inbox."""

    def __init__(
        self,
        database: Database,
        inbox: Inbox,
        policy: Policy,
        portfolio: str = "",
        grace_s: float = witness.GRACE_S,
    ) -> None:
        """Args: portfolio: ``config.whatsapp.portfolio``; grace_s: see ``witness.sound_alarms``."""
        self._database = database
        self._inbox = inbox
        self._policy = policy
        self._portfolio = portfolio
        self._grace_s = grace_s
        self._numbers = {
            number.phone_number_id: digits
            for digits, number in policy.numbers.items()
            if number.phone_number_id
        }

    def run(self) -> None:
        """Process for as long as the process lives; ends when it is killed."""
        patience = Patience(log, "webhooks wait in the inbox")
        forgot_at = float("-inf")
        with closing(Wakeup(self._database.dsn, [WAKES])) as wakeup:
            while True:
                with patience:
                    if time.monotonic() - forgot_at > FORGET_S:
                        self._inbox.forget()
                        forgot_at = time.monotonic()
                    while self.tick():
                        pass
                    wakeup.wait(EVERY_S)

    def tick(self) -> int:
        """One round.

        Returns:
            Posts that were processed; 0 when none waits.

        Raises:
            DatabaseDown: they wait still.
        """
        count = self._inbox.process(self.take, MOST, keep=not self._policy.redaction_of_unknown())
        self.settle()
        return count

    def settle(self) -> None:
        """Join what has met, and look at what is due. Raises DatabaseDown."""
        with self._database.transaction("settling messages") as transaction:
            messages.settle(transaction)
            accounts.expire(transaction)
        with self._database.transaction("joining calls with what Meta saw") as transaction:
            contacts.lock(transaction)
            witness.join(transaction, self._portfolio)
            witness.note(transaction)
            witness.sound_alarms(transaction, self._grace_s)

    def take(self, transaction: Transaction, posts: Sequence[Post]) -> None:
        """Put into rows what posts tell. Whatever their bytes are, this is no reason to raise."""
        told: list[Fact] = []
        for post in posts:
            told += webhook.facts(post.body, post.received_at)
            gevent.sleep(0)  # a post may hold a thousand updates, and calls share the hub
        strange = [fact for fact in told if isinstance(fact, Unknown)]
        if len(strange) < len(told):
            # Before any row is locked: another process may take a post about the same call.
            contacts.lock(transaction)
        new = _New()
        for facts in _by_chat(told):
            strange += self._chat(transaction, facts, new)
        for number, found in new.messages.items():
            messages.add(transaction, found, self._policy.redaction_of_chat(number))
        for number, changes in new.changes.items():
            messages.change(transaction, changes, self._policy.redaction_of_chat(number))
        for number, reactions in new.reactions.items():
            messages.react(transaction, reactions, self._policy.redaction_of_chat(number))
        statuses = [fact for fact in told if isinstance(fact, StatusChanged)]
        messages.note_status(transaction, [rows.status(fact) for fact in statuses])
        outbox.confirm_all(
            transaction, [rows.confirmation(fact) for fact in statuses], self._policy.redaction_of_chat
        )
        for fact in told:
            if isinstance(fact, AccountTold) and accounts.told(transaction, rows.state(fact)) and fact.wrong:
                log.warning("Meta says of %s: %s", fact.subject, fact.wrong)
        # What nobody reads may hold what must not be stored, of any queue.
        strays.keep(transaction, rows.strays_of(strange, self._policy.redaction_of_unknown()))

    def _chat(self, transaction: Transaction, facts: Sequence[ChatFact], new: "_New") -> list[Unknown]:
        """What was told of one customer and one of our numbers.

        Returns:
            What cannot be placed.
        """
        chat = facts[0].chat
        number = self._numbers.get(chat.phone_number_id) or chat.business_number
        for fact in facts:
            match fact:
                case IdentityChanged():
                    for old in fact.old:
                        contacts.changed(transaction, old, chat.person.aliases, fact.at, self._portfolio)
                case CallSeen():
                    name = fact.chat.person.name
                    witness.saw(transaction, rows.sighting(number, fact), name, self._portfolio)
                case MessageChanged():
                    new.changes[number].append(rows.change(fact))
                case Reacted():
                    new.reactions[number].append(rows.reaction(fact))
        placed = [fact for fact in facts if isinstance(fact, MessageWritten | PreferenceChanged)]
        if placed and not number:
            return [rows.lost(fact, "no number of ours is named") for fact in placed]
        if placed:
            place = self._find(transaction, number, placed)
            for fact in placed:
                if isinstance(fact, MessageWritten):
                    # Should the thread become another one meanwhile, Postgres follows (migration 0010).
                    new.messages[number].append(rows.message(place, fact))
                _of_person(transaction, place, fact)
        resumed = (fact for fact in placed if isinstance(fact, PreferenceChanged) and not fact.stop)
        return [rows.lost(fact, "wants messages again: a person decides") for fact in resumed]

    def _find(self, transaction: Transaction, number: str, facts: Sequence[ChatFact]) -> Place:
        """Whose facts these are, called as the latest of them calls it."""
        latest = max(facts, key=lambda fact: (fact.at, fact.chat.person.name))
        person = latest.chat.person
        who = Who(aliases=person.aliases, at=latest.at, name=person.name, portfolio=self._portfolio)
        return contacts.find(transaction, who, number)


@dataclass
class _New:
    """Rows that are written together, by the digits of our number: it says what must not be stored."""

    messages: dict[str, list[NewMessage]] = field(default_factory=lambda: defaultdict(list))
    changes: dict[str, list[Change]] = field(default_factory=lambda: defaultdict(list))
    reactions: dict[str, list[Reaction]] = field(default_factory=lambda: defaultdict(list))


def _by_chat(facts: Iterable[Fact]) -> Iterator[list[ChatFact]]:
    """The facts of each customer and number together, in the order in which they came."""
    chats: dict[tuple[Any, ...], list[ChatFact]] = {}
    for fact in facts:
        if isinstance(fact, ChatFact):
            chat = fact.chat
            key = chat.person.aliases, chat.phone_number_id, chat.business_number
            chats.setdefault(key, []).append(fact)
    yield from chats.values()


def _of_person(transaction: Transaction, place: Place, fact: MessageWritten | PreferenceChanged) -> None:
    """What it says of the customer besides: which ad it came by, that it wants no more messages."""
    if isinstance(fact, MessageWritten):
        for touch in rows.touch_of(place, fact):
            touches.record(transaction, touch)
    if what := _refusal(fact):
        contacts.opt_out(transaction, place.contact_id, fact.at, what)


def _refusal(fact: MessageWritten | PreferenceChanged) -> str:
    """How a customer said that it wants no more messages: in Meta's menu, or in words. Empty: it did not."""
    if isinstance(fact, PreferenceChanged):
        return fact.detail if fact.stop else ""
    is_said = fact.direction == "inbound" and contents.wants_no_more(fact.content)
    return f"wrote {fact.content.body!r}" if is_said else ""
