"""The first bytes of a connection equal those that FreeSWITCH sent."""

import re
import socket

import pytest

from tests.unit.sim.wire import CAPTURES

#: What the client sent in each capture; the connection then closes, or the client does.
CONVERSATIONS = {
    "handshake_ok": ["auth ClueCon\n\n", "api status\n\n", "exit\n\n"],
    "handshake_command_before_auth": ["api status\n\n", "event plain all\n\n", "auth ClueCon\n\n"],
    "handshake_crlf": ["auth ClueCon\r\n\r\n", "api version\r\n\r\n"],
    "handshake_wrong_password": ["auth wrong\n\n"],
    "handshake_userauth": ["userauth agent1@lab.local:lab\n\n"],
}
#: Captures that end because FreeSWITCH closed.
CLOSED_BY_SWITCH = {"handshake_ok", "handshake_wrong_password", "handshake_userauth"}


def without_numbers(data: bytes) -> bytes:
    """Uptime and session counts differ from run to run, and with them one Content-Length."""
    return re.sub(rb"\d+", b"0", re.sub(rb"(minute|second|millisecond|microsecond)\b", rb"\1s", data))


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_a_connection_begins_with_the_captured_bytes(name, make_switch, connect):
    expected = (CAPTURES / f"{name}.bin").read_bytes()
    client = connect(make_switch(), password=None)
    client.read()
    for text in CONVERSATIONS[name]:
        client.send(text)
        client.read()
    if name in CLOSED_BY_SWITCH:
        client.to_end()
        assert client.closed
    if name == "handshake_ok":
        assert without_numbers(client.raw) == without_numbers(expected)
    else:
        assert client.raw == expected


def test_bgapi_keeps_the_given_job_uuid_and_delivers_a_body(make_switch, connect):
    client = connect(make_switch())
    client.command("event plain BACKGROUND_JOB")
    job = "7f4db78a-17d7-11dd-b7a0-db4edd065621"
    reply = client.command(f"bgapi uuid_kill x\nJob-UUID: {job}")
    assert reply.headers[1:] == [("Reply-Text", f"+OK Job-UUID: {job}"), ("Job-UUID", job)]
    frame = client.read()
    assert [name for name, _ in frame.headers] == ["Content-Length", "Content-Type"]
    captured = (CAPTURES / "bgapi_background_job.bin").read_bytes()
    tail = frame.body[frame.body.index(b"Event-Calling-File") :]
    tail = re.sub(rb"Event-Sequence: \d+", b"Event-Sequence: 826", tail)
    assert tail in captured


def test_event_is_known_by_its_beginning_whatever_the_case(make_switch, connect):
    reply = connect(make_switch()).command("EVENTS PLAIN ALL")
    assert reply.get("Reply-Text") == "+OK event listener enabled plain"


def test_two_commands_in_one_packet_and_one_command_in_bytes_are_both_understood(make_switch, connect):
    client = connect(make_switch())
    client.send("api uptime\n\nnoevents\n\n")
    assert client.read().get("Content-Type") == "api/response"
    assert client.read().get("Reply-Text") == "-ERR not listening for events"
    for char in "api create_uuid\r\n\r\n":
        client.send(char)
    assert len(client.read().body) == 36


def test_no_reply_waits_for_the_acknowledgement_of_what_was_sent_before(make_switch, connect):
    switch = make_switch()
    connect(switch).command("api uptime")
    (listener,) = switch.bus.subscribers
    assert listener.connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
