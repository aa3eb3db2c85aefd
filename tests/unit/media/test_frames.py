"""Frames in columns give back what was put in, by their numbers."""

import pytest

from fsctl.media.frames import Frame, Frames

FIRST, END = 40, 50


def frames(runs: list[int], voiced: str = "") -> Frames:
    """Of these runs, voiced where it says ``v``; each ten times as powerful as the one before."""
    return Frames(
        FIRST,
        [
            Frame(mark == "v", False, run, 10.0**at, 0.5 + at)
            for at, (run, mark) in enumerate(zip(runs, voiced.ljust(len(runs), ".")))
        ],
    )


def test_a_sound_lasts_before_and_after_a_frame() -> None:
    told = frames([0, 1, 2, 3, 4, 0, 1])
    assert (told.rise(FIRST + 3), told.fade(FIRST + 3, END, 0)) == (2, 1)
    assert (told.rise(FIRST), told.fade(FIRST, END, 0)) == (0, 4), "a frame that has no sound itself"
    assert told.fade(FIRST + 6, END, 0) == 0


def test_a_sound_goes_on_over_short_silences() -> None:
    told = frames([1, 0, 0, 1, 0, 1, 0, 0, 0, 1])
    assert [told.fade(FIRST, END, stop) for stop in (0, 1, 2, 3)] == [0, 0, 5, 9]
    assert told.fade(FIRST, FIRST + 5, 3) == 3, "but not into what is somebody else's"


def test_a_sound_that_began_before_the_first_frame_is_known() -> None:
    assert frames([8, 9]).rise(FIRST) == 7


def test_pauses_are_runs_of_enough_frames_without_a_voice() -> None:
    assert list(frames([0] * 9, "v..v...v.").pauses(2)) == [(41, 43), (44, 47)]
    assert list(frames([0] * 9, "v..v...v.").pauses(1))[-1] == (48, 49), "the one that lasts, too"


def test_loudness_is_the_mean_of_the_levels() -> None:
    assert frames([0] * 5).loudness(FIRST + 1, FIRST + 4) == pytest.approx(20.0)


def test_what_is_forgotten_does_not_move_the_rest() -> None:
    told = frames([1, 2, 3, 0, 1], "vv.vv")
    told.forget(FIRST + 2)
    assert told.first == FIRST + 2
    assert (told.reach(FIRST + 3), told.rise(FIRST + 2)) == (3.5, 2)
    assert list(told.pauses(1)) == [(42, 43)]
    assert told.loudness(FIRST, FIRST + 3) == pytest.approx(20.0), "of those that are left"
    told.append(Frame(False, False, 2, 1.0, 9.0))
    assert told.reach(FIRST + 5) == 9.0
