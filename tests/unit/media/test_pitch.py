"""Vowels repeat themselves; clatter and noise do not."""

import numpy as np
import pytest

from benchmarks import sounds
from fsctl.media.pitch import is_voiced
from fsctl.media.wav import Samples
from fsctl.sim import load_samples

RATE = 16000


def turns() -> list[Samples]:
    return [
        (sample.caller_audio if turn.leg == "caller" else sample.agent_audio)[
            turn.start_ms * 16 : turn.end_ms * 16
        ]
        for sample in load_samples()
        for turn in sample.turns
    ]


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 44100, 48000])
def test_nearly_all_that_is_spoken_is_voiced_at_any_rate(rate: int) -> None:
    found = [
        is_voiced(
            sounds.resample(spoken.astype(float), RATE, rate).clip(-32768, 32767).astype(np.int16), rate
        )
        for spoken in turns()
    ]
    assert sum(found) >= 0.95 * len(found)


@pytest.mark.parametrize("hertz", [85, 120, 210, 330])
def test_low_and_high_voices_are_heard_behind_a_telephones_filter(hertz: int) -> None:
    time = np.arange(RATE) / RATE
    harmonics = sum((np.sin(2 * np.pi * hertz * k * time) / k for k in range(1, 20)), start=np.zeros(RATE))
    assert is_voiced(sounds.telephone(0.1 * harmonics), RATE)


@pytest.mark.parametrize("name", ["clicks", "cough", "breath", "swelling", "brown -25 dB", "silence"])
@pytest.mark.parametrize("rate", [8000, 16000, 48000])
def test_clatter_and_noise_are_not(name: str, rate: int) -> None:
    pcm = sounds.telephone(sounds.SOUNDS[name](6.0, 1))
    assert not is_voiced(sounds.resample(pcm.astype(float), RATE, rate).astype(np.int16), rate)


def test_less_than_a_moment_says_nothing() -> None:
    assert not is_voiced(np.zeros(0, dtype=np.int16), RATE)
    assert not is_voiced(np.ones(300, dtype=np.int16), RATE)
