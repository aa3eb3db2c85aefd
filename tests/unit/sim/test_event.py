"""The two encodings of an event, against the same events captured in both."""

import json

import pytest

from fsctl.eventsocket.event import Event, url_encode
from tests.unit.sim.wire import captured


def test_each_event_of_a_call_gives_the_captured_bytes_in_plain_and_in_json():
    plain = {
        frame.event()["Event-Sequence"]: frame for frame in captured("call_queue_plain") if frame.is_event
    }
    for frame in captured("call_queue_json"):
        if frame.is_event:
            pairs = [tuple(pair) for pair in json.loads(frame.body, object_pairs_hook=list)]
            names = dict(pairs)
            event = Event(names["Event-Name"], pairs)
            twin = plain.pop(names["Event-Sequence"])
            assert event.plain() == twin.body
            assert event.json() == frame.body
            assert event.frame("plain").startswith(
                b"Content-Length: %d\nContent-Type: text/event-plain\n\n" % len(twin.body)
            )
    assert not plain


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        ("a b", "a%20b"),
        ("tone_stream://%(200,100,500)", "tone_stream%3A//%25(200,100,500)"),
        ("one%2Ctwo", "one%2Ctwo"),
        ("one%2ctwo", "one%252ctwo"),
        ("100%", "100%25"),
        ("José", "Jos%C3%A9"),
        ("", ""),
    ],
)
def test_a_value_that_is_already_encoded_stays_as_it_is(value, encoded):
    assert url_encode(value) == encoded


def test_a_body_follows_its_own_content_length_counted_in_bytes():
    event = Event("BACKGROUND_JOB", [("Event-Name", "BACKGROUND_JOB")], body="é\n")
    assert event.plain() == "Event-Name: BACKGROUND_JOB\nContent-Length: 3\n\né\n".encode()
    assert json.loads(event.json())["_body"] == "é\n"
