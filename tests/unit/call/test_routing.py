"""Which rule decides, what the refinements make of it, and that one always does."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fsctl.call import explaining, payload, routing
from fsctl.call.events import Alias, ContactFound
from fsctl.call.explaining import Said
from fsctl.call.hours import Hours
from fsctl.call.known import Known, Load, Past
from fsctl.call.payload import Ticket
from fsctl.call.policy import Number, Policy, Queue, Rule
from fsctl.call.routing import Route
from fsctl.call.state import Call, Phase

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
SECRET = b"a secret of ours, long enough"
ALWAYS = Hours(zone=UTC, week=(((0, 1440),),) * 7)
NEVER = Hours(zone=UTC, week=((),) * 7)
CALL = Call(
    uuid="c",
    node="n",
    channel="whatsapp",
    phase=Phase.OFFERED,
    offered_at=NOW,
    to_number="12345",
    aliases=(Alias(kind="bsuid", value="US.1"), Alias(kind="wa_id", value="34600000142")),
    country="ES",
    cta_payload="Factura 12",
    request_params=(("tgrp", "wacall"),),
)
CONTACT = ContactFound(uuid="c", at=NOW, contact_id=7, thread_id=9, name="Ann", language=None)


def known(past: dict[str, Any] | None = None, **loads: Load) -> ContactFound:
    """The contact with a past; loads by the queue's name before ``@x``."""
    by_queue = {f"{name}@x": load for name, load in loads.items()}
    return replace(CONTACT, known=Known(past=Past(**past or {}), loads=by_queue))


def ticket(**fields: Any) -> Call:
    """The call with a payload that we signed."""
    signed = payload.sign(Ticket(**({"expires": NOW + timedelta(days=1)} | fields)), SECRET)
    return replace(CALL, deeplink_payload=signed)


def policy(**fields: Any) -> Policy:
    base: dict[str, Any] = {
        "default_queue": "d@x",
        "payload_secrets": (SECRET,),
        "hours": {"always": ALWAYS, "never": NEVER},
    }
    return Policy(**(base | fields))


def route(call: Call = CALL, contact: ContactFound = CONTACT, **fields: Any) -> Route:
    return routing.decide(call, contact, policy(**fields))


# --- rules -------------------------------------------------------------------------------------------------


def test_an_unknown_number_goes_to_the_default_queue() -> None:
    found = route()
    assert (found.queue, found.language, found.reason) == ("d@x", None, "no rule answered: default queue")


def test_a_number_with_a_queue_of_its_own_gets_it() -> None:
    found = route(numbers={"12345": Number(queue="q@x", language="hi")})
    assert (found.queue, found.language) == ("q@x", "hi")
    assert "12345" in found.reason


def test_a_number_without_a_queue_still_gives_its_language() -> None:
    found = route(numbers={"12345": Number(language="pt")})
    assert (found.queue, found.language) == ("d@x", "pt")


def test_a_signed_payload_decides_before_everything_else() -> None:
    rules = (Rule(name="all", queue="r@x"),)
    found = route(ticket(queue="t@x"), rules=rules, numbers={"12345": Number(queue="n@x")})
    assert (found.queue, found.reason) == ("t@x", "signed payload for queue t@x")


def test_a_rule_of_the_config_decides_before_the_number() -> None:
    found = route(rules=(Rule(name="all", queue="r@x"),), numbers={"12345": Number(queue="n@x")})
    assert (found.queue, found.reason) == ("r@x", "rule all")


def test_a_rule_without_a_queue_keeps_the_numbers_or_the_default() -> None:
    rules = (Rule(name="all", score=10),)
    assert route(rules=rules, numbers={"12345": Number(queue="n@x")}).queue == "n@x"
    assert route(rules=rules).queue == "d@x"


