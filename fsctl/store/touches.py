"""Touches: what brought a customer to a thread, such as an ad, a link or a button.

A touch is a fact with a time and a key of its own. Nothing here remembers which was the first or the last: queries
say it, by time, so that webhooks and calls may come in any order and more than once.

Called by: the chat's intake (ads), the loop of ``whatsapp.touches`` (calls), whoever shows a thread.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from psycopg.types.json import Jsonb

from fsctl.store.db import Row, Transaction

Source = Literal["ad", "link", "qr", "button", "header", "param"]

MAX_TEXT = 1000
"""Characters kept of each text: all of them were written by strangers."""
MAX_DATA = 32
"""Entries kept of ``data``."""
_TEXTS = ("key", "ctwa_clid", "source_id", "campaign", "headline", "url")


@dataclass(frozen=True, kw_only=True)
class Touch:
    """One touch. Texts may be of any length; they are bounded when they are stored."""

    thread_id: int
    at: datetime
    """When the customer acted: the message's or the call's own time."""
    source: Source
    key: str
    """Of the fact, such as ``message/WAMID`` or ``call/UUID/deeplink``: told twice, it stands once."""
    trusted: bool = True
    """Told by Meta, or signed by us; else a hint that anybody could have sent."""
    ctwa_clid: str = ""
    """Meta's id of the click, for its Conversions API."""
    source_id: str = ""
    """Meta's id of the ad."""
    campaign: str = ""
    headline: str = ""
    url: str = ""
    call_uuid: str | None = None
    wamid: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    """What else was told, as it came."""


@dataclass(frozen=True)
class Ends:
    """The first and the last touch of a thread, or of a call."""

    first: Touch
    last: Touch


@dataclass(frozen=True, kw_only=True)
class TouchedCall:
    """What a call may tell of where it came from."""

    uuid: str
    channel: str
    thread_id: int
    offered_at: datetime
    cta_payload: str | None
    deeplink_payload: str | None
    request_params: Mapping[str, str]


def record(transaction: Transaction, touch: Touch) -> bool:
    """Store a touch within a transaction.

    Returns:
        False when its key is there already: it is left as it was.
    """
    added = transaction.run(
        "touches.record",
        **{name: storable(getattr(touch, name)) for name in _TEXTS},
        thread_id=touch.thread_id,
        at=touch.at,
        source=touch.source,
        trusted=touch.trusted,
        call_uuid=touch.call_uuid,
        wamid=None if touch.wamid is None else storable(touch.wamid),
        data=Jsonb({storable(name): _plain(touch.data[name]) for name in list(touch.data)[:MAX_DATA]}),
    )
    return bool(added)


def of_thread(transaction: Transaction, thread_id: int) -> list[Touch]:
    """All touches of a thread, the earliest first."""
    return [_touch(row) for row in transaction.rows("touches.of_thread", thread_id=thread_id)]


def ends_of_thread(transaction: Transaction, thread_id: int) -> Ends | None:
    """What first and what last brought a thread's customer; None: nothing did that we know of."""
    return _ends(transaction.rows("touches.ends_of_thread", thread_id=thread_id))


def ends_of_call(transaction: Transaction, call_uuid: str) -> Ends | None:
    """The same until a call, with what the call itself tells; later touches of its thread do not count."""
    return _ends(transaction.rows("touches.ends_of_call", call_uuid=call_uuid))


def take_calls(transaction: Transaction, most: int) -> list[TouchedCall]:
    """Calls of which nobody has taken the touches, at most so many; they are ours if the transaction commits."""
    return [TouchedCall(**row) for row in transaction.rows("touches.take_calls", most=most)]


def click(transaction: Transaction, thread_id: int, at: datetime, call_uuid: str | None) -> str | None:
    """Meta's id of the last click on an ad until a moment, or the one that a call came by."""
    row = transaction.one("touches.click", thread_id=thread_id, at=at, call_uuid=call_uuid)
    return row["ctwa_clid"] if row else None


def storable(text: str) -> str:
    """Bounded, and as Postgres takes it: it holds no zero byte and no half of a surrogate pair."""
    return text[:MAX_TEXT].replace("\x00", " ").encode("utf-8", "replace").decode()


def _plain(value: object) -> object:
    """A value for JSON: nothing nested, and no number that JSON does not know."""
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return storable(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str))


def _ends(rows: Sequence[Row]) -> Ends | None:
    return Ends(_touch(rows[0]), _touch(rows[-1])) if rows else None


def _touch(row: Row) -> Touch:
    return Touch(**{name: row[name] for name in Touch.__dataclass_fields__})
