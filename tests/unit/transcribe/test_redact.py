"""What must not be stored is found however it is written or said, and what is not it stays."""

import random
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsctl.errors import BadInput
from fsctl.transcribe import redact as redaction
from fsctl.transcribe import spoken
from fsctl.transcribe.engine import Word
from fsctl.transcribe.redact import Piece, Span, redact, redact_all
from fsctl.transcribe.sensitive import is_luhn

ALL = ("card", "code", "email", "phone")
DIGITS = {
    "en": ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"],
    "es": ["cero", "uno", "dos", "tres", "cuatro", "cinco", "seis", "siete", "ocho", "nueve"],
    "pt": ["zero", "um", "dois", "três", "quatro", "cinco", "seis", "sete", "oito", "nove"],
    "hi": ["शून्य", "एक", "दो", "तीन", "चार", "पाँच", "छह", "सात", "आठ", "नौ"],
    "hi-en": ["ज़ीरो", "वन", "टू", "थ्री", "फोर", "फाइव", "सिक्स", "सेवन", "एट", "नाइन"],
}


def card(seed: int, length: int = 16) -> str:
    """Digits with Luhn's check digit."""
    rng = random.Random(seed)
    digits = str(rng.randint(2, 6)) + "".join(rng.choice(string.digits) for _ in range(length - 2))
    return next(digits + check for check in string.digits if is_luhn(digits + check))


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("My card is 4242 4242 4242 4242, thanks", "My card is [card], thanks"),
        ("4111-1111-1111-1111", "[card]"),
        ("4111111111111111", "[card]"),
        ("4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", "[card]"),
        ("41 11/11 11.11 11_11 | 11", "[card]"),
        ("4111\n1111\n1111\n1111", "[card]"),
        ("3782 822463 10005", "[card]"),
        ("४१११ ११११ ११११ ११११", "[card]"),
        ("４１１１１１１１１１１１１１１１", "[card]"),
        ("4\u200b1\u200b1\u200b1 1111 1111 1111", "[card]"),
        ("4️⃣1️⃣1️⃣1️⃣1️⃣1️⃣1️⃣1️⃣1️⃣1️⃣1️⃣1️⃣1️⃣1️⃣1️⃣1️⃣", "[card]"),
        ("one card 4111111111111111 and 5500000000000004!", "one card [card] and [card]!"),
        ("41111111111111115500000000000004", "[card]"),
        ("four one one one, one one one one, one one one one, one one one one", "[card]"),
        ("order 4111 1111 1111 1112 of 2026-11-22", "order 4111 1111 1111 1112 of 2026-11-22"),
        ("IBAN-like 12345 and 20 pieces for 1,500.00", "IBAN-like 12345 and 20 pieces for 1,500.00"),
    ],
)
def test_card_numbers_in_chat(written: str, expected: str) -> None:
    assert redact(written, ["card"]).text == expected


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "it's four two four two four two four two four two four two four two four two"),
        ("en", "it's double four double two, oh two four two, forty-two forty two, triple four two"),
        ("en", "it's forty two forty two forty two forty two forty two forty two forty two forty two"),
        ("en", "it's 42 42, um, forty two 42, then 4242, and 42 forty two okay"),
        ("en", "it's for two for two for two four two for two for two for two for two"),
        ("es", "es cuatro mil doscientos cuarenta y dos, " * 4),
        ("es", "es cuarenta y dos cuarenta y dos, y luego cuarenta y dos cuarenta y dos " * 2),
        ("pt", "é quarenta e dois quarenta e dois, depois quarenta e dois quarenta e dois " * 2),
        ("pt", "é meia meia quatro dois quatro dois quatro dois quatro dois quatro dois quatro dois"),
        ("hi", "चार दो चार दो, बयालीस बयालीस, हाँ जी, चार हजार दो सौ बयालीस, फोर टू फोर टू"),
        ("hi", "char do char do char do char do char do char do char do char do"),
        (None, "cuatro dos cuatro dos four two four two quatro dois quatro dois चार दो चार दो"),
    ],
)
def test_card_numbers_as_they_are_said(language: str | None, said: str) -> None:
    found = redact(said, ["card"], language=language, is_heard=True)
    assert "[card]" in found.text
    left = spoken.groups(spoken.tokens(found.text), language)
    assert sum(len(group.digits) for group in left) <= 3, found.text


