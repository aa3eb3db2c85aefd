"""The link to one FreeSWITCH: stays connected, and knows what it missed.

Two connections: events come on one, commands go over the other, so that a slow ``api`` never stops the
stream. After every connect: subscribe, keep what comes, read what stands (channels and their variables), tell
the difference as events, then what was kept, then go on live. An event told twice is the machine's everyday.
"""

import json
import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import gevent
from gevent.event import Event as Flag

from fsctl.backoff import Backoff
from fsctl.call.events import CallEvent
from fsctl.errors import AuthRefused, FsctlError, LinkLost, ProtocolError
from fsctl.esl import decode, encode
from fsctl.esl.connection import Connection, Reply
from fsctl.esl.messages import Event, JsonFields

log = logging.getLogger(__name__)

ROWS_LAG_S = 0.5
"""``show channels`` reads a database that FreeSWITCH writes 90 to 230 ms behind its channels (measured)."""
SILENCE_S = 65.0
"""FreeSWITCH beats every 20 s; three missed beats and the connection is dead, whatever TCP thinks."""


@dataclass(frozen=True)
class Address:
    """Where FreeSWITCH listens, and who we are to it."""

    host: str
    port: int
    password: str


class Listener(Protocol):
    """Who hears of the calls of a node."""

    def on_event(self, event: CallEvent) -> None:
        """A fact; those of one call come in order."""

    def on_resync(self, node: str, standing: Iterable[str]) -> None:
        """After a gap: the uuids of the caller legs that stand now. All other calls of the node are gone."""


class Link:
    """Keeps one node connected and turns its traffic into events of ours."""

    listener: Listener
    """Set once, before ``start``: it needs the link to send commands, so neither can be made first."""

    def __init__(self, address: Address, origin: decode.Origin) -> None:
        self.address = address
        self.origin = origin
        self.ready = Flag()
        self.refused: AuthRefused | None = None
        """Set when FreeSWITCH does not let us in and never did: a person must act."""
        self._events: Connection | None = None
        self._commands: Connection | None = None
        self._held: list[CallEvent] | None = []
        self._greenlet: gevent.Greenlet | None = None

    def start(self) -> None:
        """Connect, and stay connected, in the background."""
        self._greenlet = gevent.spawn(self._run)

    def stop(self) -> None:
        """End for good."""
        if self._greenlet is not None:
            self._greenlet.kill()
        self._drop("stopping")

    def request(self, command: encode.Request) -> Reply:
        """Send a command on the command connection; see Connection.request for what is raised."""
        commands = self._commands
        if commands is None:
            raise LinkLost(f"{self.origin.node}: not connected to FreeSWITCH")
        return commands.request(command)

    def _run(self) -> None:
        backoff = Backoff()
        was_ready = False
        while True:
            try:
                self._connect()
                was_ready = True
                backoff.reset()
                self._watch()
            except AuthRefused as error:
                log.error("%s: %s", self.origin.node, error)
                if not was_ready:
                    self.refused = error
                    self.ready.set()
                    return
            except FsctlError as error:
                log.warning("%s: %s", self.origin.node, error)
            except Exception:
                # A fault of ours must not leave the node unattended.
                log.exception("%s: the link failed; connecting again", self.origin.node)
            self._drop("reconnecting")
            gevent.sleep(backoff.next_s())

    def _connect(self) -> None:
        address = self.address
        self._held = []
        self._events = Connection(address.host, address.port, address.password, self._on_event)
        self._events.connect()
        self._events.must(encode.Subscribe())
        self._commands = Connection(address.host, address.port, address.password, lambda _event: None)
        self._commands.connect()
        self._resync(self._commands)
        self.ready.set()
        log.info("%s: connected to FreeSWITCH at %s:%s", self.origin.node, address.host, address.port)

    def _resync(self, commands: Connection) -> None:
        # Whatever is younger than this has told us of itself since we subscribed.
        gevent.sleep(ROWS_LAG_S)
        standing: list[str] = []
        for uuid in _our_channels(commands.must(encode.ShowChannels()), self.origin):
            dump = commands.request(encode.DumpChannel(uuid))
            if not dump.ok:
                continue
            facts = list(decode.snapshot(Event(JsonFields(dump.text.encode()), b""), self.origin))
            standing += [uuid] if facts else []
            for fact in facts:
                self.listener.on_event(fact)
        # A call that we have heard of since is not lost: what we heard says how it stands, or how it ended.
        heard = dict.fromkeys(event.uuid for event in self._held or [])
        self.listener.on_resync(
            self.origin.node, [*standing, *(uuid for uuid in heard if uuid not in standing)]
        )
        held, self._held = self._held or [], None
        for event in held:
            self.listener.on_event(event)

    def _watch(self) -> None:
        """Return never; raise when one of the connections is gone or FreeSWITCH has fallen silent."""
        while True:
            gevent.sleep(0.25)
            for connection in (self._events, self._commands):
                assert connection is not None
                if not connection.connected:
                    raise LinkLost(f"connection lost: {connection.why_lost}")
            assert self._events is not None
            if time.monotonic() - self._events.heard_at > SILENCE_S:
                raise LinkLost(f"no heartbeat from FreeSWITCH for {SILENCE_S:.0f} s")

    def _drop(self, why: str) -> None:
        self.ready.clear()
        for connection in (self._events, self._commands):
            if connection is not None:
                connection.close(why)
        self._events = self._commands = None

    def _on_event(self, event: Event) -> None:
        fact = decode.decode(event, self.origin)
        if fact is None or not fact.uuid:
            return
        if self._held is not None:
            self._held.append(fact)
        else:
            self.listener.on_event(fact)


def _our_channels(text: str, origin: decode.Origin) -> list[str]:
    """Uuids of inbound channels in one of our contexts. With no channels there are no ``rows`` at all."""
    try:
        rows = json.loads(text).get("rows", [])
        return [
            str(row["uuid"])
            for row in rows
            if row.get("direction") == "inbound"
            and (row.get("context") in origin.contexts or row.get("initial_context") in origin.contexts)
        ]
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise ProtocolError(f"show channels: not the JSON of FreeSWITCH: {text[:80]!r}") from error
