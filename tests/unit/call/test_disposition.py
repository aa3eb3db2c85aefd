"""The verdict on a call, and its words."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fsctl.call import disposition
from fsctl.call.state import Call, Disposition, Fault, Phase

T0 = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
WAITING = Call(
    uuid="c",
    node="n",
    channel="whatsapp",
    phase=Phase.ENDED,
    offered_at=T0,
    answered_at=T0,
    queued_at=T0,
    ended_at=T0 + timedelta(seconds=15),
    answer_within_s=20,
)
ANSWERED = {"bridged_at": T0 + timedelta(seconds=10), "ended_at": T0 + timedelta(seconds=90)}
LATE = {"bridged_at": T0 + timedelta(seconds=21), "ended_at": T0 + timedelta(seconds=90)}
NEVER_QUEUED = {"queued_at": None, "answered_at": None}

VERDICTS: dict[str, tuple[dict[str, Any], Phase, str, Disposition, Fault, str]] = {
    "answered in time": (
        ANSWERED, Phase.TALKING, "NORMAL_CLEARING",
        Disposition.ANSWERED, Fault.NOBODY, "answered within 20 s",
    ),
    "answered late": (
        LATE, Phase.TALKING, "NORMAL_CLEARING", Disposition.ANSWERED, Fault.NOBODY, "answered after 20 s",
    ),
    "answered, and the network failed": (
        ANSWERED, Phase.TALKING, "MEDIA_TIMEOUT",
        Disposition.ANSWERED, Fault.NETWORK, "answered within 20 s, cut off by the network",
    ),
    "answered, and a key of an earlier queue is no exit": (
        ANSWERED | {"member_cause": "TIMEOUT"}, Phase.TALKING, "NORMAL_CLEARING",
        Disposition.ANSWERED, Fault.NOBODY, "answered within 20 s",
    ),
    "answered where nothing is promised": (
        ANSWERED | {"answer_within_s": None}, Phase.TALKING, "NORMAL_CLEARING",
        Disposition.ANSWERED, Fault.NOBODY, "answered",
    ),
    "the queue joined them, the legs had no time to": (
        {}, Phase.TALKING, "NORMAL_CLEARING", Disposition.ANSWERED, Fault.NOBODY, "answered within 20 s",
    ),
    "abandoned before the service level": (
        {"member_cause": "BREAK_OUT"}, Phase.RINGING, "NORMAL_CLEARING",
        Disposition.ABANDONED, Fault.CALLER, "abandoned within 20 s",
    ),
    "abandoned after the service level": (
        {"ended_at": T0 + timedelta(seconds=20.1)}, Phase.QUEUED, "NORMAL_CLEARING",
        Disposition.ABANDONED, Fault.CALLER, "abandoned after 20 s",
    ),
    "abandoned before any queue": (
        NEVER_QUEUED, Phase.OFFERED, "ORIGINATOR_CANCEL",
        Disposition.ABANDONED, Fault.CALLER, "abandoned",
    ),
    "timed out, as the queue says": (
        {"member_cause": "TIMEOUT"}, Phase.QUEUED, "NORMAL_CLEARING",
        Disposition.TIMED_OUT, Fault.US, "timed out: nobody was free",
    ),
    "timed out, as the dialplan says": (
        {"left_by": "timeout"}, Phase.QUEUED, "NORMAL_CLEARING",
        Disposition.TIMED_OUT, Fault.US, "timed out: nobody was free",
    ),
    "no agents, as the dialplan says": (
        {"left_by": "no-agents"}, Phase.QUEUED, "NORMAL_CLEARING",
        Disposition.TIMED_OUT, Fault.US, "timed out: no agents",
    ),
    "no agents, as the queue says": (
        {"member_cause": "NO_AGENT_TIMEOUT"}, Phase.QUEUED, "NORMAL_CLEARING",
        Disposition.TIMED_OUT, Fault.US, "timed out: no agents",
    ),
    "closed": (
        NEVER_QUEUED | {"left_by": "closed"}, Phase.ANSWERED, "NORMAL_CLEARING",
        Disposition.CLOSED, Fault.NOBODY, "closed",
    ),
    "continued in chat, as the dialplan says": (
        {"left_by": "chat"}, Phase.QUEUED, "NORMAL_CLEARING",
        Disposition.CONTINUED_IN_CHAT, Fault.NOBODY, "continued in chat",
    ),
    "continued in chat, as the queue says": (
        {"member_cause": "EXIT_WITH_KEY"}, Phase.QUEUED, "NORMAL_CLEARING",
        Disposition.CONTINUED_IN_CHAT, Fault.NOBODY, "continued in chat",
    ),
    "refused by the dialplan": (
        NEVER_QUEUED | {"refused": "no-srtp"}, Phase.OFFERED, "INCOMPATIBLE_DESTINATION",
        Disposition.REFUSED, Fault.NETWORK, "refused (no-srtp)",
    ),
    "refused by the media": (
        NEVER_QUEUED, Phase.OFFERED, "INCOMPATIBLE_DESTINATION",
        Disposition.REFUSED, Fault.NETWORK, "refused (INCOMPATIBLE_DESTINATION)",
    ),
    "failed by the network": (
        {}, Phase.QUEUED, "MEDIA_TIMEOUT",
        Disposition.FAILED, Fault.NETWORK, "failed: the network (MEDIA_TIMEOUT)",
    ),
    "failed by us: shut down": (
        {}, Phase.QUEUED, "SYSTEM_SHUTDOWN",
        Disposition.FAILED, Fault.US, "failed: our fault (SYSTEM_SHUTDOWN)",
    ),
    "failed by us: nobody saw why": (
        {}, Phase.RINGING, "LOST", Disposition.FAILED, Fault.US, "failed: our fault (LOST)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", VERDICTS)
def test_verdict(name: str) -> None:
    fields, reached, cause, verdict, fault, words = VERDICTS[name]
    call = replace(WAITING, **fields)
    assert disposition.judge(call, reached, cause) == (verdict, fault)
    judged = replace(call, hangup_cause=cause, disposition=verdict, fault=fault)
    assert disposition.words(judged) == words


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.ENDED])
def test_a_call_that_goes_on_is_called_by_its_phase(phase: Phase) -> None:
    assert disposition.words(replace(WAITING, phase=phase, ended_at=None)) == phase.value


def test_every_disposition_has_a_case_here() -> None:
    assert {case[3] for case in VERDICTS.values()} == set(Disposition)


@pytest.mark.parametrize(
    ("fields", "kept"),
    [
        ({}, True),
        ({"ended_at": T0 + timedelta(seconds=20)}, True),
        ({"ended_at": T0 + timedelta(seconds=20.001)}, False),
        (ANSWERED, True),
        (LATE, False),
        ({"queued_at": None}, None),
        ({"answer_within_s": None}, None),
        ({"ended_at": None}, None),
        # The switch's two clocks for one thing: never less than nothing.
        ({"bridged_at": T0 - timedelta(seconds=1)}, True),
    ],
)
def test_the_promise_is_kept_or_not(fields: dict[str, Any], kept: bool | None) -> None:
    assert replace(WAITING, **fields).is_within_service_level is kept