def test_the_first_rule_whose_conditions_hold_decides() -> None:
    rules = (
        Rule(name="no", channel="sip", queue="a@x"),
        Rule(name="first", channel="whatsapp", queue="b@x"),
        Rule(name="second", queue="c@x"),
    )
    assert route(rules=rules).queue == "b@x"
    assert route(replace(CALL, channel="sip"), rules=rules).queue == "a@x"
    assert route(rules=rules[:1]).queue == "d@x"


UNTRUSTED = {
    "anybody's text": (replace(CALL, cta_payload="f1.e30.AAAA"), "no payload with our signature"),
    "no text at all": (replace(CALL, cta_payload=None), "no payload"),
    "expired": (
        ticket(queue="t@x", expires=NOW - timedelta(seconds=1)),
        "the signed payload expired on 2026-11-23 09:59 UTC",
    ),
    "another contact's": (
        ticket(queue="t@x", contact_id=8),
        "the signed payload was made for another contact",
    ),
    "one that names no queue": (ticket(score=5), "the signed payload names no queue"),
}


@pytest.mark.parametrize("name", UNTRUSTED)
def test_a_payload_that_is_not_trusted_says_why_and_chooses_no_queue(name: str) -> None:
    call, why = UNTRUSTED[name]
    assert routing.by_ticket(routing.gather(call, CONTACT, policy())) == why
    assert route(call).queue == "d@x"


@pytest.mark.parametrize("contact_id", [None, 7])
def test_a_payload_is_good_for_everybody_or_for_one_contact(contact_id: int | None) -> None:
    assert route(ticket(queue="t@x", contact_id=contact_id)).queue == "t@x"


def test_a_payload_is_good_until_the_instant_at_which_it_expires() -> None:
    assert route(ticket(queue="t@x", expires=NOW)).queue == "t@x"


def test_a_button_may_carry_the_ticket_as_well_as_a_link() -> None:
    signed = ticket(queue="t@x").deeplink_payload
    assert route(replace(CALL, cta_payload=signed)).queue == "t@x"


HOLDS: list[tuple[dict[str, Any], bool]] = [
    ({"channel": "whatsapp"}, True),
    ({"channel": "sip"}, False),
    ({"numbers": ("1", "12345")}, True),
    ({"numbers": ("1234",)}, False),
    ({"callers": ("+34",)}, True),
    ({"callers": ("34600",)}, True),
    ({"callers": ("US.",)}, True),
    ({"callers": ("600", "+33")}, False),
    ({"countries": ("BR", "ES")}, True),
    ({"countries": ("BR",)}, False),
    ({"languages": ("es",)}, True),
    ({"languages": ("en",)}, False),
    ({"vip": True}, True),
    ({"vip": False}, False),
    ({"payload": re.compile("factura|invoice", re.IGNORECASE)}, True),
    ({"payload": re.compile("^12")}, False),
    ({"message": re.compile(r"order #?\d+")}, True),
    ({"message": re.compile("refund")}, False),
    ({"params": {"tgrp": "wacall"}}, True),
    ({"params": {"tgrp": "other"}}, False),
    ({"params": {"tgrp": "wacall", "more": "x"}}, False),
    ({"open": "always"}, True),
    ({"open": "never"}, False),
    ({"closed": "never"}, True),
    ({"closed": "always"}, False),
    ({"waiting": {"q@x": 3}}, True),
    ({"waiting": {"q@x": 4}}, False),
    ({"waiting": {"q@x": 3, "unheard-of@x": 1}}, False),
    ({"channel": "whatsapp", "vip": True, "countries": ("ES",)}, True),
    ({"channel": "whatsapp", "vip": True, "countries": ("BR",)}, False),
    ({}, True),
]


@pytest.mark.parametrize(("conditions", "holds"), HOLDS)
def test_a_condition_holds_or_not(conditions: dict[str, Any], holds: bool) -> None:
    past = {"vip": True, "messages": ("hello", "my order #42?")}
    contact = replace(known(past, q=Load(waiting=3)), language="es_MX")
    rules = (Rule(name="r", queue="r@x", **conditions),)
    facts = routing.gather(CALL, contact, policy(rules=rules))
    verdict = routing.by_config(facts)
    assert isinstance(verdict, Route) is holds
    assert (routing.unmet(rules[0], facts) is None) is holds
    assert routing.unmet(rules[0], facts) in {None, *conditions}


