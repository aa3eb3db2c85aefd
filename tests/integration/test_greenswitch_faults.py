"""Every fault of greenswitch 0.0.19 that we know of: shown on greenswitch itself, and not to be had of ours.

Each test runs against both. ``plain`` is greenswitch as it comes and must show the fault: on the day that a
new release has none, the test says so, and what we replaced can go.
"""

import functools
import gc
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent.event import Event as Flag
from gevent.queue import Empty, Queue
from greenswitch import InboundESL
from greenswitch.esl import NotConnectedError

from fsctl.errors import CommandTimeout, FsctlError, LinkLost, Unencodable
from fsctl.esl import lanes
from fsctl.esl.connection import Connection
from tests.integration import hostile
from tests.integration.hostile import (
    GREETING,
    LOGIN,
    Hostile,
    answer,
    api,
    close,
    each,
    event,
    headers,
    pause,
    read,
    reset,
    say,
)

ROOT = Path(__file__).parents[2]
SOON_S = 10.0
"""Longest wait for what must come; nothing takes this long."""
NEVER_S = 0.3
"""How long we wait for what must not come."""


class Ours:
    """Our connection, behind what the tests need of a client."""

    def __init__(self, port: int, handler: Callable[[Any], None] | None = None) -> None:
        self.events: Queue = Queue()
        self.connection = Connection("127.0.0.1", port, "secret", handler or self.events.put)

    def connect(self) -> None:
        self.connection.connect()

    def ask(self, command: str, timeout_s: float = SOON_S) -> str:
        return self.connection.send(command, timeout_s)

    def value(self, name: str) -> str | None:
        """A header of the next event."""
        found = self.events.get(timeout=SOON_S).get(name)
        assert found is None or isinstance(found, str)
        return found

    @property
    def connected(self) -> bool:
        return bool(self.connection.connected)

    def settle(self) -> None:
        """Read what is there."""
        gevent.sleep(0)

    def stop(self) -> None:
        self.connection.close()


class Plain(Ours):
    """greenswitch as it comes."""

    def __init__(self, port: int, handler: Callable[[Any], None] | None = None) -> None:
        self.events = Queue()
        self.dropped = Flag()
        self.connection = InboundESL("127.0.0.1", port, "secret")
        self.connection.register_handle("*", handler or self.events.put)
        self.connection.register_handle("DISCONNECT", lambda _event: self.dropped.set())

    def ask(self, command: str, timeout_s: float = NEVER_S) -> str:
        """With the deadline that greenswitch does not have."""
        with gevent.Timeout(timeout_s):
            return str(self.connection.send(command).data)  # type: ignore[attr-defined]

    def value(self, name: str) -> str | None:
        found = self.events.get(timeout=SOON_S).headers.get(name)
        return None if found is None else str(found)

    def settle(self) -> None:
        """Read what is there; most of it is the reader's end."""
        self.connection._receive_events_greenlet.join(0.05)

    def stop(self) -> None:
        """As its own ``stop``, which would wait for a reply."""
        plain = self.connection
        gevent.killall(
            [one for one in (plain._receive_events_greenlet, plain._process_events_greenlet) if one]
        )
        plain.sock_file.close()
        plain.sock.close()


@pytest.fixture
def make() -> Iterator[Callable[..., Ours]]:
    """Makes clients and ends them."""
    made: list[Ours] = []

    def one(kind: type[Ours], server: Hostile, **options: Any) -> Ours:
        made.append(kind(server.port, **options))
        return made[-1]

    yield one
    for client in made:
        client.stop()


@pytest.fixture
def attach(make: Callable[..., Ours]) -> Callable[..., Ours]:
    """The same, logged in."""

    def one(kind: type[Ours], server: Hostile, **options: Any) -> Ours:
        client = make(kind, server, **options)
        with gevent.Timeout(SOON_S):
            client.connect()
        return client

    return one


def echo(command: str) -> bytes:
    """A server that answers an api call with its own words."""
    return api(command.removeprefix("api ").encode())


def alive(client: Ours) -> str:
    """What becomes of a command now: ``answers``, ``ended`` or ``deaf`` (or it answers something else)."""
    try:
        reply = client.ask("api probe")
    except (LinkLost, NotConnectedError):
        return "ended" if not client.connected else "ended, and says it is connected"
    except gevent.Timeout:
        return "deaf" if client.connected else "hangs"
    return "answers" if reply == "probe" else f"answers {reply!r}"


