"""One ESL connection: framing, authentication, and the queue of events.

It knows the words of mod_event_socket; what an ``api`` does is in api.py, framing and who gets which event in
``fsctl.eventsocket``. Theory of operation: one greenlet
reads commands and answers them; another wakes when events wait, pauses up to 20 ms as FreeSWITCH's poll does,
and writes all of them in one burst. A lock keeps the two apart, so a running ``api`` holds back the events of
this connection only.

Replies have ``Content-Type`` first, events ``Content-Length`` first (every capture).
"""

import collections
from collections.abc import Callable
from typing import TYPE_CHECKING

import gevent
from gevent.event import Event as Flag
from gevent.exceptions import ConcurrentObjectUseError
from gevent.lock import RLock
from gevent.socket import IPPROTO_TCP, SHUT_RDWR, TCP_NODELAY, socket

from fsctl.eventsocket.command import Command, Commands, TooLong
from fsctl.eventsocket.event import Event, Headers
from fsctl.eventsocket.subscription import MY_EVENTS
from fsctl.sim import api
from fsctl.sim.subscription import Subscription

if TYPE_CHECKING:
    from fsctl.sim.switch import Switch

#: mod_event_socket's MAX_QUEUE_LEN and MAX_MISSED.
MAX_QUEUE_LEN = 100_000
MAX_MISSED = 500
#: A command with its headers may not be longer: FreeSWITCH reads into a growing buffer, we stop at 1 MiB.
MAX_COMMAND_BYTES = 1 << 20
#: Wall seconds that events wait to be written together (an event arrives 0-20 ms late).
BATCH_S = 0.01
BATCH_BYTES = 1 << 16

GOODBYE = "Disconnected, goodbye.\nSee you at ClueCon! http://www.cluecon.com/\n"
KILLED = "killed listener because of lost events\n"
SHUT_DOWN = "The system is being shut down.\n"

#: Commands that FreeSWITCH knows by their beginning: ``EVENTS PLAIN ALL`` is as good as ``event plain all``.
PREFIXES = ("event", "nixevent")

#: `log LEVEL`: name and number as switch_log_str2level knows them.
LOG_LEVELS = ("console", "alert", "crit", "err", "warning", "notice", "info", "debug")


