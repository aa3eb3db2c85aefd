"""Values of JSON that a stranger wrote, read without trust: any type may stand anywhere, and of any size.

Every reader takes any value and gives back what it wants of it, or nothing; none raises. What is kept is plain: as
Postgres and JSON can hold it, bounded in depth and length. Pure.
"""

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

Json = dict[str, Any]

MAX_TEXT = 5_000
"""Characters of a text that is read: WhatsApp's longest is 4096 (Meta, "Text messages")."""
MAX_KEPT = 100_000
"""Characters of a text that is only kept."""
MAX_NAME = 200
"""Characters of an id, a type or a key."""
MAX_DEPTH = 16
MAX_ENTRIES = 2_000
MAX_DIGITS = 18
"""Of a number: Postgres' bigint and everybody's float hold it."""
CUT = "…"
AHEAD = timedelta(days=1)
"""A sender's clock that is further ahead of ours is wrong: its message would be the last in its thread for ever."""
EARLIEST = datetime(2009, 1, 1, tzinfo=UTC)
"""WhatsApp's first year."""
MILLISECONDS = 100_000_000_000
"""A time of this size or more counts milliseconds: in seconds it would be in the year 5138."""

_SURROGATE = re.compile("[\ud800-\udfff]")


def load(body: bytes) -> Any:
    """The JSON of a body. Bytes that are no UTF-8 become U+FFFD; of a key said twice the last counts.

    Raises:
        ValueError: it is none, or nested too deep to be read; with the reason.
    """
    text = body.decode("utf-8-sig", "replace")
    try:
        return json.loads(text, parse_constant=str, parse_float=_float, parse_int=_int)
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    except ValueError as error:
        raise ValueError(f"not JSON: {error}"[:MAX_NAME]) from error


def mapping(value: Any) -> Json:
    """An object; the first one of an array of objects; else an empty one."""
    if isinstance(value, dict):
        return value
    if isinstance(value, list):
        return next((one for one in value if isinstance(one, dict)), {})
    return {}


def mappings(value: Any) -> list[Json]:
    """The objects of an array; one that stands alone is an array of one."""
    found = value if isinstance(value, list) else [value]
    return [one for one in found if isinstance(one, dict)]


def text(value: Any, most: int = MAX_TEXT) -> str:
    """A text, or a number as one; of an array its first. Bounded; else empty."""
    if isinstance(value, list):
        return next(
            (found for found in (text(one, most) for one in value[:MAX_ENTRIES] if _is_flat(one)) if found),
            "",
        )
    if isinstance(value, str):
        return storable(value, most)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return ""


def name(value: Any) -> str:
    """An id or a type: a short text without white space around it."""
    return text(value, MAX_NAME).strip()


def digits(value: Any) -> str:
    """The digits of a telephone number; empty where it is none."""
    found = re.sub(r"[\s()+.-]", "", name(value))
    return found if found.isascii() and found.isdigit() and len(found) <= 20 else ""


def number(value: Any) -> int | None:
    """A whole number, also where it is written as text."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value if abs(value) < 10**MAX_DIGITS else None
    if isinstance(value, float):
        return number(int(value)) if math.isfinite(value) else None
    found = name(value)
    return int(found) if re.fullmatch(r"-?\d{1,18}", found, re.ASCII) else None


def moment(value: Any) -> datetime | None:
    """A time: seconds or milliseconds since 1970, as number or text, or ISO 8601. None where it is none."""
    seconds = number(value)
    try:
        if seconds is None:
            found = datetime.fromisoformat(name(value))
            return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
        return datetime.fromtimestamp(seconds / 1000 if seconds >= MILLISECONDS else seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def when(value: Any, received_at: datetime) -> datetime:
    """When it was sent; when it came, where that is not told or cannot be."""
    found = moment(value)
    return found if found and EARLIEST <= found <= received_at + AHEAD else received_at


def plain(value: Any, depth: int = MAX_DEPTH) -> Any:
    """The value as it can be kept: bounded, and what Postgres' jsonb takes."""
    if isinstance(value, str):
        return storable(value, MAX_KEPT)
    if isinstance(value, dict):
        if not depth:
            return CUT
        entries = list(value.items())[:MAX_ENTRIES]
        return {storable(str(key), MAX_NAME): plain(one, depth - 1) for key, one in entries}
    if isinstance(value, list):
        return [plain(one, depth - 1) for one in value[:MAX_ENTRIES]] if depth else CUT
    return value


def storable(value: str, most: int) -> str:
    """Bounded; without zero bytes and halves of surrogate pairs, which Postgres cannot hold."""
    if len(value) > most:
        value = value[: most - len(CUT)] + CUT
    return _SURROGATE.sub("\ufffd", value.replace("\x00", "\ufffd"))


def rest(value: Mapping[str, Any], *known: str) -> Json:
    """What stands there besides what is read."""
    return {key: one for key, one in value.items() if key not in known}


def _is_flat(value: Any) -> bool:
    return isinstance(value, str | int | float)


def _float(written: str) -> float | str:
    found = float(written)
    return found if math.isfinite(found) else written


def _int(written: str) -> int | str:
    return int(written) if len(written) <= MAX_DIGITS else written
