"""A thread as people and programs read it: the verdict on each call, how the line was, and nobody's tricks."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest

from fsctl.call.events import Consent
from fsctl.call.state import Call, Disposition, Fault, Phase
from fsctl.crm import as_json, as_text
from fsctl.store.items import CallItem, MessageItem, ThreadView
from fsctl.store.threads import Thread
from fsctl.store.utterances import Progress
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


def view(*calls: Call, body: str = "hi", name: str = "Ann") -> ThreadView:
    items = [CallItem(call.offered_at, call, [], PROGRESS) for call in calls]
    thread = Thread(9, 7, "15550100900", name, "es")
    return ThreadView(
        thread, [("wa_id", "15550100142")], [MessageItem(T0, "w1", "inbound", "text", body), *items]
    )


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