def test_every_condition_of_a_rule_is_asked() -> None:
    results = {"name", "queue", "skill", "language", "score", "recording", "close"}
    assert set(Rule.__dataclass_fields__) == results | set(routing.CONDITIONS)


def test_what_is_not_known_meets_no_condition() -> None:
    nobody = Call(uuid="c", node="n", channel="sip", phase=Phase.OFFERED, offered_at=NOW)
    conditions = [given for given, holds in HOLDS if holds and given and set(given) != {"closed"}]
    for given in conditions:
        if set(given) & {"open", "channel"}:
            continue
        rules = (Rule(name="r", queue="r@x", **given),)
        assert routing.decide(nobody, CONTACT, policy(rules=rules)).queue == "d@x"


# --- refinements -------------------------------------------------------------------------------------------


def test_languages_in_their_order_ticket_contact_rule_number() -> None:
    numbers = {"12345": Number(language="hi")}
    rules = (Rule(name="r", language="pt"),)
    spanish = replace(CONTACT, language="es")
    assert route(numbers=numbers).language == "hi"
    assert route(numbers=numbers, rules=rules).language == "pt"
    assert route(contact=spanish, numbers=numbers, rules=rules).language == "es"
    assert route(ticket(language="en"), spanish, numbers=numbers, rules=rules).language == "en"


def test_a_language_has_a_queue_of_those_who_speak_it() -> None:
    queues = {"d@x": Queue(languages={"es": "soporte@x"})}
    found = route(contact=replace(CONTACT, language="es_MX"), queues=queues)
    assert (found.queue, found.language) == ("soporte@x", "es_MX")
    assert found.reasons[-1] == "soporte@x: speaks es_MX"
    assert route(contact=replace(CONTACT, language="pt"), queues=queues).queue == "d@x"
    assert route(queues=queues).queue == "d@x"


def test_a_skill_has_a_queue_of_those_who_have_it_and_then_the_language_counts() -> None:
    queues = {
        "d@x": Queue(skills={"billing": "billing@x"}, languages={"es": "wrong@x"}),
        "billing@x": Queue(languages={"es": "facturas@x"}),
    }
    rules = (Rule(name="r", skill="billing"),)
    found = route(contact=replace(CONTACT, language="es"), queues=queues, rules=rules)
    assert (found.queue, found.skill) == ("facturas@x", "billing")
    assert found.reasons == ("rule r", "billing@x: has skill billing", "facturas@x: speaks es")
    assert route(queues={}, rules=rules).queue == "d@x"


def test_callers_whose_language_is_not_known_choose_by_key_where_the_number_says_so() -> None:
    numbers = {"12345": Number(menu=True, language="en")}
    assert route(numbers=numbers).menu
    assert not route(contact=replace(CONTACT, language="es"), numbers=numbers).menu
    assert not route(ticket(language="es"), numbers=numbers).menu
    assert not route(numbers={"12345": Number()}).menu


@pytest.mark.parametrize(("asked", "score"), [(300, 300), (0, 0), (-5, 0), (10**12, 1_000_000)])
def test_a_place_in_the_queue_is_kept_by_a_ticket_and_bounded(asked: int, score: int) -> None:
    assert route(ticket(score=asked)).score == score
    assert f"place kept: score {score}" in route(ticket(score=asked)).reasons
    assert route(rules=(Rule(name="r", score=asked),)).score == score


@pytest.mark.parametrize(
    ("base", "waited", "score"),
    [
        (None, timedelta(minutes=5), 300),
        (50, timedelta(minutes=5), 350),
        (None, timedelta(0), 0),
        (None, timedelta(seconds=-90), 0),
        (None, timedelta(days=3), 86_400),
        (999_999, timedelta(days=1), 1_000_000),
    ],
)
def test_who_comes_back_has_waited_since_the_first_joining(
    base: int | None, waited: timedelta, score: int
) -> None:
    assert route(ticket(score=base, since=NOW - waited)).score == score


