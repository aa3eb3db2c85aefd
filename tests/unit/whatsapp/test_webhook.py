"""Webhooks as Meta documents them, one by one; and anything else, which must do no harm."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fsctl.call.events import Alias
from fsctl.whatsapp import values, webhook
from fsctl.whatsapp.facts import (
    AccountTold,
    CallSeen,
    Fact,
    IdentityChanged,
    MessageChanged,
    MessageWritten,
    Person,
    PreferenceChanged,
    Reacted,
    StatusChanged,
    Unknown,
)
from tests import webhooks

NOW = datetime(2025, 2, 12, 12, 0, tzinfo=UTC)
T = 1739321024
ANN = Person(wa_id="16505551234", user_id="US.13491208655302741918", username="ann.miller", name="Ann Miller")


def at(seconds: int) -> datetime:
    return datetime.fromtimestamp(T + seconds, UTC)


def read(name: str) -> list[Fact]:
    return webhook.facts(webhooks.body(name), NOW)


def one(name: str, kind: type) -> Any:
    (fact,) = read(name)
    assert isinstance(fact, kind), fact
    return fact


BODIES = {
    "message-text": ("text", "Hello, is my order on its way?"),
    "message-text-from-an-ad": ("text", "I saw your ad. What does it cost?"),
    "message-text-that-replies": ("text", "Yes, that one."),
    "message-text-forwarded": ("text", "Fwd: closed on Monday"),
    "message-text-about-a-product": ("text", "Is this in stock?"),
    "message-text-without-number": ("text", "You do not know my number"),
    "message-image": ("image", "The broken part"),
    "message-voice": ("audio", "voice message"),
    "message-voicemail": ("audio", "audio/ogg"),
    "message-video": ("video", "It leaks here"),
    "message-document": ("document", "My invoice"),
    "message-sticker": ("sticker", "image/webp"),
    "message-location": ("location", "The depot, 1 Hacker Way, Menlo Park, CA 94025 (37.4853, -122.1495)"),
    "message-contacts": ("contacts", "Bea Stone +1 650 555 9999 bea@example.com; Cas +1 650 555 8888"),
    "message-button-reply": ("interactive", "Cancel the order"),
    "message-list-reply": ("interactive", "Priority Mail Express: Next day to 2 days"),
    "message-form-reply": ("interactive", "Sent (date: 2025-03-14, guests: 3)"),
    "message-call-permission-given": ("interactive", "may be called until 2025-02-19 00:43 UTC"),
    "message-call-permission-refused": ("interactive", "does not want to be called"),
    "message-call-permission-by-a-call": ("interactive", "may be called until 2025-02-19 00:43 UTC"),
    "message-template-button": ("button", "Yes, please"),
    "message-stops-promotions": ("button", "Stop promotions"),
    "message-order": (
        "order",
        "2 × di9ozbzfi4 at 7.99 USD, 1 × nqryix03ez at 25.5 USD; Please send quickly",
    ),
    "message-unsupported": ("unsupported", "Message type is currently not supported."),
    "message-unavailable": ("unsupported", "This message is unavailable."),
    "message-request-welcome": ("request_welcome", ""),
    "message-of-a-type-to-come": ("hologram", "Look at this"),
    "echo-text": ("text", "Here is the info you asked for"),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_message_of_every_type_has_text_to_read(name: str) -> None:
    fact = one(name, MessageWritten)
    assert (fact.content.type, fact.content.body) == BODIES[name]
    assert fact.chat.phone_number_id == "106540352242922"
    assert fact.chat.business_number == "15550783881"


def test_every_file_is_read_by_a_test_of_its_own_kind() -> None:
    kinds = {name: {type(fact) for fact in read(name)} for name in webhooks.NAMES}
    assert all(kinds.values())
    unread = {name for name, found in kinds.items() if Unknown in found}
    assert unread == {"account-partner-added", "many-in-one-post", "message-error", "template-status"}


def test_a_message_says_who_wrote_it_when_and_to_whom() -> None:
    fact = one("message-text", MessageWritten)
    assert fact.chat.person == ANN
    assert (fact.at, fact.direction) == (at(1), "inbound")
    assert fact.wamid.startswith("wamid.")
    assert (fact.content.media, fact.content.extra, fact.referral, fact.context) == (None, None, None, None)


def test_a_referral_stays_whole_on_its_message() -> None:
    referral = one("message-text-from-an-ad", MessageWritten).referral
    assert (referral["source_id"], referral["ctwa_clid"][:8]) == ("120226305854810726", "Aff-n8ZT")
    assert referral["welcome_message"] == {"text": "Hi! How can we help?"}


def test_a_reply_knows_what_it_answers() -> None:
    assert one("message-text-that-replies", MessageWritten).context["id"].startswith("wamid.")
    assert one("message-text-forwarded", MessageWritten).context["frequently_forwarded"] is True
    assert one("message-call-permission-by-a-call", MessageWritten).context["id"].startswith("wacid.")


def test_media_is_a_reference() -> None:
    media = one("message-image", MessageWritten).content.media
    assert (media["id"], media["mime_type"]) == ("1003383421387256", "image/jpeg")
    assert one("message-image", MessageWritten).content.extra is None


def test_the_object_of_a_type_and_fields_to_come_are_kept() -> None:
    assert one("message-order", MessageWritten).content.extra["order"]["catalog_id"] == "194836987003835"
    extra = one("message-of-a-type-to-come", MessageWritten).content.extra
    assert extra == {
        "hologram": {"caption": "Look at this", "sparkles": [1, 2.5, None, {"deep": True}]},
        "surprise": {"of": "a field"},
    }
    extra = one("message-text-without-number", MessageWritten).content.extra
    assert extra == {"contact": {"identity_key_hash": "a1b2"}}


def test_who_has_no_number_is_named_by_user_id() -> None:
    person = one("message-text-without-number", MessageWritten).chat.person
    assert [alias.kind for alias in person.aliases] == ["bsuid", "parent_bsuid", "username"]


def test_a_user_id_may_stand_for_the_number() -> None:
    whole = webhooks.document("message-text-without-number")
    whole["entry"][0]["changes"][0]["value"]["messages"][0]["from"] = "US.13491208655302741918"
    (fact,) = webhook.facts(webhooks.encoded(whole), NOW)
    assert isinstance(fact, MessageWritten)
    assert (fact.chat.person.wa_id, fact.chat.person.user_id) == ("", "US.13491208655302741918")


def test_a_voicemail_points_to_its_call() -> None:
    fact = one("message-voicemail", MessageWritten)
    assert (fact.wamid, fact.wacid) == (
        "wacid.HBgLMTY1MDU1NTEyMzQVAgASGCBFOEJDMzM4QjE=",
        "wacid.HBgLMTY1MDU1NTEyMzQVAgASGCBFOEJDMzM4QjE",
    )


def test_reactions_edits_and_deletions_name_their_message() -> None:
    original = one("message-text", MessageWritten).wamid
    put, taken = one("message-reaction", Reacted), one("message-reaction-removed", Reacted)
    assert (put.target, put.emoji, put.direction) == (original, "👍", "inbound")
    assert (taken.target, taken.emoji) == (original, "")
    edited = one("message-edited", MessageChanged)
    assert (edited.target, edited.kind) == (original, "edit")
    assert edited.content.body == "Hello, is my order 4711 on its way?"
    caption = one("message-edited-caption", MessageChanged).content
    assert (caption.body, caption.media["id"]) == ("The broken part, closer", "1003383421387256")
    taken_back = one("message-taken-back", MessageChanged)
    assert (taken_back.kind, taken_back.content) == ("delete", None)
    assert one("echo-taken-back", MessageChanged).target == one("echo-text", MessageWritten).wamid


def test_a_customer_changes_its_number_or_user_id() -> None:
    changed, told = read("message-changed-number")
    assert isinstance(changed, IdentityChanged)
    assert changed.old == (Alias(kind="wa_id", value="16505551234"),)
    assert changed.chat.person.aliases == (Alias(kind="wa_id", value="12195555358"),)
    assert isinstance(told, MessageWritten)
    assert told.chat.person.wa_id == "12195555358"
    changed, told = read("message-changed-user-id")
    assert isinstance(changed, IdentityChanged)
    assert changed.old == (Alias(kind="bsuid", value=ANN.user_id),)
    assert changed.chat.person.aliases == (Alias(kind="bsuid", value="US.20000000000000000001"),)


@pytest.mark.parametrize("status", ["sent", "delivered", "read", "played", "failed"])
def test_a_status_says_what_became_of_a_message(status: str) -> None:
    fact = one(f"status-{status}", StatusChanged)
    assert fact.status == status
    assert (fact.chat.person.wa_id, fact.chat.person.user_id) == (ANN.wa_id, ANN.user_id)
    assert (fact.code, fact.title) == (
        (131026, "Message undeliverable") if status == "failed" else (None, None)
    )
    assert fact.callback_data == ("missed:3f2a" if status in ("sent", "delivered", "read") else "")


def test_calls_are_seen() -> None:
    created = one("call-created", CallSeen)
    assert (created.wacid, created.event, created.direction) == (
        "wacid.HBgLMTY1MDU1NTEyMzQVAgASGCBFOEJDMzM4QTA",
        "call_created",
        "inbound",
    )
    assert created.chat.person == ANN
    for name in ("call-terminate", "call-terminate-as-array"):
        ended = one(name, CallSeen)
        assert (ended.status, ended.duration_s, ended.ended_at) == ("COMPLETED", 120, at(125))
        assert (ended.wacid, ended.event) == (created.wacid, "terminate")
    failed = one("call-terminate-failed", CallSeen)
    assert (failed.status, failed.duration_s, failed.ended_at) == ("FAILED", None, at(30))
    assert failed.data["errors"][0]["code"] == 138021


def test_calls_by_the_business_name_whom_they_went_to() -> None:
    for name, event in (("call-created-by-business", "call_created"), ("call-status", "ringing")):
        fact = one(name, CallSeen)
        assert (fact.event, fact.direction, fact.chat.person.wa_id) == (event, "outbound", ANN.wa_id)


def test_recordings_and_transcripts_at_meta_are_kept_as_references() -> None:
    recording = one("call-recording-available", CallSeen)
    assert recording.event == "call_recording_available"
    assert recording.data["call_recording"]["audio"]["id"] == "4908647269898000"
    transcript = one("call-transcription-available", CallSeen)
    assert transcript.data["call_transcript"]["document"]["id"] == "5908647269898000"
    assert one("call-connect-of-graph-mode", CallSeen).data["session"]["sdp_type"] == "offer"


def test_settings_are_judged() -> None:
    assert one("settings-well", AccountTold).wrong == ""
    dtls = one("settings-back-to-dtls", AccountTold)
    assert (dtls.kind, dtls.subject, dtls.at) == ("whatsapp.settings", "106540352242922", at(10))
    assert "not SDES" in dtls.wrong
    assert "SIP is switched off" in one("settings-sip-switched-off", AccountTold).wrong


def test_warnings_and_restrictions_of_the_account() -> None:
    warned = one("account-violation", AccountTold)
    assert (warned.kind, warned.subject) == (
        "whatsapp.restriction",
        "15550783881 USER_INITIATED_CALLS_LOW_PICKUP_RATE",
    )
    assert "about to be hidden" in warned.wrong
    assert warned.expires_at == datetime(2025, 2, 19, 0, 43, 44, tzinfo=UTC)
    hidden = one("account-restriction", AccountTold)
    assert hidden.wrong == "the call button is hidden until 2025-02-19 00:43 UTC"
    assert one("account-disabled", AccountTold).subject == "102290129340398 ban"


def test_a_preference_is_a_fact() -> None:
    assert one("preference-stop", PreferenceChanged).stop is True
    assert one("preference-resume", PreferenceChanged).stop is False


def test_what_nobody_reads_is_kept_with_its_reason() -> None:
    assert one("template-status", Unknown).value["message_template_name"] == "order_confirmation"
    assert one("message-error", Unknown).value["code"] == 130429
    *told, partner = read("many-in-one-post")
    assert [type(fact).__name__ for fact in told] == ["MessageWritten"] * 3 + ["StatusChanged"]
    assert isinstance(partner, Unknown)
    assert partner.reason == "an event that nobody reads"


def test_one_post_may_tell_of_several_customers() -> None:
    written = [fact for fact in read("many-in-one-post") if isinstance(fact, MessageWritten)]
    bob = Person(wa_id="16505550002", user_id="US.2", name="Bob")
    assert [fact.chat.person for fact in written] == [ANN, bob, bob]


# --- anything else -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not JSON"),
        (b"\x00\xff\xfe", "not JSON"),
        (b"{", "not JSON"),
        (b"[" * 100_000, "nested too deep"),
        (b'{"entry":' * 50_000, "nested too deep"),
        (b"12", "no entry"),
        (b"null", "no entry"),
        (b'"entry"', "no entry"),
        (b"{}", "no entry"),
        (b'{"entry": []}', "no entry"),
        (b'{"entry": [7]}', "no entry"),
        (b'{"entry": [{"changes": null}]}', "no changes"),
        (b'{"entry": [{"changes": [{"field": "messages"}]}]}', "no value"),
        (b'{"entry": [{"changes": [{"field": "messages", "value": []}]}]}', "no value"),
        (b'{"entry": [{"changes": [{"value": {"a": 1}}]}]}', "a field that nobody reads"),
        (b'{"entry": [{"changes": [{"field": "messages", "value": {"messages": ["x"]}}]}]}', "not an object"),
        (b'{"entry": [{"changes": [{"field": "messages", "value": {"groups": 1}}]}]}', "a part that nobody"),
    ],
)
def test_what_is_no_webhook_is_kept_with_its_reason(body: bytes, reason: str) -> None:
    (fact,) = webhook.facts(body, NOW)
    assert isinstance(fact, Unknown)
    assert fact.reason.startswith(reason)


def item(**fields: Any) -> bytes:
    whole = webhooks.document("message-text")
    message = whole["entry"][0]["changes"][0]["value"]["messages"][0]
    for key, value in fields.items():
        if value is ...:
            del message[key]
        else:
            message[key] = value
    return webhooks.encoded(whole)


def written(body: bytes) -> MessageWritten:
    (fact,) = webhook.facts(body, NOW)
    assert isinstance(fact, MessageWritten), fact
    return fact


def test_types_are_not_trusted() -> None:
    assert written(item(timestamp=T)).at == at(0)
    assert written(item(timestamp=T * 1000)).at == at(0)
    assert written(item(timestamp=["x"])).at == NOW
    assert written(item(timestamp="99999999999999")).at == NOW
    assert written(item(timestamp=...)).at == NOW
    assert written(item(text={"body": 42})).content.body == "42"
    assert written(item(text=[{"body": ["Hello"]}])).content.body == "Hello"
    assert written(item(text="Hello")).content.body == "Hello"
    assert written(item(type=...)).content.type == "text"
    assert written(item(type=["image"], image=None)).content.type == "image"
    assert written(item(**{"from": ..., "from_user_id": ...})).chat.person == ANN
    assert written(item(**{"from": 16505551234})).chat.person == ANN
    assert written(item(**{"from": "+1 (650) 555-1234"})).chat.person == ANN


def test_a_message_without_id_has_the_same_one_each_time() -> None:
    assert written(item(id=...)).wamid == written(item(id=...)).wamid
    assert written(item(id=...)).wamid != written(item(id=..., timestamp="1739321099")).wamid


def test_a_message_of_nobody_is_kept() -> None:
    whole = webhooks.document("message-text")
    value = whole["entry"][0]["changes"][0]["value"]
    del value["contacts"], value["messages"][0]["from"], value["messages"][0]["from_user_id"]
    (fact,) = webhook.facts(webhooks.encoded(whole), NOW)
    assert isinstance(fact, Unknown)
    assert (fact.reason, fact.value["text"]) == (
        "nobody is named",
        {"body": "Hello, is my order on its way?"},
    )


def test_the_only_contact_is_not_taken_for_somebody_else() -> None:
    assert written(item(**{"from": "16505550099", "from_user_id": ...})).chat.person == Person(
        wa_id="16505550099"
    )


def test_text_is_as_postgres_can_hold_it() -> None:
    body = item(text={"body": "a\x00b\ud800c"}).replace(b"Hello", b"\xff\xfe")
    assert written(body).content.body == "a\ufffdb\ufffdc"


def test_invalid_utf8_spoils_only_its_own_letters() -> None:
    assert (
        written(item().replace(b"Hello", b"H\xe9llo")).content.body == "H\ufffdllo, is my order on its way?"
    )


def test_of_a_key_said_twice_the_last_counts() -> None:
    body = item().replace(b'"type": "text"', b'"type": "image", "type": "text"')
    assert written(body).content.type == "text"


def test_what_is_huge_is_bounded() -> None:
    fact = written(item(text={"body": "x" * 2_000_000}))
    assert len(fact.content.body) == values.MAX_TEXT
    assert written(item(oddity=10**400)).content.extra == {"oddity": str(10**400)}
    assert written(item().replace(b'"text"', b'"text", "odd": 1e999', 1)).content.extra == {"odd": "1e999"}
    assert written(item().replace(b'"text"', b'"text", "odd": NaN', 1)).content.extra == {"odd": "NaN"}
    deep: Any = "x"
    for _ in range(100):
        deep = {"deeper": deep}
    assert len(json.dumps(written(item(oddity=deep)).content.extra)) < 300


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def paths(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [here] if here else []
    entries = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, one in entries:
        found += paths(one, (*here, key))
    return found


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A documented webhook with some of it missing, of another type, doubled, wrapped, or cut."""
    whole = webhooks.document(draw(st.sampled_from(webhooks.NAMES)))
    for _ in range(draw(st.integers(1, 6))):
        where = paths(whole)
        if not where:
            break
        *way, last = draw(st.sampled_from(where))
        spot = whole
        for key in way:
            spot = spot[key]
        match draw(st.sampled_from(["drop", "any", "text", "number", "array", "object", "null", "twice"])):
            case "drop":
                del spot[last]
            case "any":
                spot[last] = draw(ANYTHING)
            case "text":
                spot[last] = str(spot[last])
            case "number":
                spot[last] = draw(st.integers() | st.floats())
            case "array":
                spot[last] = [spot[last]]
            case "object":
                spot[last] = {"object": spot[last]}
            case "null":
                spot[last] = None
            case "twice":
                spot[last] = [spot[last], spot[last]]
    body = json.dumps(whole).encode()
    if draw(st.integers(0, 9)) == 0:
        cut = draw(st.integers(0, len(body)))
        body = body[:cut] + draw(st.binary(max_size=4)) + body[cut + draw(st.integers(0, 4)) :]
    return body


def is_storable(value: Any) -> bool:
    """Whether Postgres takes it as JSON. Half a surrogate pair cannot be encoded."""
    return b"\\u0000" not in json.dumps(value, allow_nan=False, ensure_ascii=False).encode()


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(mutated() | st.binary(max_size=200) | ANYTHING.map(lambda value: json.dumps(value).encode()))
def test_nothing_raises_and_nothing_is_lost(body: bytes) -> None:
    found = webhook.facts(body, NOW)
    assert found
    for fact in found:
        assert fact.at.tzinfo is UTC
        if isinstance(fact, Unknown):
            assert not fact.reason.startswith(webhook.OURS), fact
            assert is_storable(fact.value)
        if isinstance(fact, MessageWritten):
            assert fact.wamid
            assert fact.chat.person.aliases
            assert is_storable([fact.content.media, fact.content.extra, fact.referral, fact.context])
            assert is_storable([fact.content.body, fact.content.type])
        if isinstance(fact, StatusChanged | CallSeen):
            assert is_storable(dict(fact.data))
    assert webhook.facts(body, NOW) == [replace(fact) for fact in found]
