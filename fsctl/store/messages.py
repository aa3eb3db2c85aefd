"""Messages of a thread, and what is told of them afterwards: statuses, reactions, edits, deletions.

Webhooks come in any order and more than once. So each fact is a row with a key of its own; a status, reaction or
edit of a message that is not here yet waits for it. ``settle`` joins what has met.

What must not be stored is taken out before it is (``redact``), here and nowhere else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from psycopg.types.json import Jsonb

from fsctl.store.db import Row, Transaction
from fsctl.transcribe.redact import redact

Direction = Literal["inbound", "outbound"]
ChangeKind = Literal["edit", "delete"]

RANKS: Mapping[str, int] = {"sent": 1, "failed": 2, "delivered": 3, "read": 4, "played": 5}
"""How far a message of ours came. Failed ranks below delivered: what has reached the customer has not failed. A
status that we do not know ranks 0: it is kept and overtakes nothing."""
MAX_REDACTED = 5_000
"""Characters of a text in which something may have to be taken out: of a longer one the rest is not kept. Looking
for numbers takes the longer the more digits stand together, and everything else waits meanwhile."""
TEXTS_OF_MEDIA = ("caption", "filename")
"""What a person wrote; the rest of a media object is Meta's."""


@dataclass(frozen=True, kw_only=True)
class NewMessage:
    """A chat message to store. Texts are bounded and without zero bytes (``whatsapp.values``)."""

    thread_id: int
    wamid: str
    direction: Direction
    sent_at: datetime
    """By the sender's clock."""
    type: str = "text"
    body: str = ""
    """Readable text whatever the type is."""
    media: Mapping[str, Any] | None = None
    referral: Mapping[str, Any] | None = None
    context: Mapping[str, Any] | None = None
    extra: Mapping[str, Any] | None = None
    wacid: str | None = None
    """Of the call that left it: a voicemail."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """A message was edited, or taken back."""

    wamid: str
    """Of the change itself."""
    target: str
    kind: ChangeKind
    at: datetime
    body: str = ""
    media: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Reaction:
    """An emoji put on a message, or taken away."""

    wamid: str
    """Of the reaction itself."""
    target: str
    direction: Direction
    emoji: str
    """Empty: taken away."""
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Status:
    """What became of a message of ours."""

    wamid: str
    status: str
    at: datetime
    code: int | None = None
    """Meta's error code, where it failed."""
    title: str | None = None
    data: Mapping[str, Any]
    """What else was told: pricing, errors."""


@dataclass(frozen=True, kw_only=True)
class Message:
    """A message as it is read, with all that was told of it."""

    wamid: str
    direction: Direction
    type: str
    body: str
    sent_at: datetime
    media: Mapping[str, Any] | None
    referral: Mapping[str, Any] | None
    context: Mapping[str, Any] | None
    extra: Mapping[str, Any] | None
    wacid: str | None
    first_body: str | None
    edited_at: datetime | None
    deleted_at: datetime | None
    status: str | None
    """The furthest that it came; None: nothing was told."""
    status_at: datetime | None
    code: int | None
    title: str | None
    reactions: Mapping[str, str]
    """Direction of who reacted -> emoji."""


def add(transaction: Transaction, messages: Sequence[NewMessage], kinds: Sequence[str] = ()) -> int:
    """Store messages; a wamid that is there already is left as it is.

    Args:
        kinds: what is taken out first (``Policy.redaction_of_chat``).

    Returns:
        How many were new.
    """
    rows = [_message_row(message, kinds) for message in messages]
    return transaction.run("messages.add", messages=Jsonb(rows)) if rows else 0


def change(transaction: Transaction, changes: Sequence[Change], kinds: Sequence[str] = ()) -> int:
    """Store edits and deletions; they count when they are settled. Args and result: see ``add``."""
    rows = [_change_row(one, kinds) for one in changes]
    return transaction.run("messages.change", changes=Jsonb(rows)) if rows else 0


def react(transaction: Transaction, reactions: Sequence[Reaction], kinds: Sequence[str] = ()) -> int:
    """Store reactions; anything may be written where an emoji should be. Args and result: see ``add``."""
    rows = [
        {
            "wamid": one.wamid,
            "target": one.target,
            "direction": one.direction,
            "emoji": redacted(one.emoji, kinds),
            "at": one.at.isoformat(),
        }
        for one in reactions
    ]
    return transaction.run("messages.react", reactions=Jsonb(rows)) if rows else 0


def note_status(transaction: Transaction, statuses: Sequence[Status]) -> int:
    """Store statuses; of the same one told with two times the earlier counts. Result: rows written."""
    rows = {(one.wamid, one.status): one for one in sorted(statuses, key=lambda one: one.at, reverse=True)}
    given = [_status_row(one) for _, one in sorted(rows.items())]
    return transaction.run("messages.note_status", statuses=Jsonb(given)) if given else 0


def settle(transaction: Transaction) -> int:
    """Let messages say what their edits and deletions say that were stored since. Returns: messages changed."""
    return transaction.run("messages.settle")


def of_thread(transaction: Transaction, thread_id: int) -> list[Message]:
    """All messages of a thread, in order of time; those of one second in an order that never changes."""
    return [Message(**row) for row in transaction.rows("messages.of_thread", thread_id=thread_id)]


# --- what is written --------------------------------------------------------------------------------------


def redacted(value: Any, kinds: Sequence[str]) -> Any:
    """JSON without what must not be stored: every text in it, and numbers as long as one that must not."""
    if not kinds:
        return value
    if isinstance(value, str):
        found = redact(value[:MAX_REDACTED], kinds).text
        return found if len(value) <= MAX_REDACTED else f"{found}…"
    if isinstance(value, Mapping):
        return {key: redacted(one, kinds) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [redacted(one, kinds) for one in value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        written = str(value)
        found = redact(written, kinds).text
        return value if found == written else found
    return value


def _message_row(message: NewMessage, kinds: Sequence[str]) -> Row:
    return {
        "thread_id": message.thread_id,
        "wamid": message.wamid,
        "direction": message.direction,
        "type": message.type,
        "body": redacted(message.body, kinds),
        "sent_at": message.sent_at.isoformat(),
        "media": _media(message.media, kinds),
        "referral": message.referral,
        "context": message.context,
        "extra": redacted(message.extra, kinds),
        "wacid": message.wacid,
    }


def _change_row(change: Change, kinds: Sequence[str]) -> Row:
    return {
        "wamid": change.wamid,
        "target": change.target,
        "kind": change.kind,
        "at": change.at.isoformat(),
        "body": redacted(change.body, kinds),
        "media": _media(change.media, kinds),
    }


def _status_row(status: Status) -> Row:
    return {
        "wamid": status.wamid,
        "status": status.status,
        "rank": RANKS.get(status.status, 0),
        "at": status.at.isoformat(),
        "code": status.code,
        "title": status.title,
        "data": dict(status.data),
    }


def _media(media: Mapping[str, Any] | None, kinds: Sequence[str]) -> Row | None:
    if media is None:
        return None
    return {key: redacted(value, kinds) if key in TEXTS_OF_MEDIA else value for key, value in media.items()}