@given(
    st.integers(0, 10**6), st.sampled_from([13, 15, 16, 19]), st.sampled_from(sorted(DIGITS)), st.booleans()
)
def test_any_card_in_any_language_is_taken_whole(seed: int, length: int, language: str, heard: bool) -> None:
    words = [DIGITS[language][int(digit)] for digit in card(seed, length)]
    rng = random.Random(seed)
    text = "".join(word + rng.choice([" ", ", ", " - "]) for word in words)
    found = redact(f"I say: {text}. ", ["card"], language=language[:2], is_heard=heard).text
    assert found.startswith("I say: [card]")
    assert not any(word in found.removeprefix("I say:") for word in words)


@given(st.integers(0, 10**6), st.integers(1, 6))
def test_a_card_said_in_groups_with_pauses_is_found_over_the_whole_leg(seed: int, size: int) -> None:
    digits = card(seed)
    groups = [digits[i : i + size] for i in range(0, 16, size)]
    found = redact_all([Piece(group, i * 2000, i * 2000 + 900) for i, group in enumerate(groups)], ["card"])
    assert [one.text for one in found] == ["[card]"] * len(groups)
    assert [one.spans for one in found] == [
        (Span(i * 2000, i * 2000 + 900, "card"),) for i in range(len(groups))
    ]


def test_a_misheard_digit_does_not_save_a_card_number() -> None:
    assert redact("4242 4242 4242 4241", ["card"], is_heard=True).text == "[card]"
    assert redact("the card is 4242 4242 424", ["card"], is_heard=True).text == "the card is [card]"
    said = (
        "my visa four two four two let me turn it over four two four two"
        " wait four two four two and four two four two"
    )
    assert redact(said, ["card"], language="en", is_heard=True).text == (
        "my visa [card] let me turn it over [card] wait [card]"
    )


@pytest.mark.parametrize(
    ("language", "said", "expected"),
    [
        ("en", "the CVV is one two three", "the CVV is [code]"),
        ("en", "123 is the security code", "[code] is the security code"),
        ("es", "el código de seguridad es ciento veintitrés", "el código de seguridad es [code]"),
        ("pt", "o código de segurança é um dois três quatro", "o código de segurança é [code]"),
        ("hi", "सीवीवी एक दो तीन", "सीवीवी [code]"),
        ("en", "there are 123 of them", "there are 123 of them"),
        ("en", "room 12 has a CVV", "room 12 has a CVV"),
    ],
)
def test_security_codes(language: str, said: str, expected: str) -> None:
    assert redact(said, ["code"], language=language, is_heard=True).text == expected


def test_a_code_that_the_other_leg_asked_for_and_one_after_a_card() -> None:
    assert redaction.asks_for_code("And the security code, please?")
    said = [Piece("It's one two three.", 9000, 10000), Piece("I have 450 of them.", 90000, 91000)]
    found = redact_all(said, ["code"], language="en", asked_ms=[8000])
    assert [one.text for one in found] == ["It's [code].", "I have 450 of them."]
    assert redact_all(said, ["code"], language="en")[0].text == "It's one two three."
    after = redact("4242 4242 4242 4242 and on the back 123", ["card", "code"], language="en", is_heard=True)
    assert after.text == "[card] and on the back [code]"


@pytest.mark.parametrize(
    ("language", "said", "expected"),
    [
        ("en", "write to john.smith+x@mail.example.com!", "write to [email]!"),
        ("en", "it is john dot smith at example dot com, thanks", "it is [email], thanks"),
        ("en", "my email is john smith at gmail.com", "my email is [email]"),
        ("en", "j o h n underscore 4 2 at mail dot example dot co dot uk please", "[email] please"),
        ("es", "mi correo es juan punto pérez arroba ejemplo punto es", "mi correo es [email]"),
        ("pt", "o meu email é ana ponto silva arroba exemplo ponto com ponto br", "o meu email é [email]"),
        ("hi", "मेरा ईमेल है राम डॉट कुमार एट जीमेल डॉट कॉम", "मेरा ईमेल है [email]"),
        ("en", "meet me at 5.30 at home. Okay, at work then", "meet me at 5.30 at home. Okay, at work then"),
    ],
)
def test_addresses(language: str, said: str, expected: str) -> None:
    assert redact(said, ["email"], language=language, is_heard=True).text == expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("call +1 (555) 010-0900 now", "call [phone] now"),
        ("my number is 010 0900", "my number is [phone]"),
        ("on 22.11.2026 at 10:30 for 1250 euros", "on 22.11.2026 at 10:30 for 1250 euros"),
        ("six five five, one two three, four five six", "[phone]"),
    ],
)
def test_phones(said: str, expected: str) -> None:
    assert redact(said, ["phone"], language="en").text == expected