def test_a_place_is_kept_on_top_of_what_a_rule_gives() -> None:
    rules = (Rule(name="r", score=1000),)
    assert route(ticket(since=NOW - timedelta(minutes=5)), rules=rules).score == 1300


def test_a_place_that_was_served_is_not_kept_however_often_the_button_is_pressed() -> None:
    kept = ticket(since=NOW - timedelta(minutes=5))
    before, after = (NOW - timedelta(minutes=minutes) for minutes in (6, 4))
    assert route(kept, known({"last_agent": "a", "last_agent_at": before})).score == 300
    assert route(kept, known({"last_agent": "a", "last_agent_at": after})).score is None


def test_a_ticket_that_names_no_place_leaves_the_rules() -> None:
    rules = (Rule(name="r", score=10),)
    assert route(ticket(language="es"), rules=rules).score == 10
    assert route(ticket(score=20), rules=rules).score == 20
    assert route().score is None


BUSY: dict[str, Any] = {"d": Load(waiting=3, agents_staffed=1, handling_s=100.0)}


@pytest.mark.parametrize(("most_s", "is_busy"), [(None, False), (400, False), (399, True)])
def test_a_wait_that_the_queue_asks_of_nobody_offers_the_chat(most_s: int | None, is_busy: bool) -> None:
    found = route(contact=known(**BUSY), queues={"d@x": Queue(dissuade_after_s=most_s)})
    assert (found.expected_wait_s, found.is_busy) == (400, is_busy)
    assert ("busy: 400 s expected, chat offered" in found.reasons) is is_busy


def test_the_chat_is_not_offered_to_who_comes_back_nor_where_there_is_none() -> None:
    queues = {"d@x": Queue(dissuade_after_s=1)}
    kept = ticket(since=NOW - timedelta(minutes=5))
    assert not route(kept, known(**BUSY), queues=queues).is_busy
    assert not route(replace(CALL, channel="sip"), known(**BUSY), queues=queues).is_busy
    closed = {"d@x": Queue(dissuade_after_s=1, hours="never")}
    assert not route(contact=known(**BUSY), queues=closed).is_busy


def test_outside_its_hours_a_queue_is_closed() -> None:
    found = route(queues={"d@x": Queue(hours="never")})
    assert found.is_closed
    assert found.reasons[-1] == "closed: outside hours never"
    assert not route(queues={"d@x": Queue(hours="always")}).is_closed


def test_the_hours_are_those_of_the_queue_that_was_chosen_in_the_end() -> None:
    queues = {"d@x": Queue(hours="never", languages={"es": "soporte@x"}), "soporte@x": Queue(hours="always")}
    assert not route(contact=replace(CONTACT, language="es"), queues=queues).is_closed


def test_a_rule_may_close() -> None:
    found = route(rules=(Rule(name="strike", close=True),))
    assert (found.is_closed, found.reason) == (True, "rule strike")


STICKY: dict[str, Any] = {
    "last_queue": "d@x",
    "last_agent": "agent1",
    "last_agent_at": NOW - timedelta(minutes=5),
    "last_agent_is_free": True,
}


def test_the_agent_of_last_time_is_tried_first() -> None:
    found = route(contact=known(STICKY), sticky_for_s=600)
    assert (found.sticky_agent, found.sticky_queue) == ("agent1", "agent1-own@fsctl")
    assert found.reasons[-1] == "agent1 first: spoke with this caller 5 min ago"
    assert found.queue == "d@x"


