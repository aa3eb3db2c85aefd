"""Through our console a client hears and is answered what it is without it; before either FreeSWITCH."""

from collections.abc import Callable
from urllib.parse import unquote
from xml.etree import ElementTree

import gevent
import pytest

from fsctl.console.server import Server
from tests.contract.switches import SwitchUnderTest
from tests.fix_console import LogIn, Meet
from tests.unit.sim.wire import Client, Frame

SENT = "Zo\u00eb, \"x\" 'y' <z> & 100 %"


@pytest.fixture
def direct(switch: SwitchUnderTest, meet: Meet) -> Callable[[], Client]:
    """Connects to the switch itself."""

    def log_in() -> Client:
        client = meet(switch.address.port)
        assert client.read().get("Content-Type") == "auth/request"
        assert client.command(f"auth {switch.address.password}").get("Reply-Text") == "+OK accepted"
        return client

    return log_in


def heard(client: Client, mark: str) -> Frame:
    with gevent.Timeout(10, AssertionError(f"never {mark}")):
        while not (frame := client.read()).is_event or mark.encode() not in frame.body:
            pass
    return frame


def parsed(frame: Frame) -> tuple[list[tuple[str, str]], str]:
    """Headers in order and the body of an event, in whichever form."""
    if frame.get("Content-Type") == "text/event-xml":
        root = ElementTree.fromstring(frame.body.decode())
        headers = [(one.tag, unquote(one.text or "")) for one in root.find("headers") or ()]
        # FreeSWITCH indents what closes a body that ends with a line.
        body = (root.findtext("body") or "").rstrip(" ")
        return [one for one in headers if one[0] != "Content-Length"], body
    event = frame.event()
    body = event.pop("_body")
    return [(name, value) for name, value in event.items() if name != "Content-Length"], body


@pytest.mark.parametrize("form", ["plain", "xml"])
def test_an_event_is_the_same(
    console: Server, direct: Callable[[], Client], log_in: LogIn, form: str
) -> None:
    ours, theirs, sender = log_in(console), direct(), direct()
    for client in (ours, theirs):
        said = client.command(f"event {form} CUSTOM test::one")
        assert said.get("Reply-Text") == f"+OK event listener enabled {form}"
    sender.socket.sendall(
        f"sendevent CUSTOM\nEvent-Subclass: test::one\nName: {SENT}\nContent-Length: 9\n\none\n\ntwo\n".encode()
    )
    found = [parsed(heard(client, "test%3A%3Aone")) for client in (ours, theirs)]
    assert found[0] == found[1]
    assert dict(found[0][0])["Name"] == SENT
    assert found[0][1] == "one\n\ntwo\n"


def test_filters_are_the_switchs(console: Server, direct: Callable[[], Client], log_in: LogIn) -> None:
    ours, sender = log_in(console), direct()
    ours.command("event plain CUSTOM test::one")
    for said in ("Kind a", "Kind /^b+$/", "Not -x"):
        assert ours.command(f"filter {said}").get("Reply-Text").startswith("+OK filter added")
    for kind, other in (("c", ""), ("a", ""), ("bbb", ""), ("a", "x"), ("A", "")):
        sender.command(f"sendevent CUSTOM\nEvent-Subclass: test::one\nKind: {kind}\nNot: {other or 'y'}")
    assert [heard(ours, "Kind").event()["Kind"] for _ in range(3)] == ["a", "bbb", "A"]
    assert ours.command("filter delete all").get("Reply-Text") == "+OK filter deleted. [all][]"
    sender.command("sendevent CUSTOM\nEvent-Subclass: test::one\nKind: d")
    assert heard(ours, "Kind").event()["Kind"] == "d"
    assert ours.command("nixevent CUSTOM test::one").get("Reply-Text") == "+OK events nixed"
    sender.command("sendevent CUSTOM\nEvent-Subclass: test::one\nKind: e")
    assert "UP " in ours.api("status")
    assert b"Kind: e" not in ours.raw


REPLIES = (
    "event",
    "event plain nonsense",
    "event json HEARTBEAT",
    "EVENTS plain HEARTBEAT",
    "nixevent",
    "nixevent HEARTBEAT",
    "noevents",
    "noevents",
    "filter Unique-ID x",
    "filter delete Unique-ID x",
    "filter delete all",
    "filter Unique-ID",
    "filter",
    "nonsense",
    "api",
    "bgapi",
    "linger",
    "nolinger",
    "log",
    "log debug",
    "log 3",
    "log err",
    "log error",
    "nolog",
)
ANSWERS = ("nonsense", "version", "show channels as json", "uuid_exists x", "uuid_kill x", "agent get uuid x")


def test_replies_are_worded_the_same(console: Server, direct: Callable[[], Client], log_in: LogIn) -> None:
    ours, theirs = log_in(console), direct()
    for said in REPLIES:
        assert reply(ours, said) == reply(theirs, said), said
    for line in ANSWERS:
        assert ours.command(f"api {line}") == theirs.command(f"api {line}"), line


def reply(client: Client, said: str) -> list[tuple[str, str]]:
    """Past events and lines of the log."""
    client.send(f"{said}\n\n")
    while (frame := client.read()).get("Content-Type") not in ("command/reply", "api/response"):
        pass
    return frame.headers
