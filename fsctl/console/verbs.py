"""The commands of the Event Socket for one client that has logged in: api, bgapi, event, filter, log and the rest.

Answers are worded as mod_event_socket.c words them, since clients compare them. What a line of ``api`` means is
judged by desk.py; which events a client gets is in ``fsctl.eventsocket.subscription``. Called by peer.py.
"""

import re
import uuid
from collections.abc import Callable, Mapping
from typing import Protocol

import gevent
from gevent.pool import Pool

from fsctl.console import roles
from fsctl.console.desk import Desk, Refused, is_ours
from fsctl.console.relay import Events
from fsctl.errors import ConfigError, FsctlError
from fsctl.esl.messages import Message
from fsctl.esl.secrets import hide_in
from fsctl.eventsocket.command import Command
from fsctl.eventsocket.event import Event, exact
from fsctl.eventsocket.subscription import MY_EVENTS, Subscription, is_quick, passes
from fsctl.terminal import escape_lines

MOST_JOBS = 8
"""``bgapi`` commands of one client that run at once."""
MOST_WORDS = 512
MOST_FILTERS = 64
"""Of a subscription."""
FORMS = ("plain", "json", "xml")
PREFIXES = ("event", "nixevent")
"""Known by their beginning, as FreeSWITCH does it: ``events plain all``."""
LEVELS = ("console", "alert", "crit", "err", "warning", "notice", "info", "debug")
"""Of the log, by number; the number itself will do (switch_log_str2level)."""

_UUID = re.compile(r"[A-Za-z0-9-]{1,64}")
_NO_TEXT = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_WORD = re.compile(r"[A-Za-z0-9_.-]+(?:::?[A-Za-z0-9_.-]+)*")
"""An event's name or subclass."""
_HEADER = re.compile(r"[A-Za-z0-9_.-]{1,128}")


class Outlet(Protocol):
    """Where answers and events go: a Peer."""

    def send(self, data: bytes) -> None:
        """Bytes of a whole message; never waits."""

    def reply(self, text: str, *extra: tuple[str, str]) -> None:
        """A command/reply."""

    def respond(self, text: str) -> None:
        """An api/response."""


class Session:
    """One client's commands and events."""

    def __init__(self, outlet: Outlet, desk: Desk) -> None:
        self.outlet = outlet
        self.desk = desk
        self.form = "plain"
        self.subscription = Subscription()
        self.events = Events(self.subscription, self.on_event, self.on_log, self._on_state)
        self.jobs: Pool = Pool()
        self.follow()

    def answer(self, command: Command) -> bool:
        """Answer one command; False: it was the last."""
        if not command.line:
            return True
        command.line, command.rest = command.line.replace("\t", " "), command.rest.replace("\t", " ")
        if _NO_TEXT.search(command.line):
            self.outlet.reply("-ERR a control character, or not UTF-8")
            return True
        if command.word.startswith("exit") or command.word == "...":
            self.outlet.reply("+OK bye")
            return False
        word = next((name for name in PREFIXES if command.word.startswith(name)), command.word)
        verb = VERBS.get(word)
        if verb is None:
            self.outlet.reply("-ERR command not found")
            return True
        try:
            verb(self, command)
        except FsctlError as error:
            self.outlet.reply(f"-ERR {error}")
        return True

    def close(self) -> None:
        """The client is gone; jobs that run go on."""
        self.events.stop()
        self.desk.close()

    def follow(self) -> None:
        """Hear the node that is chosen now."""
        try:
            self.events.node = self.desk.house.chosen()
        except ConfigError:
            self.events.node = None

    def settle(self) -> None:
        """Have what was changed hold, before it is answered."""
        self.follow()
        self.events.settle()

    # --- events ------------------------------------------------------------------------------------------

    def on_event(self, event: Event) -> None:
        """One of FreeSWITCH's, which it has filtered for us; a ``sendevent`` in our name is none of ours."""
        mine = self.subscription.my_uuid
        if (
            self.subscription.hears(event.name, event.subclass)
            and not event.subclass.startswith("fsctl::")
            and roles.may_hear(event.name, self.desk.who.role)
            and (mine is None or mine == event.get("Unique-ID"))
        ):
            self.outlet.send(event.frame(self.form))

    def tell(self, event: Event) -> None:
        """One of ours; nobody has filtered it.

        An expression runs on our hub here, so one that could run for long is taken for no hit.
        """
        wanted = self.subscription
        filters = [one for one in wanted.filters if not one[1].startswith("/") or is_quick(one[1])]
        if wanted.hears(event.name, event.subclass) and (not wanted.filters or passes(filters, event)):
            self.outlet.send(event.frame(self.form))

    def on_log(self, message: Message) -> None:
        """A line of FreeSWITCH's log."""
        body = escape_lines(hide_in(message.body.decode("utf-8", "replace"))).encode()
        lines = [f"{name}: {value}" for name, value in message.items() if name != "Content-Length"]
        lines.insert(1, f"Content-Length: {len(body)}")
        self.outlet.send("\n".join(lines).encode("utf-8", "replace") + b"\n\n" + body)

    def _on_state(self, state: str, node: str) -> None:
        headers = [("Event-Name", "CUSTOM"), ("Event-Subclass", "fsctl::node")]
        headers += [("fsctl-Node", node), ("fsctl-State", state)]
        self.tell(Event("CUSTOM", headers, subclass="fsctl::node", encode=exact))


def _api(session: Session, command: Command) -> None:
    if not command.rest.strip():
        session.outlet.reply("-ERR command not found")
        return
    as_console = command.header("console_execute").lower() in ("true", "yes", "on", "1")
    session.outlet.respond(session.desk.api(command.rest, as_console=as_console))
    if is_ours(command.rest):
        # It may have been `fsctl use`.
        session.settle()


