"""When the loops of ``fsctl media`` take their turns: on one beat, the spool's tick behind the websocket's round.

So the tick finds what the round has just written, and audio waits for one turn and not for two.

Called by: ``spool`` and ``websocket``.
"""

BEAT_S = 0.06
ROUND, TICK = 0.0, 0.25
"""Where in a beat each begins. A round of a few hundred calls takes as long as lies between them."""
TOO_SOON = 0.1
"""Of a beat: timers may end a little early, and one turn a beat is enough."""


def wait_s(now: float, place: float) -> float:
    """Seconds from now, by a monotonic clock, until the next turn that is due at this place in the beat."""
    wait = (place * BEAT_S - now) % BEAT_S
    return wait if wait > TOO_SOON * BEAT_S else wait + BEAT_S
