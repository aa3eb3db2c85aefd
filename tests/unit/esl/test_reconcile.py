"""What is wrong on a switch, as a table of cases; and how findings get time, one repair, and a rest."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from fsctl.esl import encode
from fsctl.esl.callcenter import Agent, Channel, Member, Queue, Snapshot, Tier
from fsctl.esl.findings import DISPATCH_S, ORIGINATE_S, Finding, Kept, Ours, wrap_up_of
from fsctl.esl.reconcile import REST_S, Case, Memory, compare

NOW = 1_800_000_000
QUEUE = "support@fsctl"
LONG_AGO = NOW - 1000

AGENT = Agent(name="ana", status="Available", state="Waiting", registered=True, status_since=LONG_AGO)
TIER = Tier(queue=QUEUE, agent="ana")
MEMBER = Member(queue=QUEUE, uuid="m1", channel_uuid="c1", state="Waiting", joined=NOW - 5)
CALLER = Channel(uuid="c1", is_ours=True)
LEG = Channel(uuid="a1", is_outbound=True, agent="ana", member="m1")
SETTINGS = Queue(name=QUEUE)
OURS = Ours(calls={"c1": "queued"})
NO_MEMORY = Memory()


def stands(
    agent: Agent = AGENT,
    *channels: Channel,
    member: Member | None = None,
    tier: Tier = TIER,
    queue: Queue = SETTINGS,
) -> Snapshot:
    return Snapshot(
        at=NOW,
        queues=(queue,),
        agents=(agent,),
        tiers=(tier, Tier(queue="sales@fsctl", agent="ana")),
        members=(member,) if member else (),
        channels={one.uuid: one for one in channels},
    )


def busy(state: str, **more: object) -> Agent:
    return replace(AGENT, state=state, **more)  # type: ignore[arg-type]


def found(snapshot: Snapshot, ours: Ours = OURS) -> list[Finding]:
    return [case.finding for case in compare(snapshot, ours, NO_MEMORY, 0.0).cases]


def summary(findings: list[Finding]) -> list[tuple[str, str, list[str]]]:
    return [(one.kind, one.subject, [command.render() for command in one.repair]) for one in findings]


def cc(line: str) -> str:
    return f"api callcenter_config {line}"


WELL: Mapping[str, Snapshot] = {
    "nothing at all": Snapshot(at=NOW),
    "an agent who waits": stands(),
    "an agent who is out, with no phone": stands(replace(AGENT, status="Logged Out", registered=False)),
    "an agent whose phone cannot be judged": stands(replace(AGENT, registered=None)),
    "a caller who waits for a busy agent": stands(
        busy("In a queue call", channel_uuid="a1"), CALLER, LEG, member=MEMBER
    ),
    "a phone that rings": stands(
        busy("Receiving", last_offered=NOW - 3),
        CALLER,
        LEG,
        member=replace(MEMBER, state="Trying", agent="ana"),
    ),
    "a phone that is about to ring": stands(
        busy("Receiving", last_offered=NOW - 30), CALLER, member=replace(MEMBER, state="Trying", agent="ana")
    ),
    "a phone that is about to ring with all the others": stands(
        busy("Receiving", last_offered=NOW - 30),
        CALLER,
        member=replace(MEMBER, state="Trying", agent="ring-all"),
    ),
    "a call": stands(
        busy("In a queue call", channel_uuid="a1"),
        CALLER,
        Channel(uuid="a1", is_outbound=True),
        member=replace(MEMBER, state="Answered", agent="ana"),
        tier=replace(TIER, state="Active Inbound"),
    ),
    "a phone that is lost in a call: the call goes on": stands(
        busy("In a queue call", channel_uuid="a1", registered=False),
        CALLER,
        Channel(uuid="a1", is_outbound=True),
        member=replace(MEMBER, state="Answered", agent="ana"),
    ),
    "a caller who gave up and is remembered for a while": stands(
        AGENT, member=replace(MEMBER, state="Abandoned", channel_uuid="")
    ),
    "a caller whom nobody was offered yet": stands(
        AGENT, CALLER, member=replace(MEMBER, joined=NOW - DISPATCH_S + 1)
    ),
    "a caller who waits while the agent's wrap-up lasts": stands(
        replace(AGENT, last_bridge_end=NOW - 20, wrap_up_s=10),
        CALLER,
        member=replace(MEMBER, joined=LONG_AGO),
    ),
    "a caller who waits for an agent who has just come": stands(
        replace(AGENT, status_since=NOW - 3), CALLER, member=replace(MEMBER, joined=LONG_AGO)
    ),
    "a caller who waits while calls are offered": stands(
        replace(AGENT, last_offered=NOW - 5), CALLER, member=replace(MEMBER, joined=LONG_AGO)
    ),
    "a caller whom tier rules keep from the second level": stands(
        AGENT,
        CALLER,
        member=replace(MEMBER, joined=NOW - DISPATCH_S - 30),
        tier=replace(TIER, level=2),
        queue=Queue(name=QUEUE, tier_rules_apply=True, tier_rule_wait_s=20),
    ),
    "a caller of somebody else's queue": stands(
        AGENT, Channel(uuid="c9"), member=replace(MEMBER, channel_uuid="c9")
    ),
}


@pytest.mark.parametrize("case", WELL)
def test_nothing_is_wrong_with(case: str) -> None:
    assert found(WELL[case]) == []


SET_WAITING = cc("agent set state ana Waiting")
WRONG: Mapping[str, tuple[Snapshot, list[tuple[str, str, list[str]]]]] = {
    "a member Answered of whom nothing is left": (
        stands(AGENT, member=replace(MEMBER, state="Answered", agent="ana")),
        [("member-without-channel", "m1", [])],
    ),
    "a member Answered whose agent is parked": (
        stands(
            busy("In a queue call", channel_uuid="a1"),
            replace(LEG, is_parked=True),
            member=replace(MEMBER, state="Answered", agent="ana"),
        ),
        [("member-without-channel", "m1", ["api callcenter_break agent a1"])],
    ),
    "a member Answered whose agent talks on": (
        stands(
            busy("In a queue call", channel_uuid="a1"),
            LEG,
            member=replace(MEMBER, state="Answered", agent="ana"),
        ),
        [("member-without-channel", "m1", [])],
    ),
    "a member Answered whose agent has another call by now": (
        stands(
            busy("In a queue call", channel_uuid="a1"),
            replace(LEG, member="m2", is_parked=True),
            member=replace(MEMBER, state="Answered", agent="ana"),
        ),
        [("member-without-channel", "m1", [])],
    ),
    "a phone that rings for a caller who is gone": (
        stands(busy("Receiving"), LEG, member=replace(MEMBER, state="Trying", agent="ana")),
        [("member-without-channel", "m1", ["api uuid_kill a1 ORIGINATOR_CANCEL"])],
    ),
    "a phone that rings for another caller": (
        stands(
            busy("Receiving"), replace(LEG, member="m2"), member=replace(MEMBER, state="Trying", agent="ana")
        ),
        [("member-without-channel", "m1", [])],
    ),
    "a member Waiting without a channel": (
        stands(AGENT, member=MEMBER),
        [("member-without-channel", "m1", [])],
    ),
    "a caller Trying with an agent who is free": (
        stands(AGENT, CALLER, member=replace(MEMBER, state="Trying", agent="ana")),
        [("caller-not-offered", "m1", [])],
    ),
    "an agent Reserved for nobody": (
        stands(busy("Reserved")),
        [("agent-without-channel", "ana", [SET_WAITING])],
    ),
    "an agent Receiving nothing": (
        stands(busy("Receiving", last_offered=NOW - 10), tier=replace(TIER, state="Offering")),
        [("agent-without-channel", "ana", [SET_WAITING, cc(f"tier set state {QUEUE} ana Ready")])],
    ),
    "an agent Receiving for longer than any originate": (
        stands(
            busy("Receiving", last_offered=NOW - ORIGINATE_S - 1),
            CALLER,
            member=replace(MEMBER, state="Trying", agent="ana"),
        ),
        [("agent-without-channel", "ana", [SET_WAITING])],
    ),
    "an agent in a call that is gone": (
        stands(busy("In a queue call", channel_uuid="a1"), tier=replace(TIER, state="Active Inbound")),
        [("agent-without-channel", "ana", [SET_WAITING, cc(f"tier set state {QUEUE} ana Ready")])],
    ),
    "an agent on demand in a call that is gone": (
        stands(busy("In a queue call", status="Available (On Demand)")),
        [("agent-without-channel", "ana", [cc("agent set state ana Idle")])],
    ),
    "a free agent whom a tier holds": (
        stands(AGENT, tier=replace(TIER, state="Standby")),
        [("tier-without-call", f"ana {QUEUE}", [cc(f"tier set state {QUEUE} ana Ready")])],
    ),
    "an agent without a phone": (
        stands(replace(AGENT, registered=False)),
        [("phone-gone", "ana", [cc("agent set status ana 'On Break'")])],
    ),
    "callers passed over": (
        stands(AGENT, CALLER, member=replace(MEMBER, joined=NOW - DISPATCH_S)),
        [("dispatcher-stopped", QUEUE, [])],
    ),
    "callers passed over by the second level": (
        stands(
            AGENT,
            CALLER,
            member=replace(MEMBER, joined=NOW - DISPATCH_S - 40),
            tier=replace(TIER, level=2),
            queue=Queue(name=QUEUE, tier_rules_apply=True, tier_rule_wait_s=20),
        ),
        [("dispatcher-stopped", QUEUE, [])],
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_with(case: str) -> None:
    snapshot, expected = WRONG[case]
    assert summary(found(snapshot)) == expected


def test_what_has_no_repair_says_what_a_person_can_do() -> None:
    for snapshot, _ in WRONG.values():
        assert all(one.repair or one.advice for one in found(snapshot))


def test_an_agent_put_away_comes_back_with_the_phone() -> None:
    kept = {"ana": Kept(away_since=LONG_AGO, away_from="Available (On Demand)")}
    away = replace(AGENT, status="On Break")
    assert summary(found(stands(away), Ours(kept=kept))) == [
        ("phone-back", "ana", [cc("agent set status ana 'Available (On Demand)'")])
    ]
    assert found(stands(replace(away, registered=False)), Ours(kept=kept)) == []
    assert found(stands(replace(away, registered=None)), Ours(kept=kept)) == []


def test_a_break_that_a_person_wanted_is_left_alone() -> None:
    away = replace(AGENT, status="On Break")
    assert found(stands(away)) == []
    later = replace(away, status_since=LONG_AGO + 1)
    assert found(stands(later), Ours(kept={"ana": Kept(away_since=LONG_AGO)})) == []


WRAP_UPS: list[tuple[Agent, Ours, list[str]]] = [
    (AGENT, Ours(wrap_up_s={QUEUE: 30}), ["30"]),
    (AGENT, Ours(wrap_up_s={QUEUE: 30, "sales@fsctl": 45, "other@fsctl": 60}), ["45"]),
    (AGENT, Ours(wrap_up_s={QUEUE: 30}, kept={"ana": Kept(wrap_up_s=5)}), ["5"]),
    (AGENT, Ours(wrap_up_s={QUEUE: 30}, kept={"ana": Kept(wrap_up_back_s=5)}), ["30"]),
    (AGENT, Ours(kept={"ana": Kept(wrap_up_back_s=20)}), ["20"]),
    (AGENT, Ours(wrap_up_s={QUEUE: 0}), []),
    (replace(AGENT, wrap_up_s=30), Ours(wrap_up_s={QUEUE: 30}), []),
    (replace(AGENT, wrap_up_s=30), Ours(wrap_up_s={QUEUE: 0}), ["0"]),
    # A person ended this wrap-up: it does not begin again.
    (replace(AGENT, last_bridge_end=NOW - 30), Ours(wrap_up_s={QUEUE: 30}), []),
    (replace(AGENT, last_bridge_end=NOW - 31), Ours(wrap_up_s={QUEUE: 30}), ["30"]),
    (
        busy("In a queue call", last_bridge_end=NOW - 5, channel_uuid="a1"),
        Ours(wrap_up_s={QUEUE: 30}),
        ["30"],
    ),
]


@pytest.mark.parametrize(("agent", "ours", "expected"), WRAP_UPS)
def test_wrap_up_is_what_a_person_or_the_queue_says(agent: Agent, ours: Ours, expected: list[str]) -> None:
    commands = [cc(f"agent set wrap_up_time ana {seconds}") for seconds in expected]
    assert [line for _, _, lines in summary(found(stands(agent, LEG), ours)) for line in lines] == commands


def test_without_any_word_wrap_up_is_mod_callcenters() -> None:
    assert wrap_up_of("ana", stands(), Ours()) is None
    assert wrap_up_of("nobody", stands(), Ours(wrap_up_s={QUEUE: 30})) is None


def test_a_member_that_we_do_not_know_and_a_call_that_is_no_member_are_reported() -> None:
    apart = stands(replace(AGENT, last_offered=NOW), CALLER, member=MEMBER)
    assert summary(found(apart, Ours())) == [("call-unknown", "c1", [])]
    assert summary(found(stands(AGENT, CALLER))) == [("call-not-member", "c1", [])]
    assert found(stands(AGENT, CALLER), Ours(calls={"c1": "talking"})) == []


# --- time, one repair, and a rest --------------------------------------------------------------------------

STUCK = stands(busy("Reserved"))


def rounds(*snapshots: Snapshot, memory: Memory = NO_MEMORY, now: float = 0.0) -> Memory:
    for snapshot in snapshots:
        memory = compare(snapshot, Ours(), memory, now)
        now += 5.0
    return memory


def only(memory: Memory) -> Case:
    (case,) = memory.cases
    return case


def test_what_is_seen_once_is_left_alone() -> None:
    case = only(rounds(STUCK))
    assert not case.is_due
    assert not case.is_left


def test_what_stands_twice_is_due() -> None:
    assert only(rounds(STUCK, STUCK)).is_due


def test_what_went_away_in_between_begins_anew() -> None:
    assert not only(rounds(STUCK, stands(), STUCK)).is_due


def test_what_changed_in_between_begins_anew() -> None:
    later = stands(busy("Reserved", last_offered=NOW - 1))
    assert not only(rounds(STUCK, later)).is_due


def test_a_repair_is_sent_once() -> None:
    memory = rounds(STUCK, STUCK)
    memory = memory.tried(only(memory).finding, 10.0)
    again = only(rounds(STUCK, STUCK, memory=memory, now=15.0))
    assert not again.is_due
    assert again.is_left


def test_what_comes_back_soon_is_left_and_later_repaired_again() -> None:
    memory = rounds(STUCK, STUCK)
    memory = memory.tried(only(memory).finding, 10.0)
    memory = rounds(stands(), STUCK, STUCK, memory=memory, now=15.0)
    assert only(memory).is_left
    assert only(rounds(STUCK, memory=memory, now=10.0 + REST_S + 1)).is_due


def test_what_has_no_repair_is_left_when_it_stands_twice() -> None:
    orphan = stands(AGENT, member=replace(MEMBER, state="Answered"))
    assert not only(rounds(orphan)).is_left
    assert only(rounds(orphan, orphan)).is_left


def test_a_repair_is_of_the_values_that_commands_are() -> None:
    assert only(rounds(STUCK)).finding.repair == (encode.SetAgent("state", "ana", "Waiting"),)
