"""One connection of an ESL client to our console: greets, logs in, reads commands, writes what waits.

Knows framing, log-in and the bounds; what a command does is in verbs.py. One greenlet reads and answers, another
writes; between them is a bounded queue. Who does not read what waits is dropped: nobody ever waits for a console.
Bounded are the size of a command, the time in which it must be whole, and how long a stranger may take to log in.
"""

import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

import gevent
from gevent.event import Event as Flag
from gevent.socket import SHUT_RDWR

from fsctl.console.commands import Who
from fsctl.eventsocket.command import Command, Commands, TooLong
from fsctl.terminal import escape

log = logging.getLogger(__name__)

MAX_COMMAND = 64 * 1024
"""Bytes of a command, and of its body."""
LOGIN_S = 10.0
HALF_S = 30.0
"""A command that has begun is whole within this."""
WRITE_S = 30.0
"""A client that takes nothing for so long does not read."""
MOST_WAITING = 4 * 1024 * 1024
"""Bytes that may wait for a client when more comes."""
CHUNK = 64 * 1024
REFUSAL_S = 1.0
"""A wrong password costs its sender this."""
READ_BYTES = 16 * 1024

GOODBYE = "Disconnected, goodbye.\n"


class Session(Protocol):
    """What a client that has logged in may do: verbs.py."""

    def answer(self, command: Command) -> bool:
        """Answer one command; False: it was the last."""

    def close(self) -> None:
        """The connection is gone."""


