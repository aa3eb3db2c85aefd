"""Messages and what became of ours: the fields ``messages`` and ``smb_message_echoes``. Pure; see ``webhook``."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from fsctl.call import identity
from fsctl.whatsapp import contents, people, values
from fsctl.whatsapp.change import MET, Change
from fsctl.whatsapp.facts import (
    CallSeen,
    Chat,
    Direction,
    Fact,
    IdentityChanged,
    MessageChanged,
    MessageWritten,
    Reacted,
    StatusChanged,
)
from fsctl.whatsapp.values import Json

WACID = "wacid."
"""How the id of a call begins; a voicemail is a message with such an id (Meta, "Configure call settings")."""
MAX_CALLBACK = 512


def messages(change: Change) -> Iterator[Fact]:
    """What customers wrote, and what became of what we wrote."""
    for item in change.items("messages"):
        yield from _message(change, item, "inbound")
    for item in change.items("statuses"):
        yield status(change, item)
    for error in change.items("errors"):
        yield change.unknown(MET, error)
    yield from change.leftovers("messages", "statuses", "errors")


def echoes(change: Change) -> Iterator[Fact]:
    """What was sent from a phone of ours, beside the API."""
    for item in change.items("message_echoes"):
        yield from _message(change, item, "outbound")
    yield from change.leftovers("message_echoes")


def status(change: Change, item: Json) -> Fact:
    """An item of ``statuses``: of a message, or of a call."""
    id, told = values.name(item.get("id")), values.name(item.get("status")).lower()
    if not (id and told):
        return change.unknown("a status without id or status", item)
    chat, at = change.chat(item, "recipient"), change.when(item)
    if values.name(item.get("type")).lower() == "call" or id.startswith(WACID):
        wacid, data = id.rstrip("="), values.plain(item)
        return CallSeen(at=at, chat=chat, wacid=wacid, event=told, direction="outbound", data=data)
    error = next(iter(values.mappings(item.get("errors"))), {})
    return StatusChanged(
        at=at,
        chat=chat,
        wamid=id,
        status=told,
        callback_data=values.text(item.get("biz_opaque_callback_data"), MAX_CALLBACK),
        code=values.number(error.get("code")),
        title=values.text(error.get("title")) or values.text(error.get("message")) or None,
        data=values.plain(values.rest(item, "id", "status", "timestamp")),
    )


def _message(change: Change, item: Json, direction: Direction) -> Iterator[Fact]:
    chat, at = change.chat(item, "from" if direction == "inbound" else "to"), change.when(item)
    if not chat.person.aliases:
        yield change.unknown("nobody is named", item)
        return
    wamid = values.name(item.get("id")) or _own_id(item)
    type = values.name(item.get("type")).lower()
    said = values.mapping(item.get(type))
    target = values.name(said.get("message_id") or said.get("original_message_id"))
    if type == "reaction" and target:
        emoji = values.name(said.get("emoji"))
        yield Reacted(at=at, chat=chat, wamid=wamid, target=target, direction=direction, emoji=emoji)
    elif type == "edit" and target and (edited := values.mapping(said.get("message"))):
        content = contents.read(edited)
        yield MessageChanged(at=at, chat=chat, wamid=wamid, target=target, kind="edit", content=content)
    elif type == "revoke" and target:
        yield MessageChanged(at=at, chat=chat, wamid=wamid, target=target, kind="delete")
    else:
        renamed = _identity(item, chat, at)
        if renamed is not None:
            yield renamed
        yield _written(change, item, renamed.chat if renamed else chat, wamid, direction)


def _written(change: Change, item: Json, chat: Chat, wamid: str, direction: Direction) -> Fact:
    odd = change.contacts.unread(chat.person)
    return MessageWritten(
        at=change.when(item),
        chat=chat,
        wamid=wamid,
        direction=direction,
        content=contents.read({**item, "contact": odd} if odd else item),
        referral=values.plain(values.mapping(item.get("referral"))) or None,
        context=values.plain(values.mapping(item.get("context"))) or None,
        wacid=wamid.rstrip("=") if wamid.startswith(WACID) else None,
    )


def _own_id(item: Json) -> str:
    """An id for a message that has none: the same message has the same."""
    return "none." + hashlib.sha256(json.dumps(item, sort_keys=True).encode()).hexdigest()


def _identity(item: Json, chat: Chat, at: datetime) -> IdentityChanged | None:
    """A system message that says that the customer has another number or user id now."""
    said = values.mapping(item.get("system"))
    if not values.name(said.get("type")).lower().startswith(("user_changed", "customer_changed")):
        return None
    new = people.renamed(said, chat.person)
    had, has = people.before(said, values.name(item.get("from"))), identity.names(new.aliases)
    old = tuple(alias for alias in had if identity.canonical(alias) not in has)
    if not (old and has):
        return None
    return IdentityChanged(at=at, chat=replace(chat, person=new), old=old)
