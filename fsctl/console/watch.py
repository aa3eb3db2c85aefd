"""Tables that stay on the screen: for people drawn again in place, for programs one JSON document a line."""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

EVERY_S = 2.0


def show(text: Callable[[], str], values: Callable[[], Any], *, as_json: bool, watch: bool) -> None:
    """Print once, or every EVERY_S seconds until somebody ends it.

    Args:
        text: a table for people, made anew each time.
        values: the same for programs, as JSON can hold it.
    """
    if not watch:
        print(json.dumps(values(), indent=2) if as_json else text())
        return
    in_place = sys.stdout.isatty() and not as_json
    while True:
        shown = json.dumps(values()) if as_json else text()
        # Home, the text with each line cleared to its end, and nothing below it.
        print(
            "\x1b[H" + shown.replace("\n", "\x1b[K\n") + "\x1b[K\n\x1b[J" if in_place else shown, flush=True
        )
        time.sleep(EVERY_S)
