"""Utterances packed into windows: every sample once, pauses squeezed, and each time has its exact place."""

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fsctl.media.windows import Packed, Places, Stretch, pack

RATE = 1000
"""A small one: a sample is a millisecond."""
LONGEST_S, PAUSE_S = 30.0, 0.8

Lengths = list[tuple[int, int]]


@st.composite
def spoken(draw: st.DrawFn) -> list[Stretch]:
    """Utterances of a leg in order, some touching, some far apart, some longer than a window."""
    at, found = 0, []
    for id in range(1, draw(st.integers(1, 25)) + 1):
        at += draw(st.one_of(st.just(0), st.integers(1, 1500), st.integers(1000, 60000)))
        length = draw(st.one_of(st.integers(1, 12000), st.integers(25000, 95000)))
        found.append(Stretch(id, at, at + length))
        at += length
    return found


def packed(stretches: list[Stretch], **options: object) -> list[Packed]:
    return pack(stretches, RATE, longest_s=LONGEST_S, pause_s=PAUSE_S, **options)  # type: ignore[arg-type]


@given(spoken())
@settings(max_examples=300, deadline=None)
def test_every_spoken_sample_is_in_exactly_one_window_and_no_window_is_too_long(
    stretches: list[Stretch],
) -> None:
    windows = packed(stretches)
    counted = np.zeros(stretches[-1].end + 2000, dtype=int)
    for window in windows:
        assert sum(end - start for start, end in window.pieces) <= LONGEST_S * RATE
        for start, end in window.pieces:
            assert start < end
            counted[start:end] += 1
    for one in stretches:
        assert (counted[one.start : one.end] == 1).all()
        assert any(one.id in window.ids for window in windows)
    assert counted.max() == 1


@given(spoken())
@settings(max_examples=300, deadline=None)
def test_pauses_are_real_audio_and_none_is_longer_than_stated(stretches: list[Stretch]) -> None:
    speech = np.zeros(stretches[-1].end + 2000, dtype=bool)
    for one in stretches:
        speech[one.start : one.end] = True
    for window in packed(stretches):
        kept = np.concatenate([speech[start:end] for start, end in window.pieces])
        edges = np.flatnonzero(np.diff(np.concatenate(([1], kept.astype(int), [1]))))
        pauses = edges[1::2] - edges[::2]
        assert (pauses <= PAUSE_S * RATE).all()
        assert kept[0]
        assert kept[-1]


@given(spoken(), st.data())
@settings(max_examples=300, deadline=None)
def test_every_time_of_a_window_is_where_its_sample_is(stretches: list[Stretch], data: st.DataObject) -> None:
    for window in packed(stretches):
        places = Places(window.pieces, RATE)
        audio = np.concatenate([np.arange(start, end) for start, end in window.pieces])
        assert places.samples == len(audio)
        index = data.draw(st.integers(0, len(audio) - 1))
        assert places.sample(index) == audio[index]
        assert places.start_ms(index / RATE) == audio[index]
        assert places.end_ms((index + 1) / RATE) == audio[index] + 1
        assert places.start_ms(-1.0) == audio[0]
        assert places.end_ms(1e9) == audio[-1] + 1


@given(spoken())
@settings(max_examples=100, deadline=None)
def test_windows_are_in_order_and_do_not_depend_on_the_order_given(stretches: list[Stretch]) -> None:
    windows = packed(stretches)
    assert packed(list(reversed(stretches))) == windows
    assert all(a.pieces[-1][1] <= b.pieces[0][0] for a, b in pairwise(windows))


def test_a_short_pause_stays_whole_and_the_middle_of_a_long_one_goes() -> None:
    (window,) = packed([Stretch(1, 1000, 2000), Stretch(2, 2800, 3000), Stretch(3, 10000, 11000)])
    assert window.pieces == ((1000, 3400), (9600, 11000))
    assert window.ids == (1, 2, 3)
    spoken = [(10000, 11000), (1000, 2000), (2800, 3000)]
    places = Places(window.pieces, RATE)
    assert (places.pauses_s(spoken), places.seams_s) == ((1.4, 2.4), (2.4,))


def test_a_window_that_is_full_ends_with_the_longest_of_its_late_pauses() -> None:
    spoken = [Stretch(i, i * 5000, i * 5000 + 4900) for i in range(4)]
    spoken += [Stretch(4, 20700, 25600), Stretch(5, 25700, 30600), Stretch(6, 30700, 35600)]
    first, second = packed(spoken)
    assert (first.ids, second.ids) == ((0, 1, 2, 3), (4, 5, 6))


def test_no_window_goes_over_a_bound_and_no_pause_holds_what_is_outside() -> None:
    spoken = [Stretch(1, 1000, 2000), Stretch(2, 2100, 2900), Stretch(3, 3300, 4000), Stretch(4, 9000, 9500)]
    first, second, third = packed(spoken, bounds=[(500, 3000), (3200, 5000)])
    assert first.pieces == ((1000, 2900),)
    assert second.pieces == ((3300, 4000),)
    assert third.ids == (4,)


def test_nothing_said_is_no_window() -> None:
    assert pack([], RATE) == []
