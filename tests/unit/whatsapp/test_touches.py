"""What a call tells of where it came from, by rule."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fsctl.call import payload
from fsctl.call.payload import Ticket
from fsctl.store.call_links import CallLink
from fsctl.store.touches import Touch, TouchedCall
from fsctl.whatsapp.touches import MAX_CAMPAIGN, of_call

T0 = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
SECRET = b"a secret of sixteen bytes or more"
OTHER = b"another secret that signed nothing"


def call(**what: Any) -> TouchedCall:
    given: dict[str, Any] = {
        "uuid": "c-1", "channel": "whatsapp", "thread_id": 7, "offered_at": T0,
        "cta_payload": None, "deeplink_payload": None, "request_params": {},
    }  # fmt: skip
    return TouchedCall(**given | what)


def signed(secret: bytes = SECRET, **what: Any) -> str:
    return payload.sign(Ticket(**{"expires": T0 + timedelta(days=1)} | what), secret)


def touches(one: TouchedCall, link: CallLink | None = None) -> list[Touch]:
    return list(of_call(one, link, [SECRET]))


def only(one: TouchedCall, link: CallLink | None = None) -> Touch:
    (found,) = touches(one, link)
    return found


def test_a_call_that_tells_nothing_has_no_touch() -> None:
    assert touches(call()) == []


def test_a_signed_link_names_its_campaign() -> None:
    found = only(call(deeplink_payload=signed(campaign="spring", queue="sales@fsctl")))
    assert (found.source, found.campaign, found.trusted) == ("link", "spring", True)
    assert (found.thread_id, found.at, found.call_uuid) == (7, T0, "c-1")
    assert found.data == {"queue": "sales@fsctl", "expired": False}


def test_a_link_of_ours_that_was_printed_is_a_qr_code() -> None:
    text = signed(campaign="fair", queue="sales@fsctl")
    link = CallLink(
        id=3, payload=text, url="", kind="qr", number="1", campaign="fair", queue="sales@fsctl", language=None,
        expires_at=T0, made_by="ann",
    )  # fmt: skip
    found = only(call(deeplink_payload=text), link)
    assert (found.source, found.campaign, found.data["link"]) == ("qr", "fair", 3)


def test_an_expired_link_still_says_where_the_caller_came_from() -> None:
    found = only(call(deeplink_payload=signed(campaign="spring", expires=T0 - timedelta(days=1))))
    assert found.campaign == "spring"
    assert found.data["expired"] is True


def test_the_button_of_a_campaign_is_a_touch_and_the_way_back_after_a_missed_call_is_none() -> None:
    found = only(call(cta_payload=signed(campaign="newsletter")))
    assert (found.source, found.campaign, found.trusted) == ("button", "newsletter", True)
    assert touches(call(cta_payload=signed(queue="sales@fsctl", score=120))) == []


@pytest.mark.parametrize(
    ("text", "campaign"),
    [
        ("summer-sale", "summer-sale"),
        ("summer%20sale", "summer sale"),
        ("  a\x1b[2J\nb ", "a\x1b[2J b"),
        ("x" * 600, "x" * MAX_CAMPAIGN),
        (signed(OTHER, campaign="forged"), ""),
        (signed(campaign="spring")[:-1] + "!", ""),
    ],
)
def test_a_payload_without_our_signature_is_a_hint(text: str, campaign: str) -> None:
    for field, source in (("cta_payload", "button"), ("deeplink_payload", "link")):
        found = only(call(**{field: text}))
        assert (found.source, found.campaign, found.trusted) == (source, campaign, False)
        assert found.data == {"payload": text}


def test_parameters_of_the_request_count_when_they_name_a_campaign_or_an_ad() -> None:
    assert touches(call(request_params={"tgrp": "wacall", "trunk-context": "x"})) == []
    found = only(call(request_params={"tgrp": "wacall", "campaign": "radio%20spot", "ad_id": "120"}))
    assert (found.source, found.campaign, found.source_id, found.trusted) == (
        "param",
        "radio spot",
        "120",
        True,
    )
    assert only(call(channel="sip", request_params={"utm_campaign": "x"})).trusted is False


def test_a_sip_header_is_a_hint_of_its_own() -> None:
    found = only(call(channel="sip", request_params={"x-fsctl-campaign": "billboard"}))
    assert (found.source, found.campaign, found.trusted) == ("header", "billboard", False)


def test_all_that_a_call_tells_has_keys_of_its_own() -> None:
    params = {"x-fsctl-campaign": "h", "campaign": "p"}
    found = touches(call(cta_payload="a", deeplink_payload="b", request_params=params))
    assert [one.source for one in found] == ["button", "link", "header", "param"]
    assert len({one.key for one in found}) == 4
