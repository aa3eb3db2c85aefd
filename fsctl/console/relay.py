"""From a console to a FreeSWITCH and back: commands on one connection, events on another.

Each console has connections of its own, so that FreeSWITCH itself picks its events, and nobody waits for another's
``originate``. Knows a node's address; refuses to know who may say what. Called by desk.py and verbs.py.
"""

import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import gevent
from gevent.event import Event as Flag
from gevent.lock import RLock

from fsctl.backoff import Backoff
from fsctl.config import Node
from fsctl.errors import FsctlError, LinkLost, ProtocolError
from fsctl.esl import encode
from fsctl.esl.connection import Connection
from fsctl.esl.encode import console
from fsctl.esl.messages import Event as Told
from fsctl.esl.messages import Message
from fsctl.esl.secrets import has_secret, hide
from fsctl.eventsocket.event import Event, Headers, exact
from fsctl.eventsocket.subscription import Subscription
from fsctl.terminal import escape_lines

log = logging.getLogger(__name__)

API_TIMEOUT_S = 120.0
"""An ``originate`` rings for a minute; a command that takes longer is for ``bgapi``, and ends its connection."""
LOOK_S = 0.5
"""So often it is looked whether the connection for events is there."""


class Trunk(Connection):
    """A connection to a node that hands on whole events, and its log."""

    def __init__(
        self, node: Node, on_event: Callable[[Event], None], on_log: Callable[[Message], None]
    ) -> None:
        super().__init__(node.host, node.port, node.password, lambda _event: None)
        self._on_message = on_event
        self._on_log = on_log

    def handle_event(self, message: Message) -> None:
        """Give one message to whom it belongs."""
        if message.content_type == "log/data":
            self._on_log(message)
        elif message.content_type == "text/event-json":
            self._on_message(event_of(message.body))
        else:
            super().handle_event(message)

    def _tell(self, event: Told) -> None:
        """Never asked for: events come as JSON."""


class _Pairs(list[tuple[str, Any]]):
    """An object of JSON, in which names may be doubled."""


def event_of(body: bytes) -> Event:
    """An event of FreeSWITCH, without secrets and with nothing that moves a cursor, to be sent on.

    Raises:
        ProtocolError: not the JSON of an event.
    """
    try:
        pairs = json.loads(body.decode("utf-8", "replace"), object_pairs_hook=_Pairs, strict=False)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"an event that is not JSON: {body[:80]!r}") from error
    if not isinstance(pairs, _Pairs):
        raise ProtocolError(f"an event that is no JSON object: {body[:80]!r}")
    headers: Headers = []
    own, name, subclass = "", "", ""
    for key, found in pairs:
        value = "ARRAY::" + "|:".join(map(str, found)) if isinstance(found, list) else str(found)
        if key == "_body":
            own = escape_lines(value)
        elif key != "Content-Length":
            # Nearly all are as they may be shown, and there are two hundred in an event.
            clean = value.isprintable() and not has_secret(key, value)
            headers.append((key, value if clean else _shown(key, value)))
        if key == "Event-Name":
            name = value
        elif key == "Event-Subclass":
            subclass = value
    return Event(name, headers, subclass=subclass, body=own, encode=exact)


def _shown(name: str, value: str) -> str:
    seen = escape_lines(hide(name, value))
    if "\n" in seen and "sdp" not in name.lower():
        # On a terminal it would look like a header of its own; an SDP has lines.
        return seen.replace("\r\n", "\\n").replace("\n", "\\n")
    return seen


