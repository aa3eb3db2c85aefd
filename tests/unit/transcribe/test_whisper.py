"""The engine with real weights on real voices."""

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fsctl.media.wave import RATE, to_16k
from fsctl.sim import load_samples
from fsctl.transcribe import engine, guard, wer
from fsctl.transcribe.engine import Engine, EngineOptions, Speech
from fsctl.transcribe.whisper_model import BEFORE_TOKENS, Network

PROMPT = "Sarah Collins, AB-1234, refund, tracking number, courier."


def turns_of(name: str, leg: str) -> tuple[list[Speech], str]:
    (sample,) = load_samples([name])
    audio = sample.caller_audio if leg == "caller" else sample.agent_audio
    spoken = [turn for turn in sample.turns if turn.leg == leg]
    wave = audio.astype(np.float32) / np.float32(32768)
    return [Speech(wave[t.start_ms * 16 : t.end_ms * 16], "en") for t in spoken], " ".join(
        t.text for t in spoken
    )


def test_a_batch_of_turns_reads_as_it_was_said(whisper: Engine) -> None:
    batch, said = turns_of("order-en", "caller")
    heard = " ".join(text.text for texts in whisper.decode(batch) for text in texts)
    assert wer.compare(said, heard).rate < 0.08


def test_utterances_of_different_lengths_come_back_in_their_order(whisper: Engine) -> None:
    batch, _ = turns_of("billing-en", "agent")
    longest = Speech(np.concatenate([speech.wave for speech in batch])[: 11 * RATE], "en")
    alone = [whisper.decode([speech])[0][0].text for speech in batch[:3]]
    together = whisper.decode([batch[0], longest, batch[1], batch[2]])
    assert [together[i][0].text for i in (0, 2, 3)] == alone


def test_silence_and_noise_leave_no_text(whisper: Engine) -> None:
    rng = np.random.default_rng(3)
    noises = [np.zeros(3 * RATE), rng.normal(0, 0.003, 2 * RATE), rng.normal(0, 0.05, 4 * RATE)]
    for wave in noises:
        for text in whisper.decode([Speech(wave.astype(np.float32), "en")])[0]:
            assert guard.suppressed_by(text), text


def test_a_name_in_the_prompt_is_written_as_it_is_written_there(whisper: Engine) -> None:
    batch, said = turns_of("order-en", "caller")
    told = [replace(speech, prompt=PROMPT) for speech in batch]
    heard = " ".join(text.text for texts in whisper.decode(told) for text in texts)
    assert wer.compare(said, heard).rate < 0.08


def test_a_prompt_does_not_leak_into_the_text_of_silence(whisper: Engine) -> None:
    rng = np.random.default_rng(5)
    noises = [np.zeros(3 * RATE), rng.normal(0, 0.003, 2 * RATE), rng.normal(0, 0.05, 4 * RATE)]
    for wave in noises:
        for text in whisper.decode([Speech(wave.astype(np.float32), "en", prompt=PROMPT)])[0]:
            assert guard.suppressed_by(text), text


def test_the_prompt_comes_first_and_the_last_of_what_was_said_before_after_it(model_dir: Path) -> None:
    network = Network(
        EngineOptions(model_dir=model_dir / "tiny.en", languages=["en"], device="cpu", threads=1)
    )
    alone = Speech(np.zeros(RATE, dtype=np.float32), "en")
    prompt, before = "tracking number, courier", " ".join(f"word{i}" for i in range(99))
    told = network.primer(replace(alone, prompt=prompt, before=before))
    assert told[:-BEFORE_TOKENS] == network.primer(replace(alone, prompt=prompt))
    assert told[-BEFORE_TOKENS:] == network.primer(replace(alone, before=before))
    assert network.primer(replace(alone, before="word98"))[-2:] == told[-2:]
    assert network.primer(alone) == []


def test_each_word_has_its_time(whisper: Engine) -> None:
    batch, _ = turns_of("billing-en", "agent")
    for speech, (text,) in zip(batch[:3], whisper.decode([replace(s, words=True) for s in batch[:3]])):
        assert " ".join(word.text for word in text.words) == text.text
        times = [time for word in text.words for time in (word.start_s, word.end_s)]
        assert times == sorted(times)
        assert 0 <= times[0] < times[-1] <= speech.seconds + 0.1
        assert all(0 < word.probability <= 1 for word in text.words)


def test_a_window_comes_back_as_texts_with_their_times(whisper: Engine) -> None:
    batch, _ = turns_of("order-en", "caller")
    pause = np.zeros(RATE, dtype=np.float32)
    wave = np.concatenate([batch[0].wave, pause, batch[1].wave])
    (texts,) = whisper.decode([Speech(wave, "en", timestamps=True, words=True)])
    (sample,) = load_samples(["order-en"])
    said = " ".join([turn.text for turn in sample.turns if turn.leg == "caller"][:2])
    assert wer.compare(said, " ".join(text.text for text in texts)).rate < 0.1
    assert len(texts) > 1
    assert all(a.end_s <= b.start_s + 0.02 for a, b in itertools.pairwise(texts))
    seam = batch[0].seconds + 0.5
    assert any(abs(text.start_s - seam) < 0.8 for text in texts), "the second turn begins after the pause"
    assert all(text.words for text in texts)


def test_a_window_has_times_of_words_only_where_a_text_goes_over_a_seam(whisper: Engine) -> None:
    batch, _ = turns_of("order-en", "caller")
    wave = np.concatenate([batch[0].wave, np.zeros(RATE, dtype=np.float32), batch[1].wave])
    window = Speech(wave, "en", timestamps=True)
    (texts,) = whisper.decode([window])
    within, outside = (texts[0].start_s + texts[0].end_s) / 2, wave.size / RATE + 1
    (parted,), (whole,) = (whisper.decode([replace(window, seams=(seam,))]) for seam in (within, outside))
    assert all(text.words for text in parted)
    assert not any(text.words for text in whole)


def test_two_cores_write_what_one_writes(model_dir: Path, whisper: Engine) -> None:
    options = EngineOptions(model_dir=model_dir / "tiny.en", languages=["en"], device="cpu", threads=2)
    batch, _ = turns_of("billing-en", "agent")
    both = engine.load("whisper", options).decode(batch)
    assert [[text.text for text in texts] for texts in both] == [
        [text.text for text in texts] for texts in whisper.decode(batch)
    ]


def test_more_than_whisper_can_hear_is_refused_not_cut(whisper: Engine) -> None:
    with pytest.raises(ValueError, match="longer than 30 s"):
        whisper.decode([Speech(np.zeros(31 * RATE, dtype=np.float32), "en")])


def test_telephone_rates_are_brought_to_16_khz_without_moving_in_time() -> None:
    for rate in (8000, 32000, 48000):
        tone = (20000 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)).astype(np.int16)
        wave = to_16k(tone, rate)
        expected = 20000 / 32768 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)
        assert len(wave) == RATE
        assert np.max(np.abs(wave - expected)) < 0.01
