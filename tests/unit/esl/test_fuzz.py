"""Whatever bytes come, only a ProtocolError may come of them; and what FreeSWITCH frames comes out again.

Seconds in CI. For minutes or hours of new examples, by hand::

    FSCTL_FUZZ_SECONDS=600 pytest tests/unit/esl/test_fuzz.py
"""

import dataclasses
import json
import os
import re
import signal
import time
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import wraps
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fsctl.call.events import CallEvent
from fsctl.errors import CommandRefused, ProtocolError
from fsctl.esl import decode, encode, messages, resync
from fsctl.esl.connection import Reply
from fsctl.esl.messages import Event, Fields, Message, Parser
from tests import captures

SECONDS = float(os.environ.get("FSCTL_FUZZ_SECONDS", "0"))
"""How long each test goes on finding new examples; without it, once round."""
EXAMPLE_CPU_S = 2.0
"""Processor time of one example. They take milliseconds; what needs seconds would not end at all."""
ORIGIN = decode.Origin("fs1", {"public": "whatsapp"})
NAMES = ("Unique-ID", "Event-Name", "unique-id", "Content-Length", "_body", "no-such-header", "a", "")


def fuzzed(examples: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Settings for hypothesis, and again with new examples until SECONDS are over."""

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        run = settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))(test)

        @wraps(test)
        def again() -> None:
            until = time.monotonic() + SECONDS
            run()
            while time.monotonic() < until:
                run()

        del again.__wrapped__  # Else pytest takes the examples for fixtures.
        return again

    return decorate


@contextmanager
def bounded() -> Iterator[None]:
    """Fail when what is within takes more processor time than any honest example."""

    def give_up(_signal: int, _frame: object) -> None:
        raise AssertionError(f"an example takes more than {EXAMPLE_CPU_S} s of processor time")

    before = signal.signal(signal.SIGVTALRM, give_up)
    signal.setitimer(signal.ITIMER_VIRTUAL, EXAMPLE_CPU_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


# --- everything that a connection and a link do with bytes -------------------------------------------------


def digest(data: bytes, cuts: Iterable[int] = ()) -> int:
    """Parse, look everything up and decode; the number of events that were sound.

    Raises nothing: a ProtocolError of the stream ends it, one of an event ends that event.
    """
    parser, sound, begin = Parser(), 0, 0
    with bounded():
        for end in [*sorted(cut % (len(data) + 1) for cut in cuts), len(data)]:
            parser.receive_data(data[begin:end])
            begin = end
            try:
                while (message := parser.next_message()) is not None:
                    sound += _digest_message(message)
            except ProtocolError:
                break
            unread = len(parser._buffer) - parser._begin
            assert unread <= messages.MAX_HEAD + messages.MAX_BODY
    return sound


def _digest_message(message: Message) -> bool:
    sound = _sound(lambda: _text(chain.from_iterable(message.items())))
    if message.is_event:
        sound &= _sound(lambda: _digest_event(message.event()))
    # The reply to uuid_dump is read as JSON whatever it holds.
    as_json = Message(Fields(b"Content-Type: text/event-json"), message.body)
    _sound(lambda: _digest_event(as_json.event()))
    return sound and message.is_event


def _digest_event(event: Event) -> None:
    _text([event.name])
    for name in NAMES:
        _text(event.fields.get_all(name))
    for fact in chain(_told(event), decode.snapshot(event, ORIGIN)):
        _text(part for part in dataclasses.astuple(fact) if isinstance(part, str))
    _text(chain.from_iterable(event.fields.items()))


def _told(event: Event) -> Iterable[CallEvent]:
    found = decode.decode(event, ORIGIN)
    if found is None:
        return ()
    return found if isinstance(found, tuple) else (found,)


def _sound(look: Callable[[], None]) -> bool:
    try:
        look()
    except ProtocolError:
        return False
    return True


def _text(parts: Iterable[str]) -> None:
    """Text that can be printed and stored: half a surrogate pair cannot."""
    for part in parts:
        part.encode()


# --- what comes --------------------------------------------------------------------------------------------

CAPTURED = [captures.read(name) for name in captures.NAMES]
FRAMES = [
    b"".join(b"%s: %s\n" % (name.encode(), value.encode()) for name, value in head.items()) + b"\n" + body
    for head, body in chain.from_iterable(captures.split(data) for data in CAPTURED)
]
"""Every message of every capture (values decoded, which is one more thing that no peer should do)."""

TOKENS = st.sampled_from(
    [
        b"\n", b"\n\n", b"\r\n\r\n", b"\x00", b"%00", b"\xff", b"\xc2\xb2", b"%C2%B2", b"%ED%A0%80", b"%",
        b":", b": ", b'"', b"\\", b'\\"', b"\\ud800", b"\\u0000", b"\\u12", b"{", b"}", b"[", b"]", b"[" * 2000,
        b",", b"null", b"9" * 30, b"9" * 5000, b"-1", b"0", b"1e999", b"nan", b"CUSTOM", b"callcenter::info",
        b"Content-Length: 3\n", b"Content-Length: 16777217\n", b"Content-Type: text/event-plain\n",
        b"Content-Type: text/event-json\n", b"Unique-ID: evil\n", b'"Unique-ID":"evil",', b'"Unique-ID":5,',
        b'"Unique-ID":[],', b'"Unique-ID":[',
    ]
)  # fmt: skip
PLACE = st.integers(0, 1 << 30)
CUTS = st.lists(PLACE, max_size=4)

Change = tuple[str, int, int, bytes]
CHANGES = st.lists(
    st.tuples(
        st.sampled_from(("flip", "delete", "duplicate", "truncate", "insert", "replace")),
        PLACE,
        st.integers(1, 200),
        TOKENS,
    ),
    min_size=1,
    max_size=6,
)


def change(data: bytes, changes: list[Change]) -> bytes:
    """Do damage."""
    for kind, place, size, token in changes:
        at = place % (len(data) + 1)
        before, piece, after = data[:at], data[at : at + size], data[at + size :]
        match kind:
            case "flip":
                data = before + bytes(byte ^ 1 << place % 8 for byte in piece[:1]) + piece[1:] + after
            case "delete":
                data = before + after
            case "duplicate":
                data = before + piece + piece + after
            case "truncate":
                data = before
            case "insert":
                data = before + token + piece + after
            case "replace":
                data = before + token + after
    return data


def framed(kind: str, body: bytes) -> bytes:
    """An event around its inside, framed as FreeSWITCH does it."""
    return b"Content-Length: %d\nContent-Type: text/event-%s\n\n%s" % (len(body), kind.encode(), body)


def refitted(frame: bytes) -> bytes:
    """The same inside with an honest outer length, so that damage reaches the reader of the inside."""
    head, _, body = frame.partition(b"\n\n")
    return framed("json" if b"event-json" in head else "plain", body)


# --- only a ProtocolError ----------------------------------------------------------------------------------


def test_captures_are_sound_all_through() -> None:
    """Else the tests below would prove nothing."""
    plain = captures.read("call_queue_plain")
    assert digest(plain) == len(captures.events("call_queue_plain"))


@fuzzed(300)
@given(st.binary(max_size=2000), CUTS)
def test_random_bytes(data: bytes, cuts: list[int]) -> None:
    digest(data, cuts)


@fuzzed(300)
@given(st.lists(st.one_of(TOKENS, st.binary(max_size=20)), max_size=40), CUTS)
def test_random_words_of_the_protocol(words: list[bytes], cuts: list[int]) -> None:
    digest(b"".join(words), cuts)
    for kind in ("plain", "json"):
        digest(framed(kind, b"".join(words)))
        digest(framed(kind, b'{"Event-Name":"' + b"".join(words) + b'"}'))


@fuzzed(400)
@given(st.lists(st.sampled_from(FRAMES), min_size=1, max_size=3), CHANGES, CUTS)
def test_messages_of_captures_with_damage(
    frames: list[bytes], changes: list[Change], cuts: list[int]
) -> None:
    digest(change(b"".join(frames), changes), cuts)


@fuzzed(400)
@given(st.sampled_from([frame for frame in FRAMES if b"text/event-" in frame]), CHANGES)
def test_events_of_captures_with_damage_inside(frame: bytes, changes: list[Change]) -> None:
    digest(refitted(change(frame, changes)))


@fuzzed(60)
@given(st.sampled_from(CAPTURED), st.sampled_from(CAPTURED), PLACE, PLACE, CUTS)
def test_two_captures_spliced_anywhere(
    left: bytes, right: bytes, end: int, begin: int, cuts: list[int]
) -> None:
    end, begin = end % len(left), begin % len(right)
    digest(left[max(0, end - 20_000) : end] + right[begin : begin + 20_000], cuts)
    digest(left[:end][-2000:] + right[begin:][:2000], range(0, 4000, 7))


SOURCES = "".join(path.read_text(encoding="utf-8") for path in Path(decode.__file__).parent.glob("*.py"))
READ = sorted(set(re.findall(r'"(\w+[-_][\w-]+)"', SOURCES)))
"""Every header name that the decoder mentions."""
EVENTS = st.dictionaries(
    st.sampled_from(READ),
    st.one_of(
        st.sampled_from(
            ("inbound", "outbound", "public", "whatsapp", "²", "٣", "0", "1", "9" * 17, "9" * 5000)
        ),
        st.sampled_from(
            ("inf", "-1", "1_0", "\x00", "\ud800", "outgoing:", "+15550100001;tgrp=x", "BR.1", "")
        ),
        st.text(max_size=30),
    ),
    max_size=20,
)


@fuzzed(400)
@given(
    st.sampled_from((*decode.READERS, "CUSTOM")),
    st.sampled_from(tuple(decode.callcenter.READERS)),
    st.sampled_from(("inbound", "outbound")),
    EVENTS,
)
def test_headers_of_our_choice_with_values_of_nobodys(
    name: str, action: str, direction: str, values: dict[str, str]
) -> None:
    sure = {"Event-Name": name, "Event-Subclass": "callcenter::info", "CC-Action": action}
    sure |= {"Caller-Context": "public", "Call-Direction": direction}
    digest(as_json([*sure.items(), *values.items()], ascii_only=True))
    digest(as_plain([*sure.items(), *values.items()]))


@fuzzed(200)
@given(
    st.sampled_from((*decode.READERS, "CUSTOM")), st.sampled_from(tuple(decode.callcenter.READERS)), EVENTS
)
def test_facts_hold_only_text_that_postgres_stores(name: str, action: str, values: dict[str, str]) -> None:
    sure = {"Event-Name": name, "Event-Subclass": "callcenter::info", "CC-Action": action}
    sure |= {"Caller-Context": "public", "Call-Direction": "inbound"}
    event = messages.parse_event(as_plain([*sure.items(), *values.items()]).partition(b"\n\n")[2])
    for fact in chain(_told(event), decode.snapshot(event, ORIGIN)):
        strings = [part for part in dataclasses.astuple(fact) if isinstance(part, str)]
        assert "\x00" not in "".join(strings), fact


class Answers:
    """A command connection on which every answer is the same."""

    def __init__(self, text: str) -> None:
        self._reply = Reply(text)

    def request(self, command: encode.Request) -> Reply:
        command.render()
        return self._reply

    def must(self, command: encode.Request) -> str:
        return self.request(command).text


CHANNELS = json.dumps({"rows": [{"uuid": "a", "direction": "inbound", "context": "public"}], "row_count": 1})


@fuzzed(300)
@given(st.one_of(st.binary(max_size=300), CHANGES.map(lambda changes: change(CHANNELS.encode(), changes))))
def test_any_answer_to_show_channels(answer: bytes) -> None:
    commands: Any = Answers(answer.decode("utf-8", "replace"))
    with bounded():
        try:
            uuids = resync.channels(commands, ORIGIN)
            list(resync.tell(commands, ORIGIN, uuids))
        except (ProtocolError, CommandRefused):
            pass


@pytest.mark.parametrize("depth", [900, 1000, 5000, 100_000])
def test_channels_of_any_depth_are_read_or_refused(depth: int) -> None:
    commands: Any = Answers("[" * depth)
    with pytest.raises(ProtocolError):
        resync.channels(commands, ORIGIN)


def test_a_channel_whose_uuid_is_no_uuid_does_not_keep_us_from_all_others() -> None:
    """A profile with inbound-use-callid-as-uuid makes such: the link would reconnect for ever."""
    commands: Any = Answers('{"Event-Name":"CHANNEL_DATA"}')
    list(resync.tell(commands, ORIGIN, ["1b2c@192.0.2.1", "{x} y", "11111111-2222-3333-4444-555555555555"]))


# --- a peer that wants our memory --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("opening", "endless"),
    [
        (b"", b"x"),
        (b"", b"Name: value\n"),
        (b"Content-Type: api/response\nContent-Length: 1000\n\n", b"x"),
        (b"Content-Type: api/response\nContent-Length: 16777216000\n\n", b"x"),
        (b"Content-Length: 99\nContent-Length: 1000000\nContent-Type: text/event-plain\n\n", b"\n"),
        (b"", b"\n"),
        (b"", b"\r\n"),
    ],
)
def test_whatever_is_sent_without_end_is_not_kept(
    opening: bytes, endless: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messages, "MAX_HEAD", 500)
    monkeypatch.setattr(messages, "MAX_BODY", 2000)
    parser = Parser()
    parser.receive_data(opening)
    for _ in range(1000):
        parser.receive_data(endless * 10)
        try:
            while parser.next_message() is not None:
                pass
        except ProtocolError:
            return
        # What was read is let go of only when there is more than a head of it.
        assert len(parser._buffer) <= 2 * messages.MAX_HEAD + messages.MAX_BODY + 10 * len(endless)


LARGE = 4 * 1024 * 1024
LARGE_JSON = {
    "escapes": b'{"A":"' + b"\\n" * (LARGE // 2) + b'"}',
    "backslashes": b'{"A":"' + b"\\" * LARGE + b'"}',
    "letters after an escape": b'{"A":"\\n' + b"x" * LARGE + b'"}',
    "a string without end": b'{"A":"\\n' + b"x" * LARGE + b"}",
    "brackets": b'{"A":' + b"[" * LARGE + b"}",
    "names within a value": b'{"A":"' + b'"A":' * (LARGE // 4) + b'"}',
}


@pytest.mark.parametrize("name", LARGE_JSON)
def test_a_large_event_takes_time_and_memory_by_its_size(name: str) -> None:
    event = Message(Fields(b"Content-Type: text/event-json"), LARGE_JSON[name]).event
    tracemalloc.start()
    try:
        with bounded():
            _sound(lambda: _text([event().get("A") or ""]))
        assert tracemalloc.get_traced_memory()[1] < 12 * LARGE
    finally:
        tracemalloc.stop()


def test_behind_a_name_stands_a_string_or_an_array_or_it_is_refused() -> None:
    """Pushed variables are arrays, and their values are a stranger's: an IPv6 address in a Via has brackets."""
    fields = (
        Message(Fields(b"Content-Type: text/event-json"), b'{"A":["[::1]","\\"]"],"B":"b","C":5}')
        .event()
        .fields
    )
    assert fields.get("A") == '["[::1]","\\"]"]'
    assert fields.get("B") == "b"
    with pytest.raises(ProtocolError):
        fields.get("C")


@pytest.mark.parametrize("depth", [10, 200, 900, 960, 980, 990, 1000, 5000, 100_000])
def test_json_of_any_depth_is_read_or_refused(depth: int) -> None:
    body = b'{"A":' + b"[" * depth + b"]" * depth + b"}"
    assert digest(framed("json", body)) in (0, 1)


# --- what FreeSWITCH frames comes out again ----------------------------------------------------------------

_UNSAFE = '\r\n #%&+:;<=>?@[\\]^`{|}"'


def quoted(value: str) -> str:
    """As switch_url_encode writes a header of a plain event (switch_utils.c)."""
    return "".join(
        f"%{byte:02X}" if byte < 0x20 or byte > 0x7E or chr(byte) in _UNSAFE else chr(byte)
        for byte in value.encode("utf-8", "surrogatepass")
    )


def as_plain(pairs: list[tuple[str, str]], body: str = "") -> bytes:
    """A plain event as switch_event_serialize and send_event write it."""
    lines = "".join(f"{name}: {quoted(value)}\n" for name, value in pairs)
    length = f"Content-Length: {len(body.encode())}\n" if body else ""
    return framed("plain", f"{lines}{length}\n{body}".encode())


def as_json(pairs: list[tuple[str, str]], body: str = "", *, ascii_only: bool = False) -> bytes:
    """The same event as switch_event_serialize_json writes it: duplicate names stay duplicate.

    Args:
        ascii_only: write what is not ASCII with escapes, as FreeSWITCH does not; half a surrogate pair can
            be written in no other way.
    """
    length = [("Content-Length", str(len(body.encode()))), ("_body", body)] if body else []
    members = (f"{json.dumps(k)}:{json.dumps(v, ensure_ascii=ascii_only)}" for k, v in [*pairs, *length])
    return framed("json", ("{" + ",".join(members) + "}").encode())


# C's strings hold no NUL. A value that holds what looks like an escape is sent by plain as it is, and lost.
_SAID = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=60).filter(
    lambda value: re.search("%[0-9A-Fa-f]{2}", value) is None
)
_TRICKS = st.sampled_from(
    (
        'x","Unique-ID":"evil', "Bob\nUnique-ID: evil", "\n\n", '{"Unique-ID":"evil"}', "\\", '"', "a: b", " ",
        " x", "v=0\r\no=- 1 1 IN IP4 x", "é\u202e😀", "%", "%zz", "]", "[x]", ",", "\u2028\x85", "",
    )
)  # fmt: skip
VALUES = st.one_of(_SAID, _TRICKS)
PAIRS = st.lists(
    st.tuples(
        st.sampled_from(
            ("Event-Name", "Unique-ID", "variable_sip_h_X-WA-Meta-WACID", "variable_a", "CC-Agent")
        ),
        VALUES,
    ),
    min_size=1,
    max_size=8,
)


@fuzzed(300)
@given(PAIRS, VALUES)
def test_an_event_says_the_same_in_plain_and_in_json(pairs: list[tuple[str, str]], body: str) -> None:
    parser = Parser()
    parser.receive_data(as_plain(pairs, body) + as_json(pairs, body))
    for _ in ("plain", "json"):
        message = parser.next_message()
        assert message is not None
        event = message.event()
        assert event.body == body.encode()
        said = [pair for pair in event.fields.items() if pair[0] not in ("Content-Length", "_body")]
        assert said == pairs
        for name in {name for name, _ in pairs}:
            values = [value for key, value in pairs if key == name]
            assert list(event.fields.get_all(name)) == values
            assert event.get(name.swapcase()) == values[0]
    assert parser.next_message() is None


def test_real_events_are_quoted_by_the_same_rule() -> None:
    """Holds the framing above to FreeSWITCH's own."""
    for headers, body in captures.split(captures.read("call_queue_plain")):
        if headers.get("Content-Type") != "text/event-plain":
            continue
        for line in body.partition(b"\n\n")[0].decode().split("\n"):
            name, _, raw = line.partition(": ")
            value = Event(Fields(line.encode()), b"").get(name)
            assert value is not None
            assert quoted(value) == raw or "%" in value
