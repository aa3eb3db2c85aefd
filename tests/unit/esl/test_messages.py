"""The parser against real bytes: whole, byte by byte, cut at random, truncated; and a hostile peer."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsctl.errors import ProtocolError
from fsctl.esl import messages
from fsctl.esl.messages import Message, Parser, parse_event
from tests import captures


def parse(data: bytes, cuts: list[int] | None = None) -> list[Message]:
    """Feed the data in pieces and take every message."""
    parser, found, begin = Parser(), [], 0
    for end in [*(cuts or []), len(data)]:
        parser.receive_data(data[begin:end])
        begin = end
        while (message := parser.next_message()) is not None:
            found.append(message)
    return found


def seen(found: list[Message]) -> list[tuple[str, bytes]]:
    return [(message.content_type, message.body) for message in found]


@pytest.mark.parametrize("name", captures.NAMES)
def test_a_capture_reads_as_a_reader_by_hand_reads_it(name: str) -> None:
    data = captures.read(name)
    expected = [(headers["Content-Type"], body) for headers, body in captures.split(data)]
    assert seen(parse(data)) == expected


@pytest.mark.parametrize("name", captures.NAMES)
def test_a_capture_cut_at_random_places_gives_the_same_messages(name: str) -> None:
    data = captures.read(name)
    whole = seen(parse(data))
    for seed in range(5):
        rng = random.Random(seed)
        cuts = sorted(rng.randrange(len(data)) for _ in range(rng.choice((1, 10, 300))))
        assert seen(parse(data, cuts)) == whole


@pytest.mark.parametrize(
    "name", ["handshake_ok", "handshake_acl_rejected", "bgapi_background_job", "api_replies"]
)
def test_a_capture_byte_by_byte_gives_the_same_messages(name: str) -> None:
    data = captures.read(name)
    assert seen(parse(data, list(range(1, len(data))))) == seen(parse(data))


def test_a_capture_truncated_anywhere_gives_the_messages_that_are_whole() -> None:
    data = captures.read("bgapi_background_job")
    whole = seen(parse(data))
    for end in range(len(data)):
        part = seen(parse(data[:end]))
        assert part == whole[: len(part)]


@pytest.mark.parametrize(
    "name", ["call_queue_plain", "call_queue_json", "cc_abandon", "park_dtmf_hold_transfer"]
)
def test_every_header_of_every_event_is_found_by_name(name: str) -> None:
    ours = [message.event() for message in parse(captures.read(name)) if message.is_event]
    theirs = captures.events(name)
    assert len(ours) == len(theirs) > 10
    for event, expected in zip(ours, theirs):
        assert {key: event.get(key) for key in expected} == expected


def test_a_doubled_header_keeps_both_values() -> None:
    event = parse_event(b"Event-Name: X\nHangup-Cause: A\nHangup-Cause: B\n\n")
    assert list(event.fields.get_all("Hangup-Cause")) == ["A", "B"]
    (double,) = [
        m.event()
        for m in parse(captures.read("call_queue_json"))
        if m.is_event
        and m.event().name == "CHANNEL_HANGUP_COMPLETE"
        and m.event().get("Call-Direction") == "inbound"
    ]
    assert len(list(double.fields.get_all("Hangup-Cause"))) == 2


def test_a_line_break_in_a_value_makes_no_header() -> None:
    event = parse_event(
        b"Event-Name: CHANNEL_CREATE\nCaller-ID-Name: Bob%0AUnique-ID: evil\nUnique-ID: good\n\n"
    )
    assert event.get("Unique-ID") == "good"
    assert event.get("Caller-ID-Name") == "Bob\nUnique-ID: evil"


def test_names_compare_without_case() -> None:
    event = parse_event(b"variable_sip_h_X-WA-Meta-WACID: wacid.1\n\n")
    assert event.get("variable_sip_h_x-wa-meta-wacid") == "wacid.1"


def test_the_body_of_an_event_is_exact() -> None:
    jobs = [m.event() for m in parse(captures.read("bgapi_background_job")) if m.is_event]
    assert jobs[1].body == b"-ERR nosuchcommand Command not found!\n"
    assert jobs[1].get("Event-Name") == "BACKGROUND_JOB"


def test_headers_may_come_in_any_order() -> None:
    for head in (
        b"Content-Length: 2\nContent-Type: api/response",
        b"Content-Type: api/response\nContent-Length: 2",
    ):
        assert seen(parse(head + b"\n\nok")) == [("api/response", b"ok")]


def test_bytes_that_are_no_utf8_are_replaced_not_fatal() -> None:
    event = parse_event(b"Event-Name: X\nName: \xff\xfe\nOther: %FF%C3%A9\n\n")
    assert event.get("Name") == "\ufffd\ufffd"
    assert event.get("Other") == "\ufffdé"


HOSTILE = {
    "endless line": b"A" * (messages.MAX_HEAD + 1),
    "body of a gigabyte": b"Content-Type: api/response\nContent-Length: 1073741824\n\n",
    "negative length": b"Content-Type: api/response\nContent-Length: -5\n\n",
    "length in words": b"Content-Type: api/response\nContent-Length: many\n\n",
    "length of a mile": b"Content-Type: api/response\nContent-Length: " + b"9" * 400 + b"\n\n",
    "no content type": b"HTTP/1.1 400 Bad Request\nServer: x\n\n",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_not_the_event_socket_is_refused(name: str) -> None:
    with pytest.raises(ProtocolError):
        parse(HOSTILE[name])


def test_a_notice_in_place_of_a_body_is_refused() -> None:
    """Seen when FreeSWITCH kills a listener: the notice comes from another thread, after an outer header."""
    notice = b"Content-Type: text/disconnect-notice\nContent-Length: 38\n\nkilled listener because of lost"
    data = b"Content-Length: %d\nContent-Type: text/event-plain\n\n" % (len(notice) - 20) + notice + b"\n\n"
    with pytest.raises(ProtocolError):
        parse(data)


def test_an_inner_length_that_lies_is_refused() -> None:
    with pytest.raises(ProtocolError, match="99"):
        parse_event(b"Event-Name: X\nContent-Length: 99\n\nshort")


def test_json_that_is_no_object_is_refused() -> None:
    for body in (b"[]", b"12", b"{", b'"x"', b"[" * 100_000):
        with pytest.raises(ProtocolError):
            Message(messages.Fields(b"Content-Type: text/event-json"), body).event()


def test_a_strangers_json_cannot_forge_a_name() -> None:
    import json

    evil = 'x","Unique-ID":"evil', '{"Unique-ID":"evil"}', '\\","Unique-ID":"evil', ",", "\\", "%0A"
    for text in evil:
        fields = {"Caller-ID-Name": text, "Unique-ID": "good", "Last": text}
        body = json.dumps(fields, separators=(",", ":")).encode()
        event = Message(messages.Fields(b"Content-Type: text/event-json"), body).event()
        assert list(event.fields.get_all("Unique-ID")) == ["good"]
        assert event.get("caller-id-name") == event.get("Last") == text


def test_half_a_surrogate_pair_is_no_text() -> None:
    body = b'{"Name":"a\\ud800b","Whole":"\\ud83d\\ude00"}'
    event = Message(messages.Fields(b"Content-Type: text/event-json"), body).event()
    assert event.get("Name") == "a?b"
    assert event.get("Whole") == "\U0001f600"


def test_json_that_breaks_off_in_a_value_is_refused() -> None:
    for body in (b'{"A":"x}', b'{"A":"\\u12"}', b'{"A":"x\\"}'):
        event = Message(messages.Fields(b"Content-Type: text/event-json"), body).event
        with pytest.raises(ProtocolError):
            event().get("A")


def test_more_headers_than_anybody_sends_are_refused_when_listed() -> None:
    event = parse_event(b"\n".join(b"H%d: x" % i for i in range(messages.MAX_HEADERS + 1)) + b"\n\n")
    with pytest.raises(ProtocolError):
        list(event.fields.items())


HEADER = st.tuples(
    st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,20}", fullmatch=True).filter(
        lambda name: name.lower() not in ("content-length", "content-type")
    ),
    st.text(max_size=40),
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.lists(HEADER, max_size=6), st.binary(max_size=60)), min_size=1, max_size=6),
    st.lists(st.integers(0, 4000), max_size=20),
)
def test_whatever_is_framed_comes_out_again(
    frames: list[tuple[list[tuple[str, str]], bytes]], cuts: list[int]
) -> None:
    from urllib.parse import quote

    data = b""
    for headers, body in frames:
        lines = [f"{name}: {quote(value)}" for name, value in headers]
        data += (
            "\n".join([*lines, "Content-Type: x/y", f"Content-Length: {len(body)}"]).encode() + b"\n\n" + body
        )
    found = parse(data, sorted(cut for cut in cuts if cut < len(data)))
    assert [message.body for message in found] == [body for _, body in frames]
    for message, (headers, _) in zip(found, frames):
        assert [pair for pair in message.items() if not pair[0].startswith("Content-")] == [
            (name, value) for name, value in headers if not name.startswith("Content-")
        ]
