"""The way through a window of minutes: every part is heard, ends at a pause, and knows what was said before."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsctl.media.wave import RATE
from fsctl.transcribe.course import HEAD_S, LATE_SHARE, LEAST_REST_S, PIECE_S, Course
from fsctl.transcribe.engine import Speech, Text
from fsctl.transcribe.whisper_model import Reading


def window(seconds: float, pauses: Sequence[float] = (), *, timestamps: bool = True) -> Speech:
    """Its samples say in which second they are."""
    wave = (np.arange(int(seconds * RATE)) / RATE).astype(np.float32)
    return Speech(wave, None, timestamps=timestamps, pauses=tuple(pauses), seams=tuple(pauses))


def reading(said: str, resume_s: float, *, logprob: float = -0.3, doubt: str | None = None) -> Reading:
    text = Text(start_s=0.1, end_s=resume_s, text=said, language="en", logprob=logprob, no_speech=0.1)
    return Reading([text], [], doubt, logprob, 0.1, resume_s)


def heard(speech: Speech, read: Callable[[Speech], Reading]) -> tuple[Course, list[Speech]]:
    course, heads = Course(speech), list[Speech]()
    while course.head is not None:
        heads.append(course.head)
        course.take(course.head, read(course.head), 1.0)
        assert len(heads) < 1000
    return course, heads


def test_a_window_is_heard_in_parts_that_end_at_the_last_pause_that_fits() -> None:
    _, heads = heard(window(60, [5, 16, 27, 29, 44, 50]), lambda head: reading("said", head.seconds))
    assert [head.seconds for head in heads] == pytest.approx([27, 23, 10])
    assert [head.wave[0] for head in heads] == pytest.approx([0, 27, 50])
    assert [head.seams for head in heads] == [(5, 16), (2, 17), ()]


def test_with_no_pause_late_enough_as_much_is_heard_as_can_be() -> None:
    _, heads = heard(window(40, [13.9, 28.1]), lambda head: reading("said", head.seconds))
    assert [head.seconds for head in heads] == pytest.approx([HEAD_S, 12])


def test_what_was_left_in_mid_phrase_is_heard_again_with_what_follows() -> None:
    ends = iter([20.0, 26.5, 1e9])
    course, heads = heard(window(60, [27]), lambda head: reading("said", min(next(ends), head.seconds)))
    assert [head.wave[0] for head in heads] == pytest.approx([0, 20, 46.5])
    assert [(text.start_s, text.end_s) for text in course.texts] == [
        (0.1, 20.0), (pytest.approx(20.1), pytest.approx(46.5)), (pytest.approx(46.6), pytest.approx(60.0)),
    ]  # fmt: skip
    assert heads[1].seams == pytest.approx((7.0,))


def test_what_was_said_goes_along_while_it_is_sure() -> None:
    sure = iter([-0.2, -0.3, -0.9, -0.2])
    said = iter(["one", "two", "three", "four"])
    _, heads = heard(window(100), lambda head: reading(next(said), head.seconds, logprob=next(sure)))
    assert [head.before.split() for head in heads] == [[], ["one"], ["one", "two"], []]


def test_what_stays_doubtful_is_heard_again_in_short_pieces_and_what_follows_is_not() -> None:
    def read(head: Speech) -> Reading:
        wrong = head.wave[0] == 0 and head.seconds > PIECE_S
        return reading("wrong" if wrong else "said", head.seconds, doubt="repeats" if wrong else None)

    course, heads = heard(window(60, [6, 11, 18, 25, 50]), read)
    assert [head.seconds for head in heads] == pytest.approx([25, 6, 5, 7, 7, 25, 10])
    assert {text.text for text in course.texts} == {"said"}
    assert [head.before for head in heads[:2]] == ["", ""]


def test_what_stays_doubtful_even_so_is_left_to_the_guard() -> None:
    course, heads = heard(window(20), lambda head: reading("wrong", head.seconds, doubt="unsure"))
    assert [head.seconds for head in heads] == pytest.approx([20, 8, 8, 4])
    assert [text.text for text in course.texts] == ["wrong"] * 3


def test_the_language_of_the_first_part_is_that_of_the_rest() -> None:
    course = Course(window(40))
    assert course.head is not None
    told = Speech(course.head.wave, "es", timestamps=True)
    course.take(told, reading("hola", told.seconds), 0.8)
    assert course.head is not None
    assert course.head.language == "es"
    course.take(course.head, reading("adiós", course.head.seconds), 1.0)
    assert [text.language_probability for text in course.texts] == [0.8, 0.8]


def test_an_utterance_is_heard_at_once() -> None:
    _, heads = heard(window(29, [20], timestamps=False), lambda head: reading("said", head.seconds))
    assert [head.seconds for head in heads] == [29]


@given(st.floats(0.2, 200), st.lists(st.floats(0, 200), max_size=40), st.integers(0, 2**32))
def test_all_is_heard_to_its_end_wherever_whisper_stops(
    seconds: float, pauses: list[float], seed: int
) -> None:
    """Whatever part of a head it takes, at least a second of it (``timestamps.LEAST_PROGRESS_S``)."""
    rng = np.random.default_rng(seed)

    def read(head: Speech) -> Reading:
        return reading("said", min(head.seconds, float(rng.uniform(1, 40))))

    course, heads = heard(window(seconds, sorted(pause for pause in pauses if pause < seconds)), read)
    assert heads[0].wave[0] == 0
    assert seconds - course.texts[-1].end_s < LEAST_REST_S + 0.01
    assert all(head.seconds <= HEAD_S + 1 / RATE for head in heads)
    for head, after in pairwise(heads):
        assert head.wave[0] < after.wave[0] <= head.wave[-1] + 0.01
        assert head.seconds > LATE_SHARE * HEAD_S or head.wave[-1] > seconds - 0.01
