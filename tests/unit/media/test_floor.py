"""How loud a leg is: what passes, and that it does not matter in which pieces the frames come."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fsctl.media.floor import Floor, decibels

MS, SIZE = 30, 480


def energies(levels: list[float]) -> list[float]:
    """Of frames so many decibels over one unit; whole numbers."""
    return [float(round(SIZE * 10 ** (level / 10))) for level in levels]


def passing(levels: list[float]) -> list[bool]:
    return [run > 0 for _, _, run, _ in Floor(MS, SIZE).hear(energies(levels))]


def test_a_voice_over_the_noise_passes_and_the_noise_does_not() -> None:
    heard = passing([30.0] * 50 + [65.0] * 20 + [30.0] * 50)
    assert heard[50:70] == [True] * 20
    assert not any(heard[:50])
    assert not any(heard[70:])


def test_it_counts_how_long_a_sound_lasts() -> None:
    heard = Floor(MS, SIZE).hear(energies([30.0] * 50 + [65.0] * 3 + [30.0] * 2 + [65.0] * 2))
    assert [run for _, _, run, _ in heard[50:]] == [1, 2, 3, 0, 0, 1, 2]


def test_what_codecs_idle_with_never_passes() -> None:
    assert not any(passing([0.0] * 50 + [19.0] * 50))


def test_noise_that_begins_is_noise_after_some_seconds() -> None:
    heard = passing([30.0] * 50 + [50.0] * 300)
    assert heard[50]
    assert not any(heard[50 + 200 :])


def test_in_noise_a_weak_sound_goes_on_but_does_not_begin() -> None:
    (*_, (_, reach, run, clear)) = Floor(MS, SIZE).hear(energies([45.0] * 300 + [65.0] * 20 + [53.5]))
    assert (run > 0, clear) == (True, False)
    assert 15 < decibels(reach) < 21


LEVELS = st.lists(st.floats(0, 90), max_size=60)


@settings(max_examples=100, deadline=None)
@given(LEVELS, st.lists(st.integers(1, 9), max_size=20))
def test_pieces_do_not_matter(levels: list[float], sizes: list[int]) -> None:
    told, floor, at = energies(levels), Floor(MS, SIZE), 0
    heard = []
    for size in [*sizes, len(told)]:
        heard += floor.hear(told[at : at + size])
        at += size
    assert heard == Floor(MS, SIZE).hear(told)


def test_long_loudness_loses_nothing_of_the_exact_sums() -> None:
    rng = np.random.default_rng(2)
    told = [float(rng.integers(0, SIZE * 2**30)) for _ in range(20_000)]
    whole, pieces = Floor(MS, SIZE).hear(told), Floor(MS, SIZE)
    assert [pieces.hear([one])[0] for one in told] == whole
