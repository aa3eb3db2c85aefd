"""FreeSWITCH's own events, as captured, become ours; secrets and strangers' tricks do not."""

import json
from datetime import UTC, datetime

import pytest

from fsctl.call import events, machine
from fsctl.call.events import CallEvent
from fsctl.call.policy import Policy
from fsctl.call.state import Call, Disposition, Fault, Phase
from fsctl.esl import decode
from fsctl.esl.decode.channel import CONSENTS, EXITS
from fsctl.esl.decode.offer import MAX_PARAMS
from fsctl.esl.decode.values import MAX_TEXT
from fsctl.esl.messages import Event, JsonFields, Parser, parse_event
from tests import captures

ORIGIN = decode.Origin("fs1", {"public": "whatsapp"})
"""The captures were taken with calls in the context ``public``."""


def facts(name: str) -> list[CallEvent]:
    """What a capture tells."""
    parser, found = Parser(), []
    parser.receive_data(captures.read(name))
    while (message := parser.next_message()) is not None:
        if message.is_event and (fact := decode.decode(message.event(), ORIGIN)) is not None:
            found.append(fact)
    return found


def as_json(headers: dict[str, str]) -> Event:
    """An event with these headers, as FreeSWITCH sends it."""
    return Event(JsonFields(json.dumps(headers, separators=(",", ":")).encode()), b"")


def short(found: list[CallEvent]) -> list[str]:
    return [type(fact).__name__ for fact in found]


CALL = [
    "CallOffered", "CallAnswered", "MemberJoined", "AgentOffered", "AgentBridged", "LegsBridged",
    "LegHungUp", "LegsUnbridged", "LegHungUp", "MemberLeft",
]  # fmt: skip


@pytest.mark.parametrize("name", ["call_queue_plain", "call_queue_json"])
def test_a_queue_call(name: str) -> None:
    found = facts(name)
    assert short(found) == CALL
    assert {fact.uuid for fact in found} == {"3f4d29d8-5523-4829-8d2d-bf61ce3cd0e3"}
    offered, bridged = found[0], found[5]
    assert isinstance(offered, events.CallOffered)
    assert (offered.node, offered.to_number, offered.transport) == ("fs1", "7000", "tls")
    assert offered.at == datetime(2026, 11, 22, 8, 22, 9, 185176, UTC)
    assert isinstance(bridged, events.LegsBridged)
    assert bridged.agent_uuid == "3a5c5ccc-3b93-41e8-b56d-9ed8f34f9cf9"


def test_plain_and_json_tell_the_same() -> None:
    assert facts("call_queue_plain") == facts("call_queue_json")


def test_a_caller_who_abandons() -> None:
    found = facts("cc_abandon")
    assert short(found) == [
        "CallOffered", "CallAnswered", "MemberJoined", "AgentOffered", "MemberLeft", "LegHungUp", "LegHungUp",
        "AgentFailed",
    ]  # fmt: skip
    assert len({fact.uuid for fact in found}) == 1
    offered, left = found[0], found[4]
    assert isinstance(offered, events.CallOffered)
    assert offered.aliases == (events.Alias(kind="wa_id", value="4420700001"),)
    assert offered.display_name == "Lab Caller"
    assert isinstance(left, events.MemberLeft)
    assert (left.cause, left.reason) == ("Cancel", "BREAK_OUT")


ENDS = {
    "call_queue_plain": (Disposition.ANSWERED, Fault.NOBODY),
    "cc_abandon": (Disposition.ABANDONED, Fault.CALLER),
    "cc_agent_no_answer": (Disposition.ABANDONED, Fault.CALLER),
    "cc_agent_hangs_up": (Disposition.ANSWERED, Fault.NOBODY),
}


MOS = {"call_queue_plain": 4.5}
"""In the others no packet of the caller came in, and FreeSWITCH's 4.5 says nothing."""


@pytest.mark.parametrize("name", ENDS)
def test_a_capture_played_into_the_machine_ends_with_the_right_verdict(name: str) -> None:
    call: Call | None = None
    for fact in facts(name):
        call, _ = machine.step(call, fact, Policy(default_queue="q@x"))
    assert call is not None
    assert call.phase is Phase.ENDED
    assert (call.disposition, call.fault) == ENDS[name]
    assert call.mos == MOS.get(name)
    assert call.encryption == "tls+sdes:AES_CM_128_HMAC_SHA1_80"


def test_a_recording_begins_and_ends() -> None:
    found = facts("park_dtmf_hold_transfer")
    started = next(fact for fact in found if isinstance(fact, events.RecordingStarted))
    stopped = next(fact for fact in found if isinstance(fact, events.RecordingStopped))
    assert started.path == stopped.path
    assert (stopped.duration_ms, stopped.size_bytes) == (4240, 407084)


