"""What goes through the outbox: an item, a claim on it, what came of it, and what a webhook says of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fsctl.call.events import Alias


@dataclass(frozen=True, kw_only=True)
class Item:
    """Something to be sent."""

    key: str
    """Names the fact that wants it: the same key is sent once, ever. Printable ASCII; Meta hands it back in the
    webhooks of a message (``biz_opaque_callback_data``)."""
    kind: str
    """``message`` or ``conversion``: who sends it."""
    thread_id: int | None
    payload: Mapping[str, Any]
    """Of a message: ``{"message": ..., "template": ...}`` as whatsapp/messages.py builds them. The message is sent
    while the service window is open, else the template; either may be None."""
    not_before: datetime | None = None
    expires_at: datetime | None = None
    """Not sent after this. None: a day after it may be sent first."""
    why: str = ""
    """For people: what wanted it."""


@dataclass(frozen=True, kw_only=True)
class Claimed:
    """An item in the hands of a sender, with what it needs to know."""

    id: int
    fence: int
    """A later claim has a higher one; what an older one brings back is not taken."""
    key: str
    kind: str
    thread_id: int | None
    payload: Mapping[str, Any]
    attempts: int
    """This one included."""
    form: str | None
    """Of a message: ``message`` or ``template``; None when the window is closed and there is no template."""
    business_number: str
    contact_id: int | None
    names: tuple[Alias, ...]
    """Of the contact, the newest first."""
    opted_out_at: datetime | None


@dataclass(frozen=True)
class Sent:
    """Meta took it."""

    wamid: str = ""
    """Empty: it was no message."""
    wa_id: str = ""
    """The number as Meta knows it, and the user id: what its answer names."""
    user_id: str = ""
    wrote_to: Alias | None = None


@dataclass(frozen=True)
class Again:
    """Nothing was done; to be tried again."""

    after_s: float
    reason: str
    code: int = 0
    whole_number: bool = False
    """Nothing else of this business number is tried before, either."""
    alarm: bool = False
    """It will not pass before a person has done something."""


@dataclass(frozen=True)
class Failed:
    """It will not be done."""

    reason: str
    code: int = 0


@dataclass(frozen=True)
class Unsure:
    """It may have been done."""

    reason: str


Outcome = Sent | Again | Failed | Unsure


@dataclass(frozen=True, kw_only=True)
class Confirmation:
    """What a status webhook says of a message."""

    wamid: str
    status: str
    """``sent``, ``delivered``, ``read``, ``played`` or ``failed``."""
    at: datetime
    key: str = ""
    """``biz_opaque_callback_data``; empty where the webhook has none: the wamid decides then."""
    code: int = 0
    """Of the first error."""
    reason: str = ""
