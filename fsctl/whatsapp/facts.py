"""What Meta's webhooks tell, in our words: one fact for each thing that happened.

Facts are plain and bounded; a stranger's text in them is text. They come in any order, late, and more than once:
each has a key of its own (a wamid, or a wacid and what happened to it) and the sender's time.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Literal

from fsctl.call import identity
from fsctl.call.events import Alias, AliasKind

Direction = Literal["inbound", "outbound"]
"""inbound: the customer did it."""

USER_ID = re.compile(r"[A-Z]{2}\.[A-Za-z0-9]{1,128}")
"""A business-scoped user id (Meta, "Business-scoped user IDs")."""
PARENT_ID = re.compile(r"[A-Z]{2}\.ENT\.[A-Za-z0-9]{1,128}")


@dataclass(frozen=True, kw_only=True)
class Person:
    """A customer, as one webhook names it. Empty: not told."""

    wa_id: str = ""
    """Digits."""
    user_id: str = ""
    parent_user_id: str = ""
    username: str = ""
    name: str = ""
    """As it calls itself."""

    @cached_property
    def aliases(self) -> tuple[Alias, ...]:
        """Its names that can be used as such, the strongest first."""
        kinds: tuple[AliasKind, ...] = ("bsuid", "parent_bsuid", "wa_id", "username")
        told = (self.user_id, self.parent_user_id, self.wa_id, self.username)
        named = (Alias(kind=kind, value=value) for kind, value in zip(kinds, told, strict=True) if value)
        return tuple(alias for alias in named if identity.names([alias]))


@dataclass(frozen=True, kw_only=True)
class Content:
    """What a message says."""

    type: str
    body: str
    """Readable text, whatever the type is."""
    media: Mapping[str, Any] | None = None
    """Reference to a file at Meta."""
    extra: Mapping[str, Any] | None = None
    """What else was told: the object of its type, and fields that we do not know."""


@dataclass(frozen=True, kw_only=True)
class Fact:
    """Something that happened."""

    at: datetime
    """By the sender's clock; when it came, where that is not told."""


@dataclass(frozen=True, kw_only=True)
class Chat:
    """A customer and one of our numbers."""

    person: Person
    phone_number_id: str
    """Meta's id of our number."""
    business_number: str
    """Digits of our number as Meta shows it; either may be empty."""


@dataclass(frozen=True, kw_only=True)
class ChatFact(Fact):
    """Something between the two."""

    chat: Chat


@dataclass(frozen=True, kw_only=True)
class MessageWritten(ChatFact):
    """A message came, or was sent from a phone of ours."""

    wamid: str
    direction: Direction
    content: Content
    referral: Mapping[str, Any] | None = None
    context: Mapping[str, Any] | None = None
    wacid: str | None = None
    """The call that left it: a voicemail."""


@dataclass(frozen=True, kw_only=True)
class MessageChanged(ChatFact):
    """Its sender edited a message, or took it back."""

    wamid: str
    target: str
    kind: Literal["edit", "delete"]
    content: Content | None = None


@dataclass(frozen=True, kw_only=True)
class Reacted(ChatFact):
    """An emoji was put on a message; an empty one takes it away."""

    wamid: str
    target: str
    direction: Direction
    emoji: str


@dataclass(frozen=True, kw_only=True)
class StatusChanged(ChatFact):
    """What became of a message of ours."""

    wamid: str
    status: str
    callback_data: str = ""
    """``biz_opaque_callback_data``: what we gave along when we sent it."""
    code: int | None = None
    title: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class CallSeen(ChatFact):
    """Meta saw something of a call."""

    wacid: str
    """Without the ``=`` at its end, which some of Meta's samples have and others have not."""
    event: str
    """``call_created``, ``terminate``, ``ringing``, ``call_recording_available``, ... in small letters."""
    direction: Direction
    status: str | None = None
    """COMPLETED or FAILED, of a terminate."""
    duration_s: int | None = None
    ended_at: datetime | None = None
    """Of a terminate."""
    data: Mapping[str, Any]
    """Everything that was told, errors included."""


@dataclass(frozen=True, kw_only=True)
class IdentityChanged(ChatFact):
    """A customer has another number or user id now. ``chat`` has the new names."""

    old: tuple[Alias, ...]


@dataclass(frozen=True, kw_only=True)
class PreferenceChanged(ChatFact):
    """A customer wants no more marketing messages, or wants them again."""

    stop: bool
    detail: str


@dataclass(frozen=True, kw_only=True)
class AccountTold(Fact):
    """How a number's settings, or our account, are now."""

    kind: Literal["whatsapp.settings", "whatsapp.restriction"]
    subject: str
    """The number's id, or the account's, with what it is about."""
    wrong: str
    """For a person; empty: nothing is wrong."""
    data: Mapping[str, Any]
    expires_at: datetime | None = None
    """When it is well again by itself."""


@dataclass(frozen=True, kw_only=True)
class Unknown(Fact):
    """Something that we cannot read, or do not."""

    field: str
    reason: str
    value: Any
    """As it came, bounded."""