class Listener:
    """One connection. The bus calls ``offer``; ``run`` is the greenlet that reads commands."""

    def __init__(self, switch: "Switch", connection: socket) -> None:
        self.switch = switch
        self.connection = connection
        # As mod_event_socket does; without it a reply waits for the acknowledgement of the events before it, 40 ms.
        connection.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
        self.authenticated = False
        self.form = "plain"
        self.subscription = Subscription()
        self.lost = 0
        self.closed = False
        self._queue: collections.deque[Event] = collections.deque()
        self._waiting = Flag()
        self._lock = RLock()
        self._commands = Commands(MAX_COMMAND_BYTES)

    # Events -----------------------------------------------------------------------------------------------

    def hears(self, name: str, subclass: str, own: Headers) -> bool:
        """Whether its subscription may want such an event, whose own headers are these."""
        return not self.closed and self.subscription.may_want(name, subclass, own)

    def offer(self, event: Event) -> None:
        """Queue a wanted event; count it as lost when the queue is full, and die of too many losses."""
        if self.closed or not self.subscription.wants(event):
            return
        if len(self._queue) < self.switch.options.listener_queue:
            self.lost = 0
            self._queue.append(event)
            self._waiting.set()
            return
        self.lost += 1
        if self.lost > MAX_MISSED:
            self.kill()

    def write_events(self) -> None:
        """Greenlet: write what waits, in bursts."""
        while not self.closed:
            self._waiting.wait()
            gevent.sleep(BATCH_S)
            with self._lock:
                self._waiting.clear()
                while self._queue and not self.closed:
                    self._send(self._next_batch())

    def _next_batch(self) -> bytes:
        batch = bytearray()
        while self._queue and len(batch) < BATCH_BYTES:
            batch += self._queue.popleft().frame(self.form)
        return bytes(batch)

    # Commands ---------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Greenlet: greet, then answer commands until either side closes."""
        writer = gevent.spawn(self.write_events)
        try:
            self._send(b"Content-Type: auth/request\n\n")
            while not self.closed and (command := self._read_command()) is not None:
                if command.line:
                    with self._lock:
                        self._answer(command)
        except (OSError, TooLong):
            self.closed = True
        finally:
            self.close()
            writer.kill(block=False)

    def _read_command(self) -> Command | None:
        """The next command; None when there will be none."""
        while (command := self._commands.next()) is None:
            data = self.connection.recv(65536)
            if not data:
                return None
            self._commands.feed(data)
        return command

    def _answer(self, command: Command) -> None:
        word = next((name for name in PREFIXES if command.word.startswith(name)), command.word)
        handler = COMMANDS.get(word)
        allowed = self.authenticated or command.word in ("auth", "userauth", "exit")
        if handler is None or not allowed:
            self.reply("-ERR command not found")
            return
        handler(self, command)

    def reply(self, text: str, *extra: tuple[str, str]) -> None:
        """A command/reply; ``extra`` headers follow Reply-Text (Job-UUID of bgapi)."""
        more = "".join(f"{name}: {value}\n" for name, value in extra)
        self._send(
            f"Content-Type: command/reply\nReply-Text: {text}\n{more}\n".encode("utf-8", "surrogateescape")
        )

    def respond(self, text: str) -> None:
        """An api/response. Empty output becomes ``-ERR no reply`` (api_transcript, `agent get uuid`)."""
        body = (text or "-ERR no reply\n").encode("utf-8", "surrogateescape")
        self._send(b"Content-Type: api/response\nContent-Length: %d\n\n%s" % (len(body), body))

    # Ends -------------------------------------------------------------------------------------------------

    def say_goodbye(self, text: str = GOODBYE) -> None:
        """The disconnect notice (67 bytes after ``exit`` or a wrong password), then close."""
        self._send(_notice(text))
        self.close()

    def kill(self, *, torn: bool = False) -> None:
        """End a listener that lost too many events.

        The notice comes from another thread. ``torn`` puts it in the place of an event's body, right after
        the outer header, as in one of two measured runs: framing breaks.
        """
        self.closed = True
        frame = self._queue.popleft().frame(self.form) if torn and self._queue else b""
        header = (
            frame[: frame.index(b"\n\n") + 2]
            if frame
            else b"Content-Length: 800\nContent-Type: text/event-plain\n\n"
        )
        gevent.spawn(self._send_and_close, (header if torn else b"") + _notice(KILLED))

    def _send_and_close(self, data: bytes) -> None:
        with gevent.Timeout(1, False):
            self._send(data)
        self.close()

    def close(self) -> None:
        """Close the socket without a word."""
        self.closed = True
        self._waiting.set()
        self.switch.forget(self)
        try:
            self.connection.shutdown(SHUT_RDWR)
        except OSError:
            return
        finally:
            self.connection.close()

    def _send(self, data: bytes) -> None:
        try:
            self.connection.sendall(data)
        except (OSError, ConcurrentObjectUseError):
            self.closed = True


def _notice(text: str) -> bytes:
    return f"Content-Type: text/disconnect-notice\nContent-Length: {len(text)}\n\n{text}".encode()


def _auth(listener: Listener, command: Command) -> None:
    if command.rest == listener.switch.options.password:
        listener.authenticated = True
        listener.reply("+OK accepted")
    else:
        listener.reply("-ERR invalid")
        listener.say_goodbye()


def _userauth(listener: Listener, _command: Command) -> None:
    """No directory user may log in here; the refusal is that of handshake_userauth."""
    listener.reply("-ERR invalid")
    listener.say_goodbye()


def _exit(listener: Listener, _command: Command) -> None:
    listener.reply("+OK bye")
    listener.say_goodbye()


def _event(listener: Listener, command: Command) -> None:
    words = command.rest.split()
    if words and words[0].lower() in ("plain", "json", "xml"):
        listener.form = words.pop(0).lower()
    if listener.subscription.add(words):
        listener.reply(f"+OK event listener enabled {listener.form}")
    else:
        listener.reply("-ERR no keywords supplied")


def _nixevent(listener: Listener, command: Command) -> None:
    known = listener.subscription.remove(command.rest.split())
    listener.reply("+OK events nixed" if known else "-ERR no keywords supplied")


