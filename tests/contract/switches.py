"""What the two switches under test have in common, and what a test needs to follow a call on either."""

import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TypeVar

import gevent
from gevent import socket
from gevent.event import Event as Flag

from fsctl.call import events
from fsctl.call.events import CallEvent
from fsctl.esl import decode, encode, ledger
from fsctl.esl.connection import Connection, Reply
from fsctl.esl.link import Address
from fsctl.esl.messages import Event, JsonFields
from fsctl.sim import CallPlan, Switch

T = TypeVar("T", bound=CallEvent)
F = TypeVar("F")

PATIENCE_S = 30.0
"""Longest wait for anything, in wall seconds."""
ORIGIN = decode.Origin("fs1", {"whatsapp": "whatsapp", "fsctl-sip": "sip", "fsctl-callback": "whatsapp"})


class SwitchUnderTest(Protocol):
    """One FreeSWITCH, simulated or real, with three agents in two queues and nobody calling."""

    name: str
    address: Address
    spool: Path
    phone: str
    """Host and port at which agents' phones are reached without registration."""

    def place_call(self, plan: CallPlan) -> None:
        """Let a call arrive that goes as planned. One at a time."""

    def expect_customer(self, plan: CallPlan) -> None:
        """Whom the switch calls does what the plan says, and so do the agents' phones. A number that ends in 0
        declines."""

    def restart(self, *, graceful: bool) -> None:
        """End the switch, by a word or by force, and start it again."""


class Simulated:
    """The simulator behind the common interface."""

    name = "simulated"
    phone = "127.0.0.1"

    def __init__(self, switch: Switch) -> None:
        options = switch.options
        self.address = Address("127.0.0.1", switch.port, options.password)
        self.spool = options.spool
        self._switch = switch

    def place_call(self, plan: CallPlan) -> None:
        self._switch.place_call(plan)

    def expect_customer(self, plan: CallPlan) -> None:
        self._switch.customer = lambda number: None if number.endswith("0") else plan

    def restart(self, *, graceful: bool) -> None:
        self._switch.stop(notice=graceful)
        self._switch.start()


class Line:
    """A command of one line that fsctl itself does not have."""

    def __init__(self, text: str) -> None:
        self._text = text

    def render(self) -> str:
        return self._text


def ask(connection: Connection, text: str) -> str:
    """What FreeSWITCH answers to a line."""
    return connection.request(Line(text)).text


def attach(address: Address, on_event: Callable[[Event], None] = lambda _event: None) -> Connection:
    """A connection that is logged in."""
    connection = Connection(address.host, address.port, address.password, on_event)
    connection.connect()
    return connection


@contextmanager
def commands(switch: SwitchUnderTest) -> Iterator[Callable[[str], str]]:
    """A function that runs a line on a connection of its own."""
    connection = attach(switch.address)
    try:
        yield lambda text: ask(connection, text)
    finally:
        connection.close()


def pour(address: Address, count: int) -> None:
    """Have the switch fire so many events that we subscribe to and that mean nothing, as fast as it can."""
    with socket.create_connection((address.host, address.port)) as sock:
        sock.sendall(f"auth {address.password}\n\n".encode())
        # One of mod_callcenter's that the link's filters let pass, and of no call.
        command = b"sendevent CUSTOM\nEvent-Subclass: callcenter::info\nCC-Action: agent-offering\n\n"
        sender = gevent.spawn(sock.sendall, command * count + b"exit\n\n")
        while sock.recv(1 << 16):  # It closes when it has answered all.
            pass
        sender.get()