def test_patterns_of_a_queues_own_also_where_digits_are_said() -> None:
    kind = r"customer=kd[ -]?\d{6}"
    assert (
        redact("KD-123456, kd one two three four five six", [kind], language="en").text
        == "[customer], [customer]"
    )


@pytest.mark.parametrize("kind", ["cards", "", "x=(", "A=b", "=b", "a b=c"])
def test_a_kind_that_is_none_is_refused(kind: str) -> None:
    with pytest.raises(BadInput):
        redaction.require([kind])
    with pytest.raises(BadInput):
        redact("text", [kind])


LIVE = [
    ("4242", "[number]"),
    ("Four.", "[number]."),
    ("My card is forty two", "My card is [number]"),
    ("two, and then four two", "[number]"),
    ("I was there with one of them in the year of the big storm", None),
    ("One moment please.", None),
    (
        "Well I paid them two hundred and five euros the other day",
        "Well I paid them [number] euros the other day",
    ),
]


@pytest.mark.parametrize(("said", "expected"), LIVE)
def test_while_a_call_lasts_whatever_could_be_part_of_a_number_goes(said: str, expected: str | None) -> None:
    (found,) = redact_all([Piece(said, 0, 1000)], ["card"], language="en", is_live=True)
    assert found.text == (expected or said)


@given(st.integers(0, 10**6), st.data())
def test_live_no_cut_of_a_card_leaves_a_digit(seed: int, data: st.DataObject) -> None:
    words = [DIGITS["en"][int(digit)] for digit in card(seed)]
    cuts = sorted(data.draw(st.sets(st.integers(1, 15), max_size=15)))
    for start, end in zip([0, *cuts], [*cuts, 16]):
        (found,) = redact_all(
            [Piece(" ".join(words[start:end]), 0, 900)], ["card"], language="en", is_live=True
        )
        assert found.text == "[number]"


def timed(text: str) -> list[Word]:
    """Half a second a word."""
    return [Word(i / 2, i / 2 + 0.4, word, 0.9) for i, word in enumerate(text.split())]


def test_the_milliseconds_are_those_of_the_words_and_the_words_are_not_kept() -> None:
    text = "My card: 4242 4242, 4242 4242. Thanks a lot"
    (found,) = redact_all([Piece(text, 10_000, 14_500, timed(text))], ["card"], language="en")
    assert found.text == "My card: [card]. Thanks a lot"
    assert found.spans == (Span(11_000 - 250, 12_900 + 250, "card"),)
    assert [(word.text, word.start_ms) for word in found.words] == [
        ("My", 10_000), ("card:", 10_500), ("[card]", 11_000), ("Thanks", 13_000), ("a", 13_500), ("lot", 14_000),
    ]  # fmt: skip


def test_words_that_do_not_fit_the_text_cost_the_whole_piece() -> None:
    (found,) = redact_all([Piece("it is 4242424242424242", 500, 3000, timed("it was nothing"))], ["card"])
    assert found.spans == (Span(500, 3000, "card"),)
    assert found.words == ()


def test_nothing_asked_nothing_taken() -> None:
    (found,) = redact_all([Piece("4242 4242 4242 4242", 0, 900, timed("4242 4242 4242 4242"))], [])
    assert (found.text, found.kinds, found.spans) == ("4242 4242 4242 4242", (), ())
    assert len(found.words) == 4


@given(st.text(max_size=200), st.booleans(), st.booleans())
def test_whatever_is_said_it_does_not_break_and_is_stable(text: str, heard: bool, live: bool) -> None:
    (found,) = redact_all([Piece(text, 0, 900)], ALL, is_heard=heard, is_live=live)
    if not found.kinds:
        assert found.text == text
    assert bool(found.kinds) == bool(found.spans)


@given(st.lists(st.text("0123456789 abc.,\n", max_size=30), max_size=6))
def test_pieces_stay_apart(texts: list[str]) -> None:
    found = redact_all([Piece(text, i, i + 1) for i, text in enumerate(texts)], ALL)
    assert len(found) == len(texts)