def _bgapi(session: Session, command: Command) -> None:
    if not command.rest.strip():
        session.outlet.reply("-ERR command not found")
        return
    if len(session.jobs) >= MOST_JOBS:
        session.outlet.reply(f"-ERR {MOST_JOBS} jobs run already")
        return
    asked = command.header("Job-UUID")
    job = asked if _UUID.fullmatch(asked) else str(uuid.uuid4())
    session.desk.judge(command.rest)
    session.outlet.reply(f"+OK Job-UUID: {job}", ("Job-UUID", job))
    session.jobs.spawn(_run_job, session, command.rest.strip(), job)


def _run_job(session: Session, line: str, job: str) -> None:
    try:
        text = session.desk.job(line)
    except (FsctlError, gevent.Timeout) as error:
        text = f"-ERR {error}\n"
    name, _, argument = line.partition(" ")
    headers = [("Event-Name", "BACKGROUND_JOB"), ("Job-UUID", job), ("Job-Command", name)]
    headers += [("Job-Command-Arg", argument)] if argument else []
    session.tell(Event("BACKGROUND_JOB", headers, body=text, encode=exact))


def _event(session: Session, command: Command) -> None:
    words = [word for word in command.rest.split()[:MOST_WORDS] if _WORD.fullmatch(word)]
    if words and words[0].lower() in FORMS:
        session.form = words.pop(0).lower()
    if not session.subscription.add(words):
        session.outlet.reply("-ERR no keywords supplied")
        return
    session.settle()
    session.desk.write_down("event", " ".join(words), "")
    session.outlet.reply(f"+OK event listener enabled {session.form}")


def _nixevent(session: Session, command: Command) -> None:
    known = session.subscription.remove(command.rest.split()[:MOST_WORDS])
    session.settle()
    session.outlet.reply("+OK events nixed" if known else "-ERR no keywords supplied")


def _noevents(session: Session, _command: Command) -> None:
    if not session.subscription.active:
        session.outlet.reply("-ERR not listening for events")
        return
    session.subscription.clear()
    session.settle()
    session.outlet.reply("+OK no longer listening for events")


def _myevents(session: Session, command: Command) -> None:
    words = command.rest.split()
    if not words or not _UUID.fullmatch(words[0]):
        session.outlet.reply("-ERR invalid uuid")
        return
    if len(words) > 1 and words[1].lower() in FORMS:
        session.form = words[1].lower()
    session.subscription.add(MY_EVENTS)
    session.subscription.my_uuid = words[0]
    session.settle()
    session.outlet.reply("+OK Events Enabled")


def _filter(session: Session, command: Command) -> None:
    words = command.rest.split(None, 1)
    filters = session.subscription.filters
    if len(words) == 2 and words[0].lower() == "delete":
        name, _, value = words[1].partition(" ")
        gone = [
            one
            for one in filters
            if name.lower() == "all" or (one[0].lower() == name.lower() and value in ("", one[1]))
        ]
        filters[:] = [one for one in filters if one not in gone]
        session.settle()
        session.outlet.reply(f"+OK filter deleted. [{name}][{value}]")
        return
    if len(words) == 2 and words[0].lower() == "add":
        words = words[1].split(None, 1)
    if not words:
        session.outlet.reply("-ERR command not found")
    elif len(words) != 2 or not _HEADER.fullmatch(words[0]):
        session.outlet.reply("-ERR invalid syntax")
    elif len(filters) >= MOST_FILTERS:
        session.outlet.reply(f"-ERR {MOST_FILTERS} filters are there already")
    else:
        filters.append((words[0], words[1]))
        session.settle()
        session.outlet.reply(f"+OK filter added. [{words[0]}]=[{words[1]}]")


def _log(session: Session, command: Command) -> None:
    if not session.desk.who.may("admin"):
        raise Refused("permission denied")
    asked = command.rest.strip().lower() or "debug"
    level = LEVELS[int(asked)] if asked in tuple("01234567") else asked
    if level not in LEVELS:
        session.outlet.reply("-ERR invalid log level")
        return
    session.events.level = level
    session.settle()
    session.outlet.reply(f"+OK log level {command.rest.strip()} [{LEVELS.index(level)}]")


def _nolog(session: Session, _command: Command) -> None:
    was, session.events.level = session.events.level, None
    session.settle()
    session.outlet.reply("+OK no longer logging" if was else "-ERR not loging")


def _pass_on(session: Session, command: Command) -> None:
    """sendevent and sendmsg: FreeSWITCH's, with body and all."""
    body = command.body.encode("utf-8", "surrogateescape")
    headers = [pair for pair in command.headers if pair[0].lower() != "content-length"]
    if body:
        headers.append(("Content-Length", str(len(body))))
    session.outlet.reply(session.desk.pass_on(command.line, tuple(headers), body))


def _not_controlling(session: Session, _command: Command) -> None:
    session.outlet.reply("-ERR not controlling a session")


VERBS: Mapping[str, Callable[[Session, Command], None]] = {
    "api": _api,
    "bgapi": _bgapi,
    "event": _event,
    "nixevent": _nixevent,
    "noevents": _noevents,
    "myevents": _myevents,
    "filter": _filter,
    "log": _log,
    "nolog": _nolog,
    "sendevent": _pass_on,
    "sendmsg": _pass_on,
    "linger": _not_controlling,
    "nolinger": _not_controlling,
    "divert_events": _not_controlling,
}
"""Every command; what is missing is answered as FreeSWITCH answers an unknown one."""
