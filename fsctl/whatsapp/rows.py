"""Facts of webhooks -> rows of the store. Pure."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from fsctl.store import accounts, messages, outbox, strays, touches, witness
from fsctl.store.contacts import Place
from fsctl.whatsapp import values
from fsctl.whatsapp.facts import (
    AccountTold,
    CallSeen,
    ChatFact,
    MessageChanged,
    MessageWritten,
    Reacted,
    StatusChanged,
    Unknown,
)


def message(place: Place, fact: MessageWritten) -> messages.NewMessage:
    """A row of ``message``."""
    return messages.NewMessage(
        thread_id=place.thread_id,
        wamid=fact.wamid,
        direction=fact.direction,
        sent_at=fact.at,
        type=fact.content.type,
        body=fact.content.body,
        media=fact.content.media,
        referral=fact.referral,
        context=fact.context,
        extra=fact.content.extra,
        wacid=fact.wacid,
    )


def change(fact: MessageChanged) -> messages.Change:
    """A row of ``message_change``."""
    return messages.Change(
        wamid=fact.wamid,
        target=fact.target,
        kind=fact.kind,
        at=fact.at,
        body=fact.content.body if fact.content else "",
        media=fact.content.media if fact.content else None,
    )


def reaction(fact: Reacted) -> messages.Reaction:
    """A row of ``reaction``."""
    return messages.Reaction(
        wamid=fact.wamid, target=fact.target, direction=fact.direction, emoji=fact.emoji, at=fact.at
    )


def status(fact: StatusChanged) -> messages.Status:
    """A row of ``message_status``."""
    return messages.Status(
        wamid=fact.wamid, status=fact.status, at=fact.at, code=fact.code, title=fact.title, data=fact.data
    )


def confirmation(fact: StatusChanged) -> outbox.Confirmation:
    """What the outbox is told of the same."""
    return outbox.Confirmation(
        wamid=fact.wamid,
        status=fact.status,
        at=fact.at,
        key=fact.callback_data,
        code=fact.code or 0,
        reason=fact.title or "",
    )


def touch_of(place: Place, fact: MessageWritten) -> Iterator[touches.Touch]:
    """The ad that a message came from. The click and the ad are told apart: either may be missing."""
    referral: Mapping[str, Any] = fact.referral or {}
    if referral:
        yield touches.Touch(
            thread_id=place.thread_id,
            at=fact.at,
            source="ad",
            key=f"message/{fact.wamid}",
            ctwa_clid=values.text(referral.get("ctwa_clid")),
            source_id=values.text(referral.get("source_id")),
            headline=values.text(referral.get("headline")),
            url=values.text(referral.get("source_url")),
            wamid=fact.wamid,
            data=referral,
        )


def sighting(number: str, fact: CallSeen) -> witness.Sighting:
    """A row of ``witness``. Args: number: digits of ours; empty where nobody names it."""
    return witness.Sighting(
        wacid=fact.wacid,
        event=fact.event,
        at=fact.at,
        direction=fact.direction,
        aliases=fact.chat.person.aliases,
        business_number=number,
        ended_at=fact.ended_at,
        status=fact.status,
        duration_s=fact.duration_s,
        data=fact.data,
    )


def state(fact: AccountTold) -> accounts.State:
    """A row of ``account_state``."""
    return accounts.State(
        kind=fact.kind,
        subject=fact.subject,
        at=fact.at,
        wrong=fact.wrong,
        data=fact.data,
        expires_at=fact.expires_at,
    )


def lost(fact: ChatFact, reason: str) -> Unknown:
    """A fact that cannot be placed, as it was read."""
    value = values.plain(dataclasses.asdict(fact) | {"at": fact.at.isoformat()})
    return Unknown(at=fact.at, field=type(fact).__name__, reason=reason, value=value)


def strays_of(facts: Iterable[Unknown], kinds: tuple[str, ...]) -> list[strays.Stray]:
    """Rows of ``stray``. Args: kinds: what must not be stored of any chat."""
    return [
        strays.Stray(
            field=fact.field,
            reason=fact.reason,
            value=messages.redacted(fact.value, kinds),
            came_at=fact.at,
        )
        for fact in facts
    ]