@pytest.mark.parametrize("name", captures.NAMES)
def test_no_key_sdp_or_password_gets_past_the_decoder(name: str) -> None:
    secret = {
        value
        for event in captures.events(name)
        for key, value in event.items()
        if "crypto_key" in key or "_sdp" in key or key.startswith("variable_sip_auth")
    }
    told = repr(facts(name))
    assert "inline:" not in told
    assert not [value for value in secret if value and value in told]


def event(**headers: str) -> Event:
    from urllib.parse import quote

    base = {
        "Event-Name": "CHANNEL_CREATE",
        "Unique-ID": "u",
        "Call-Direction": "inbound",
        "Caller-Context": "public",
        "Event-Date-Timestamp": "1795335729185176",
        "variable_sip_from_user": "+15550100142",
        "Caller-Destination-Number": "+15550100900",
    }
    lines = [f"{name}: {quote(value)}" for name, value in (base | headers).items()]
    return parse_event("\n".join(lines).encode() + b"\n\n")


def offered(**headers: str) -> events.CallOffered:
    fact = decode.decode(event(**headers), ORIGIN)
    assert isinstance(fact, events.CallOffered)
    return fact


def test_the_request_uri_may_carry_parameters() -> None:
    fact = offered(**{"Caller-Destination-Number": "+15550100900;tgrp=wacall;trunk-context=byoc.example.com"})
    assert fact.to_number == "15550100900"


def test_a_caller_without_a_number_is_known_by_metas_user_id() -> None:
    fact = offered(variable_sip_from_user="US.13491208655302741918")
    assert fact.aliases == (events.Alias(kind="bsuid", value="US.13491208655302741918"),)


def test_a_caller_with_both_is_known_by_both() -> None:
    fact = offered(**{"variable_sip_h_X-WA-Meta-User-ID": "IL.ENT.abc"})
    assert [alias.kind for alias in fact.aliases] == ["bsuid", "wa_id"]


@pytest.mark.parametrize("parent", ["x-wa_meta-parent-user-id", "X-WA-Meta-Parent-User-ID"])
@pytest.mark.parametrize("username", ["x-wa-meta-user-name", "x-wa-meta-username"])
def test_a_caller_is_known_by_every_name_that_meta_sends(parent: str, username: str) -> None:
    headers = {"x-wa-meta-user-id": "US.1349", parent: "US.ENT.77", username: "ann.1"}
    fact = offered(**{f"variable_sip_h_{name}": value for name, value in headers.items()})
    assert fact.aliases == (
        events.Alias(kind="bsuid", value="US.1349"),
        events.Alias(kind="wa_id", value="15550100142"),
        events.Alias(kind="parent_bsuid", value="US.ENT.77"),
        events.Alias(kind="username", value="ann.1"),
    )
    nonsense = {f"variable_sip_h_{name}": "x y\x1b" for name in headers}
    assert [alias.kind for alias in offered(**nonsense).aliases] == ["wa_id"]


def test_the_call_id_gives_the_wacid_when_the_header_is_missing() -> None:
    assert offered(variable_sip_call_id="outgoing:wacid.ABC==").wacid == "wacid.ABC"
    both = {"variable_sip_h_x-wa-meta-wacid": "wacid.X=", "variable_sip_call_id": "outgoing:wacid.Y"}
    assert offered(**both).wacid == "wacid.X"


def test_a_strangers_text_is_bounded_and_kept() -> None:
    tricks = "'\"{},;|\x1b[2J\u202e%0A\nUnique-ID: evil\x00" * 1000
    fact = offered(variable_sip_from_display=tricks, **{"variable_sip_h_x-wa-meta-cta-payload": tricks})
    assert fact.uuid == "u"
    assert len(fact.display_name) == MAX_TEXT
    assert "\x00" not in fact.display_name
    assert fact.cta_payload is not None
    assert fact.cta_payload.startswith("'\"{},;|\x1b[2J\u202e")


def test_a_channel_of_another_context_is_none_of_ours() -> None:
    assert decode.decode(event(**{"Caller-Context": "internal"}), ORIGIN) is None
    assert decode.decode(event(**{"Call-Direction": "outbound"}), ORIGIN) is None


def test_the_bridge_begins_when_the_channel_says_so_not_when_the_event_was_sent() -> None:
    """uuid_dump has the same time later: a controller that was away cuts the same window."""
    bridged = event(
        **{
            "Event-Name": "CHANNEL_BRIDGE",
            "Bridge-A-Unique-ID": "u",
            "Bridge-B-Unique-ID": "a",
            "Caller-Channel-Bridged-Time": "1795335729000001",
        }
    )
    fact = decode.decode(bridged, ORIGIN)
    assert isinstance(fact, events.LegsBridged)
    assert fact.at == datetime(2026, 11, 22, 8, 22, 9, 1, UTC)


