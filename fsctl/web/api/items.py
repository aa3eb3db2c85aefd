"""What stands in threads, as types: rows of ``crm_v1.thread_item``, whose ``body`` is by ``kind``."""

from datetime import datetime
from typing import Any, Literal

import msgspec

from fsctl.web.api import answers


class Message(msgspec.Struct):
    """A chat message, as it was edited last."""

    message_id: int
    wamid: str
    direction: Literal["inbound", "outbound"]
    type: str
    text: str
    media: dict[str, Any] | None
    reply_to: str | None
    edited_at: datetime | None
    deleted_at: datetime | None
    status: str | None
    status_at: datetime | None
    error_code: int | None
    error: str | None
    reactions: dict[str, str]


class Touch(msgspec.Struct):
    """What brought the customer."""

    touch_id: int
    source: str
    trusted: bool
    campaign: str | None
    source_id: str | None
    ctwa_clid: str | None
    headline: str | None
    url: str | None
    call_uuid: str | None
    wamid: str | None


class Outcome(msgspec.Struct):
    """What somebody said came of it."""

    outcome_id: int
    outcome: str
    value: str | None
    currency: str | None
    order_ref: str
    note: str
    who: str
    call_uuid: str | None


class Followup(msgspec.Struct):
    """What was decided about a missed call."""

    call_uuid: str
    outcome: str
    reason: str | None
    offer: str | None


class Callback(msgspec.Struct):
    """A time that the customer chose."""

    callback_id: int
    call_uuid: str
    queue: str
    starts_at: datetime
    ends_at: datetime
    state: str
    reason: str


class Witness(msgspec.Struct):
    """A call that Meta saw, and we did not, or saw later."""

    wacid: str
    direction: str
    ended_at: datetime | None
    status: str | None
    duration_s: int | None
    call_uuid: str | None


class _Item(msgspec.Struct, kw_only=True, tag_field="kind"):
    item_id: int
    change_seq: int | None
    thread_id: int | None
    contact_id: int | None
    business_number: str | None
    at: datetime
    ref: str


class MessageItem(_Item, tag="message", kw_only=True):
    """A message in its thread."""

    body: Message


class CallItem(_Item, tag="call", kw_only=True):
    """A call in its thread; its text is in its transcript."""

    body: answers.CallFacts


class TouchItem(_Item, tag="touch", kw_only=True):
    """What brought the customer, in its thread."""

    body: Touch


class OutcomeItem(_Item, tag="outcome", kw_only=True):
    """What came of it, in its thread."""

    body: Outcome


class FollowupItem(_Item, tag="followup", kw_only=True):
    """What was decided about a missed call, in its thread."""

    body: Followup


class CallbackItem(_Item, tag="callback", kw_only=True):
    """A time that the customer chose, in its thread."""

    body: Callback


class WitnessItem(_Item, tag="witness", kw_only=True):
    """A call that Meta saw, in its thread."""

    body: Witness


Item = MessageItem | CallItem | TouchItem | OutcomeItem | FollowupItem | CallbackItem | WitnessItem


class Items(msgspec.Struct):
    """What stands in a thread, in order of time."""

    data: list[Item]
    next: str | None
    has_more: bool


class Changes(answers.Paged):
    """What stands in threads, in order of its last change."""

    data: list[Item]