def test_who_was_found_in_the_queue_of_one_is_tried_first_again() -> None:
    again = known(STICKY | {"last_queue": "agent1-own@fsctl"})
    assert route(contact=again, sticky_for_s=600).sticky_agent == "agent1"


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({}, {"sticky_for_s": 0}),
        ({}, {"sticky_for_s": 299}),
        ({"last_agent_is_free": False}, {}),
        ({"last_queue": "other@x"}, {}),
        ({"last_agent": None}, {}),
        ({"last_agent_at": None}, {}),
        ({}, {"queues": {"d@x": Queue(hours="never")}}),
        # The dialplan would not take such a name for a queue.
        ({"last_agent": "agent one"}, {}),
        ({"last_agent": "1000@default"}, {}),
    ],
)
def test_the_agent_of_last_time_is_left_in_peace(change: dict[str, Any], fields: dict[str, Any]) -> None:
    found = route(contact=known(STICKY | change), **({"sticky_for_s": 600} | fields))
    assert (found.sticky_agent, found.sticky_queue) == (None, None)


def test_the_expected_wait_is_that_of_the_queue_chosen() -> None:
    loads = {"d": Load(waiting=1, agents_staffed=2, handling_s=100.4), "q": Load()}
    assert route(contact=known({}, **loads)).expected_wait_s == 100
    assert route(contact=known({}, q=Load())).expected_wait_s is None
    closed = {"d@x": Queue(hours="never")}
    assert route(contact=known({}, **loads), queues=closed).expected_wait_s is None


def test_a_rule_says_how_to_record_else_the_queue() -> None:
    queues = {"d@x": Queue(recording="consent")}
    assert route(queues=queues).recording == "consent"
    assert route(queues=queues, rules=(Rule(name="r", recording="never"),)).recording == "never"
    assert route().recording is None


# --- explaining --------------------------------------------------------------------------------------------


def test_an_explanation_has_every_rule_in_order_and_the_one_that_decided() -> None:
    rules = (Rule(name="a", vip=True), Rule(name="b", channel="sip"))
    found, said = explaining.explain(
        CALL, CONTACT, policy(rules=rules, numbers={"12345": Number(queue="n@x")})
    )
    assert found.queue == "n@x"
    assert said == [
        Said("by_ticket", "no payload with our signature"),
        Said("rule a", "vip does not hold"),
        Said("rule b", "channel does not hold"),
        Said("by_number", "number 12345 has queue n@x", decided=True),
        Said("by_default", "not asked"),
    ]


def test_an_explanation_of_the_configs_rules_ends_with_the_one_that_holds() -> None:
    rules = (Rule(name="a", vip=True), Rule(name="b", queue="b@x"), Rule(name="c"))
    found, said = explaining.explain(CALL, CONTACT, policy(rules=rules))
    assert found.reasons == ("rule b",)
    assert said[1:4] == [
        Said("rule a", "vip does not hold"),
        Said("rule b", "every condition holds", decided=True),
        Said("rule c", "not asked"),
    ]
    _, said = explaining.explain(CALL, CONTACT, policy())
    assert said[1] == Said("by_config", "the config has no rules")


def test_an_explanation_is_the_decision() -> None:
    for call, fields in ((CALL, {}), (ticket(queue="t@x"), {}), (CALL, {"rules": (Rule(name="a"),)})):
        given = policy(**fields)
        found, said = explaining.explain(call, CONTACT, given)
        assert found == routing.decide(call, CONTACT, given)
        assert sum(one.decided for one in said) == 1


def test_the_last_rule_always_answers() -> None:
    assert isinstance(routing.RULES[-1](routing.gather(CALL, CONTACT, Policy())), Route)


def test_what_a_stranger_sends_is_no_error() -> None:
    junk = "'\"{},;|\x1b[2J\u202e\n" * 600
    call = replace(CALL, cta_payload=junk, deeplink_payload=junk, country=junk, to_number=junk, aliases=())
    assert route(call, rules=(Rule(name="r", payload=re.compile("zzz")),)).queue == "d@x"


def test_a_ticket_of_a_contact_that_became_this_one_is_trusted() -> None:
    found = route(ticket(queue="t@x", contact_id=8), known({"former_ids": (3, 8)}))
    assert found.queue == "t@x"
