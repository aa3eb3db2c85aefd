"""What Meta has against what is wanted: the difference, and what is sent."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsctl.call.hours import Hours
from fsctl.call.policy import Number, Policy, Queue
from fsctl.config_chat import Calling
from fsctl.errors import BadInput
from fsctl.whatsapp import settings
from fsctl.whatsapp.settings import Server, Settings

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
OFFICE = Hours(zone=UTC, week=(((540, 1020),),) * 5 + ((), ()))
POLICY = Policy(
    numbers={"15550100900": Number(queue="sales@x"), "15550100901": Number()},
    queues={"sales@x": Queue(hours="office")},
    hours={"office": OFFICE},
)
CALLING = Calling(sip_host="sip.example.com", sip_params={"tgrp": "wacall"})
WANTED = settings.wanted(CALLING, POLICY, "15550100900", NOW)

AS_WANTED: dict[str, Any] = {
    "status": "ENABLED",
    "call_icon_visibility": "DEFAULT",
    "callback_permission_status": "ENABLED",
    "srtp_key_exchange_protocol": "SDES",
    "call_hours": WANTED.hours.body() if WANTED.hours else {},
    "sip": {
        "status": "ENABLED",
        "webhook_delivery": "ENABLED",
        "servers": [
            {
                "app_id": 900,
                "hostname": "SIP.example.com",
                "port": "5061",
                "request_uri_user_params": {"tgrp": "wacall"},
            }
        ],
    },
}


def differing(calling: dict[str, Any], wanted: Settings = WANTED) -> list[str]:
    rows = settings.compare(settings.read({"calling": calling}), wanted)
    return [row.name for row in rows if not row.is_same]


def test_the_same_differs_in_nothing_and_nothing_is_sent() -> None:
    assert differing(AS_WANTED) == []
    assert settings.writes(settings.read({"calling": AS_WANTED}), WANTED) == []


def test_of_a_new_number_all_differs_and_sdes_is_sent_last() -> None:
    sent = [list(body["calling"]) for body in settings.writes(settings.read({}), WANTED)]
    assert sent == [
        ["status", "sip"],
        ["call_icon_visibility", "call_icons", "callback_permission_status"],
        ["call_hours"],
        ["srtp_key_exchange_protocol"],
    ]
    assert settings.writes(settings.read({}), WANTED)[0]["calling"]["sip"]["servers"] == [
        {"hostname": "sip.example.com", "port": 5061, "request_uri_user_params": {"tgrp": "wacall"}}
    ]


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"srtp_key_exchange_protocol": None}, ["srtp_key_exchange_protocol"]),
        ({"srtp_key_exchange_protocol": "DTLS"}, ["srtp_key_exchange_protocol"]),
        ({"call_icon_visibility": "DISABLE_ALL"}, ["call_icon_visibility"]),
        ({"call_icons": {"restrict_to_user_countries": ["BR"]}}, ["call_icons"]),
        ({"call_hours": None}, ["call_hours"]),
        ({"sip": {**AS_WANTED["sip"], "webhook_delivery": "DISABLED"}}, ["sip.webhook_delivery"]),
        ({"sip": {**AS_WANTED["sip"], "servers": []}}, ["sip.servers"]),
    ],
)
def test_one_thing_that_differs_is_found(change: dict[str, Any], names: list[str]) -> None:
    assert differing(AS_WANTED | change) == names


def test_a_write_of_the_server_is_followed_by_sdes_even_where_sdes_is_there() -> None:
    there = settings.read({"calling": AS_WANTED | {"sip": {**AS_WANTED["sip"], "status": "DISABLED"}}})
    assert there.srtp == "SDES"
    assert [list(body["calling"]) for body in settings.writes(there, WANTED)] == [
        ["status", "sip"],
        ["srtp_key_exchange_protocol"],
    ]


def test_a_server_of_another_app_beside_ours_is_a_difference() -> None:
    other = {"app_id": 7, "hostname": "old.example.com"}
    servers = [*AS_WANTED["sip"]["servers"], other]
    rows = settings.compare(
        settings.read({"calling": AS_WANTED | {"sip": {**AS_WANTED["sip"], "servers": servers}}}), WANTED
    )
    (row,) = [row for row in rows if not row.is_same]
    assert row.there == "SIP.example.com:5061;tgrp=wacall (app 900), old.example.com:5061 (app 7)"


def test_parameters_that_meta_does_not_tell_cannot_differ() -> None:
    assert Server(host="a.b", params={"x": "y"}).is_same(Server(host="A.b"))
    assert not Server(host="a.b", params={"x": "y"}).is_same(Server(host="a.b", params={}))
    assert not Server(host="a.b").is_same(Server(host="a.b", port=5062))


def test_the_hours_are_those_of_the_numbers_queue() -> None:
    assert settings.hours_of(POLICY, "15550100900", NOW).week[0] == ("MONDAY", "0900", "1700")
    assert not settings.hours_of(POLICY, "15550100901", NOW).enabled


def test_hours_that_are_not_ours_to_set_are_no_difference() -> None:
    wanted = settings.wanted(replace(CALLING, call_hours=False), POLICY, "15550100900", NOW)
    assert differing(AS_WANTED | {"call_hours": None}, wanted) == []
    with pytest.raises(BadInput, match="call_hours is false"):
        settings.hours_body(wanted)


def test_without_a_host_nothing_can_be_wanted() -> None:
    with pytest.raises(BadInput, match="sip_host is not set"):
        settings.wanted(Calling(), POLICY, "15550100900", NOW)


def test_restrictions_are_told() -> None:
    listed: list[Any] = [
        {"type": "Y", "expiration": "9" * 30},
        {"type": "RESTRICTED_USER_INITIATED_CALLING", "reason": "feedback", "expiration": 1754072386},
        5,
    ]
    found = settings.read({"calling": {"restrictions": {"restrictions_list": listed}}})
    assert found.restrictions == (
        f"Y until {'9' * 30}: ",
        "RESTRICTED_USER_INITIATED_CALLING until 2025-08-01 18:19 UTC: feedback",
    )


def test_passwords_are_no_part_of_the_settings() -> None:
    servers = [{**AS_WANTED["sip"]["servers"][0], "sip_user_password": "hush-hush"}]
    answer = {"calling": AS_WANTED | {"sip": {**AS_WANTED["sip"], "servers": servers}}}
    assert "hush" not in repr(settings.read(answer))
    assert settings.passwords(answer)[0][1] == "hush-hush"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from([*AS_WANTED, *AS_WANTED["sip"], "x"]), inner)
    ),
    max_leaves=12,
)


@given(answer=st.dictionaries(st.sampled_from(["calling", "x"]), json_values))
def test_an_answer_of_any_shape_is_read_and_can_be_put_right(answer: dict[str, Any]) -> None:
    there = settings.read(answer)
    settings.passwords(answer)
    rows = settings.compare(there, WANTED)
    assert any(not row.is_same for row in rows) == bool(settings.writes(there, WANTED))