def until(so: Callable[[], bool]) -> None:
    """Wait for what nobody tells."""
    with gevent.Timeout(SOON_S):
        while not so():
            gevent.sleep(0.002)


both = pytest.mark.parametrize("kind", [Ours, Plain], ids=["ours", "plain"])


# --- what a value says -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Said:
    """An event, a header of it, and what each makes of that header."""

    inside: bytes
    header: str
    ours: str | None
    plain: str | None


JOB = (
    headers(Event_Name="BACKGROUND_JOB", Job_UUID="j", Content_Length="26") + b"Event-Name: FORGED\n+OK x: y"
)
SDP = "v%3D0%0D%0As%3DFreeSWITCH%0D%0At%3D0%200%0D%0Aa%3Dkey%3A%20value%0D%0A"

VALUES = {
    "a line break in a name makes no header": Said(
        headers(Unique_ID="good", Caller_ID_Name="Bob%0AUnique-ID%3A%20evil"), "Unique-ID", "good", "evil"
    ),
    "a line break in a value adds no header": Said(
        headers(Event_Name="X", Caller_ID_Name="Bob%0Avariable_admin%3A%20yes"), "variable_admin", None, "yes"
    ),
    "the lines of an SDP stay as they are": Said(
        headers(Event_Name="X", variable_switch_r_sdp=SDP),
        "variable-switch-r-sdp",
        "v=0\r\ns=FreeSWITCH\r\nt=0 0\r\na=key: value\r\n",
        "v=0\ns=FreeSWITCH\nt=0 0",
    ),
    "a line of an SDP is no header": Said(headers(variable_switch_r_sdp=SDP), "a=key", None, "value"),
    "the result of a job is no header": Said(JOB, "Event-Name", "BACKGROUND_JOB", "FORGED"),
    "an empty last value spoils nothing": Said(
        b"Event-Name: X\nvariable_last: ok\nvariable_empty: \n\n",
        "variable_last",
        "ok",
        "ok\nvariable_empty:",
    ),
    "an empty last value is empty": Said(b"Event-Name: X\nvariable_empty: \n\n", "variable_empty", "", None),
    "of a doubled header the first counts": Said(
        b"Event-Name: X\nHangup-Cause: A\nHangup-Cause: B\n\n", "Hangup-Cause", "A", "B"
    ),
    "blanks around a value belong to it": Said(
        headers(Event_Name="X", Caller_ID_Name="%20Bob%20"), "Caller-ID-Name", " Bob ", "Bob"
    ),
}


@both
@pytest.mark.parametrize("what", VALUES)
def test_what_a_header_says(what: str, kind: type[Ours], attach: Callable[..., Ours]) -> None:
    said = VALUES[what]
    with Hostile(*LOGIN, say(event(said.inside))) as server:
        client = attach(kind, server)
        assert client.value(said.header) == (said.ours if kind is Ours else said.plain)


def test_the_result_of_a_job_comes_whole(attach: Callable[..., Ours]) -> None:
    with Hostile(*LOGIN, say(event(JOB))) as server:
        job = attach(Ours, server).events.get(timeout=SOON_S)
        assert job.body == b"Event-Name: FORGED\n+OK x: y"[:26]


# --- what is no plain event --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sent:
    """What a server says, and what becomes of the connection."""

    data: bytes
    ours: str
    plain: str


NOTICE = (
    b"Content-Type: text/disconnect-notice\nContent-Length: 38\n\nkilled listener because of lost events\n"
)
NEXT = event(headers(Event_Name="HEARTBEAT", **{f"H{index}": "v" for index in range(99)}))

