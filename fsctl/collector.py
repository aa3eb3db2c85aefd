"""Python's garbage collector in a process that must answer within milliseconds.

What is there once a process has started stays, and is not looked through again and again; what comes and goes
(events, rows) is mostly freed by its reference count, so it is looked through seldom. Measured with
``benchmarks/routing.py`` at 60 calls a second: 3 % less CPU a call in the controller, 7 % in the simulated switch.
Called by: the processes that serve calls, when they have started.
"""

import gc

YOUNG, OLD, OLDEST = 50_000, 20, 100
"""New objects between two looks at the young; looks at the young between two at the older, and so on."""


def calm() -> None:
    """From now on."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, OLD, OLDEST)
