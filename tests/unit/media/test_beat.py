"""Turns of the media reader keep one beat."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsctl.media import beat

CLOCK = st.floats(0, 1e7)


@given(CLOCK, st.sampled_from([beat.ROUND, beat.TICK]))
def test_the_next_turn_is_in_its_place_and_neither_too_soon_nor_later_than_a_beat(
    now: float, place: float
) -> None:
    wait = beat.wait_s(now, place)
    assert beat.TOO_SOON * beat.BEAT_S < wait <= (1 + beat.TOO_SOON) * beat.BEAT_S
    assert ((now + wait) / beat.BEAT_S - place + 0.5) % 1 == pytest.approx(0.5, abs=1e-3)


@given(CLOCK)
def test_a_tick_follows_the_round_in_the_same_beat(now: float) -> None:
    round_at = now + beat.wait_s(now, beat.ROUND)
    assert beat.wait_s(round_at, beat.TICK) == pytest.approx(beat.TICK * beat.BEAT_S, abs=1e-6)
