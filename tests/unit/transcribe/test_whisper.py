"""The engine with real weights on real voices."""

import numpy as np

from fsctl.sim import load_samples
from fsctl.transcribe import guard, wer
from fsctl.transcribe.engine import RATE, Engine, Speech, to_16k


def turns_of(name: str, leg: str) -> tuple[list[Speech], str]:
    (sample,) = load_samples([name])
    audio = sample.caller_audio if leg == "caller" else sample.agent_audio
    spoken = [turn for turn in sample.turns if turn.leg == leg]
    wave = audio.astype(np.float32) / 32768
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


def test_telephone_rates_are_brought_to_16_khz_without_moving_in_time() -> None:
    for rate in (8000, 32000, 48000):
        tone = (20000 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)).astype(np.int16)
        wave = to_16k(tone, rate)
        expected = 20000 / 32768 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)
        assert len(wave) == RATE
        assert np.max(np.abs(wave - expected)) < 0.01