class Peer:
    """One client."""

    def __init__(
        self,
        connection: Any,
        address: str,
        log_in: Callable[[str, str], Who | None],
        open_session: Callable[["Peer", Who], Session],
    ) -> None:
        """Args: log_in: of a user's name, empty where the client gives none, and a password; None is a refusal."""
        self.address = address
        self.who: Who | None = None
        self.closed = False
        self.why = ""
        """Why it was dropped; empty when it left by itself."""
        self._socket = connection
        self._log_in = log_in
        self._open_session = open_session
        self._commands = Commands(MAX_COMMAND)
        self._queue: deque[bytes] = deque()
        self._waiting = 0
        self._wake = Flag()
        self._leaving = False

    def run(self) -> None:
        """Serve it until one of the two sides ends it."""
        writer = gevent.spawn(self._write)
        session: Session | None = None
        try:
            self.send(b"Content-Type: auth/request\n\n")
            with gevent.Timeout(LOGIN_S, False):
                self._greet()
            if self.who is not None:
                session = self._open_session(self, self.who)
                while (command := self._read()) is not None and session.answer(command):
                    pass
        except TooLong as error:
            self.reply(f"-ERR {error}")
            self.why = str(error)
        except OSError as error:
            self.why = str(error)
        finally:
            if session is not None:
                session.close()
            self._say_goodbye()
            writer.kill(block=False)
            self.close()

    # --- what goes out -----------------------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        """Have it written when the client takes it; never waits. Drops a client for whom too much waits already."""
        if self.closed:
            return
        if self._waiting > MOST_WAITING:
            self.drop(f"does not read: {self._waiting} bytes wait")
            return
        self._queue.append(data)
        self._waiting += len(data)
        self._wake.set()

    def reply(self, text: str, *extra: tuple[str, str]) -> None:
        """A command/reply of one line; ``extra`` headers follow Reply-Text."""
        more = "".join(f"{name}: {escape(value)}\n" for name, value in extra)
        self.send(
            f"Content-Type: command/reply\nReply-Text: {escape(text)}\n{more}\n".encode("utf-8", "replace")
        )

    def respond(self, text: str) -> None:
        """An api/response."""
        body = (text or "-ERR no reply\n").encode("utf-8", "replace")
        self.send(b"Content-Type: api/response\nContent-Length: %d\n\n%b" % (len(body), body))

    def drop(self, why: str) -> None:
        """End the connection at once, from whichever greenlet; its reader ends by that."""
        if not self.closed:
            self.why = why
            log.warning("console of %s at %s dropped: %s", self._name(), self.address, why)
            self.close()

    def close(self) -> None:
        """Close without a word. May be called twice."""
        self.closed = True
        self._wake.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(SHUT_RDWR)
        self._socket.close()

    def leave(self, why: str) -> None:
        """Say that it is over, and end it: the server stops."""
        if not self.closed:
            self._notice(why)
            self._flush(1.0)
            self.close()

    def _write(self) -> None:
        try:
            while not self.closed:
                self._wake.wait()
                self._wake.clear()
                while self._queue and not self.closed:
                    self._write_some()
        except (OSError, gevent.Timeout) as error:
            if self._leaving:
                return self.close()
            self.drop(f"cannot be written to: {error}")

    def _write_some(self) -> None:
        """What waits, together as far as it is small."""
        data = self._queue.popleft()
        while self._queue and len(data) + len(self._queue[0]) <= CHUNK:
            data += self._queue.popleft()
        for begin in range(0, len(data), CHUNK):
            part = data[begin : begin + CHUNK]
            with gevent.Timeout(WRITE_S):
                self._socket.sendall(part)
            self._waiting -= len(part)

    def _say_goodbye(self) -> None:
        if not self.closed:
            self._notice(GOODBYE)
            self._flush(2.0)

    def _notice(self, text: str) -> None:
        self._leaving = True
        body = text.encode()
        self.send(b"Content-Type: text/disconnect-notice\nContent-Length: %d\n\n%b" % (len(body), body))

    def _flush(self, timeout_s: float) -> None:
        with gevent.Timeout(timeout_s, False):
            while self._waiting and not self.closed:
                gevent.sleep(0.005)

    # --- what comes in -----------------------------------------------------------------------------------

    def _greet(self) -> None:
        """Until somebody has logged in, or shall not."""
        while (command := self._read()) is not None:
            if command.word in ("exit", "..."):
                self.reply("+OK bye")
                return
            if command.word not in ("auth", "userauth"):
                self.reply("-ERR command not found")
                continue
            self.who = self._log_in(*credentials(command))
            if self.who is None:
                gevent.sleep(REFUSAL_S)
                self.reply("-ERR invalid")
            elif command.word == "userauth":
                self.reply("+OK accepted", *allowances(self.who))
            else:
                self.reply("+OK accepted")
            return

    def _read(self) -> Command | None:
        """The next command; None when the client has gone. Raises OSError, TooLong."""
        begun: float | None = None
        while (command := self._commands.next()) is None:
            if self._commands.is_amid and begun is None:
                begun = time.monotonic()
            left = None if begun is None else max(0.001, begun + HALF_S - time.monotonic())
            with gevent.Timeout(left, False):
                data = self._socket.recv(READ_BYTES)
                if not data:
                    return None
                self._commands.feed(data)
                continue
            self.why = f"half a command for {HALF_S:.0f} s"
            return None
        return command

    def _name(self) -> str:
        return escape(self.who.user) if self.who else "nobody"


def credentials(command: Command) -> tuple[str, str]:
    """Name and password as a client gives them.

    ``userauth NAME:PASSWORD`` is fs_cli's with ``-u`` (libesl, esl_connect_timeout). ``auth PASSWORD`` is all that
    most libraries know: there NAME:PASSWORD may stand for the password, or the password says whose it is.
    """
    text = command.rest
    name, colon, password = text.partition(":")
    if command.word == "userauth":
        return name.strip(), password
    return (name, password) if colon else ("", text)


def allowances(who: Who) -> list[tuple[str, str]]:
    """What FreeSWITCH tells a user about itself (mod_event_socket.c, userauth)."""
    is_admin = who.may("admin")
    return [
        ("Allowed-Events", "all"),
        ("Allowed-API", "all" if is_admin else who.role),
        ("Allowed-LOG", "true" if is_admin else "false"),
    ]
