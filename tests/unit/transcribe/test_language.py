"""A leg's language: voted, then locked."""

from functools import reduce

import pytest

from fsctl.transcribe.language import LanguageLock, choose, told


def after(*heard: tuple[str, float, float]) -> LanguageLock:
    return reduce(lambda lock, one: lock.hear(*one), heard, LanguageLock())


def test_a_leg_is_not_sure_before_enough_was_heard() -> None:
    assert LanguageLock().language is None
    assert after(("es", 0.99, 3.0)).language is None


def test_four_sure_seconds_lock_it() -> None:
    assert after(("es", 0.99, 3.0), ("es", 0.9, 1.5)).language == "es"


def test_unsure_utterances_have_no_vote() -> None:
    assert after(("es", 0.6, 30.0), ("pt", 0.9, 4.0)).language == "pt"


def test_a_leg_of_two_languages_is_locked_only_when_one_has_three_times_as_much() -> None:
    lock = after(("es", 0.99, 2.0), ("pt", 0.99, 4.0))
    assert lock.language is None
    assert lock.hear("pt", 0.99, 2.0).language == "pt"


def test_what_is_locked_stays() -> None:
    assert after(("es", 0.99, 5.0), ("en", 0.99, 60.0)).language == "es"


def test_only_allowed_languages_are_chosen_among() -> None:
    language, probability = choose({"en": 0.7, "gl": 0.2, "es": 0.06, "pt": 0.04}, ("es", "pt"))
    assert (language, probability) == ("es", pytest.approx(0.6))
    assert choose({"en": 1.0}, ("hi", "es")) == ("hi", 0.0)


@pytest.mark.parametrize(
    ("leg", "allowed", "call", "language"),
    [
        ("es", ("en", "pt"), "en", "es"),
        (None, ("es",), "en", "es"),
        (None, ("en", "es"), "en", None),
        (None, ("en", "es"), None, None),
        (None, (), "en", "en"),
        (None, (), None, None),
    ],
)
def test_a_sure_leg_comes_before_its_queues_and_they_before_its_call(
    leg: str | None, allowed: tuple[str, ...], call: str | None, language: str | None
) -> None:
    assert told(leg, allowed, call) == language
