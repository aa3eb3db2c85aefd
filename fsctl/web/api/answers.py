"""What is answered, as types: rows of ``crm_v1`` (``docs/crm-sql.md`` says what each is), and pages of them."""

from datetime import datetime
from typing import Any, Literal

import msgspec

Leg = Literal["caller", "agent"]


class Problem(msgspec.Struct):
    """What went wrong (RFC 9457); ``detail`` says what was expected."""

    type: str
    title: str
    status: int
    detail: str | msgspec.UnsetType = msgspec.UNSET


class Paged(msgspec.Struct, kw_only=True):
    """A page: go on with ``next``; ``has_more`` says whether there is more now."""

    next: int
    has_more: bool


class Thread(msgspec.Struct):
    """The chat of a contact with one of our numbers."""

    thread_id: int
    change_seq: int | None
    contact_id: int
    business_number: str
    display_name: str
    language: str | None
    merged_into: int | None
    created_at: datetime


class Threads(Paged):
    """Threads in order of their own last change."""

    data: list[Thread]


class Alias(msgspec.Struct):
    """A name that the world has for a contact."""

    kind: str
    value: str


class Contact(msgspec.Struct):
    """A customer."""

    contact_id: int
    change_seq: int | None
    display_name: str
    language: str | None
    vip: bool
    opted_out_at: datetime | None
    merged_into: int | None
    created_at: datetime
    aliases: list[Alias]


class CallFacts(msgspec.Struct, kw_only=True):
    """A customer conversation by telephone."""

    call_uuid: str
    wacid: str | None
    node: str
    channel: str
    phase: str
    disposition: str | None
    fault: str | None
    hangup_cause: str | None
    caller_name: str
    country: str | None
    language: str | None
    queue: str | None
    agent: str | None
    offered_at: datetime
    answered_at: datetime | None
    queued_at: datetime | None
    bridged_at: datetime | None
    ended_at: datetime | None
    expected_wait_s: int | None
    answer_within_s: int | None
    consent: str | None
    refused: str | None
    left_by: str | None
    encryption: str | None
    mos: float | None
    loss_percent: float | None
    jitter_ms: float | None
    transcript_ready_at: datetime | None


class Recording(msgspec.Struct):
    """A recording of a call; its place in the list is its ``number``."""

    recording_id: int
    state: str
    format: str | None
    started_at: datetime
    duration_ms: int | None
    channels: int | None
    rate: int | None


class Call(CallFacts, kw_only=True):
    """A customer conversation by telephone."""

    change_seq: int | None
    thread_id: int | None
    contact_id: int | None
    business_number: str
    talk: dict[str, Any] | None
    recordings: list[Recording]


class Calls(Paged):
    """Calls in order of their last change."""

    data: list[Call]


class Segment(msgspec.Struct):
    """A stretch of speech; milliseconds from the start of the call's first recording."""

    segment_id: int
    change_seq: int | None
    leg: Leg
    at: datetime
    start_ms: int
    end_ms: int
    text: str
    language: str | None
    confidence: float | None
    # A keyword of Python.
    pass_: Literal["live", "final"] = msgspec.field(name="pass")
    model: str
    redacted: list[str]


class Transcript(msgspec.Struct):
    """What was said in a call, in order; final where ``transcript_ready_at`` is set."""

    call_uuid: str
    transcript_ready_at: datetime | None
    segments: list[Segment]


class Match(msgspec.Struct):
    """Text in which the words were found."""

    segment_id: int
    call_uuid: str
    thread_id: int | None
    leg: Leg
    at: datetime
    start_ms: int
    end_ms: int
    language: str | None
    text: str
    highlight: str
    rank: float


class Matches(msgspec.Struct):
    """What was found, the newest first; go on with ``before=next``."""

    data: list[Match]
    next: int | None
    has_more: bool


class Event(msgspec.Struct):
    """What happened, as webhooks tell it; `fsctl crm schema` has what is in `data` by type."""

    id: str
    type: str
    version: int
    timestamp: datetime
    seq: int
    data: dict[str, Any]
    links: dict[str, str]


class Events(Paged):
    """What happened, in order."""

    data: list[Event]


class Said(msgspec.Struct):
    """Whether the outcome is new; False: its ``key`` was known, and nothing was stored."""

    stored: bool
