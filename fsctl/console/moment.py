"""A time as people type it."""

from argparse import ArgumentTypeError
from datetime import datetime, timedelta

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def read(text: str) -> datetime:
    """A time of day here, or so long ago: ``2026-01-31T09:00``, ``90m``, ``2h``, ``1d``.

    Raises:
        ArgumentTypeError: it is neither.
    """
    try:
        span = _span(text)
        if span is not None:
            return datetime.now().astimezone() - span
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError) as error:
        raise ArgumentTypeError(
            f"expected a time such as 2026-01-31T09:00, 90m, 2h or 1d, not {text!r}"
        ) from error


def ahead(text: str) -> datetime:
    """So long from now on: ``12h``, ``90d``. Raises ArgumentTypeError: it is no such thing."""
    span = _span(text)
    if not span:
        raise ArgumentTypeError(f"expected a time such as 12h or 90d, not {text!r}")
    return datetime.now().astimezone() + span


def _span(text: str) -> timedelta | None:
    if text[-1:] in UNITS and text[:-1].isascii() and text[:-1].isdigit() and len(text) < 8:
        return timedelta(seconds=int(text[:-1]) * UNITS[text[-1]])
    return None