def test_nonsense_in_numbers_is_no_error() -> None:
    assert gone(**HEARD | {f"{RTP}_mos": "nan", f"{RTP}_flaw_total": "²"}).quality == events.Quality(
        jitter_ms=3.0
    )
    assert gone(**HEARD | {f"{RTP}_mos": "1e300", f"{RTP}_jitter_max_variance": "inf"}).quality == (
        events.Quality(loss_percent=20.0)
    )
    assert gone(**{f"{RTP}_packet_count": "many"}).quality is None
    assert offered(**{"Caller-Channel-Created-Time": "9" * 40}).at.year == 2026


RTP = "variable_rtp_audio_in"
HEARD = {
    f"{RTP}_packet_count": "80",
    f"{RTP}_flaw_total": "20",
    f"{RTP}_mos": "3.25",
    f"{RTP}_jitter_max_variance": "9.0",
}


def gone(**headers: str) -> events.LegHungUp:
    ours = {"Event-Name": "CHANNEL_HANGUP_COMPLETE", "variable_fsctl_channel": "whatsapp"}
    fact = decode.decode(event(**ours | headers), ORIGIN)
    assert isinstance(fact, events.LegHungUp)
    return fact


def test_the_hang_up_tells_how_the_line_was() -> None:
    assert gone(**HEARD).quality == events.Quality(mos=3.25, loss_percent=20.0, jitter_ms=3.0)


def test_the_quality_of_a_leg_that_heard_nothing_is_not_known() -> None:
    assert gone(**HEARD | {f"{RTP}_packet_count": "0"}).quality is None
    assert gone().quality is None


def test_a_variance_below_zero_is_no_error() -> None:
    quality = gone(**HEARD | {f"{RTP}_jitter_max_variance": "-9.0"}).quality
    assert quality is not None
    assert quality.jitter_ms == 3.0


def test_the_hang_up_tells_what_the_dialplan_did() -> None:
    told = gone(
        variable_fsctl_consent="given", variable_fsctl_exit="no-agents", variable_fsctl_refused="no-srtp"
    )
    assert (told.consent, told.left_by, told.refused) == ("given", "no-agents", "no-srtp")
    for consent in CONSENTS:
        assert gone(variable_fsctl_consent=consent).consent == consent
    for left_by in EXITS:
        assert gone(variable_fsctl_exit=left_by).left_by == left_by


@pytest.mark.parametrize("value", ["", "Given", "given ", "given;x", "x" * 10_000, "\x1b[2J", "gïven", "{}"])
def test_what_the_dialplan_cannot_have_said_is_not_heard(value: str) -> None:
    told = gone(
        variable_fsctl_consent=value,
        variable_fsctl_exit=value,
        variable_fsctl_refused=value,
        variable_fsctl_language=value,
        variable_fsctl_menu_key="1",
    )
    assert (told.consent, told.left_by, told.refused, told.language) == (None, None, None, None)


def test_the_language_counts_when_a_key_has_chosen_it() -> None:
    assert gone(variable_fsctl_language="hi", variable_fsctl_menu_key="4").language == "hi"
    assert gone(variable_fsctl_language="en").language is None


def test_parameters_of_the_request_uri() -> None:
    fact = offered(variable_sip_req_user="+1555;tgrp=wacall;flag;trunk-context=a=b;=x;tgrp=later")
    assert fact.request_params == (("flag", ""), ("tgrp", "later"), ("trunk-context", "a=b"))
    assert offered().request_params == ()
    assert offered(**{"Caller-Destination-Number": "+15550100900;a=1"}).request_params == (("a", "1"),)


def test_a_campaign_in_a_header_stands_with_the_parameters() -> None:
    fact = offered(
        variable_sip_req_user="+1555;tgrp=wacall", **{"variable_sip_h_X-Fsctl-Campaign": "radio" + "x" * 9999}
    )
    assert fact.request_params == (("tgrp", "wacall"), ("x-fsctl-campaign", "radio" + "x" * 507))


def test_parameters_of_the_request_uri_are_bounded() -> None:
    fact = offered(variable_sip_req_user="+1;" + ";".join(f"p{i}={'x' * 8}" for i in range(1000)))
    assert len(fact.request_params) == MAX_PARAMS
    fact = offered(variable_sip_req_user="+1;a=" + "'\"{},;|\x1b\n" * 1000)
    assert sum(len(key) + len(value) for key, value in fact.request_params) <= MAX_TEXT


