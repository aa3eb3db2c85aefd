"""What may not be text: by what the recogniser says of it, and by a second listener."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import sounds
from fsctl.media import silero
from fsctl.media.wave import RATE, Waveform, to_16k
from fsctl.sim import load_samples
from fsctl.transcribe import guard
from fsctl.transcribe.engine import Engine, Speech, Text
from fsctl.transcribe.guard import Evidence, Guard, folded, suppressed_by
from fsctl.transcribe.inventions import INVENTED, PARTS_INVENTED


def text(words: str, logprob: float = -0.2, no_speech: float = 0.05, **more: float) -> Text:
    return Text(
        start_s=more.get("start_s", 0.0), end_s=more.get("end_s", 1.0), text=words, language="en",
        logprob=logprob, no_speech=no_speech,
    )  # fmt: skip


def test_what_is_sure_stands_whatever_anybody_else_says() -> None:
    assert suppressed_by(text("I want my money back."), 0.01) is None


def test_what_is_doubted_stands_if_a_voice_is_heard() -> None:
    doubted = text("I want my money back.", logprob=-1.3, no_speech=0.5)
    assert suppressed_by(doubted, 0.9) is None
    assert suppressed_by(doubted, 0.1) == "no_voice"


@pytest.mark.parametrize(
    "said", ["Thank you.", "Gracias.", "Obrigado!", "धन्यवाद", "ご視聴ありがとうございました", "You"]
)
def test_people_say_what_whisper_invents(said: str) -> None:
    assert suppressed_by(text(said)) is None
    assert suppressed_by(text(said), 0.9) is None
    assert suppressed_by(text(said), 0.1) == "no_voice"
    assert suppressed_by(text(said, logprob=-0.9, no_speech=0.9), 0.9) == "invented"


def test_the_more_it_is_doubted_the_clearer_a_voice_must_be() -> None:
    busy = text("I don't know what to do.", logprob=-1.53, no_speech=0.61)
    assert suppressed_by(busy, 0.53) == "no_voice"
    assert suppressed_by(busy, 0.9) is None
    assert suppressed_by(text("I'm not going to do that.", logprob=-0.51, no_speech=0.92), 0.43) == "no_voice"
    assert suppressed_by(text("Lincoln.", logprob=-0.98, no_speech=0.62), 0.5) is None


def test_a_credit_at_the_end_of_a_film_is_found_within_a_text() -> None:
    assert suppressed_by(text("Subtítulos realizados por la comunidad de Amara.org"), 0.1) == "no_voice"


def test_round_in_circles_is_no_speech_where_it_is_doubted() -> None:
    round_and_round = "and then " * 8
    assert suppressed_by(text(round_and_round, no_speech=0.6), 0.6) == "repeated"
    assert suppressed_by(text("074 074 0 0 074 0 0 074 0 0 074 0 0", no_speech=0.6), 0.9) is None
    assert suppressed_by(text("no no no no no no no, I said no"), 0.9) is None
    assert suppressed_by(text("And it is, chocelo" + ", chocelo" * 9)) == "repeated"
    assert suppressed_by(text("one two three " * 9)) is None


def test_dots_and_notes_are_not_words() -> None:
    assert suppressed_by(text("♪ ... ♪")) == "no_letters"
    assert suppressed_by(text("हाँ")) is None


def test_the_second_listener_is_asked_only_in_doubt_and_of_a_window_only_the_texts_own_time() -> None:
    heard: list[int] = []

    def voice(wave: Waveform) -> float:
        heard.append(len(wave))
        return 0.0

    asked = Guard(voice)
    window = Speech(np.zeros(20 * RATE, dtype=np.float32), "en", timestamps=True)
    assert asked(text("Sure of it."), window) is None
    assert heard == []
    assert asked(text("Hm, what?", no_speech=0.6, start_s=5.0, end_s=6.0), window) == "no_voice"
    assert asked(text("Thanks for watching!"), Speech(window.wave, "en")) == "no_voice"
    assert heard == [int(1.4 * RATE), 20 * RATE]


LOOP = "I have to go to the other side. I have to go to the other side."


@pytest.mark.parametrize(
    "loop", [LOOP, "I'm sorry, I'm sorry, I'm sorry, I'm sorry", "I think it's true. " * 7]
)
@pytest.mark.parametrize(("voice", "rule"), [(0.3, "no_voice"), (0.7, "repeated"), (0.9, None)])
def test_who_goes_round_in_circles_is_believed_only_with_a_clear_voice_however_sure(
    loop: str, voice: float, rule: str | None
) -> None:
    speech = Speech(np.zeros(8 * RATE, dtype=np.float32), "en", timestamps=True)
    assert Guard(lambda _: voice)(text(loop, no_speech=0.1, logprob=-0.2), speech) == rule


@pytest.mark.parametrize(("voice", "rule"), [(0.63, "invented"), (0.9, None)])
def test_what_whisper_invents_needs_a_clear_voice_where_it_is_doubted_much(
    voice: float, rule: str | None
) -> None:
    told = text("I'll see you in the next video.", no_speech=0.64, logprob=-1.17)
    assert Guard(lambda _: voice)(told, Speech(np.zeros(RATE, dtype=np.float32), "en")) == rule


@pytest.mark.parametrize("said", ["Thank you very much.", "Music", "Music, Music", "Thank you. Thank you."])
def test_what_whisper_invents_and_doubts_needs_a_clear_voice_however_often_it_is_said(said: str) -> None:
    assert suppressed_by(text(said, no_speech=0.49, logprob=-1.22), 0.62) == "invented"
    assert suppressed_by(text(said, no_speech=0.49, logprob=-1.22), 0.9) is None
    assert suppressed_by(text(said, no_speech=0.3, logprob=-0.4), 0.3) == "no_voice"
    assert suppressed_by(text(said, no_speech=0.3, logprob=-0.4), 0.62) is None


@pytest.mark.parametrize(
    "piece",
    [
        "I think it's true, I think it's true",
        "do, I don't know what to do, I don't know",
        "do it, I'm not going to do it,",
        "I'm sorry, I'm sorry",
        "I don't know what to say, but I don't know what to say.",
    ],
)
@pytest.mark.parametrize(("voice", "rule"), [(0.3, "no_voice"), (0.7, "repeated"), (0.9, None)])
def test_a_piece_of_a_circle_is_asked_for_a_voice_too(piece: str, voice: float, rule: str | None) -> None:
    speech = Speech(np.zeros(8 * RATE, dtype=np.float32), "en", timestamps=True)
    assert Guard(lambda _: voice)(text(piece, no_speech=0.21, logprob=-0.23), speech) == rule


def test_who_starts_a_sentence_again_goes_in_no_circle() -> None:
    for said in (
        "no, no, no",
        "bye bye",
        "I want to, I would like to go",
        "yes, my order, my order number is five",
    ):
        assert not Evidence(text(said), None).is_repeated


def test_what_a_speaker_comes_back_to_is_no_circle() -> None:
    told = text("I have to go to the other side. You know that I have to go to the other side.")
    assert Guard(lambda _: 0.1)(told, Speech(np.zeros(RATE, dtype=np.float32), "en")) is None


def test_the_list_is_folded_as_what_is_compared_with_it() -> None:
    for phrase in (*INVENTED, *PARTS_INVENTED):
        assert folded(phrase) == phrase, phrase


@pytest.fixture(scope="module")
def listener(model_dir: Path) -> Guard:
    """With Silero, which comes with faster-whisper."""
    assert model_dir
    return Guard(silero.voice)


NAMES = [
    "silence",
    "mu-law idle",
    "pink -30 dB",
    "swelling",
    "hum 50 Hz",
    "ringback US",
    "busy",
    "DTMF",
    "piano",
    "breath",
]


@pytest.mark.parametrize("name", NAMES)
def test_where_nobody_speaks_no_word_is_stored(name: str, whisper: Engine, listener: Guard) -> None:
    pcm = sounds.telephone(sounds.SOUNDS[name](4.0, 1))
    for seconds in (1, 4):
        speech = Speech(to_16k(pcm[: seconds * RATE], RATE), None)
        for found in whisper.decode([speech])[0]:
            assert listener(found, speech) is not None, found


def test_in_noise_what_is_said_stays(whisper: Engine, listener: Guard) -> None:
    (sample,) = load_samples(["order-en"])
    turns = [turn for turn in sample.turns if turn.leg == "caller"][:4]
    for seed, turn in enumerate(turns):
        audio = sample.caller_audio[turn.start_ms * 16 : turn.end_ms * 16] / 32768
        noise = sounds.noise(-0.5, -30)(len(audio) / RATE + 0.01, seed)[: len(audio)]
        noise *= np.sqrt(np.mean(audio**2) / np.mean(noise**2)) * 10 ** (-5 / 20)
        speech = Speech(to_16k(sounds.telephone(audio + noise), RATE), "en")
        texts = whisper.decode([speech])[0]
        assert any(listener(found, speech) is None for found in texts), texts


def test_silero_hears_a_voice_and_nothing_in_noise(model_dir: Path) -> None:
    assert model_dir
    (sample,) = load_samples(["order-en"])
    turn = next(turn for turn in sample.turns if turn.leg == "agent")
    spoken = to_16k(sample.agent_audio[turn.start_ms * 16 : turn.end_ms * 16], RATE)
    assert silero.voice(spoken) > guard.LEAST_VOICE + 0.3
    assert silero.voice(to_16k(sounds.telephone(sounds.noise(0, -30)(2.0, 1)), RATE)) < guard.LEAST_VOICE
    assert silero.voice(np.zeros(0, dtype=np.float32)) == 0.0