class Watch:
    """A subscriber: keeps every event, and the facts it stands for."""

    def __init__(self, address: Address, subscribe: str | None = None) -> None:
        self.events: list[Event] = []
        self.facts: list[CallEvent] = []
        self._news = Flag()
        self.connection = attach(address, self._on_event)
        ask(self.connection, subscribe or encode.Subscribe().render())

    def _on_event(self, event: Event) -> None:
        self.events.append(event)
        fact = decode.decode(event, ORIGIN)
        if fact is not None and fact.uuid:
            self.facts.append(fact)
        self._news.set()

    def until(self, found: Callable[[], F | None], what: str) -> F:
        """Wait until ``found`` returns something."""
        with gevent.Timeout(PATIENCE_S, False):
            while True:
                self._news.clear()
                result = found()
                if result is not None:
                    return result
                self._news.wait()
        raise AssertionError(f"never came: {what}; facts: {kinds(self.facts)}")

    def fact(self, kind: type[T], uuid: str, **fields: object) -> T:
        """The first fact of a kind about a call, once it is there."""

        def found() -> T | None:
            return next((one for one in self.of(uuid) if isinstance(one, kind) and _has(one, fields)), None)

        return self.until(found, f"{kind.__name__} {fields} of {uuid}")

    def offered(self, plan: CallPlan) -> events.CallOffered:
        """The planned call's arrival."""
        wacid = plan.header("x-wa-meta-wacid")

        def found() -> events.CallOffered | None:
            offers = (one for one in self.facts if isinstance(one, events.CallOffered))
            return next((one for one in offers if one.wacid == wacid), None)

        return self.until(found, f"the call {wacid}")

    def of(self, uuid: str) -> list[CallEvent]:
        """The facts about one call in the order of their arrival."""
        return [one for one in self.facts if one.uuid == uuid]

    def whole(self, uuid: str) -> list[CallEvent]:
        """The facts about a call that is over: the channel is gone and the queue has said its last word."""
        self.fact(events.LegHungUp, uuid, leg="caller")
        if any(isinstance(one, events.MemberJoined) for one in self.of(uuid)):
            self.fact(events.MemberLeft, uuid)
        return self.of(uuid)


def _has(fact: CallEvent, fields: dict[str, object]) -> bool:
    return all(getattr(fact, name) == value for name, value in fields.items())


def kinds(facts: Iterable[CallEvent]) -> list[str]:
    """Their names, with the leg where there is one: ``LegHungUp agent``."""
    return [f"{type(one).__name__} {getattr(one, 'leg', '')}".strip() for one in facts]


def dump(connection: Connection, channel: str) -> Event:
    """A channel as uuid_dump shows it."""
    return Event(JsonFields(connection.must(encode.DumpChannel(channel)).encode()), b"")


def new_wacid() -> str:
    """A call id as the tests look it up: without the trailing ``=`` of Meta's samples."""
    return f"wacid.{uuid.uuid4().hex}"


def page_of(run: Callable[[str], str]) -> ledger.Page:
    """As much of the ledger of ended calls as the switch tells at once."""
    return ledger.read(lambda command: Reply(run(command.render())), ORIGIN)


def ended(run: Callable[[str], str]) -> tuple[ledger.Entry, ...]:
    """The rows of the first page."""
    return page_of(run).entries


def quiet(switch: SwitchUnderTest) -> None:
    """Hang up whatever there is, clear the ledger, and wait until every agent could take a call."""
    with commands(switch) as run:
        run("api hupall NORMAL_CLEARING")
        with gevent.Timeout(PATIENCE_S, AssertionError("calls do not end")):
            while '"row_count":0' not in run("api show channels as json").replace(" ", ""):
                gevent.sleep(0.05)
            while run("api callcenter_config agent list").count("|Waiting|") < 3:
                gevent.sleep(0.05)
        while found := ended(run):
            for entry in found:
                run(encode.StrikeOut(entry.key).render())
        for agent in ("agent1", "agent2", "agent3"):
            run(f"api callcenter_config agent set status {agent} 'On Break'")
            run(f"api callcenter_config agent set status {agent} Available")
            run(f"api callcenter_config agent set ready_time {agent} 0")
            run(f"api callcenter_config agent set wrap_up_time {agent} 0")
            run(f"api callcenter_config agent set contact {agent} [leg_timeout=20]user/{agent}@fsctl")
            for queue in ("support@fsctl", "sales@fsctl"):
                run(f"api callcenter_config tier set state {queue} {agent} Ready")
