"""What may be text, how segments become turns, and how far a transcript is from what was said."""

import pytest

from fsctl.transcribe import guard, wer
from fsctl.transcribe.engine import Text
from fsctl.transcribe.turns import Segment, turns


def text(words: str, logprob: float = -0.3, no_speech: float = 0.0) -> Text:
    return Text(start_s=0, end_s=1, text=words, language="en", logprob=logprob, no_speech=no_speech)


def test_words_that_whisper_doubts_and_calls_silence_are_suppressed_with_the_rule() -> None:
    assert guard.suppressed_by(text("Thank you.", logprob=-1.4, no_speech=0.6)) == "no_speech"


def test_doubt_alone_or_silence_alone_does_not_suppress() -> None:
    assert guard.suppressed_by(text("I'm", logprob=-1.4, no_speech=0.1)) is None
    assert guard.suppressed_by(text("Yes.", logprob=-0.3, no_speech=0.6)) is None


def test_dots_are_not_words() -> None:
    assert guard.suppressed_by(text(" ... ♪ ")) == "no_letters"
    assert guard.suppressed_by(text("हाँ")) is None


def segment(leg: str, start: int, end: int, words: str) -> Segment:
    return Segment(leg, start, end, words)


def test_neighbours_of_one_leg_are_one_turn_and_the_other_leg_ends_it() -> None:
    found = turns(
        [
            segment("agent", 3000, 4000, "there"),
            segment("caller", 5000, 6000, "Hi"),
            segment("agent", 1000, 2000, "Hello"),
            segment("agent", 6500, 7000, "Good"),
        ]
    )
    assert [(t.leg, t.text, t.start_ms, t.end_ms) for t in found] == [
        ("agent", "Hello there", 1000, 4000),
        ("caller", "Hi", 5000, 6000),
        ("agent", "Good", 6500, 7000),
    ]


def test_a_long_pause_begins_a_new_turn() -> None:
    assert len(turns([segment("agent", 0, 1000, "One"), segment("agent", 3000, 4000, "Two")])) == 2


def test_speech_of_both_at_once_stays_apart_in_order_of_its_beginning() -> None:
    found = turns([segment("caller", 1500, 2500, "But"), segment("agent", 1000, 3000, "So you see")])
    assert [t.leg for t in found] == ["agent", "caller"]


@pytest.mark.parametrize(
    ("said", "heard", "counts"),
    [
        ("Hello there.", "hello, there", (0, 0, 0, 2)),
        ("one two three", "one too three", (1, 0, 0, 3)),
        ("one two three", "one three", (0, 1, 0, 3)),
        ("one two", "one big two", (0, 0, 1, 2)),
        ("", "word", (0, 0, 1, 0)),
        ("I'm here", "I’m here", (0, 0, 0, 2)),
        ("¿Qué tal?", "que tal", (1, 0, 0, 2)),
    ],
)
def test_word_errors(said: str, heard: str, counts: tuple[int, int, int, int]) -> None:
    errors = wer.compare(said, heard)
    assert (errors.substitutions, errors.deletions, errors.insertions, errors.words) == counts
