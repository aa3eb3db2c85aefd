"""Values of single headers: each is what it must be, bounded, or None."""

import re
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from fsctl.esl.messages import Event

T = TypeVar("T", bound=str)

MAX_TEXT = 512
"""Characters kept of a caller's name or payload. Meta's payloads have 512 at most."""
MAX_MEASURE = 1e9
"""Of a line's quality: more is nonsense, and no database would take it for a ``real``."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NUMBER = re.compile(r"\+?([0-9]{5,20})(?:;.*)?\Z", re.DOTALL)
_WORD = re.compile(r"[a-z-]{1,32}\Z")


def uuid(event: Event) -> str:
    """Of the channel that an event is about; empty for one about none."""
    return event.get("Unique-ID") or ""


def at(event: Event) -> datetime:
    """When it was, by the switch's clock."""
    return micros(event, "Event-Date-Timestamp") or EPOCH


def moment(event: Event) -> datetime | None:
    """The same, None where it is not told; of a ``uuid_dump`` that is now."""
    return micros(event, "Event-Date-Timestamp")


def lag_ms(event: Event, now: float) -> float | None:
    """How old an event is: its own clock against ``now`` (seconds since 1970)."""
    text = event.get("Event-Date-Timestamp")
    return round(now * 1000 - int(text) / 1000, 1) if text and is_number(text) else None


def micros(event: Event, header: str) -> datetime | None:
    """A header that holds a time."""
    return instant(event.get(header))


def instant(text: str | None) -> datetime | None:
    """Microseconds since 1970 as a time; zero and nonsense are None."""
    if not text or not is_number(text) or not int(text):
        return None
    return EPOCH + timedelta(microseconds=int(text))


def text(event: Event, header: str) -> str | None:
    """A header of any text, bounded; None when it is empty."""
    text = event.get(header)
    return text[:MAX_TEXT] if text else None


def word(event: Event, header: str) -> str | None:
    """A header that holds a word of ours."""
    text = event.get(header)
    return text if text and _WORD.match(text) else None


def one_of(event: Event, header: str, allowed: frozenset[T]) -> T | None:
    """A header that holds one of some words."""
    text = event.get(header)
    return next((one for one in allowed if one == text), None)


def digits_of(text: str) -> str:
    """Digits of a number; the request URI's user may carry ``;params``. Else the text itself, bounded."""
    match = NUMBER.match(text)
    return match.group(1) if match else text[:64]


def is_number(text: str, most: int = 17) -> bool:
    """Plain digits and not too many: ``str.isdigit`` takes "²" too, and ``int`` does not."""
    return text.isascii() and text.isdigit() and len(text) <= most


def number(text: str | None) -> float | None:
    """A measure with two places; nonsense is None."""
    try:
        measure = float(text or "nan")
    except ValueError:
        return None
    return round(measure, 2) if abs(measure) < MAX_MEASURE else None


def integer(text: str | None) -> int | None:
    """A count; nonsense is None."""
    return int(text) if text and is_number(text) else None
