"""What a recogniser is told to expect; names come from strangers."""

from hypothesis import given
from hypothesis import strategies as st

from fsctl.transcribe.vocabulary import MOST_CHARACTERS, prompt


def test_the_most_telling_come_first_and_none_twice() -> None:
    assert prompt(["Maria Souza"], ["AB-1234"], ["refund", "maria souza", "courier"]) == (
        "Maria Souza, AB-1234, refund, courier."
    )


def test_nothing_known_is_no_prompt() -> None:
    assert prompt([], [" ", "<|>"]) == ""


def test_vowel_signs_are_kept() -> None:
    assert prompt(["\u0939\u093f\u0928\u094d\u0926\u0940"]) == "\u0939\u093f\u0928\u094d\u0926\u0940."


def test_what_does_not_fit_is_left_out_whole() -> None:
    found = prompt([f"product number {n}" for n in range(100)])
    assert len(found) <= MOST_CHARACTERS
    assert found.endswith(".")
    assert all(part.startswith("product number") for part in found.split(", "))


@given(st.lists(st.text(max_size=300)))
def test_no_stranger_can_write_a_control_token_or_another_line(names: list[str]) -> None:
    found = prompt(["<|endoftext|>", *names])
    assert len(found) <= MOST_CHARACTERS
    assert not set(found) & set("<|>\n\r\x00\x1b")
