"""Service level and expected wait, from a queue's own history. Pure: the numbers come from the store."""

from fsctl.call.known import Load

HISTORY_CALLS = 20
"""So many of a queue's last answered calls say how long a call keeps an agent."""


def expected_wait_s(load: Load) -> float | None:
    """Seconds that a caller who joins now may wait.

    Each agent on duty is free once in a handling time (talk and wrap-up, the mean of the queue's last
    HISTORY_CALLS answered calls), so the queue as a whole once in a handling time over agents; the caller is
    served after those who wait already. Agents who serve other queues too make it longer than this.

    Returns:
        0 when an agent is ready and nobody waits; None without history or without agents: no number is better
        than a wrong one.
    """
    if load.agents_ready and not load.waiting:
        return 0.0
    if load.handling_s is None or not load.agents_staffed:
        return None
    return load.handling_s * (load.waiting + 1) / load.agents_staffed


def service_level(answered_in_time: int, answered: int, abandoned_late: int) -> float | None:
    """Share of calls that were answered in time, 0 to 1.

    Args:
        answered_in_time: within the service level that the queue had at the time of the call.
        answered: all of them.
        abandoned_late: callers who gave up after it. Who gave up before it waited less than was promised, and
            counts neither way.

    Returns:
        None when no call counts.
    """
    calls = answered + abandoned_late
    return answered_in_time / calls if calls else None
