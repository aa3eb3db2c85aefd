"""Signed payloads: a customer carries them, and cannot write them."""

import base64
import hashlib
import hmac
import json
import random
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from fsctl.call import payload
from fsctl.call.payload import Ticket

SECRET, OTHER = b"a secret of ours, long enough", b"another one, of the same length"
TICKET = Ticket(
    expires=datetime(2027, 1, 1, tzinfo=UTC),
    queue="billing@fsctl",
    score=300,
    language="pt",
    campaign="otoño|\U0001f342",
    contact_id=7,
)


@pytest.mark.parametrize("ticket", [TICKET, Ticket(expires=TICKET.expires)])
def test_what_was_signed_is_read(ticket: Ticket) -> None:
    text = payload.sign(ticket, SECRET)
    assert payload.read(text, [SECRET]) == ticket
    assert text.isascii()
    assert len(text) <= payload.MAX_LENGTH


def test_a_secret_that_was_changed_is_still_read_when_it_is_named() -> None:
    text = payload.sign(TICKET, OTHER)
    assert payload.read(text, [SECRET, OTHER]) == TICKET
    assert payload.read(text, [SECRET]) is None
    assert payload.read(text, []) is None


def test_every_changed_character_is_noticed() -> None:
    text = payload.sign(TICKET, SECRET)
    for index, character in enumerate(text):
        for other in "AZaz09-_.= \n\x00é":
            if other != character:
                assert payload.read(text[:index] + other + text[index + 1 :], [SECRET]) is None


def test_every_cut_and_every_addition_is_noticed() -> None:
    text = payload.sign(TICKET, SECRET)
    assert not [index for index in range(len(text)) if payload.read(text[:index], [SECRET])]
    for more in ("=", "==", "A", ".", "\n", "!", " ", "\x00" * 1000):
        assert payload.read(text + more, [SECRET]) is None
        assert payload.read(more + text, [SECRET]) is None


def test_the_parts_of_two_tickets_do_not_mix() -> None:
    first = payload.sign(TICKET, SECRET).split(".")
    second = payload.sign(Ticket(expires=TICKET.expires, score=9), SECRET).split(".")
    assert payload.read(".".join((first[0], second[1], first[2])), [SECRET]) is None


def test_a_payload_too_long_for_whatsapp_is_not_made() -> None:
    with pytest.raises(ValueError, match="WhatsApp takes 512"):
        payload.sign(Ticket(expires=TICKET.expires, campaign="x" * 400), SECRET)


JUNK = [
    "", ".", "..", "...", "f1", "f1..", "f1...", "f1.e30.e30", "f2.e30.e30", "f1.é.é", "\x00", "\ud800",
    "f1.\ud800.x", "f1." + "A" * 10_000 + ".AAAA", "x" * 10_000, "." * 10_000, "f1.%.%", "f1.====.====",
    "\u202ef1.e30.e30", "'\"{},;|\x1b[2J\n" * 700,
]  # fmt: skip


@pytest.mark.parametrize("text", JUNK, ids=range(len(JUNK)))
def test_junk_is_no_ticket_and_no_error(text: str) -> None:
    assert payload.read(text, [SECRET]) is None


def test_noise_is_no_ticket_and_no_error() -> None:
    noise = random.Random(7)
    good = payload.sign(TICKET, SECRET)
    for _ in range(2000):
        text = list(good)
        for _ in range(noise.randrange(1, 6)):
            text[noise.randrange(len(text))] = chr(noise.choice((noise.randrange(128), 0x20AC, 0xD800)))
        if (changed := "".join(text)) != good:
            assert payload.read(changed, [SECRET]) is None


def signed(body: bytes) -> str:
    """What only somebody with the secret could write."""
    text = base64.urlsafe_b64encode(body).rstrip(b"=").decode()
    digest = hmac.new(SECRET, f"f1.{text}".encode(), hashlib.sha256).digest()[: payload.SIGNATURE_BYTES]
    return f"f1.{text}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


BODIES: dict[str, object] = {
    "no expiry": {"q": "a@b"},
    "expiry of the wrong type": {"e": "tomorrow"},
    "expiry beyond all calendars": {"e": 10**18},
    "expiry that is no number": {"e": float("nan")},
    "expiry that is null": {"e": None},
    "queue of the wrong type": {"e": 1, "q": 7},
    "score that is true": {"e": 1, "s": True},
    "a list": [1],
    "a number": 1,
}


@pytest.mark.parametrize("name", BODIES)
def test_a_signed_body_that_makes_no_ticket_is_none(name: str) -> None:
    assert payload.read(signed(json.dumps(BODIES[name]).encode()), [SECRET]) is None


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[" * 300])
def test_a_signed_body_that_is_no_json_is_none(body: bytes) -> None:
    assert payload.read(signed(body), [SECRET]) is None


def test_the_format_stays_readable_for_links_that_are_out_there() -> None:
    body = b'{"e":1798761600,"q":"billing@fsctl","s":300}'
    assert payload.read(signed(body), [SECRET]) == Ticket(
        expires=TICKET.expires, queue="billing@fsctl", score=300
    )


def test_when_the_caller_first_joined_is_carried_to_the_second() -> None:
    since = datetime(2026, 11, 1, 9, 30, 15, 900_000, tzinfo=UTC)
    text = payload.sign(replace(TICKET, since=since), SECRET)
    assert payload.read(text, [SECRET]) == replace(TICKET, since=since.replace(microsecond=0))


def test_a_ticket_of_the_time_before_places_were_kept_is_still_read() -> None:
    """As it was written then, byte for byte."""
    body = base64.urlsafe_b64encode(b'{"e":1798761600,"q":"billing@fsctl","s":300}').rstrip(b"=")
    mac = base64.urlsafe_b64encode(hmac.new(SECRET, b"f1." + body, hashlib.sha256).digest()[:16]).rstrip(b"=")
    found = payload.read(b".".join((b"f1", body, mac)).decode(), [SECRET])
    assert found == Ticket(expires=TICKET.expires, queue="billing@fsctl", score=300)


@pytest.mark.parametrize("since", ["1", True, 1.5, 10**30, None, [1]])
def test_a_time_that_is_none_makes_no_ticket(since: object) -> None:
    assert payload.read(payload.seal("f1", {"e": 1798761600, "t": since}, SECRET), [SECRET]) is None


def test_what_was_signed_for_one_thing_is_nothing_for_another() -> None:
    sealed = payload.seal("x1", {"e": 1798761600}, SECRET)
    assert payload.unseal("x1", sealed, [SECRET]) == {"e": 1798761600}
    assert payload.read(sealed, [SECRET]) is None
    assert payload.read(sealed.replace("x1.", "f1.", 1), [SECRET]) is None
