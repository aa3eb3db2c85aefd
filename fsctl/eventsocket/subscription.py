"""Which events a connection gets: names, CUSTOM subclasses, filters.

The rules are those of mod_event_socket.c: ``event`` and ``nixevent`` 2249-2400, filters 300-390. Once a
filter exists, events that lack its header are dropped.
"""

import re
from collections.abc import Iterable
from functools import lru_cache

from fsctl.eventsocket.event import EVENT_NAMES, Event

_MY_EVENTS = """
CHANNEL_ANSWER CHANNEL_APPLICATION CHANNEL_BRIDGE CHANNEL_CREATE CHANNEL_DATA CHANNEL_DESTROY
CHANNEL_EXECUTE CHANNEL_EXECUTE_COMPLETE CHANNEL_HANGUP CHANNEL_HANGUP_COMPLETE CHANNEL_ORIGINATE
CHANNEL_UUID CHANNEL_OUTGOING CHANNEL_PARK CHANNEL_PROGRESS CHANNEL_PROGRESS_MEDIA CHANNEL_STATE
CHANNEL_UNBRIDGE CHANNEL_UNPARK CHANNEL_CALLSTATE CHANNEL_HOLD CHANNEL_UNHOLD CALL_UPDATE
"""

#: The events of ``myevents`` (mod_event_socket.c 2096-2125).
MY_EVENTS = frozenset(_MY_EVENTS.split())


class Subscription:
    """Which events a connection gets: names, CUSTOM subclasses, filters."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.subclasses: set[str] = set()
        self.all = False
        self.active = False
        self.my_uuid: str | None = None
        self.filters: list[tuple[str, str]] = []

    def add(self, words: Iterable[str]) -> int:
        """Take event names, then (after CUSTOM) subclasses; returns how many names were known."""
        known, custom = 0, False
        for word in words:
            if custom:
                self.subclasses.add(word)
            elif word.upper() in EVENT_NAMES:
                known += 1
                self.all = self.all or word.upper() == "ALL"
                custom = word.upper() == "CUSTOM"
                self.names.add(word.upper())
        self.active = self.active or known > 0
        return known

    def remove(self, words: Iterable[str]) -> int:
        """``nixevent``: taking one name from ``all`` leaves the others; subclasses follow CUSTOM."""
        known, custom = 0, False
        for word in words:
            name = word.upper()
            if custom:
                self.subclasses.discard(word)
            elif name in EVENT_NAMES:
                known += 1
                if name == "CUSTOM":
                    custom = True
                elif name == "ALL":
                    self.all = False
                    self.names.clear()
                else:
                    self._remove_one(name)
        return known

    def _remove_one(self, name: str) -> None:
        if self.all:
            self.all = False
            self.names = set(EVENT_NAMES) - {"ALL"}
        self.names.discard(name)

    def clear(self) -> None:
        """``noevents``."""
        self.names.clear()
        self.subclasses.clear()
        self.all = self.active = False

    def hears(self, name: str, subclass: str) -> bool:
        """Whether events of this name are asked for; what their headers say is for ``wants``."""
        if self.all or not self.active:
            return self.active
        return name in self.names and (name != "CUSTOM" or not subclass or subclass in self.subclasses)

    def wants(self, event: Event) -> bool:
        """The decision of mod_event_socket.c event_handler, lines 300-390."""
        if not self.hears(event.name, event.subclass):
            return False
        if self.filters and not passes(self.filters, event):
            return False
        return self.my_uuid is None or self.my_uuid == (event.get("Unique-ID") or "")


def passes(filters: Iterable[tuple[str, str]], event: Event) -> bool:
    """Positive filters are ORed, a hit of a ``-value`` filter drops, no hit at all drops too."""
    send = False
    for name, wanted in filters:
        text, positive = signed(wanted)
        if send and positive:
            continue
        value = event.get(name)
        if value is not None and matches(value, text, wanted.startswith("/")):
            if not positive:
                return False
            send = True
    return send


@lru_cache(maxsize=1024)
def signed(wanted: str) -> tuple[str, bool]:
    """A filter's value without its signs, and whether a hit lets an event pass; else it drops it."""
    text = wanted.lstrip("+- ")
    return text, not wanted[: len(wanted) - len(text)].replace(" ", "").endswith("-")


@lru_cache(maxsize=1024)
def matches(value: str, text: str, is_regex: bool) -> bool:
    """Whether a header's value is what a filter asks for; text is compared without case."""
    if not is_regex:
        return value.lower() == text.lower()
    body, _, flags = text[1:].rpartition("/") if text.count("/") > 1 else (text[1:], "", "")
    try:
        return re.search(body, value, re.IGNORECASE if "i" in flags else 0) is not None
    except re.error:
        return False


def is_quick(wanted: str) -> bool:
    """Whether a filter's expression is of the kind that cannot run for long: no groups, two repetitions at most."""
    return len(wanted) <= 256 and "(" not in wanted and sum(wanted.count(one) for one in "*+?{") <= 2
