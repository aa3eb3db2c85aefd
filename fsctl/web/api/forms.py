"""What may be given: parameters of path and query, and bodies. Bounded, and as Postgres takes it."""

import re
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from fsctl.store.outcomes import CURRENCY, KIND, MAX_REF
from fsctl.store.pages import MOST_NUMBER
from fsctl.store.search import LONGEST
from fsctl.store.touches import MAX_TEXT
from fsctl.web.api.operation import Given

NO_ZERO = r"^[^\x00]*$"
"""Postgres holds no zero byte."""


def _pattern(found: re.Pattern[str]) -> str:
    """The same as JSON Schema writes it: it knows no ``\\Z``."""
    return f"^{found.pattern.removesuffix(chr(92) + 'Z')}$"


Id = Annotated[int, Meta(ge=1, le=MOST_NUMBER)]
After = Annotated[
    int, Meta(ge=0, le=MOST_NUMBER, description="What has a higher number: `next` of the answer before.")
]
Limit = Annotated[int, Meta(ge=1, le=200, description="How many at most.")]
Uuid = Annotated[str, Meta(min_length=1, max_length=64, pattern=NO_ZERO)]
Name = Annotated[str, Meta(min_length=1, max_length=MAX_REF, pattern=NO_ZERO)]
Place = Annotated[
    str,
    Meta(pattern=r"^-?[0-9]{1,16}_[0-9]{1,18}$", description="`next` of the answer before, as it came."),
]
Phase = Literal["offered", "answered", "queued", "ringing", "talking", "ended"]


class Paged(Given, frozen=True):
    """A page of what has a number."""

    after: After = 0
    limit: Limit = 50


class OfThread(Given, frozen=True):
    """A thread."""

    thread_id: Id


class OfItems(Given, frozen=True):
    """A page of a thread."""

    thread_id: Id
    after: Place | UnsetType = UNSET
    limit: Limit = 50
    order: Annotated[Literal["asc", "desc"], Meta(description="`desc`: the latest first.")] = "asc"


class OfCalls(Paged, frozen=True):
    """A page of calls."""

    phase: Phase | UnsetType = UNSET
    queue: Name | UnsetType = UNSET


class OfCall(Given, frozen=True):
    """A call."""

    call_uuid: Uuid


class OfTranscript(OfCall, frozen=True):
    """A call's text in a form."""

    format: Annotated[
        Literal["json", "vtt", "srt", "txt"], Meta(description="See docs/exports.md for the others.")
    ] = "json"


class OfRecording(OfCall, frozen=True):
    """A call's sound."""

    channel: (
        Annotated[Literal["caller", "agent"], Meta(description="One of them alone; else both.")] | UnsetType
    ) = UNSET
    number: Annotated[int, Meta(ge=1, le=1000, description="Which, where a call has several.")] = 1


class OfContact(Given, frozen=True):
    """A contact."""

    contact_id: Id


class OfSearch(Given, frozen=True):
    """A question to what was said."""

    q: Annotated[
        str,
        Meta(
            min_length=1, max_length=LONGEST, pattern=NO_ZERO,
            description='As in a search box: `refund card`, `"to the letter"`, `visa or master`, `-gift`.',
        ),
    ]  # fmt: skip
    language: (
        Annotated[str, Meta(pattern="^[a-z]{2,3}$", description="ISO 639-1: only text in it.")] | UnsetType
    ) = UNSET
    before: (
        Annotated[int, Meta(ge=1, le=MOST_NUMBER, description="`next` of the answer before.")] | UnsetType
    ) = UNSET
    limit: Limit = 50


class NewOutcome(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What came of a call or thread."""

    also: ClassVar[dict[str, Any]] = {"dependentRequired": {"value": ["currency"], "currency": ["value"]}}
    """What the types cannot say, in JSON Schema."""

    kind: Annotated[
        str, Meta(pattern=_pattern(KIND), description="`sale`, `lead`, or a word of your own: `no-sale`.")
    ]
    value: (
        Annotated[str, Meta(pattern=r"^[0-9]{1,14}(\.[0-9]{1,4})?$", description="Such as `129.00`.")]
        | UnsetType
    ) = UNSET
    currency: Annotated[str, Meta(pattern=_pattern(CURRENCY), description="ISO 4217.")] | UnsetType = UNSET
    order_ref: Annotated[
        str, Meta(max_length=MAX_REF, pattern=NO_ZERO, description="Tells several sales of one call apart.")
    ] = ""
    note: Annotated[str, Meta(max_length=MAX_TEXT, pattern=NO_ZERO)] = ""
    key: (
        Annotated[
            str,
            Meta(
                min_length=1, max_length=MAX_REF, pattern=NO_ZERO,
                description="Yours: of several with the same one, the first is stored.",
            ),
        ]
        | UnsetType
    ) = UNSET  # fmt: skip
    at: (
        Annotated[
            datetime,
            Meta(tz=True, description="When it came to be; else now.", extra_json_schema={"pattern": "^20"}),
        ]
        | UnsetType
    ) = UNSET

    def __post_init__(self) -> None:
        """Raises ValueError, with what is expected."""
        if (self.value is UNSET) != (self.currency is UNSET):
            raise ValueError("Expected a currency with a value, and a value with a currency")
        if isinstance(self.at, datetime) and not 2000 <= self.at.year < 2100:
            raise ValueError("Expected a time of this century - at `$.at`")
