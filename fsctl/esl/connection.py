"""One connection to FreeSWITCH: greenswitch's InboundESL with our reader under it.

What is replaced, and why (each is a fault of greenswitch 0.0.19 that freezes or deafens a controller):
``connect`` waits with a deadline; ``receive_events`` reads through our parser and yields to the hub, so that
a burst of events starves nobody; ``send`` has a deadline, writes whole commands under a lock, refuses line
breaks and always ends; a lost connection wakes everybody who waits.
"""

import logging
import socket as stdlib_socket
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import gevent
from gevent import socket
from gevent.event import AsyncResult
from gevent.lock import RLock
from greenswitch.esl import InboundESL

from fsctl.errors import AuthRefused, CommandRefused, CommandTimeout, LinkLost, ProtocolError, Unencodable
from fsctl.esl import encode
from fsctl.esl.lanes import SLICE_S, YIELD_S
from fsctl.esl.messages import Event, Message, Parser

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 5.0
COMMAND_TIMEOUT_S = 10.0
READ_BYTES = 64 * 1024


@dataclass(frozen=True)
class Reply:
    """What FreeSWITCH answered: the Reply-Text of a command, or the body of an api call."""

    text: str

    @property
    def ok(self) -> bool:
        """Whether it is not an error in FreeSWITCH's words."""
        return not self.text.startswith(("-ERR", "-USAGE"))


