"""What the dialplan is told of a decision: the variables that it reads after its second of silence."""

from fsctl.call.events import ContactFound
from fsctl.call.policy import Policy
from fsctl.call.routing import Route

MAX_NAME = 64
"""Characters of a name that a phone shows."""
SHORT_WAIT_S = 30
"""A wait that needs no words."""
WAIT_STEPS_MIN = (2, 5, 10, 20, 30)
"""The waits that there are prompts for."""


_BREAKS_A_NAME = str.maketrans(dict.fromkeys('/\\:@"', " "))


def variables(contact: ContactFound, route: Route, policy: Policy) -> tuple[tuple[str, str], ...]:
    """Channel variables of the caller's leg, only those that have something to say."""
    told = {
        "fsctl_queue": route.queue,
        "fsctl_thread": str(contact.thread_id),
        "fsctl_action": "closed" if route.is_closed else "busy" if route.is_busy else None,
        "fsctl_language": route.language[:2].lower() if route.language else None,
        "fsctl_menu": "true" if route.menu else None,
        "fsctl_score": str(route.score) if route.score is not None else None,
        "fsctl_sticky_queue": route.sticky_queue,
        "fsctl_recording": route.recording,
        "fsctl_wait_minutes": _wait(route, policy),
        "fsctl_caller_name": _shown(contact.name) or None,
    }
    return tuple((name, value) for name, value in told.items() if value is not None)


def _shown(name: str) -> str:
    """What mod_sofia sends whole: it drops what stands before a slash and after an ``@`` or a colon (measured),
    and a quote in a name makes every offer fail."""
    return " ".join(name.translate(_BREAKS_A_NAME).split())[:MAX_NAME]


def _wait(route: Route, policy: Policy) -> str | None:
    """The shortest announced step that is not less than the expected wait."""
    expected = route.expected_wait_s
    if expected is None or expected < SHORT_WAIT_S or not policy.queue(route.queue).announce_wait:
        return None
    return str(next((step for step in WAIT_STEPS_MIN if step * 60 >= expected), WAIT_STEPS_MIN[-1]))