class Commands:
    """The commands of one console, one after the other."""

    def __init__(self) -> None:
        self._connection: Connection | None = None
        self._node: str | None = None
        self._lock = RLock()

    def api(self, node: Node, line: str, *, as_console: bool = False) -> str:
        """Have a node run a line of ``api``.

        Raises:
            LinkError: the node is away, or did not answer in time; Unencodable when it can be no command.
        """
        return self._send(node, console.Api(line, as_console))

    def pass_on(self, node: Node, head: str, headers: tuple[tuple[str, str], ...], body: bytes) -> str:
        """Have a node take a ``sendevent`` or ``sendmsg``; returns its Reply-Text. Raises LinkError."""
        return self._send(node, console.PassedOn(head, headers), body)

    def close(self) -> None:
        """End the connection; a command that runs goes on in FreeSWITCH."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close("the console is gone")

    def _send(self, node: Node, request: encode.Request, body: bytes = b"") -> str:
        text = request.render()
        with self._lock:
            if self._connection is None or not self._connection.connected or self._node != node.name:
                self.close()
                fresh = Connection(node.host, node.port, node.password, lambda _event: None)
                fresh.connect()
                self._connection, self._node = fresh, node.name
            return self._connection.send(text, API_TIMEOUT_S, body)


@dataclass(frozen=True)
class Wish:
    """What a console wants to hear of a node."""

    names: frozenset[str] = frozenset()
    subclasses: frozenset[str] = frozenset()
    filters: tuple[tuple[str, str], ...] = ()
    level: str | None = None
    """Of the log."""

    @property
    def is_nothing(self) -> bool:
        """Whether no connection is needed."""
        return not self.names and self.level is None


def changes(old: Wish, new: Wish) -> Iterator[encode.Request]:
    """The commands that turn what is heard into what shall be: filters first, so that nothing slips through."""
    kept = old.filters == new.filters[: len(old.filters)]
    if not kept:
        yield console.Unfiltered()
    for header, value in new.filters[len(old.filters) if kept else 0 :]:
        yield encode.Filter(header, value)
    names, subclasses = new.names, new.subclasses
    if old.names <= names and old.subclasses <= subclasses:
        names, subclasses = names - old.names, subclasses - old.subclasses
    elif old.names:
        yield console.Deaf()
    if names or subclasses:
        custom = ("CUSTOM",) if "CUSTOM" in names and not subclasses else ()
        yield console.Listen((*sorted(names - {"CUSTOM"}), *custom), tuple(sorted(subclasses)))
    if old.level != new.level:
        yield console.Log(new.level)


class Events:
    """What one console hears of its node. Where the node is away, it is heard again when it is back."""

    def __init__(
        self,
        subscription: Subscription,
        on_event: Callable[[Event], None],
        on_log: Callable[[Message], None],
        on_state: Callable[[str, str], None],
    ) -> None:
        """Args: on_state: told ``lost`` or ``back`` with the node's name, when what was heard has a hole."""
        self.level: str | None = None
        self.node: Node | None = None
        self._subscription = subscription
        self._on_event, self._on_log, self._on_state = on_event, on_log, on_state
        self._trunk: Trunk | None = None
        self._on_node: str | None = None
        self._heard = Wish()
        self._lock = RLock()
        self._changed = Flag()
        self._keeper: gevent.Greenlet | None = None
        self._is_lost = False

    def settle(self) -> None:
        """Have the node send what is wanted from now on; if it cannot now, as soon as it can."""
        try:
            self._apply()
        except FsctlError as error:
            self._lose(str(error))
        if self._keeper is None and not self._wish().is_nothing:
            self._keeper = gevent.spawn(self._keep)
        self._changed.set()

    def stop(self) -> None:
        """End for good."""
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.kill(block=False)
        self._drop("the console is gone")

    def _keep(self) -> None:
        backoff = Backoff()
        while True:
            try:
                self._apply()
                backoff.reset()
                self._changed.wait(LOOK_S)
            except FsctlError as error:
                self._lose(str(error))
                self._changed.wait(backoff.next_s())
            self._changed.clear()

    def _wish(self) -> Wish:
        wanted = self._subscription
        names = frozenset({"ALL"} if wanted.all else wanted.names) if wanted.active else frozenset()
        subclasses = frozenset(one for one in wanted.subclasses if not one.startswith("fsctl::"))
        return Wish(names, frozenset() if wanted.all else subclasses, tuple(wanted.filters), self.level)

    def _apply(self) -> None:
        with self._lock:
            wish = self._wish()
            if self._trunk is not None and not self._trunk.connected:
                self._lose(self._trunk.why_lost)
            if wish.is_nothing or self.node is None:
                self._drop("nothing is asked for")
                return
            trunk = self._connected(self.node)
            for request in changes(self._heard, wish):
                reply = trunk.send(request.render())
                if reply.startswith("-ERR"):
                    log.info("%s: a console's %s: %s", self.node.name, type(request).__name__, reply[:200])
            self._heard = wish
            if self._is_lost:
                self._is_lost = False
                self._on_state("back", self.node.name)

    def _connected(self, node: Node) -> Trunk:
        if self._trunk is None or self._on_node != node.name:
            self._drop("another node")
            trunk = Trunk(node, self._on_event, self._on_log)
            trunk.connect()
            self._trunk, self._on_node = trunk, node.name
        if not self._trunk.connected:
            raise LinkLost(self._trunk.why_lost)
        return self._trunk

    def _lose(self, why: str) -> None:
        self._drop(why)
        if not self._is_lost and self.node is not None:
            self._is_lost = True
            self._on_state("lost", self.node.name)

    def _drop(self, why: str) -> None:
        trunk, self._trunk, self._on_node, self._heard = self._trunk, None, None, Wish()
        if trunk is not None:
            trunk.close(why)
