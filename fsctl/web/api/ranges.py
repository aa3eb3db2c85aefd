"""Which bytes of a thing are asked for (RFC 9110, 14), for what can be read from any place."""

import re

from werkzeug import Request
from werkzeug.exceptions import RequestedRangeNotSatisfiable

_ONE = re.compile(r"bytes=[ \t]*(?:([0-9]{1,18})-([0-9]{1,18})?|-([0-9]{1,18}))[ \t]*", re.IGNORECASE)


def asked(request: Request, size: int, etag: str) -> tuple[int, int] | None:
    """The first byte and the one behind the last; None: the whole thing.

    Several ranges at once are ignored, as a server may (14.2), and so is what is none.

    Args:
        etag: with its quotes; a range of another thing than it names is not given (``If-Range``).

    Raises:
        RequestedRangeNotSatisfiable: it begins behind the end.
    """
    found = _ONE.fullmatch(request.headers.get("Range", ""))
    if found is None or request.headers.get("If-Range", etag) != etag:
        return None
    first, last, suffix = (int(digits) if digits else None for digits in found.groups())
    if first is None:
        first, last = max(0, size - (suffix or 0)), None
    elif last is not None and last < first:
        return None
    if first >= size:
        raise RequestedRangeNotSatisfiable(length=size)
    return first, size if last is None else min(last + 1, size)
