"""A telephone's tones are told from voices, and no voice is taken for a tone."""

import numpy as np
import pytest

from fsctl.media.segmenter import Segmenter
from fsctl.media.tones import is_tone
from fsctl.media.wav import Samples
from fsctl.sim import load_samples

RATE = 16000
TIME = np.arange(4 * RATE) / RATE


def hum(*hertz: float) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    return sum((np.sin(2 * np.pi * pitch * TIME) for pitch in hertz), start=np.zeros(len(TIME)))


TONES = {
    "ringing in Europe": hum(425) * (TIME < 1),
    "busy in Europe": hum(425) * (TIME % 0.96 < 0.48),
    "busy in America": hum(480, 620) * (TIME % 1 < 0.5),
    "fax calls": hum(1100) * (TIME % 3.5 < 0.5),
    "fax answers": hum(2100),
    "no such number": np.choose((TIME * 3).astype(int) % 3, [hum(950), hum(1400), hum(1800)]),
}


@pytest.mark.parametrize("name", TONES)
@pytest.mark.parametrize("rate", [8000, 16000, 48000])
def test_a_tone_is_a_tone(name: str, rate: int) -> None:
    noise = np.random.default_rng(0).normal(0, 50, len(TIME))
    wave = np.interp(np.arange(4 * rate) / rate, TIME, 3000 * TONES[name] + noise)
    loud = np.flatnonzero(np.abs(wave) > 300)
    assert is_tone(wave[loud[0] : loud[-1]].astype(np.int16), rate)


def utterances() -> list[Samples]:
    found = []
    for sample in load_samples():
        for audio in (sample.caller_audio, sample.agent_audio):
            segmenter = Segmenter(RATE, 0, vad_mode=1, hangover_ms=500, min_ms=150, max_ms=12000)
            found += [audio[u.start : u.end] for u in (*segmenter.feed(audio), *segmenter.finish())]
    return found


@pytest.mark.parametrize("length_s", [0.3, 0.5, 1.0, 12.0])
def test_no_voice_is_a_tone_not_even_in_pieces(length_s: float) -> None:
    size = int(length_s * RATE)
    for spoken in utterances():
        for begin in range(0, max(1, len(spoken) - size // 2), size // 2):
            assert not is_tone(spoken[begin : begin + size], RATE)


def test_a_tone_under_speech_is_speech() -> None:
    spoken = max(utterances(), key=len)[: 3 * RATE].astype(float)
    both = spoken + 0.3 * spoken.std() * hum(425)[: len(spoken)]
    assert not is_tone(both.clip(-32768, 32767).astype(np.int16), RATE)


def test_silence_noise_and_next_to_nothing_are_no_tones() -> None:
    assert not is_tone(np.zeros(RATE, dtype=np.int16), RATE)
    assert not is_tone(np.zeros(0, dtype=np.int16), RATE)
    assert not is_tone(np.random.default_rng(1).normal(0, 3000, RATE).astype(np.int16), RATE)
    assert not is_tone((3000 * hum(425)[:3000]).astype(np.int16), RATE)
