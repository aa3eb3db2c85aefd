"""The first words on an Event Socket."""

from collections.abc import Iterator

import gevent
import pytest
from gevent import socket

from fsctl.errors import AuthRefused, LinkLost
from fsctl.esl.connection import Connection
from fsctl.esl.link import Address
from fsctl.esl.messages import Message, Parser
from tests.contract.switches import PATIENCE_S, SwitchUnderTest


class Wire:
    """A bare socket: what is sent and what comes back, message by message."""

    def __init__(self, address: Address) -> None:
        self._socket = socket.create_connection((address.host, address.port), timeout=PATIENCE_S)
        self._parser = Parser()

    def send(self, text: str) -> None:
        self._socket.sendall(text.encode())

    def next(self) -> Message | None:
        """The next message, or None when the peer has closed."""
        with gevent.Timeout(PATIENCE_S, AssertionError("no message")):
            while (message := self._parser.next_message()) is None:
                data = self._socket.recv(4096)
                if not data:
                    return None
                self._parser.receive_data(data)
            return message

    def reply(self, text: str) -> str:
        """Send a command and take its reply."""
        self.send(text)
        message = self.next()
        assert message is not None
        return message.get("Reply-Text") or message.body.decode()

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def wire(switch: SwitchUnderTest) -> Iterator[Wire]:
    """A connection that has been greeted and has said nothing yet."""
    one = Wire(switch.address)
    greeting = one.next()
    assert greeting is not None
    assert greeting.content_type == "auth/request"
    yield one
    one.close()


def test_the_right_password_is_accepted(wire: Wire, switch: SwitchUnderTest) -> None:
    assert wire.reply(f"auth {switch.address.password}\n\n") == "+OK accepted"


def test_a_wrong_password_is_refused_with_a_notice_and_the_connection_closed(wire: Wire) -> None:
    assert wire.reply("auth wrong\n\n") == "-ERR invalid"
    notice = wire.next()
    assert notice is not None
    assert notice.content_type == "text/disconnect-notice"
    assert notice.body == b"Disconnected, goodbye.\nSee you at ClueCon! http://www.cluecon.com/\n"
    assert wire.next() is None


def test_a_command_before_the_password_is_unknown_and_the_connection_stays(
    wire: Wire, switch: SwitchUnderTest
) -> None:
    assert wire.reply("api status\n\n") == "-ERR command not found"
    assert wire.reply(f"auth {switch.address.password}\n\n") == "+OK accepted"


def test_line_ends_of_the_other_kind_will_do(wire: Wire, switch: SwitchUnderTest) -> None:
    assert wire.reply(f"auth {switch.address.password}\r\n\r\n") == "+OK accepted"


def test_exit_is_answered_and_closes(wire: Wire, switch: SwitchUnderTest) -> None:
    wire.reply(f"auth {switch.address.password}\n\n")
    assert wire.reply("exit\n\n") == "+OK bye"
    notice = wire.next()
    assert notice is not None
    assert notice.content_type == "text/disconnect-notice"
    assert wire.next() is None


def test_the_reply_of_a_background_job_names_it_and_its_event_brings_the_output(
    wire: Wire, switch: SwitchUnderTest
) -> None:
    wire.reply(f"auth {switch.address.password}\n\n")
    assert wire.reply("event plain BACKGROUND_JOB\n\n").startswith("+OK")
    wire.send("bgapi uuid_exists nobody\nJob-UUID: our-own-id\n\n")
    reply = wire.next()
    assert reply is not None
    assert (reply.get("Reply-Text"), reply.get("Job-UUID")) == ("+OK Job-UUID: our-own-id", "our-own-id")
    message = wire.next()
    assert message is not None
    job = message.event()
    assert (job.name, job.get("Job-UUID"), job.body) == ("BACKGROUND_JOB", "our-own-id", b"false")
    assert (job.get("Job-Command"), job.get("Job-Command-Arg")) == ("uuid_exists", "nobody")


def test_our_connection_says_that_the_password_is_wrong(switch: SwitchUnderTest) -> None:
    connection = Connection(switch.address.host, switch.address.port, "wrong", lambda _event: None)
    with pytest.raises(AuthRefused, match="wrong password"):
        connection.connect()


def test_our_connection_says_that_nobody_listens(switch: SwitchUnderTest) -> None:
    connection = Connection(switch.address.host, 1, switch.address.password, lambda _event: None)
    with pytest.raises(LinkLost, match="refused"):
        connection.connect()
