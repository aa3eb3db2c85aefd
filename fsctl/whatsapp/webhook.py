"""A webhook of Meta -> the facts in it. Pure: bytes and the time at which they came are all that it looks at.

Nothing here raises, whatever the bytes are: what cannot be read becomes ``Unknown``, with the reason, beside what
could be. Types are not trusted: a number may be text, an object an array, anything may be missing (``values``).

To add a field: a function in FIELDS. Sources: Meta, "Webhooks" (messages, statuses, calls, account_update,
smb_message_echoes, user_preferences), "Configure call settings", "Business-scoped user IDs".
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from fsctl.whatsapp import accounts, calling, chat, values
from fsctl.whatsapp.change import Change
from fsctl.whatsapp.facts import Fact, PreferenceChanged, Unknown

log = logging.getLogger(__name__)

Reader = Callable[[Change], Iterator[Fact]]

OURS = "our own mistake"
"""How the reason begins where a reader failed on a value: none should."""


def facts(body: bytes, received_at: datetime) -> list[Fact]:
    """Everything that a POST tells, in its order.

    Args:
        body: as it came.
        received_at: when; stands in for times that are missing or cannot be.
    """
    try:
        whole = values.load(body)
    except ValueError as error:
        text = values.storable(body.decode("utf-8", "replace"), values.MAX_KEPT)
        return [Unknown(at=received_at, field="", reason=str(error), value=text)]
    found: list[Fact] = []
    for change in _changes(whole, received_at):
        found += [change] if isinstance(change, Unknown) else _read(change)
    return found


def _changes(whole: Any, received_at: datetime) -> Iterator[Change | Unknown]:
    def unknown(reason: str, value: Any) -> Unknown:
        return Unknown(at=received_at, field="", reason=reason, value=values.plain(value))

    top = values.mapping(whole)
    # The test button of Meta's dashboard sends a change without its envelope.
    entries = [{"changes": [top]}] if "field" in top else values.mappings(top.get("entry"))
    if not entries:
        yield unknown("no entry in it", whole)
    for entry in entries:
        changes = values.mappings(entry.get("changes"))
        if not changes:
            yield unknown("no changes in it", entry)
        for change in changes:
            value = values.mapping(change.get("value"))
            if not value:
                yield unknown("no value in it", change)
                continue
            field, account = values.name(change.get("field")), values.name(entry.get("id"))
            yield Change(field, value, account, values.when(entry.get("time"), received_at), received_at)


def _read(change: Change) -> list[Fact]:
    reader = FIELDS.get(change.field) or _guessed(change)
    if reader is None:
        return [change.unknown("a field that nobody reads", change.value)]
    try:
        return list(reader(change)) or [change.unknown("nothing in it", change.value)]
    except Exception as error:
        # One value must not take the rest of the post along; the reason says that there is something to mend.
        log.exception("a webhook's field %r cannot be read", change.field)
        return [change.unknown(f"{OURS}: {type(error).__name__}: {error}"[: values.MAX_NAME], change.value)]


def _guessed(change: Change) -> Reader | None:
    """The reader of a change that does not say its field, but has what one of them has."""
    fields = ("messages", "calls") if not change.field else ()
    return next((FIELDS[field] for field in fields if change.items(field)), None)


def _settings(change: Change) -> Iterator[Fact]:
    yield accounts.settings(change.value, change.received_at) or change.unknown("no settings", change.value)


def _account(change: Change) -> Iterator[Fact]:
    found = accounts.updates(change.account, change.value, change.at)
    yield from found
    if not found:
        yield change.unknown("an event that nobody reads", change.value)


def _preferences(change: Change) -> Iterator[Fact]:
    for item in change.items("user_preferences"):
        between, wanted = change.chat(item, "wa_id"), values.name(item.get("value")).lower()
        if between.person.aliases and wanted in ("stop", "resume"):
            detail = values.text(item.get("detail"), values.MAX_NAME) or wanted
            at, stop = change.when(item), wanted == "stop"
            yield PreferenceChanged(at=at, chat=between, stop=stop, detail=detail)
        else:
            yield change.unknown("a preference of nobody, or for nothing", item)
    yield from change.leftovers("user_preferences")


FIELDS: Mapping[str, Reader] = {
    "messages": chat.messages,
    "smb_message_echoes": chat.echoes,
    "message_echoes": chat.echoes,
    "calls": calling.calls,
    "account_settings_update": _settings,
    "account_update": _account,
    "user_preferences": _preferences,
}
"""Field of a change -> its reader."""
