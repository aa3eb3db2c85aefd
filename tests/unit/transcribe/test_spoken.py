"""Numbers as people say them."""

import pytest

from fsctl.transcribe.number_words import WORDS
from fsctl.transcribe.spoken import groups, tokens


def digits(text: str, language: str | None) -> list[str]:
    return [group.digits for group in groups(tokens(text), language)]


@pytest.mark.parametrize(
    ("language", "said", "expected"),
    [
        ("en", "forty two, forty-two four two", ["42", "42", "4", "2"]),
        ("en", "two hundred and five thousand and twelve", ["205012"]),
        ("en", "double oh seven, treble nine", ["00", "7", "999"]),
        ("en", "007 1,500", ["007", "1", "500"]),
        ("en", "nineteen eighty four", ["19", "84"]),
        ("en", "I would like to go for a walk too", []),
        ("en", "the teen was sad, um, once a month", []),
        ("es", "treinta y uno, veintidós, ciento veinte, mil doscientos", ["31", "22", "120", "1200"]),
        ("es", "doble cinco cero", ["55", "0"]),
        ("pt", "vinte e cinco, cento e dez, meia, mil e duzentos", ["25", "110", "6", "1200"]),
        ("hi", "निन्यानवे सौ, पैंसठ, छः, एक सौ एक", ["9900", "65", "6", "101"]),
        (None, "nueve", []),
        (None, "nueve ocho siete", ["9", "8", "7"]),
    ],
)
def test_words_are_digits(language: str | None, said: str, expected: list[str]) -> None:
    assert digits(said, language) == expected


@pytest.mark.parametrize("language", ["es", "pt", "hi"])
def test_every_number_below_a_hundred_that_is_one_word_is_itself(language: str) -> None:
    for word, value in WORDS[language].items():
        if value < 100:
            assert digits(word, language) == [str(value)], word


def test_hindi_has_a_word_for_each_number_to_a_hundred() -> None:
    assert set(range(101)) <= set(WORDS["hi"].values())


def test_tokens_are_words_and_digits_with_what_stands_on_them() -> None:
    found = tokens("Señor हिन्दी, 4️⃣٤x")
    assert [(one.folded, one.is_digits) for one in found] == [
        ("senor", False), ("हिन्दी", False), ("44", True), ("x", False),
    ]  # fmt: skip