class Connection(InboundESL):  # type: ignore[misc]
    """A connection that is made once and thrown away when it ends."""

    def __init__(self, host: str, port: int, password: str, on_event: Callable[[Event], None]) -> None:
        """Args: on_event: called in the reader for each event; must not block."""
        super().__init__(host, port, password, timeout=CONNECT_TIMEOUT_S)
        self.heard_at = time.monotonic()
        self.why_lost = ""
        self._on_event = on_event
        self._greeting: AsyncResult = AsyncResult()
        self._lock = RLock()
        self._waiting: deque[AsyncResult] = deque()
        self._reader: gevent.Greenlet | None = None

    @property
    def in_flight(self) -> int:
        """Commands that have no answer yet."""
        return len(self._waiting)

    def connect(self) -> None:
        """Connect and log in.

        Raises:
            LinkLost: nobody listens, or no greeting within the deadline.
            AuthRefused: wrong password, or FreeSWITCH's ACL keeps us out.
            ProtocolError: whoever listens is not an Event Socket.
        """
        if self._reader is not None:
            raise LinkLost("a connection is made once")
        try:
            self._connect()
        except BaseException as error:
            self.close(f"not connected: {error}")
            raise

    def _connect(self) -> None:
        where = f"{self.host}:{self.port}"
        try:
            self.sock = socket.create_connection((self.host, self.port), timeout=CONNECT_TIMEOUT_S)
        except OSError as error:
            raise LinkLost(f"FreeSWITCH at {where}: {error}") from error
        self.sock.settimeout(None)
        _keep_alive(self.sock)
        self.connected = True
        self._reader = gevent.spawn(self.receive_events)
        self._greeting.wait(CONNECT_TIMEOUT_S)
        if not self._greeting.ready():
            raise LinkLost(f"FreeSWITCH at {where}: no greeting within {CONNECT_TIMEOUT_S:.0f} s")
        greeting = self._greeting.get()
        if greeting == "text/rude-rejection":
            raise AuthRefused(
                f"FreeSWITCH at {where}: its ACL refuses us (apply-inbound-acl of event_socket)"
            )
        self.authenticate()

    def stop(self) -> None:
        """As greenswitch names it."""
        self.close()

    def authenticate(self) -> None:
        """Log in with the password; see ``connect``."""
        if not self.request(encode.Auth(self.password)).ok:
            raise AuthRefused(f"FreeSWITCH at {self.host}:{self.port}: wrong password")

    def request(self, command: encode.Request, timeout_s: float = COMMAND_TIMEOUT_S) -> Reply:
        """Send a command and wait for its reply.

        Raises:
            LinkLost: the connection ended first; whether the command ran is not known.
            CommandTimeout: no reply within the deadline. The connection is closed: its replies are in order,
                so one that is late would be taken for the next command's.
        """
        return Reply(str(self.send(command.render(), timeout_s)))

    def must(self, command: encode.Request, timeout_s: float = COMMAND_TIMEOUT_S) -> str:
        """The same, and FreeSWITCH must agree. Raises CommandRefused when it says -ERR."""
        reply = self.request(command, timeout_s)
        if not reply.ok:
            raise CommandRefused(f"{type(command).__name__}: FreeSWITCH said {reply.text.strip()[:200]!r}")
        return reply.text

    def send(self, data: str, timeout_s: float = COMMAND_TIMEOUT_S, body: bytes = b"") -> str:
        """Write one command, with header lines if it has any, and wait for its reply's text; see ``request``.

        Args:
            body: what stands below; one of the headers says how long it is.
        """
        encode.command(data)
        try:
            raw = data.encode() + b"\n\n" + body
        except UnicodeError as error:
            raise Unencodable("half a surrogate pair in a command") from error
        result: AsyncResult = AsyncResult()
        # One deadline for all of it: the lock, the writing, the answer. The caller's own time-outs are his.
        deadline = gevent.Timeout.start_new(timeout_s)
        try:
            self._write(raw, result)
            reply: str = result.get()
            return reply
        except gevent.Timeout as error:
            if error is not deadline:
                raise
            self.close("a command was not answered in time")
            raise CommandTimeout(f"no answer from FreeSWITCH within {timeout_s:.0f} s") from error
        finally:
            deadline.close()

    def _write(self, raw: bytes, result: AsyncResult) -> None:
        """Write a whole command or end the connection: what follows half a one would be glued to it."""
        with self._lock:
            if not self.connected:
                raise LinkLost(f"not connected to FreeSWITCH: {self.why_lost or 'closed'}")
            self._waiting.append(result)
            why = "a command was cut short"
            try:
                self.sock.sendall(raw)
                why = ""
            except OSError as error:
                why = f"write failed: {error}"
            finally:
                if why:
                    self.close(why)

    def receive_events(self) -> None:
        """Read until the connection ends. Runs in a greenlet of its own."""
        parser = Parser()
        since = time.monotonic()
        try:
            while True:
                data = self.sock.recv(READ_BYTES)
                if not data:
                    return self.close("FreeSWITCH closed the connection")
                self.heard_at = time.monotonic()
                parser.receive_data(data)
                while self.connected and (message := parser.next_message()) is not None:
                    self.handle_event(message)
                    if time.monotonic() - since > SLICE_S:
                        gevent.sleep(YIELD_S)
                        since = time.monotonic()
                if time.monotonic() - since > SLICE_S:
                    gevent.sleep(YIELD_S)
                    since = time.monotonic()
        except ProtocolError as error:
            log.error("FreeSWITCH at %s:%s: %s; reconnecting", self.host, self.port, error)
            self.close(str(error))
        except OSError as error:
            self.close(f"read failed: {error}")

    def handle_event(self, message: Message) -> None:
        """Give one message to whom it belongs."""
        kind = message.content_type
        if message.is_event:
            self._tell(message.event())
        elif kind == "api/response":
            self._answer(message.body.decode("utf-8", "replace"))
        elif kind == "command/reply":
            self._answer(message.get("Reply-Text") or "")
        elif kind in ("auth/request", "text/rude-rejection"):
            self._greeting.set(kind)
        elif kind == "text/disconnect-notice":
            self.close(message.body.decode("utf-8", "replace").strip().split("\n", 1)[0] or "disconnected")

    def _tell(self, event: Event) -> None:
        """One event that cannot be handled must not make us deaf to the next; an audit finds what it meant."""
        try:
            self._on_event(event)
        except ProtocolError:
            raise
        except (Exception, gevent.Timeout):
            log.exception("FreeSWITCH at %s:%s: %s was not handled", self.host, self.port, event.name)

    def close(self, why: str = "closed by us") -> None:
        """End the connection; everyone who waits for a reply gets LinkLost. May be called twice."""
        if not self.connected:
            return
        self.connected = False
        self.why_lost = why
        self.sock.close()
        lost = LinkLost(f"connection to FreeSWITCH at {self.host}:{self.port} lost: {why}")
        if not self._greeting.ready():
            self._greeting.set_exception(lost)
        while self._waiting:
            self._waiting.popleft().set_exception(lost)

    def _answer(self, text: str) -> None:
        if not self._waiting:
            raise ProtocolError(f"a reply to nothing that we asked: {text[:80]!r}")
        self._waiting.popleft().set(text)


def _keep_alive(sock: socket.socket) -> None:
    """A switch that vanished without a word is noticed within a minute."""
    sock.setsockopt(stdlib_socket.IPPROTO_TCP, stdlib_socket.TCP_NODELAY, 1)
    sock.setsockopt(stdlib_socket.SOL_SOCKET, stdlib_socket.SO_KEEPALIVE, 1)
    for option, seconds in (("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
        if hasattr(stdlib_socket, option):
            sock.setsockopt(stdlib_socket.IPPROTO_TCP, getattr(stdlib_socket, option), seconds)