FRAMES = {
    "an event in JSON is read": Sent(event(b'{"Event-Name":"HEARTBEAT"}', "json"), "answers", "deaf"),
    "JSON that is none ends the connection": Sent(event(b"nonsense", "json"), "ended", "deaf"),
    "a Content-Type unheard of is passed over": Sent(b"Content-Type: text/new\n\n", "answers", "deaf"),
    "a message without Content-Type ends the connection": Sent(b"Name: value\n\n", "ended", "deaf"),
    "a web server is no FreeSWITCH": Sent(b"HTTP/1.1 400 Bad Request\r\n\r\n\n\n", "ended", "deaf"),
    "one blank line more is passed over": Sent(b"\n", "answers", "deaf"),
    "a log line that is no UTF-8 is passed over": Sent(
        b"Content-Type: log/data\nContent-Length: 4\n\n\xff\xfe\xfd\n", "answers", "deaf"
    ),
    "an event that is no UTF-8 is read": Sent(event(b"Event-Name: \xff\n\n"), "answers", "deaf"),
    "an outer header that is no UTF-8 is read": Sent(
        b"Content-Type: log/data\nUser-Data: \xff\nContent-Length: 1\n\n\n", "answers", "ended"
    ),
    "a length that is no number ends the connection": Sent(
        b"Content-Type: text/event-plain\nContent-Length: many\n\n", "ended", "deaf"
    ),
    "a length below nothing ends the connection": Sent(
        b"Content-Type: text/event-plain\nContent-Length: -5\n\n", "ended", "deaf"
    ),
    "a body of a terabyte ends the connection": Sent(
        b"Content-Type: text/event-plain\nContent-Length: 1099511627776\n\n", "ended", "deaf"
    ),
    "headers without end end the connection": Sent(b"Name: value\n" * 10_000, "ended", "answers"),
    "a reply that nobody asked for ends the connection": Sent(api(b"whose?"), "ended", "deaf"),
    "a killed listener's notice in place of an event ends the connection": Sent(
        event(b"x" * 700)[:-700] + NOTICE + NEXT * 2, "ended", "deaf"
    ),
    "the same in place of JSON": Sent(event(b"x" * 700, "json")[:-700] + NOTICE + NEXT * 2, "ended", "deaf"),
    "a notice in its own place ends the connection": Sent(NOTICE, "ended", "ended"),
}


@both
@pytest.mark.parametrize("what", FRAMES)
def test_what_becomes_of_the_connection(what: str, kind: type[Ours], attach: Callable[..., Ours]) -> None:
    sent = FRAMES[what]
    go = Flag()
    with Hostile(*LOGIN, pause(go), say(sent.data), answer(echo)) as server:
        client = attach(kind, server)
        go.set()
        expected = sent.ours if kind is Ours else sent.plain
        client.settle()
        if expected == "ended":
            until(lambda: not client.connected)
        assert alive(client) == expected


@both
def test_a_reply_that_is_no_utf8_is_a_reply(kind: type[Ours], attach: Callable[..., Ours]) -> None:
    with Hostile(*LOGIN, read(), say(api(b"Jos\xe9")), answer(echo)) as server:
        client = attach(kind, server)
        if kind is Plain:
            with pytest.raises(gevent.Timeout):
                client.ask("api name")
            assert alive(client) == "deaf"
        else:
            assert client.ask("api name") == "Jos\ufffd"
            assert alive(client) == "answers"


# --- the connection is lost --------------------------------------------------------------------------------


@both
@pytest.mark.parametrize("end", [close, reset])
def test_who_waits_for_a_reply_is_told_that_the_connection_is_lost(
    end: Callable[[hostile.Peer], None], kind: type[Ours], attach: Callable[..., Ours]
) -> None:
    with Hostile(*LOGIN, read(3), end) as server:
        client = attach(kind, server)
        waiting = [gevent.spawn(client.ask, f"api {index}") for index in range(3)]
        gevent.joinall(waiting, timeout=SOON_S)
        expected = LinkLost if kind is Ours else gevent.Timeout
        assert [type(one.value or one.exception) for one in waiting] == [expected] * 3
        assert not client.connected


@pytest.mark.parametrize("end", [close, reset])
def test_greenswitch_calls_no_disconnect_handler_on_a_hard_drop(
    end: Callable[[hostile.Peer], None], attach: Callable[..., Ours]
) -> None:
    with Hostile(*LOGIN, end) as server:
        client = attach(Plain, server)
        until(lambda: not client.connected)
        assert isinstance(client, Plain)
        assert not client.dropped.wait(NEVER_S)


@pytest.mark.parametrize("end", [close, reset])
def test_ours_says_that_it_is_lost_and_why(
    end: Callable[[hostile.Peer], None], attach: Callable[..., Ours]
) -> None:
    with Hostile(*LOGIN, end) as server:
        client = attach(Ours, server)
        until(lambda: not client.connected)
        with pytest.raises(LinkLost, match=r"closed the connection|reset"):
            client.ask("api status")


