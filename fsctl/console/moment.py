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
        if text[-1:] in UNITS and text[:-1].isdigit() and len(text) < 8:
            return datetime.now().astimezone() - timedelta(seconds=int(text[:-1]) * UNITS[text[-1]])
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError) as error:
        raise ArgumentTypeError(
            f"expected a time such as 2026-01-31T09:00, 90m, 2h or 1d, not {text!r}"
        ) from error
