"""Who spoke how long, who interrupted, who spoke longest."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsctl.transcribe.turns import Interruption, Monologue, Segment, statistics, turns


def said(*spoken: tuple[str, int, int]) -> list[Segment]:
    return [Segment(leg, start, end, "words") for leg, start, end in spoken]


def test_shares_are_of_the_whole_call() -> None:
    found = statistics(said(("caller", 0, 4000), ("agent", 3000, 6000), ("caller", 9000, 20000)), 10_000)
    assert found.talk == {"agent": 0.3, "caller": 0.5}
    assert found.listen == {"agent": 0.4, "caller": 0.2}
    assert (found.both, found.silence) == (0.1, 0.3)


@pytest.mark.parametrize(
    ("second", "interrupts"),
    [
        (("agent", 2000, 5000), True),
        (("agent", 2000, 2800), False),
        (("agent", 3800, 6000), False),
        (("agent", 0, 3000), False),
        (("caller", 2000, 5000), False),
        (("agent", 4500, 6000), False),
    ],
    ids=["falls in", "says mhm", "overlaps a little", "begins at once", "goes on", "waits"],
)
def test_an_interruption_goes_on_in_the_others_words(second: tuple[str, int, int], interrupts: bool) -> None:
    found = statistics(said(("caller", 0, 4000), second), 10_000).interruptions
    assert found == ((Interruption("agent", second[1]),) if interrupts else ())


def test_a_monologue_goes_over_pauses_and_asides_but_not_over_an_answer_or_a_long_silence() -> None:
    spoken = said(
        ("agent", 0, 8000), ("caller", 3000, 3500), ("agent", 9000, 15000), ("caller", 15500, 18000),
        ("agent", 18500, 20000), ("agent", 60000, 70000),
    )  # fmt: skip
    assert statistics(spoken, 80_000).longest_monologue == Monologue("agent", 0, 15000)


def test_nobody_speaks() -> None:
    found = statistics([], 5000)
    assert (found.talk, found.silence, found.longest_monologue, found.interruptions) == ({}, 1.0, None, ())
    assert statistics(said(("caller", 0, 0)), 0).talk == {"caller": 0.0}


spoken = st.lists(
    st.builds(
        lambda leg, start, length: Segment(leg, start, start + length, "x"),
        st.sampled_from(["caller", "agent"]), st.integers(0, 60_000), st.integers(0, 20_000),
    ),
    max_size=30,
)  # fmt: skip


@given(spoken, st.integers(1, 90_000))
def test_the_shares_add_up(segments: list[Segment], duration_ms: int) -> None:
    found = statistics(segments, duration_ms)
    assert abs(sum(found.talk.values()) - found.both + found.silence - 1) < 0.001
    for leg in found.talk:
        assert abs(found.talk[leg] + found.listen[leg] + found.silence - 1) < 0.001
    assert all(0 <= share <= 1 for share in (*found.talk.values(), found.both, found.silence))
    assert statistics(reversed(segments), duration_ms).as_dict() == found.as_dict()


@given(spoken)
def test_turns_lose_nothing_and_stay_in_order(segments: list[Segment]) -> None:
    found = turns(segments)
    assert sorted((s.leg, s.start_ms, s.end_ms) for turn in found for s in turn.segments) == sorted(
        (s.leg, s.start_ms, s.end_ms) for s in segments
    )
    assert [turn.start_ms for turn in found] == sorted(turn.start_ms for turn in found)
    assert all(turn.end_ms == max(s.end_ms for s in turn.segments) for turn in found)