@both
def test_what_came_before_the_connection_was_lost_is_told(
    kind: type[Ours], attach: Callable[..., Ours]
) -> None:
    go = Flag()
    with Hostile(*LOGIN, pause(go), say(event(headers(Event_Name="X")) * 100), close) as server:
        client = attach(kind, server)
        go.set()
        until(lambda: not client.connected)
        gevent.sleep(0)
        assert (client.events.qsize() == 100) == (kind is Ours)


FREEZE = """
import logging, os, signal, sys, traceback
from gevent import monkey
monkey.patch_all()
import gevent
from greenswitch import InboundESL
from fsctl.esl.connection import Connection

def frozen(_signal, frame):
    traceback.print_stack(frame)
    sys.stderr.flush()
    os._exit(1)

logging.disable()
signal.signal(signal.SIGALRM, frozen)
port = int(sys.argv[2])
client = Connection("127.0.0.1", port, "x", print) if sys.argv[1] == "Ours" else InboundESL("127.0.0.1", port, "x")
client.connect()
signal.setitimer(signal.ITIMER_REAL, 1.0)
gevent.spawn(client.send, "api go")
while client.connected:
    gevent.sleep(0.01)
print("awake")
"""


@both
@pytest.mark.parametrize("broken", [NEXT[:-20], api(b"whole")[:-2]], ids=["event", "reply"])
def test_a_connection_that_ends_within_a_body_does_not_freeze_the_process(
    broken: bytes, kind: type[Ours]
) -> None:
    with Hostile(*LOGIN, read(), say(broken), close) as server:
        command = [sys.executable, "-c", FREEZE, kind.__name__, str(server.port)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    if kind is Ours:
        assert done.stdout == "awake\n", done.stderr
    else:
        assert done.stdout == ""
        assert "in _read_socket" in done.stderr  # where it was when its alarm went off


# --- silence -----------------------------------------------------------------------------------------------


@both
def test_a_command_that_is_never_answered_ends(kind: type[Ours], attach: Callable[..., Ours]) -> None:
    with Hostile(*LOGIN) as server:
        client = attach(kind, server)
        if kind is Plain:
            with pytest.raises(gevent.Timeout):  # ours: greenswitch has none
                client.ask("api status")
            return
        with pytest.raises(CommandTimeout):
            client.ask("api status", 0.2)
        # Were it still in use, the late reply would be taken for the next command's.
        assert not client.connected


@both
@pytest.mark.parametrize("greeting", [b"", GREETING[:10], b"Content-Type: log/data\nContent-Length: 9\n\n"])
def test_a_server_that_does_not_greet_is_given_up(
    greeting: bytes, kind: type[Ours], make: Callable[..., Ours], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fsctl.esl.connection.CONNECT_TIMEOUT_S", 0.2)
    with Hostile(say(greeting)) as server:
        client = make(kind, server)
        expected = LinkLost if kind is Ours else gevent.Timeout
        with pytest.raises(expected), gevent.Timeout(SOON_S if kind is Ours else NEVER_S):
            client.connect()


def test_a_server_that_greets_and_says_no_more_is_given_up(
    make: Callable[..., Ours], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Connection.request, "__defaults__", (0.2,))  # 10 s are long for a test.
    with Hostile(say(GREETING)) as server, pytest.raises((LinkLost, CommandTimeout)), gevent.Timeout(SOON_S):
        make(Ours, server).connect()


def test_a_time_out_of_the_callers_own_is_his(attach: Callable[..., Ours]) -> None:
    """gevent tells one Timeout from another by identity; taken for ours, his would be lost on the way."""
    with Hostile(*LOGIN) as server:
        client = attach(Ours, server)
        with pytest.raises(gevent.Timeout) as error, gevent.Timeout(0.1) as his:
            client.ask("api status", 5)
        assert error.value is his


def test_a_connection_can_be_used_in_a_with_statement() -> None:
    """As greenswitch's can; its ``stop`` closes what ours does not have."""
    with (
        Hostile(*LOGIN, answer(echo)) as server,
        Connection("127.0.0.1", server.port, "x", print) as connection,
    ):
        assert connection.send("api probe") == "probe"
    assert not connection.connected


def test_a_connect_that_fails_leaves_nothing_open(
    make: Callable[..., Ours], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fsctl.esl.connection.CONNECT_TIMEOUT_S", 0.2)
    refused = b"Content-Type: command/reply\nReply-Text: -ERR invalid\n\n"
    for script in ((), (say(GREETING), read(), say(refused))):
        with Hostile(*script) as server:
            client = make(Ours, server)
            with pytest.raises(FsctlError):
                client.connect()
            assert not client.connected


@pytest.mark.parametrize("count", [1, 5])
def test_a_command_that_the_server_does_not_even_read_ends(count: int, attach: Callable[..., Ours]) -> None:
    """The socket's buffers fill up, and who writes waits: that is within the deadline too."""
    with Hostile(*LOGIN) as server:
        client = attach(Ours, server)
        waiting = [gevent.spawn(client.ask, "api " + "x" * 9_000_000, 0.3) for _ in range(count)]
        gevent.joinall(waiting, timeout=3)
        assert [type(one.exception) for one in waiting if one.exception is not None][:1] == [CommandTimeout]
        assert all(isinstance(one.exception, (CommandTimeout, LinkLost)) for one in waiting)


# --- connecting again --------------------------------------------------------------------------------------


@both
def test_connecting_again_after_a_loss_does_not_hang(kind: type[Ours], attach: Callable[..., Ours]) -> None:
    with Hostile(each((*LOGIN, close), (*LOGIN, answer(echo)))) as server:
        client = attach(kind, server)
        until(lambda: not client.connected)
        client.stop()
        if kind is Plain:
            with pytest.raises(gevent.Timeout), gevent.Timeout(NEVER_S):
                client.connect()
            return
        with gevent.Timeout(SOON_S):
            try:
                client.connect()
            except FsctlError:
                return  # It may refuse: "made once and thrown away when it ends".
        assert alive(client) == "answers"


def test_connecting_twice_leaves_one_connection_that_works(attach: Callable[..., Ours]) -> None:
    with Hostile(*LOGIN, answer(echo)) as server:
        client = attach(Ours, server)
        with gevent.Timeout(SOON_S), suppress(FsctlError):  # It may refuse.
            client.connect()
        assert alive(client) == "answers"
        assert server.busy == 1


# --- handlers ----------------------------------------------------------------------------------------------


def refuse(event: object, why: str = "") -> None:
    """A handler with a fault."""
    raise KeyError(why, event)


HANDLERS = {"function": refuse, "partial": functools.partial(refuse, why="partial")}


@pytest.mark.parametrize("name", HANDLERS)
def test_a_handler_that_raises_does_not_make_ours_deaf(name: str, attach: Callable[..., Ours]) -> None:
    """Either it goes on, or the connection ends and the link makes a new one."""
    go = Flag()
    with Hostile(*LOGIN, pause(go), say(event(headers(Event_Name="X")) * 2), answer(echo)) as server:
        client = attach(Ours, server, handler=HANDLERS[name])
        go.set()
        try:
            assert client.ask("api probe", 2) == "probe"
        except LinkLost:
            assert not client.connected


def test_a_partial_that_raises_kills_the_dispatcher_of_greenswitch(attach: Callable[..., Ours]) -> None:
    seen: list[object] = []

    def count(_mark: str, event: object) -> None:
        seen.append(event)
        raise KeyError

    go = Flag()
    with Hostile(*LOGIN, pause(go), say(event(headers(Event_Name="X")) * 2)) as server:
        client = attach(Plain, server, handler=functools.partial(count, "mark"))
        go.set()
        client.connection._process_events_greenlet.join(SOON_S)
        assert client.connection._process_events_greenlet.dead
        assert client.connected
        assert len(seen) == 1


class Fact:
    """As much of an event of ours as a lane needs."""

    def __init__(self, number: int, uuid: str = "one-call") -> None:
        self.uuid, self.number = uuid, number


@pytest.mark.parametrize("error", [KeyError("x"), gevent.Timeout(1)], ids=["exception", "a lost time-out"])
def test_a_handler_that_raises_does_not_end_its_lane(error: BaseException) -> None:
    """gevent's Timeout is no Exception, and one that nobody caught must not end a sixteenth of all calls."""
    seen: Queue = Queue()

    def handle(_mark: str, facts: list[Fact]) -> None:
        for fact in facts:
            seen.put(fact.number)
            if fact.number == 0:
                raise error

    road = lanes.Lanes(functools.partial(handle, "mark"))
    try:
        for number in range(3):
            road.put(Fact(number))  # type: ignore[arg-type]
        # They come together, and again one by one when that fails.
        while seen.get(timeout=1) != 2:
            pass
    except Empty:
        pytest.fail("the lane is dead")
    finally:
        road.stop()


@both
def test_a_call_that_is_slow_to_handle_delays_no_other(kind: type[Ours], attach: Callable[..., Ours]) -> None:
    """Ours waits with the same call's next fact; greenswitch with everything that comes after."""
    told: Queue = Queue()
    free = Flag()

    def handle(uuid: str, number: int) -> None:
        if (uuid, number) == ("slow", 0):
            free.wait()
        told.put((uuid, number))

    road = lanes.Lanes(lambda facts: [handle(fact.uuid, fact.number) for fact in facts])  # type: ignore

    def take(event: Any) -> None:
        get = event.get if kind is Ours else event.headers.get
        uuid, number = str(get("Unique-ID")), int(get("Number"))
        if kind is Ours:
            road.put(Fact(number, uuid))  # type: ignore[arg-type]
        else:
            handle(uuid, number)

    facts = [("slow", 0), ("slow", 1), ("other", 0)]
    stream = b"".join(event(headers(Event_Name="X", Unique_ID=u, Number=str(n))) for u, n in facts)
    go = Flag()
    with Hostile(*LOGIN, pause(go), say(stream)) as server:
        attach(kind, server, handler=take)
        go.set()
        gevent.sleep(NEVER_S)
        assert list(told.queue) == ([("other", 0)] if kind is Ours else [])
        free.set()
        assert {told.get(timeout=SOON_S) for _ in facts} == set(facts)
    road.stop()


@pytest.mark.parametrize("part", range(1, 120, 7))
def test_a_connection_that_ends_anywhere_in_a_reply_wakes_who_waits(
    part: int, attach: Callable[..., Ours]
) -> None:
    reply = event(b"Event-Name: HEARTBEAT\n\n") + api(b"whole")
    with Hostile(*LOGIN, read(), say(reply[: min(part, len(reply) - 1)]), close) as server:
        client = attach(Ours, server)
        with pytest.raises(LinkLost):
            client.ask("api status", 2)
        assert not client.connected


def test_nothing_is_told_after_close(make: Callable[..., Ours]) -> None:
    """Else the events of an old connection come in among those of its successor."""
    told, again = Flag(), Flag()

    def once(_event: object) -> None:
        (again if told.is_set() else told).set()
        client.connection.close()

    go = Flag()
    with Hostile(*LOGIN, pause(go), say(event(headers(Event_Name="X")) * 50)) as server:
        client = make(Ours, server, handler=once)
        client.connect()
        go.set()
        assert told.wait(SOON_S)
        assert not again.wait(NEVER_S)


# --- commands ----------------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize("trick", ["api a\n\napi injected", "api a\r\n\r\napi injected", "api a\n"])
def test_what_could_end_a_command_is_refused(
    trick: str, kind: type[Ours], attach: Callable[..., Ours]
) -> None:
    with Hostile(*LOGIN, answer(echo)) as server:
        client = attach(kind, server)
        if kind is Plain:
            client.ask(trick)
            assert trick in "\n\n".join([*server.commands, ""])
            return
        with pytest.raises(Unencodable):
            client.ask(trick)
        assert alive(client) == "answers"
        assert server.commands == ["auth secret", "api probe"]


def test_replies_out_of_step_kill_greenswitch(attach: Callable[..., Ours]) -> None:
    with Hostile(*LOGIN, answer(echo)) as server:
        client = attach(Plain, server)
        client.ask("api a\n\napi injected")
        assert alive(client) in ("answers 'injected'", "deaf")


def test_text_that_cannot_be_written_leaves_the_replies_in_step(attach: Callable[..., Ours]) -> None:
    with Hostile(*LOGIN, answer(echo)) as server:
        client = attach(Ours, server)
        with pytest.raises((Unencodable, UnicodeError)):
            client.ask("api half a pair \ud800")
        assert client.ask("api one", 1) == "one"
        assert client.ask("api two", 1) == "two"


def test_a_writer_that_is_killed_in_mid_command_spoils_no_other(attach: Callable[..., Ours]) -> None:
    go = Flag()
    with Hostile(*LOGIN, pause(go), answer(lambda command: api(str(len(command)).encode()))) as server:
        client = attach(Ours, server)
        writer = gevent.spawn(client.ask, "api " + "x" * 9_000_000)
        gevent.sleep(0)  # It writes now, and cannot end: nobody reads.
        writer.kill()
        go.set()
        try:
            assert client.ask("api 345", 2) == "7"
        except LinkLost:
            assert not client.connected


@both
def test_large_commands_to_a_slow_server_go_out_whole(kind: type[Ours], attach: Callable[..., Ours]) -> None:
    """Twenty of 600 KB while the server does not read: more than the buffers of both sides."""
    go = Flag()
    with Hostile(*LOGIN, pause(go), answer(lambda text: api(f"{text[4:8]} {len(text)}".encode()))) as server:
        client = attach(kind, server)
        commands = [f"api {index:04} " + chr(97 + index) * 600_000 for index in range(20)]
        waiting = [gevent.spawn(client.ask, command, 2 if kind is Plain else SOON_S) for command in commands]
        gevent.sleep(0)
        go.set()
        gevent.joinall(waiting, timeout=SOON_S)
        right = [one.value == f"{index:04} 600009" for index, one in enumerate(waiting)]
        assert all(right) == (kind is Ours)
        if kind is Ours:
            assert server.commands[1:] == commands


@both
def test_fifty_who_ask_at_once_each_get_their_own_replies(
    kind: type[Ours], attach: Callable[..., Ours]
) -> None:
    """The one thing on this page that greenswitch does well."""
    with Hostile(*LOGIN, answer(echo)) as server:
        client = attach(kind, server)

        def ask(who: int) -> list[int]:
            return [n for n in range(20) if client.ask(f"api {who}-{n}", SOON_S) != f"{who}-{n}"]

        waiting = [gevent.spawn(ask, who) for who in range(50)]
        gevent.joinall(waiting, timeout=SOON_S, raise_error=True)
        assert [one.value for one in waiting] == [[]] * 50


# --- fairness ----------------------------------------------------------------------------------------------


@pytest.fixture
def quiet_collector() -> Iterator[None]:
    """What pytest has in memory is not looked through while we measure."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def flood() -> Iterator[Callable[[str], int]]:
    """Starts a server in a process of its own; returns its port."""
    processes: list[subprocess.Popen[str]] = []

    def start(what: str) -> int:
        command = [sys.executable, "-m", "tests.integration.hostile", what]
        processes.append(subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True))
        stdout = processes[-1].stdout
        assert stdout is not None
        return int(stdout.readline())

    yield start
    for process in processes:
        process.kill()
        process.communicate()


class Ticker:
    """Measures how much processor time passes while others are not let in.

    Not time on the wall: a busy machine takes that from the fairest of programs.
    """

    def __init__(self) -> None:
        self._late_s, self._since = 0.0, time.thread_time()
        self._greenlet = gevent.spawn(self._run)

    def _run(self) -> None:
        while True:
            self._tick()
            gevent.sleep(0.001)

    def _tick(self) -> None:
        now = time.thread_time()
        self._late_s, self._since = max(self._late_s, now - self._since), now

    def stop(self) -> float:
        """The longest time, in seconds."""
        self._tick()
        self._greenlet.kill()
        return self._late_s


@pytest.mark.usefixtures("quiet_collector")
def test_a_burst_of_events_starves_nobody(flood: Callable[[str], int]) -> None:
    told: list[str | None] = []
    client = Ours(flood("20000"), handler=lambda event: told.append(event.get("Unique-ID")))
    client.connect()
    ticker = Ticker()
    assert client.ask("event plain ALL", 60) == "done"
    assert ticker.stop() < 0.05
    assert told == ["u"] * 20_000
    client.stop()


@pytest.mark.usefixtures("quiet_collector")
def test_a_fifth_of_that_burst_starves_all_others_on_greenswitch(flood: Callable[[str], int]) -> None:
    client = Plain(flood("4000"))
    client.connect()
    ticker = Ticker()
    client.ask("event plain ALL", 60)
    assert ticker.stop() > 0.1
    client.stop()


@pytest.mark.usefixtures("quiet_collector")
@pytest.mark.parametrize("what", ["newlines", "body"])
def test_bytes_that_are_no_message_starve_nobody(what: str, flood: Callable[[str], int]) -> None:
    client = Ours(flood(what))
    client.connect()
    ticker = Ticker()
    client.ask("api x", 60)
    assert ticker.stop() < 0.05
    client.stop()
