"""Which results are decoded again."""

import pytest

from fsctl.transcribe.doubt import Result, doubt, most_tokens

WRONG = {
    "four words said again": ("repeats", "A grain or two is good and a grain or two is good", 14, -0.2, 8.0),
    "a word three times": ("repeats", "no, no, no", 3, -0.2, 2.0),
    "one sentence over and over": ("repeats", "Ja. " * 20, 40, -0.2, 12.0),
    "more tokens than the time can hold": ("too long", "word " * 7, 60, -0.2, 2.0),
    "more words than the time can hold": (
        "too long",
        "one two three four five six seven eight",
        9,
        -0.2,
        0.6,
    ),
    "hardly sure": ("unsure", "something", 2, -1.3, 1.0),
    "nothing in five seconds": ("too short", "", 0, 0.0, 5.0),
    "two words in twelve seconds": ("too short", "Data set.", 3, -0.2, 12.0),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_result_that_a_short_context_spoils_is_noticed(name: str) -> None:
    rule, text, tokens, logprob, seconds = WRONG[name]
    assert doubt(Result(text, tokens, logprob, seconds)) == rule


@pytest.mark.parametrize(
    ("text", "tokens", "logprob", "seconds"),
    [
        ("Yes, of course. My name is Sarah Collins.", 12, -0.3, 3.0),
        ("No, no.", 5, -0.4, 1.0),
        ("", 0, 0.0, 0.6),
        ("It is 4242 4242 4242 4242.", 12, -0.2, 4.0),
        (
            "He told me of having been a shop boy. You do not mean that you thought me so silly? I really like "
            "that account of himself better than all he said. His story of having been a shop boy I liked best.",
            60,
            -0.2,
            20.0,
        ),
    ],
)
def test_ordinary_results_are_left_alone(text: str, tokens: int, logprob: float, seconds: float) -> None:
    assert doubt(Result(text, tokens, logprob, seconds)) is None


def test_a_prompt_said_again_is_an_echo_and_a_name_from_it_is_none() -> None:
    prompt = "Maria Souza, AB-1234, refund, tracking number, courier."
    assert doubt(Result("AB-1234 refund tracking number", 8, -0.1, 3.0, prompt)) == "echoes"
    assert doubt(Result("This is Maria Souza, about a refund.", 10, -0.1, 3.0, prompt)) is None


def test_more_time_holds_more_tokens() -> None:
    assert most_tokens(0.2) < most_tokens(5) < 448