def dialled(**headers: str) -> CallEvent | None:
    leg = {"Call-Direction": "outbound", "Unique-ID": "a", "Other-Leg-Unique-ID": "u"}
    return decode.decode(event(**leg | headers), ORIGIN)


def test_a_leg_that_goes_out_by_a_gateway_is_told() -> None:
    fact = dialled(variable_sip_gateway_name="pstn")
    assert isinstance(fact, events.GatewayDialled)
    assert (fact.uuid, fact.leg_uuid, fact.gateway) == ("u", "a", "pstn")
    fact = dialled(variable_sip_gateway_name="pstn", variable_originator="o", **{"Other-Leg-Unique-ID": ""})
    assert fact is not None
    assert fact.uuid == "o"


def test_a_leg_to_a_phone_or_for_nobody_is_no_gateways() -> None:
    assert dialled() is None
    assert dialled(variable_sip_gateway_name="pstn", **{"Other-Leg-Unique-ID": ""}) is None


def test_a_caller_who_comes_by_a_gateway_is_an_ordinary_caller() -> None:
    assert isinstance(decode.decode(event(variable_sip_gateway_name="trunk"), ORIGIN), events.CallOffered)


def test_the_country_is_kept_and_bounded() -> None:
    assert offered(**{"variable_sip_h_X-WA-Meta-Country-Code": "BR" * 999}).country == ("BR" * 999)[:512]
    assert offered(**{"variable_sip_h_x-wa-meta-user-country-code": "IN"}).country == "IN"


def test_a_snapshot_of_a_bridged_channel_tells_what_the_live_events_told() -> None:
    live = [fact for fact in facts("cc_agent_hangs_up") if not isinstance(fact, events.AgentOffered)]
    dumps = [e for e in captures.events("cc_agent_hangs_up") if e.get("Event-Name") == "CALL_UPDATE"]
    lines = "\n".join(f"{k}: {v}" for k, v in dumps[0].items() if "\n" not in v and "%" not in v)
    told = list(decode.snapshot(parse_event(lines.encode() + b"\n\n"), ORIGIN))
    assert short(told) == ["CallOffered", "CallAnswered", "MemberJoined", "AgentBridged", "LegsBridged"]
    assert told[0] == live[0]
    assert told[-1] == next(fact for fact in live if isinstance(fact, events.LegsBridged))


@pytest.mark.parametrize(
    ("headers", "kind", "reason"),
    [
        ({"Event-Name": "CHANNEL_EXECUTE", "Application": "record_session_mask", "Unique-ID": "c-1",
          "Application-Data": "/s/c-1.wav"}, "mask", "the dialplan"),
        ({"Event-Name": "CHANNEL_EXECUTE", "Application": "record_session_pause", "Unique-ID": "c-1",
          "Application-Data": "/s/c-1.wav", "variable_fsctl_mask_reason": "card"}, "pause", "card"),
        ({"Event-Name": "API", "API-Command": "uuid_record",
          "API-Command-Argument": "c-1 MASK /s/c-1.wav"}, "mask", "a command"),
    ],
)  # fmt: skip
def test_a_mask_is_a_gap_whoever_asked_for_it(headers: dict[str, str], kind: str, reason: str) -> None:
    fact = decode.decode(as_json({**headers, "Event-Date-Timestamp": "1795335729185176"}), ORIGIN)
    assert isinstance(fact, events.GapBegan)
    assert (fact.uuid, fact.kind, fact.path, fact.reason) == ("c-1", kind, "/s/c-1.wav", reason)


@pytest.mark.parametrize(
    "headers",
    [
        {"Event-Name": "CHANNEL_EXECUTE", "Application": "record_session", "Application-Data": "/s/c-1.wav"},
        {"Event-Name": "CHANNEL_EXECUTE", "Application": "mask", "Application-Data": "/s/c-1.wav"},
        {"Event-Name": "CHANNEL_EXECUTE"},
        {"Event-Name": "API", "API-Command": "uuid_record", "API-Command-Argument": "c-1 start /s/c-1.wav"},
        {"Event-Name": "API", "API-Command": "uuid_record", "API-Command-Argument": "c-1"},
        {"Event-Name": "API", "API-Command": "uuid_record"},
        {"Event-Name": "API", "API-Command": "uuid_kill", "API-Command-Argument": "c-1 mask /s/c-1.wav"},
    ],
)
def test_what_leaves_no_gap_is_none(headers: dict[str, str]) -> None:
    assert decode.decode(as_json({**headers, "Unique-ID": "c-1"}), ORIGIN) is None
