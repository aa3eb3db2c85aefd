"""Which events are worth making: of most, nobody asks for more than their own headers tell.

Who gets which is the Event Socket's rule (``fsctl.eventsocket.subscription``); this is the simulator's short cut.
"""

from collections.abc import Mapping
from functools import lru_cache

from fsctl.eventsocket import subscription
from fsctl.eventsocket.event import Headers
from fsctl.eventsocket.subscription import matches, signed

#: Headers that come with the channel or with any event, not with this one.
FROM_CHANNEL = (
    "channel-", "caller-", "other-", "variable_", "unique-id", "call-", "answer-", "presence-", "hangup-", "core-",
    "freeswitch-", "event-",
)  # fmt: skip


class Subscription(subscription.Subscription):
    """Which events a connection gets, and which are worth making for it."""

    def may_want(self, name: str, subclass: str, own: Headers) -> bool:
        """Whether such an event can be wanted, as far as its name and its own headers tell: of most it is not worth
        making the rest, which is the channel. ``wants`` decides.
        """
        if not self.hears(name, subclass):
            return False
        if not self.filters:
            return True
        known = {key.lower(): value for key, value in reversed([("Event-Name", name), *own])}
        return any(_may_hit(header, wanted, known) for header, wanted in self.filters)


def _may_hit(header: str, wanted: str, known: Mapping[str, str]) -> bool:
    name, is_from_channel = _place(header)
    if name not in known:
        return is_from_channel
    text, positive = signed(wanted)
    return positive and matches(known[name], text, wanted.startswith("/"))


@lru_cache(maxsize=1024)
def _place(header: str) -> tuple[str, bool]:
    """A header's name without its case, and whether it comes with the channel."""
    name = header.lower()
    return name, name.startswith(FROM_CHANNEL)
