"""What a console wants to hear becomes the fewest commands; what FreeSWITCH tells is made harmless."""

import json

import pytest

from fsctl.console.desk import completions
from fsctl.console.relay import Wish, changes, event_of
from fsctl.errors import ProtocolError, Unencodable
from fsctl.esl.encode import Filter
from fsctl.esl.encode.console import Api, Listen, PassedOn

NOTHING = Wish()
SOME = Wish(frozenset({"HEARTBEAT", "CUSTOM"}), frozenset({"a::b"}), (("A", "1"),))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (NOTHING, NOTHING, []),
        (SOME, SOME, []),
        (NOTHING, SOME, ["filter A 1", "event json HEARTBEAT CUSTOM a::b"]),
        (NOTHING, Wish(frozenset({"ALL"})), ["event json ALL"]),
        (NOTHING, Wish(level="debug"), ["log debug"]),
        (Wish(level="debug"), NOTHING, ["nolog"]),
        (NOTHING, Wish(frozenset({"CUSTOM"})), ["event json CUSTOM"]),
        (
            SOME,
            Wish(SOME.names | {"API"}, SOME.subclasses | {"c::d"}, SOME.filters),
            ["event json API CUSTOM c::d"],
        ),
        (SOME, Wish(SOME.names, SOME.subclasses, (("A", "1"), ("B", "2"))), ["filter B 2"]),
        (SOME, Wish(SOME.names, SOME.subclasses), ["filter delete all"]),
        (SOME, Wish(SOME.names, SOME.subclasses, (("B", "2"),)), ["filter delete all", "filter B 2"]),
        (SOME, Wish(frozenset({"HEARTBEAT"}), filters=SOME.filters), ["noevents", "event json HEARTBEAT"]),
        (SOME, Wish(filters=SOME.filters), ["noevents"]),
    ],
)
def test_changes(old: Wish, new: Wish, said: list[str]) -> None:
    assert [one.render() for one in changes(old, new)] == said


def test_secrets_and_escapes_do_not_come_through_and_all_else_does() -> None:
    told = {
        "Event-Name": "CHANNEL_CREATE",
        "variable_rtp_last_audio_local_crypto_key": "1 AES_CM_128_HMAC_SHA1_80 inline:cHJpdmF0ZSBrZXkgb2YgY2FsbA==",
        "variable_switch_r_sdp": "v=0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:cHJpdmF0ZSBrZXk|2^31\r\n",
        "variable_sip_auth_password": "hunter2",
        "Caller-Caller-ID-Name": "Zoë %41 \x1b[31m\nUnique-ID: forged\u202e",
        "variable_list": ["a", "b"],
        "Content-Length": "3",
        "_body": "x\ny",
    }
    event = event_of(json.dumps(told).encode())
    assert event.name == "CHANNEL_CREATE"
    assert event.body == "x\ny"
    assert event.get("variable_rtp_last_audio_local_crypto_key") == "(hidden)"
    assert event.get("variable_sip_auth_password") == "(hidden)"
    assert event.get("variable_switch_r_sdp") == (
        "v=0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:(hidden)|2^31\r\n"
    )
    assert event.get("Caller-Caller-ID-Name") == r"Zoë %41 \x1b[31m\nUnique-ID: forged\u202e"
    assert event.get("variable_list") == "ARRAY::a|:b"
    assert b"%2541" in event.plain()
    assert b"Content-Length: 3\n" in event.plain()


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b'"x"', b"[" * 100_000])
def test_what_is_no_event_is_said_to_be_none(body: bytes) -> None:
    with pytest.raises(ProtocolError):
        event_of(body)


@pytest.mark.parametrize(
    "request_", [Api("a\nb"), Filter("A b", "c"), Filter("A", "c\rd"), Listen(("A\n",)), Listen((), ("a\n::b",)),
                 PassedOn("sendevent x", (("A\n", "b"),)), PassedOn("sendevent x", (("A", "b\n\nexit"),))],
)  # fmt: skip
def test_no_text_begins_a_second_command(request_: Api) -> None:
    with pytest.raises(Unencodable):
        request_.render()


def test_completions_are_as_fs_cli_reads_them() -> None:
    assert completions("x", []) == "\n\n\n\n"
    assert completions("qu", ["queues"]) == "\n\n[              queues]\t\n\nwrite=2:queues "
    many = completions("c", ["call", "calls", "cat", "cow", "cue"])
    assert many.startswith(
        "\n\n[                call]\t[               calls]\t[                 cat]\t[                 cow]\t\n["
    )
    assert many.endswith("\n\nwrite=1:c")