def _noevents(listener: Listener, _command: Command) -> None:
    if listener.subscription.active:
        listener.subscription.clear()
        listener.reply("+OK no longer listening for events")
    else:
        listener.reply("-ERR not listening for events")


def _myevents(listener: Listener, command: Command) -> None:
    """An unknown uuid is accepted too (api_transcript); then any event of the set passes."""
    listener.subscription.add(MY_EVENTS)
    if command.rest in listener.switch.channels:
        listener.subscription.my_uuid = command.rest
    listener.reply("+OK Events Enabled")


def _filter(listener: Listener, command: Command) -> None:
    words = command.rest.split(None, 1)
    filters = listener.subscription.filters
    if words and words[0].lower() == "delete" and len(words) == 2:
        name, _, value = words[1].partition(" ")
        if name.lower() == "all":
            filters.clear()
        filters[:] = [
            pair for pair in filters if pair[0].lower() != name.lower() or (value and pair[1] != value)
        ]
        listener.reply(f"+OK filter deleted. [{name}][{value}]")
    elif len(words) == 2:
        filters.append((words[0], words[1]))
        listener.reply(f"+OK filter added. [{words[0]}]=[{words[1]}]")
    else:
        listener.reply("-ERR invalid syntax" if words else "-ERR command not found")


def _api(listener: Listener, command: Command) -> None:
    """Runs in this connection's greenlet: its events wait meanwhile, other connections do not."""
    if not command.rest:
        listener.reply("-ERR command not found")
        return
    listener.respond(api.execute(listener.switch, command.rest))


def _bgapi(listener: Listener, command: Command) -> None:
    """Replies at once; the result is a BACKGROUND_JOB event under the given or a new Job-UUID."""
    if not command.rest:
        listener.reply("-ERR command not found")
        return
    job = command.header("Job-UUID") or listener.switch.new_uuid()
    listener.reply(f"+OK Job-UUID: {job}", ("Job-UUID", job))
    gevent.spawn(api.execute_job, listener.switch, command.rest, job)


def _log(listener: Listener, command: Command) -> None:
    """The level is accepted; no log line is ever sent, since the simulator has no log of its own."""
    level = command.rest.lower() or "debug"
    if level not in LOG_LEVELS and level not in tuple("01234567"):
        listener.reply("-ERR invalid log level")
        return
    number = int(level) if level.isdigit() else LOG_LEVELS.index(level)
    listener.reply(f"+OK log level {command.rest} [{number}]")


def _nolog(listener: Listener, _command: Command) -> None:
    listener.reply("+OK no longer logging")


def _not_controlling(listener: Listener, _command: Command) -> None:
    listener.reply("-ERR not controlling a session")


def _sendevent(listener: Listener, command: Command) -> None:
    """The event goes round to every listener, with the uuid of the reply as Event-UUID."""
    uuid = listener.switch.new_uuid()
    own = ("content-length", "event-subclass")
    headers = [("Command", command.line)]
    headers += [(name, value) for name, value in command.headers if name.lower() not in own]
    headers.append(("Event-UUID", uuid))
    subclass = command.header("Event-Subclass")
    listener.switch.bus.fire(command.rest.strip() or "CUSTOM", headers, subclass=subclass, body=command.body)
    listener.reply(f"+OK {uuid}")


def _sendmsg(listener: Listener, command: Command) -> None:
    """Only the refusal of an unknown session is modelled; on a channel it is an unknown command."""
    if command.rest in listener.switch.channels:
        listener.reply("-ERR command not found")
    else:
        listener.reply(f"-ERR invalid session id [{command.rest}]")


#: Every command of this connection. What is missing is answered as FreeSWITCH answers an unknown one.
COMMANDS: dict[str, Callable[[Listener, Command], None]] = {
    "auth": _auth,
    "userauth": _userauth,
    "exit": _exit,
    "event": _event,
    "nixevent": _nixevent,
    "noevents": _noevents,
    "myevents": _myevents,
    "filter": _filter,
    "api": _api,
    "bgapi": _bgapi,
    "log": _log,
    "nolog": _nolog,
    "linger": _not_controlling,
    "nolinger": _not_controlling,
    "sendevent": _sendevent,
    "sendmsg": _sendmsg,
}
