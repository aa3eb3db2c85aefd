"""Events as CRMs get them."""

import json
from datetime import UTC, datetime, timedelta, timezone

import jsonschema
import pytest

from fsctl.crm import events
from fsctl.store.events import Event

AT = datetime(2026, 11, 22, 10, 0, tzinfo=timezone(timedelta(hours=1)))


def event(type_: str = "recording.failed", **fields: object) -> Event:
    given = {"thread_id": 7, "call_uuid": "c/1", "data": {}} | fields
    return Event(seq=5, id=events.event_id(type_, "c/1"), type=type_, at=AT, **given)  # type: ignore[arg-type]


def test_every_type_is_in_the_schema_and_no_other() -> None:
    jsonschema.Draft202012Validator.check_schema(events.schema())
    assert set(events.schema()["properties"]["type"]["enum"]) == {*events.TYPES, events.TEST}
    assert set(events.schema()["$defs"]) == {*events.TYPES, events.TEST, "disposition"}
    assert set(events.TYPES) > events.ON_REQUEST


def test_an_event_says_where_to_read_about_it() -> None:
    found = events.payload(event("recording.ready"), "https://calls.example.com")
    assert found["timestamp"] == "2026-11-22T09:00:00Z"
    assert found["data"] == {"thread_id": 7, "call_uuid": "c/1"}
    assert found["links"] == {
        "thread": "https://calls.example.com/v1/threads/7",
        "items": "https://calls.example.com/v1/threads/7/items",
        "call": "https://calls.example.com/v1/calls/c%2F1",
        "recording": "https://calls.example.com/v1/calls/c%2F1/recording",
    }


def test_what_is_sent_is_the_same_at_each_try() -> None:
    assert events.body(event()) == events.body(event())
    assert json.loads(events.body(event())) == events.payload(event())


def test_the_id_is_of_the_fact() -> None:
    assert events.event_id("a", "b", "c") == events.event_id("a", "b", "c") != events.event_id("a", "b", "d")


def test_the_schema_refuses_what_is_no_event() -> None:
    good = events.payload(events.probe("x", datetime(2026, 11, 22, tzinfo=UTC)))
    jsonschema.validate(good, events.schema())
    for bad in ({**good, "id": "1"}, {**good, "type": "call.lost"}, {**good, "type": "call.ended"}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(bad, events.schema())
