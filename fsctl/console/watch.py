"""Tables that stay on the screen: for people drawn again in place, for programs one JSON document a line."""

import json
import sys
import time
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

EVERY_S = 2.0


def show(
    load: Callable[[], T],
    as_text: Callable[[T], str],
    as_values: Callable[[T], Any],
    *,
    as_json: bool,
    watch: bool = False,
) -> int:
    """Print once, or every EVERY_S seconds until somebody ends it.

    Args:
        load: reads what is shown, anew each time.
        as_text: makes a table of it for people.
        as_values: the same for programs, as JSON can hold it.

    Returns:
        The exit code.
    """
    if not watch:
        print(json.dumps(as_values(load()), indent=2) if as_json else as_text(load()))
        return 0
    in_place = sys.stdout.isatty() and not as_json
    while True:
        shown = json.dumps(as_values(load())) if as_json else as_text(load())
        # Home, the text with each line cleared to its end, and nothing below it.
        print(
            "\x1b[H" + shown.replace("\n", "\x1b[K\n") + "\x1b[K\n\x1b[J" if in_place else shown, flush=True
        )
        time.sleep(EVERY_S)
