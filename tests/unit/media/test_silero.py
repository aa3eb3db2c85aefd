"""The second listener itself: real voices, and what is none."""

import numpy as np
import pytest

from benchmarks import sounds
from fsctl.media.silero import WINDOW, chances, voice
from fsctl.media.wave import RATE, to_16k
from fsctl.sim import load_samples


def test_it_tells_when_somebody_speaks() -> None:
    sample = load_samples()[0]
    turn = next(t for t in sample.turns if t.leg == "agent")
    spoken = sample.agent_audio[turn.start_ms * 16 : turn.end_ms * 16]
    wave = to_16k(np.concatenate((np.zeros(2 * RATE, dtype=np.int16), spoken)), RATE)
    heard = chances(wave)
    assert len(heard) == -(-len(wave) // WINDOW)
    silent = 2 * RATE // WINDOW
    assert heard[:silent].max() < 0.1 < 0.6 < heard[silent:].max() == voice(wave)


def test_noise_silence_and_nothing_are_no_voice() -> None:
    assert voice(to_16k(sounds.telephone(sounds.noise(-0.5, -30)(3.0, 1)), RATE)) < 0.1
    assert voice(np.zeros(RATE, dtype=np.float32)) < 0.1
    assert voice(np.zeros(0, dtype=np.float32)) == 0.0


def test_heard_piece_by_piece_it_says_what_it_says_of_the_whole() -> None:
    from faster_whisper.vad import get_vad_model

    wave = to_16k(load_samples()[0].agent_audio[: 20 * RATE], RATE)
    whole = get_vad_model()(wave.copy()[: len(wave) // WINDOW * WINDOW]).ravel()
    assert chances(wave)[: len(whole) - 1] == pytest.approx(whole[:-1], abs=1e-4)


def test_it_remembers_nothing_of_what_it_was_asked_before() -> None:
    wave = to_16k(load_samples()[0].agent_audio[: 20 * RATE], RATE)
    first = chances(wave)
    chances(wave[::-1].copy())
    assert (chances(wave) == first).all()
