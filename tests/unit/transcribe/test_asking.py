"""What a recogniser is told: the language once it is sure, and what may be said, bounded."""

import pytest

from fsctl.store.utterances import Context
from fsctl.transcribe.asking import Asking, heard, ids_in
from fsctl.transcribe.engine import Text

PCM = bytes(32000)
WINDOW = (0.5,)
CONTEXT = Context(
    language="es",
    display_name="Ana",
    messages=("Mi pedido AB-12345 no llega", "¿Y el 777123?", "Hola, 12 horas"),
)


def text(language: str, sure: float) -> Text:
    return Text(
        start_s=0, end_s=1, text="x", language=language, logprob=0, no_speech=0, language_probability=sure
    )  # fmt: skip


def test_nothing_is_told_unless_it_was_asked_for() -> None:
    assert Asking().speech(PCM, 16000, CONTEXT).prompt == ""


def test_the_prompt_has_the_name_ids_from_the_chat_and_words_of_the_trade() -> None:
    prompt = Asking(prompt=True, vocabulary=("Zentralis",)).speech(PCM, 16000, CONTEXT).prompt
    assert prompt == "Ana, AB-12345, 777123, Zentralis."


def test_a_stranger_cannot_make_the_prompt_long_or_control_the_recogniser() -> None:
    hostile = Context(
        display_name="<|endoftext|>" * 500, messages=tuple(f"Q{i}77777" * 99 for i in range(500))
    )
    prompt = Asking(prompt=True).speech(PCM, 16000, hostile).prompt
    assert len(prompt) < 300
    assert "<" not in prompt
    assert "|" not in prompt


def test_few_ids_and_none_twice() -> None:
    assert list(ids_in(["A1234 A1234 B1234", "C1234", "no 123 4-5"])) == ["A1234", "B1234", "C1234"]
    assert len(list(ids_in([f"A{i}000" for i in range(50)]))) == 6


@pytest.mark.parametrize(("redact", "wanted"), [((), False), (("card",), True)])
def test_words_are_timed_where_something_may_have_to_be_silenced(
    redact: tuple[str, ...], wanted: bool
) -> None:
    asked = Asking().speech(PCM, 16000, Context(redact=redact), pauses_s=WINDOW)
    assert asked.words is wanted
    assert asked.timestamps


@pytest.mark.parametrize(("redact", "wanted"), [((), False), (("card",), True)])
def test_live_text_goes_without_times_of_words_unless_something_may_have_to_be_silenced(
    redact: tuple[str, ...], wanted: bool
) -> None:
    asking = Asking(words=True)
    assert asking.speech(PCM, 16000, Context(redact=redact)).words is wanted
    assert asking.speech(PCM, 16000, CONTEXT, pauses_s=WINDOW).words


def test_the_recogniser_is_told_where_a_pause_was_squeezed() -> None:
    asked = Asking().speech(PCM, 16000, CONTEXT, pauses_s=WINDOW, seams_s=(0.7,))
    assert (asked.pauses, asked.seams) == (WINDOW, (0.7,))
    assert Asking().speech(PCM, 16000, CONTEXT).pauses == ()


def test_a_language_is_voted_for_until_it_is_sure() -> None:
    assert heard(Context(), [text("es", 0.95)], 3.0) == ({"es": 3.0}, None)
    assert heard(Context(heard={"es": 3.0}), [text("es", 0.95)], 2.0) == ({"es": 2.0}, "es")
    assert heard(Context(heard={"es": 3.0}), [text("pt", 0.4)], 2.0) == ({}, None)
    assert heard(CONTEXT, [text("pt", 0.99)], 9.0) == ({}, None)
    assert heard(Context(), [], 9.0) == ({}, None)


@pytest.mark.parametrize("window", [None, WINDOW])
def test_the_recogniser_is_told_among_which_languages_to_choose(window: tuple[float, ...] | None) -> None:
    asked = Asking().speech(PCM, 16000, Context(languages=("en", "es")), pauses_s=window)
    assert (asked.language, asked.languages) == (None, ("en", "es"))
    assert Asking().speech(PCM, 16000, CONTEXT, pauses_s=window).languages == ()
