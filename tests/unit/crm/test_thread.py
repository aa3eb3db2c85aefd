"""A thread as people and programs read it: the verdict on each call, how the line was, and nobody's tricks."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, get_args

import pytest

from fsctl.call.events import Consent
from fsctl.call.state import Call, Disposition, Fault, Phase
from fsctl.crm import as_json, as_text
from fsctl.store.callbacks import Callback
from fsctl.store.followups import Followup
from fsctl.store.items import (
    CallbackItem,
    CallItem,
    Item,
    MessageItem,
    OutcomeItem,
    ThreadView,
    TouchItem,
    WitnessItem,
)
from fsctl.store.messages import Message
from fsctl.store.outcomes import Outcome
from fsctl.store.threads import Thread
from fsctl.store.touches import Touch
from fsctl.store.utterances import Progress
from fsctl.store.witness import Witness
from fsctl.transcribe.turns import Segment, statistics

T0 = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
CALL = Call(
    uuid="c-1",
    node="fs1",
    channel="whatsapp",
    phase=Phase.ENDED,
    offered_at=T0,
    answered_at=T0,
    queued_at=T0 + timedelta(seconds=2),
    bridged_at=T0 + timedelta(seconds=32),
    ended_at=T0 + timedelta(seconds=152),
    queue="support@fsctl",
    route_reason="rule orders; place kept: score 60",
    score=60,
    skill="billing",
    sticky_agent="agent1",
    expected_wait_s=90,
    answer_within_s=20,
    payload_trusted=True,
    agent="agent1",
    hangup_cause="NORMAL_CLEARING",
    disposition=Disposition.ANSWERED,
    fault=Fault.NOBODY,
    consent="given",
    encryption="tls+sdes:AES_CM_128_HMAC_SHA1_80",
    mos=4.21,
    loss_percent=0.52,
    jitter_ms=3.25,
)
PROGRESS = Progress(recordings=0, recordings_cut=0, utterances=0, done=0, failed=0)


MESSAGE = Message(
    wamid="w1", direction="inbound", type="text", body="hi", sent_at=T0, media=None, referral=None, context=None,
    extra=None, wacid=None, first_body=None, edited_at=None, deleted_at=None, status=None, status_at=None,
    code=None, title=None, reactions={},
)  # fmt: skip
TOUCH = Touch(
    thread_id=9,
    at=T0,
    source="ad",
    key="message/w1",
    headline="Coffee\x1b[2J",
    source_id="1202",
    ctwa_clid="click",
)


def view(*calls: Call, body: str = "hi", name: str = "Ann") -> ThreadView:
    return around(
        MessageItem(T0, replace(MESSAGE, body=body)),
        *(CallItem(call.offered_at, call, [], PROGRESS) for call in calls),
        name=name,
    )


def around(*items: Item, name: str = "Ann") -> ThreadView:
    """A thread with these."""
    return ThreadView(Thread(9, 7, "15550100900", name, "es"), [("wa_id", "15550100142")], items)


def line(*items: Item) -> str:
    """What people read of items."""
    return "\n".join(as_text.render(around(*items)).splitlines()[2:])


def value(item: Item) -> dict[str, Any]:
    """What programs read of one."""
    found: dict[str, Any] = json.loads(as_json.render(around(item)))["items"][0]
    return found


def text(**fields: Any) -> list[str]:
    """The lines of a call."""
    lines = as_text.render(view(replace(CALL, **fields))).splitlines()
    return lines[next(i for i, line in enumerate(lines) if "☎" in line) :]


def values(**fields: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(as_json.render(view(replace(CALL, **fields))))["items"][-1]
    return found


def test_people_read_the_verdict_the_way_and_the_line() -> None:
    headline, routed, line = text()
    assert "WhatsApp call, answered after 20 s, by agent1, in support@fsctl" in headline
    assert "waited 30 s (expected 90 s), length 2:32" in headline
    assert routed.strip() == "routed by: rule orders; place kept: score 60"
    assert line.strip() == (
        "tls+sdes:AES_CM_128_HMAC_SHA1_80, agreed to the recording, MOS 4.2, loss 0.5 %, jitter 3.2 ms"
    )


def test_what_is_not_known_is_not_told() -> None:
    lines = text(
        route_reason=None, encryption=None, consent=None, mos=None, loss_percent=None, jitter_ms=None,
        expected_wait_s=None, queued_at=None, answer_within_s=None,
    )  # fmt: skip
    assert len(lines) == 1
    assert "answered, by agent1" in lines[0]
    assert "waited" not in lines[0]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"disposition": Disposition.CLOSED, "bridged_at": None, "queued_at": None}, "closed"),
        ({"disposition": Disposition.REFUSED, "refused": "no-srtp", "bridged_at": None}, "refused (no-srtp)"),
        ({"disposition": Disposition.TIMED_OUT, "left_by": "no-agents"}, "timed out: no agents"),
        ({"disposition": None, "phase": Phase.RINGING, "ended_at": None, "bridged_at": None}, "ringing"),
    ],
)
def test_each_verdict_has_its_words_in_both(fields: dict[str, Any], words: str) -> None:
    assert f"WhatsApp call, {words}" in text(**fields)[0]
    assert values(**fields)["verdict"] == words


def test_programs_read_every_field() -> None:
    found = values()
    assert found["verdict"] == "answered after 20 s"
    assert found["quality"] == {"mos": 4.21, "loss_percent": 0.52, "jitter_ms": 3.25}
    assert (found["waited_s"], found["expected_wait_s"], found["answer_within_s"]) == (30.0, 90, 20)
    assert found["within_service_level"] is False
    assert (found["consent"], found["refused"], found["left_by"]) == ("given", None, None)
    assert (found["score"], found["skill"], found["sticky_agent"]) == (60, "billing", "agent1")
    assert (found["payload_trusted"], found["route_reason"]) == (True, CALL.route_reason)
    assert values(answer_within_s=None)["within_service_level"] is None


@pytest.mark.parametrize("consent", get_args(Consent))
def test_every_consent_has_words(consent: Consent) -> None:
    assert as_text.CONSENTS[consent] in text(consent=consent)[-1]


def test_strangers_text_moves_no_cursor() -> None:
    tricks = "\x1b[2J\u202e\n\x07"
    call = replace(
        CALL, queue=tricks, agent=tricks, route_reason=tricks, encryption=tricks, hangup_cause=tricks,
        disposition=Disposition.FAILED, fault=Fault.US,
    )  # fmt: skip
    shown = as_text.render(view(call, body=tricks, name=tricks))
    assert not set(shown) & {"\x1b", "\u202e", "\x07"}


def test_who_spoke_how_long_stands_under_what_was_said() -> None:
    said = [Segment("caller", 0, 5000, "a"), Segment("agent", 4000, 9000, "b")]
    talk = statistics(said, 10_000).as_dict()
    item = CallItem(T0, CALL, [], PROGRESS, talk)
    seen = ThreadView(Thread(9, 7, "15550100900", "Ann", "es"), [], [item])
    assert (
        "spoke: agent 50%, caller 50%, nobody 10%; interrupted by: agent at 0:04; longest: caller 0:05 from 0:00"
        in (as_text.render(seen))
    )
    assert json.loads(as_json.render(seen))["items"][0]["transcript"]["talk"]["both"] == 0.1


def test_what_became_of_a_message_stands_behind_it() -> None:
    failed = replace(MESSAGE, direction="outbound", status="failed", code=131026, title="Undeliverable\n")
    assert line(MessageItem(T0, failed)).endswith("us: hi  (not delivered: Undeliverable\\x0a)")
    assert value(MessageItem(T0, failed))["error"] == {"code": 131026, "title": "Undeliverable\n"}
    edited = replace(MESSAGE, edited_at=T0, reactions={"outbound": "👍"})
    assert line(MessageItem(T0, edited)).endswith("Ann: hi  (👍, edited)")
    taken_back = replace(MESSAGE, body="", edited_at=T0, deleted_at=T0)
    assert line(MessageItem(T0, taken_back)).endswith("Ann:   (taken back)")
    assert value(MessageItem(T0, replace(MESSAGE, status="read")))["error"] is None


def test_a_message_of_several_lines_stays_in_its_column() -> None:
    first, second = line(
        MessageItem(T0, replace(MESSAGE, body="one\ntwo\x1b[31m", deleted_at=T0))
    ).splitlines()
    assert first.endswith("Ann: one")
    assert second == "              two\\x1b[31m  (taken back)"


def test_the_touch_stands_above_what_told_it() -> None:
    above, message = line(MessageItem(T0, MESSAGE, [TOUCH])).splitlines()
    assert above.endswith("← came by an ad: Coffee\\x1b[2J, id 1202")
    assert message.endswith("Ann: hi")
    hint = replace(TOUCH, source="link", trusted=False, headline="", source_id="", campaign="spring")
    assert line(TouchItem(T0, hint)).endswith("← came by a call link (unsigned): spring")
    assert line(TouchItem(T0, replace(hint, trusted=True, campaign=""))).endswith("← came by a call link")
    told = value(CallItem(T0, CALL, [], PROGRESS, touches=[TOUCH]))["touches"]
    assert [(one["ctwa_clid"], one["source_id"], one["campaign"]) for one in told] == [
        ("click", "1202", None)
    ]


@pytest.mark.parametrize(
    ("outcome", "offer", "words"),
    [
        ("message", "button", "↪ went on in the chat with a call button: abandoned"),
        ("message", "slot", "↪ went on in the chat with times to choose: abandoned"),
        ("message", None, "↪ went on in the chat: abandoned"),
        ("none", None, "↪ no message: abandoned"),
    ],
)
def test_a_missed_call_says_what_was_done_about_it(outcome: str, offer: str | None, words: str) -> None:
    decided = Followup(
        call_uuid="c-1", thread_id=9, wacid=None, kind="abandoned", outcome=outcome, reason="abandoned",
        offer=offer, outbox_key="k" if outcome == "message" else None, decided_at=T0,
    )  # fmt: skip
    item = CallItem(T0, CALL, [], PROGRESS, followup=decided)
    assert line(item).splitlines()[-1].strip() == words
    assert value(item)["followup"]["outcome"] == outcome
    assert value(CallItem(T0, CALL, [], PROGRESS))["followup"] is None


def test_a_callback_an_unseen_call_and_an_outcome_have_a_line_each() -> None:
    chosen = Callback(
        id=1, call_uuid="c-1", thread_id=9, queue="support@fsctl", starts_at=T0, ends_at=T0, language=None,
        since=None, score=None, state="failed", reason="nobody\x07", payload=None, outbox_key=None, booked_at=T0,
        changed_at=T0,
    )  # fmt: skip
    assert "a call, failed (nobody\\x07)" in line(CallbackItem(T0, chosen))
    assert value(CallbackItem(T0, chosen))["missed_call"] == "c-1"
    seen = Witness(
        wacid="wacid.1", direction="inbound", at=T0, ended_at=None, status="FAILED", duration_s=None, events={},
        call_uuid=None, alarmed_at=None,
    )  # fmt: skip
    assert line(WitnessItem(T0, seen)).endswith("☎ a call of theirs that only WhatsApp saw, failed")
    assert value(WitnessItem(T0, seen))["item"] == "unseen_call"
    sale = Outcome(
        kind="sale", at=T0, who="crm\n", call_uuid="c-1", value=Decimal("129.0000"), currency="EUR"
    )
    assert line(OutcomeItem(T0, sale)).endswith("★ sale 129.00 EUR, by crm\\x0a")
    assert line(OutcomeItem(T0, replace(sale, value=Decimal("0.1234")))).endswith(
        "sale 0.1234 EUR, by crm\\x0a"
    )
    assert value(OutcomeItem(T0, sale))["value"] == "129.0000"
    assert line(OutcomeItem(T0, replace(sale, counts=False, order_ref="A7"))).endswith(
        "sale 129.00 EUR, order A7, by crm\\x0a (replaced later)"
    )
