"""The JSON of messages: as Meta's documentation prints it."""

import json

import pytest

from fsctl.errors import BadInput
from fsctl.whatsapp import messages


def test_a_text_is_as_meta_prints_it() -> None:
    made = messages.addressed(messages.text("Hi"), to="16505551234", key="k-1")
    assert made == {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": "16505551234",
        "type": "text",
        "text": {"body": "Hi", "preview_url": False},
        "biz_opaque_callback_data": "k-1",
    }


def test_a_user_id_goes_where_meta_reads_it() -> None:
    made = messages.addressed(messages.text("Hi"), recipient="US.1349")
    assert made["recipient"] == "US.1349"
    assert "to" not in made
    assert "biz_opaque_callback_data" not in made
    assert "recipient" not in messages.addressed(messages.text("Hi"), to="1", recipient="US.1349")


def test_a_call_button_has_its_label_life_and_payload() -> None:
    made = messages.call_button("Talk to us?", label="Call us", ttl_minutes=100, payload="thread=42;q=sales")
    assert made["interactive"] == {
        "type": "voice_call",
        "body": {"text": "Talk to us?"},
        "action": {
            "name": "voice_call",
            "parameters": {"display_text": "Call us", "ttl_minutes": 100, "payload": "thread=42;q=sales"},
        },
    }
    bare = messages.call_button("Talk to us?")["interactive"]["action"]["parameters"]
    assert bare == {"display_text": "Call Now"}


def test_a_permission_request_and_an_address() -> None:
    assert messages.permission_request("May we?")["interactive"] == {
        "type": "call_permission_request",
        "body": {"text": "May we?"},
        "action": {"name": "call_permission_request"},
    }
    button = messages.url_button("Choose", label="Slots", url="https://x.example/s")["interactive"]["action"]
    assert button == {
        "name": "cta_url",
        "parameters": {"display_text": "Slots", "url": "https://x.example/s"},
    }


def test_a_template_has_its_components() -> None:
    made = messages.template(
        "missed_call",
        "es",
        [
            messages.body_texts("Ann", "10"),
            messages.template_call_button(ttl_minutes=100, payload="p"),
            messages.template_url_button("abc", index=1),
            messages.template_permission_request(),
        ],
    )["template"]
    assert made["language"] == {"code": "es"}
    body, call, url, permission = made["components"]
    assert body["parameters"] == [{"type": "text", "text": "Ann"}, {"type": "text", "text": "10"}]
    assert (call["sub_type"], call["index"]) == ("voice_call", "0")
    assert call["parameters"] == [
        {"type": "ttl_minutes", "ttl_minutes": 100},
        {"type": "payload", "payload": "p"},
    ]
    assert (url["sub_type"], url["index"], url["parameters"]) == (
        "url",
        "1",
        [{"type": "text", "text": "abc"}],
    )
    assert permission == {"type": "call_permission_request"}
    assert "components" not in messages.template("hello", "en")["template"]


@pytest.mark.parametrize(
    "build",
    [
        lambda: messages.text(""),
        lambda: messages.text(" \n"),
        lambda: messages.text("x" * 4097),
        lambda: messages.call_button("x" * 1025),
        lambda: messages.call_button("x", label="y" * 21),
        lambda: messages.call_button("x", label=""),
        lambda: messages.call_button("x", payload="y" * 513),
        lambda: messages.call_button("x", ttl_minutes=0),
        lambda: messages.call_button("x", ttl_minutes=43_201),
        lambda: messages.template_call_button(ttl_minutes=43_201),
        lambda: messages.url_button("x", label="y" * 21, url="https://x.example"),
    ],
)
def test_what_meta_would_refuse_is_refused_here(build: object) -> None:
    with pytest.raises(BadInput):
        build()  # type: ignore[operator]


def test_the_longest_that_meta_takes_is_taken() -> None:
    messages.text("x" * 4096)
    messages.call_button("x" * 1024, label="y" * 20, payload="z" * 512, ttl_minutes=43_200)


READABLE = [
    (messages.text("Hi"), ("text", "Hi")),
    (messages.call_button("Talk?", label="Call us"), ("interactive", "Talk? [Call us]")),
    (messages.url_button("When?", label="Slots", url="https://x.example"), ("interactive", "When? [Slots: https://x.example]")),
    (messages.permission_request("May we?"), ("interactive", "May we?")),
    (messages.template("missed", "es", [messages.body_texts("Ann", "10")]), ("template", "[missed: Ann, 10]")),
    (messages.template("hello", "en"), ("template", "[hello]")),
    ({"type": "image", "image": {"id": "1", "caption": "look"}}, ("image", "look")),
    ({"type": "text", "text": None}, ("text", "")),
    ({}, ("unknown", "")),
]  # fmt: skip


@pytest.mark.parametrize(("message", "expected"), READABLE, ids=[str(i) for i in range(len(READABLE))])
def test_people_read_what_was_sent(message: dict[str, object], expected: tuple[str, str]) -> None:
    assert messages.readable(message) == expected


def test_a_message_read_back_from_postgres_is_readable_too() -> None:
    stored = json.loads(json.dumps(messages.template("missed", "es", [messages.body_texts("Ann")])))
    assert messages.readable(stored) == ("template", "[missed: Ann]")
