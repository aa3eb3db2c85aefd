"""Missed calls: which are, why nothing is written all the same, what is offered, and the place that is kept."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fsctl import config_followup
from fsctl.call import followup, payload, wording
from fsctl.call.followup import Chat
from fsctl.call.hours import Hours
from fsctl.call.payload import Ticket
from fsctl.call.policy import Followup, Number, Policy, Queue
from fsctl.call.state import Call, Disposition, Fault, Phase

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
SECRET = b"a secret of ours, long enough"
ON = Followup(
    on=True,
    kinds=("abandoned", "timed_out", "closed", "failed", "continued_in_chat", "dissuaded", "bad_line"),
    bad_line_mos=2.5,
)
CALL = Call(
    uuid="c",
    node="n",
    channel="whatsapp",
    phase=Phase.ENDED,
    offered_at=NOW - timedelta(minutes=5),
    answered_at=NOW - timedelta(minutes=5) + timedelta(seconds=1),
    queued_at=NOW - timedelta(minutes=4),
    ended_at=NOW - timedelta(seconds=2),
    to_number="15550100900",
    wacid="wacid.1",
    contact_id=7,
    thread_id=9,
    queue="q@x",
    disposition=Disposition.ABANDONED,
    fault=Fault.CALLER,
)
NEVER = Hours(zone=UTC, week=((),) * 7)


def policy(on: Followup = ON, hours: str | None = None, **fields: Any) -> Policy:
    base: dict[str, Any] = {
        "numbers": {"15550100900": Number(phone_number_id="1")},
        "queues": {"q@x": Queue(followup=on, hours=hours)},
        "hours": {"never": NEVER},
        "payload_secrets": (SECRET,),
    }
    return Policy(**(base | fields))


def decided(call: Call = CALL, chat: Chat | None = None, rules: Policy | None = None) -> tuple[bool, str]:
    found = followup.decide(call, chat or Chat(), rules or policy(), NOW)
    return found.writes, found.reason


KINDS: dict[str, tuple[dict[str, Any], str | None]] = {
    "gave up": ({}, "abandoned"),
    "nobody was free": ({"disposition": Disposition.TIMED_OUT}, "timed_out"),
    "outside hours": ({"disposition": Disposition.CLOSED}, "closed"),
    "our fault": ({"disposition": Disposition.FAILED}, "failed"),
    "pressed the key in the queue": ({"disposition": Disposition.CONTINUED_IN_CHAT}, "continued_in_chat"),
    "pressed it before the queue": (
        {"disposition": Disposition.CONTINUED_IN_CHAT, "queued_at": None},
        "dissuaded",
    ),
    "refused for its encryption": ({"disposition": Disposition.REFUSED, "refused": "no-srtp"}, "failed"),
    "refused as it came from elsewhere": ({"disposition": Disposition.REFUSED, "refused": "network"}, None),
    "refused as nobody has that number": ({"disposition": Disposition.REFUSED, "refused": "number"}, None),
    "answered": ({"disposition": Disposition.ANSWERED, "fault": Fault.NOBODY}, None),
    "answered on a good line": ({"disposition": Disposition.ANSWERED, "mos": 2.5}, None),
    "answered on a bad line": ({"disposition": Disposition.ANSWERED, "mos": 2.4}, "bad_line"),
    "cut off by the network": ({"disposition": Disposition.ANSWERED, "fault": Fault.NETWORK}, "bad_line"),
    "talking on a bad line": (
        {"disposition": None, "ended_at": None, "phase": Phase.TALKING, "mos": 1.0},
        "bad_line",
    ),
    "waiting": ({"disposition": None, "ended_at": None, "phase": Phase.QUEUED, "mos": 1.0}, None),
}


@pytest.mark.parametrize("name", KINDS)
def test_which_calls_are_missed(name: str) -> None:
    fields, kind = KINDS[name]
    assert followup.missed(replace(CALL, **fields), policy()) == kind


def test_every_end_of_a_call_has_a_verdict() -> None:
    for disposition in Disposition:
        followup.missed(replace(CALL, disposition=disposition), policy())
        followup.decide(replace(CALL, disposition=disposition), Chat(), policy(), NOW)


def ago(minutes: float) -> datetime:
    return NOW - timedelta(minutes=minutes)


CHATS: dict[str, tuple[Chat, str | None]] = {
    "nothing known": (Chat(), None),
    "opted out": (Chat(opted_out=True), "the customer has opted out"),
    "told by another node": (Chat(told_of_call=True), "written already about this call"),
    "on the line again": (Chat(calls_now=True), "the customer calls again now"),
    "answered since": (Chat(answered_at=ago(1)), "a call of the customer was answered since"),
    "answered before": (Chat(answered_at=ago(60)), None),
    "a callback is booked": (Chat(has_callback=True), "a callback is booked"),
    "written to of late": (Chat(told_at=ago(29)), "written 29 min ago"),
    "written to long ago": (Chat(told_at=ago(31)), None),
    "answered after it was written to": (Chat(told_at=ago(20), answered_at=ago(10)), None),
    "answered before it was written to": (Chat(told_at=ago(20), answered_at=ago(30)), "written 20 min ago"),
}


@pytest.mark.parametrize("name", CHATS)
def test_the_chat_may_be_the_reason_to_write_nothing(name: str) -> None:
    chat, why_not = CHATS[name]
    assert decided(chat=chat) == ((True, "abandoned") if why_not is None else (False, why_not))


def test_the_call_or_the_config_may_be_the_reason() -> None:
    assert decided(replace(CALL, channel="sip")) == (False, "not a WhatsApp call")
    assert decided(replace(CALL, thread_id=None)) == (False, "nobody knows who called")
    assert decided(replace(CALL, to_number="1")) == (False, "number 1 has no phone_number_id")
    assert decided(replace(CALL, ended_at=ago(61))) == (False, "it ended 61 min ago")
    assert decided(rules=policy(Followup())) == (False, "queue q@x writes to nobody")
    only = policy(replace(ON, kinds=("closed",)))
    assert decided(rules=only) == (False, "queue q@x does not write after abandoned")
    answered = replace(CALL, disposition=Disposition.ANSWERED, fault=Fault.NOBODY)
    assert decided(answered) == (False, "not missed: answered")


def test_a_call_that_chose_the_chat_is_written_to_though_a_callback_is_booked() -> None:
    chose = replace(CALL, disposition=Disposition.CONTINUED_IN_CHAT)
    assert decided(chose, Chat(has_callback=True)) == (True, "continued_in_chat")


def test_a_bad_line_is_written_of_though_the_call_was_answered() -> None:
    talking = replace(CALL, disposition=None, ended_at=None, phase=Phase.TALKING, mos=1.0)
    assert decided(talking, Chat(answered_at=NOW)) == (True, "bad_line")


def test_a_call_that_nobody_could_route_has_the_terms_of_its_numbers_queue() -> None:
    numbers = {"15550100900": Number(queue="q@x", phone_number_id="1")}
    assert decided(replace(CALL, queue=None), rules=policy(numbers=numbers)) == (True, "abandoned")
    rules = policy(default_queue="q@x")
    assert followup.ticket(replace(CALL, queue=None), rules, NOW).queue == "q@x"


# --- words ------------------------------------------------------------------------------------------------------


def said(call: Call = CALL, language: str | None = None, rules: Policy | None = None, **fields: Any) -> Any:
    kind = fields.pop("kind", "abandoned")
    return followup.words(call, kind, language, rules or policy(), NOW, fields.pop("has_pages", True))


@pytest.mark.parametrize("language", wording.LANGUAGES)
def test_every_kind_has_words_that_fit_in_every_language(language: str) -> None:
    kinds = {*ON.kinds, "opened"}
    assert set(wording.WHY[language]) == kinds
    assert len(wording.BUTTON[language]) <= 20
    assert len(wording.CHOOSE[language]) <= 20
    for kind in kinds:
        assert len(wording.WHY[language][kind]) <= config_followup.WHY_ROOM
        assert wording.WHY[language][kind] in wording.CALL_NOW[language].replace(
            "{why}", wording.WHY[language][kind]
        )
    assert set(wording.OFFER[language]) == {"button", "slot", "none"}


def test_the_language_is_the_calls_then_the_contacts_then_the_numbers() -> None:
    numbers = {"15550100900": Number(language="hi", phone_number_id="1")}
    assert said(replace(CALL, language="pt_BR"), "es").language == "pt"
    assert said(language="es").language == "es"
    assert said(rules=policy(numbers=numbers)).language == "hi"
    assert said(language="fr").language == "en"


def test_the_configs_words_links_and_button_count() -> None:
    own = replace(
        ON, texts={"fr": "{why} À bientôt."}, links={"fr": ("Suivi: https://x.example",)}, button={"fr": "Rappeler"}
    )  # fmt: skip
    found = said(language="fr", rules=policy(own))
    assert found.body == "We missed your call. À bientôt.\nSuivi: https://x.example"
    assert (found.button, found.language) == ("Rappeler", "fr")


OFFERS: dict[str, tuple[dict[str, Any], str]] = {
    "open": ({}, "button"),
    "closed now": ({"hours": "never"}, "slot"),
    "closed now, and nobody can reach our pages": ({"hours": "never", "has_pages": False}, "none"),
    "a page that nobody can reach": ({"on": replace(ON, offer="slot"), "has_pages": False}, "button"),
    "nothing to sign with": ({"payload_secrets": ()}, "none"),
    "on the line": ({"kind": "bad_line"}, "none"),
}


@pytest.mark.parametrize("name", OFFERS)
def test_what_is_offered_can_be_done(name: str) -> None:
    fields, offer = OFFERS[name]
    rest = {key: fields[key] for key in ("kind", "has_pages") if key in fields}
    rules = policy(**{key: value for key, value in fields.items() if key not in rest})
    assert said(rules=rules, **rest).offer == offer


# --- the place --------------------------------------------------------------------------------------------------


def test_the_place_counts_from_the_answer_as_the_queues_do() -> None:
    found = followup.ticket(replace(CALL, score=50, language="es_MX"), policy(), NOW)
    assert found == Ticket(
        expires=NOW + timedelta(seconds=86_400),
        queue="q@x",
        score=50,
        since=CALL.answered_at,
        language="es",
        contact_id=7,
    )


def test_who_missed_us_twice_keeps_the_first_place() -> None:
    first = Ticket(expires=NOW + timedelta(hours=1), queue="q@x", score=5, since=ago(120))
    again = replace(CALL, cta_payload=payload.sign(first, SECRET), payload_trusted=True, score=6900)
    found = followup.ticket(again, policy(), NOW)
    assert (found.since, found.score) == (ago(120), 5)


def test_a_place_that_was_not_granted_is_not_passed_on() -> None:
    first = Ticket(expires=NOW + timedelta(hours=1), queue="q@x", since=ago(120))
    signed = payload.sign(first, SECRET)
    served = replace(CALL, cta_payload=signed, payload_trusted=True, score=None)
    strangers = replace(CALL, cta_payload=signed, payload_trusted=False, score=3)
    assert followup.ticket(served, policy(), NOW).since == CALL.answered_at
    assert followup.ticket(strangers, policy(), NOW).since == CALL.answered_at


def test_who_called_a_closed_line_has_waited_for_nothing() -> None:
    closed = replace(CALL, disposition=Disposition.CLOSED)
    assert followup.ticket(closed, policy(), NOW).since is None
