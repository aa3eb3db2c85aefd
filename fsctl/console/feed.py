"""Events of ours for consoles: ``CUSTOM fsctl::call``, ``fsctl::transcript`` and ``fsctl::alarm``.

Reads Postgres while somebody listens, woken by NOTIFY, and tells every console the same. Knows how a row becomes an
event; refuses to know who hears it. Text of strangers is made harmless here: these events are ours, so no value of
theirs has a second line. Called by server.py.
"""

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import gevent

from fsctl.errors import DatabaseError
from fsctl.eventsocket.event import Event, Headers, exact
from fsctl.patience import Patience
from fsctl.store.alarms import Alarm
from fsctl.store.db import Database, Row, Wakeup
from fsctl.store.feed import MOST, Feed
from fsctl.terminal import escape

log = logging.getLogger(__name__)

CHANNEL = "fsctl_story"
LOOK_S = 1.0
"""Looked at so often even if nobody wakes us; alarms are found so."""
IDLE_S = 0.5
SUBCLASSES = ("fsctl::call", "fsctl::transcript", "fsctl::alarm", "fsctl::node")


class Teller:
    """Tells consoles what happens."""

    def __init__(
        self, database: Database, is_heard: Callable[[], bool], tell: Callable[[Event], None]
    ) -> None:
        """Args: is_heard: whether anybody listens for events of ours; nothing is read while nobody does."""
        self._database = database
        self._is_heard = is_heard
        self._tell = tell
        self._stopping = False

    def stop(self) -> None:
        """Have ``run`` end when it has looked the next time; see LOOK_S."""
        self._stopping = True

    def run(self) -> None:
        """Until it is stopped. A Postgres that is away is waited for; what happened meanwhile is told then."""
        patience = Patience(log, "consoles are not told what happens", waits_for=DatabaseError)
        feed: Feed | None = None
        wakeup = Wakeup(self._database.dsn, [CHANNEL])
        try:
            while not self._stopping:
                if not self._is_heard():
                    feed = None
                    gevent.sleep(IDLE_S)
                    continue
                with patience:
                    feed = feed or Feed(self._database)
                    self.tick(feed)
                    wakeup.wait(LOOK_S)
        finally:
            wakeup.close()

    def tick(self, feed: Feed) -> None:
        """Tell what is new. Raises DatabaseError."""
        while facts := feed.facts():
            for row in facts:
                self._tell(call_event(row))
            if len(facts) < MOST:
                break
        for row in feed.texts():
            self._tell(transcript_event(row))
        raised, cleared = feed.alarms()
        for alarm, state in _states(raised, cleared):
            self._tell(alarm_event(alarm, state))


def _states(raised: list[Alarm], cleared: list[Alarm]) -> Iterator[tuple[Alarm, str]]:
    yield from ((alarm, "raised") for alarm in raised)
    yield from ((alarm, "cleared") for alarm in cleared)


def call_event(row: Row) -> Event:
    """A fact of a call; its body is the fact's data as JSON."""
    headers = _of_call(row, "fsctl::call")
    headers += _given({"Kind": row["kind"], "Phase": row["phase"], "Disposition": row["disposition"]})
    return _event("fsctl::call", headers, json.dumps(_harmless(row["data"]), ensure_ascii=True))


def transcript_event(row: Row) -> Event:
    """A segment of text; its body is the text."""
    headers = _of_call(row, "fsctl::transcript")
    keys = {"Leg": "leg", "Start-Ms": "start_ms", "End-Ms": "end_ms", "Language": "language", "Pass": "pass"}
    headers += _given({name: row[key] for name, key in keys.items()})
    return _event("fsctl::transcript", headers, escape(row["text"]))


def alarm_event(alarm: Alarm, state: str) -> Event:
    """An alarm that was raised or cleared; its body says why."""
    headers = _head("fsctl::alarm", alarm.raised_at.timestamp())
    headers += _given({"State": state, "Kind": alarm.kind, "Subject": alarm.subject, "Node": alarm.node})
    return _event("fsctl::alarm", headers, escape(alarm.detail))


def _of_call(row: Row, subclass: str) -> Headers:
    headers = _head(subclass, row["at"].timestamp())
    headers.append(("Unique-ID", escape(row["call_uuid"])))
    keys = {"Node": "node", "Thread": "thread_id", "Queue": "queue", "Agent": "agent"}
    return headers + _given({name: row[key] for name, key in keys.items()})


def _head(subclass: str, at_s: float) -> Headers:
    return [
        ("Event-Name", "CUSTOM"),
        ("Event-Subclass", subclass),
        ("Event-Date-Timestamp", str(round(at_s * 1e6))),
    ]


def _given(values: Mapping[str, Any]) -> Headers:
    return [(f"fsctl-{name}", escape(str(value))) for name, value in values.items() if value is not None]


def _harmless(value: Any) -> Any:
    """Facts as JSON, with the text of strangers escaped: a client prints what it decodes."""
    if isinstance(value, str):
        return escape(value)
    if isinstance(value, dict):
        return {escape(str(key)): _harmless(one) for key, one in value.items()}
    return [_harmless(one) for one in value] if isinstance(value, list) else value


def _event(subclass: str, headers: Headers, body: str) -> Event:
    return Event("CUSTOM", headers, subclass=subclass, body=body, encode=exact)
