"""What the second listener leaves of a stretch out of noise."""

import itertools

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import sounds
from fsctl.media import voices as listener
from fsctl.media.segmenter import Segmenter
from fsctl.media.silero import WINDOW
from fsctl.media.voices import AFTER_MS, BEFORE_MS, HEARD, NOISY_DB, cut, voices
from fsctl.media.wav import Samples
from fsctl.sim import load_samples

RATE = 16000
NOISY = NOISY_DB - 15
SETTINGS = {"vad_mode": 1, "hangover_ms": 500, "min_ms": 150, "max_ms": 12000}


def in_noise(leg: Samples, spoken: list[tuple[int, int]], snr_db: float) -> Samples:
    """A leg with pink noise so far below its speech."""
    speech = np.concatenate([leg[a:b] for a, b in spoken]).astype(float)
    noise = sounds.noise(-0.5, -30)(len(leg) / RATE + 0.1, 7)[: len(leg)]
    noise *= speech.std() / noise.std() * 10 ** (-snr_db / 20)
    return (leg + noise).clip(-32768, 32767).astype(np.int16)


@pytest.fixture(scope="module")
def noisy() -> tuple[Samples, list[tuple[int, int]]]:
    """A caller at 10 dB, and the samples in which he speaks."""
    sample = load_samples()[0]
    spoken = [(t.start_ms * 16, t.end_ms * 16) for t in sample.turns if t.leg == "caller"]
    return in_noise(sample.caller_audio, spoken, 10), spoken


def share(found: list[tuple[int, int]], spoken: list[tuple[int, int]]) -> float:
    heard = sum(max(0, min(b, end) - max(a, start)) for a, b in found for start, end in spoken)
    return heard / sum(end - start for start, end in spoken)


def test_of_a_plain_voice_on_a_quiet_line_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(_wave: object) -> None:
        raise AssertionError

    monkeypatch.setattr(listener, "chances", never)
    sample = load_samples()[0]
    for turn in sample.turns:
        leg = sample.caller_audio if turn.leg == "caller" else sample.agent_audio
        spoken = leg[turn.start_ms * 16 : turn.end_ms * 16]
        assert voices(spoken, RATE, NOISY_DB) == [(0, len(spoken))]


@pytest.mark.parametrize("name", ["clicks", "cough", "breath", "swelling", "strings", "band", "pink -20 dB"])
def test_a_sound_that_is_no_voice_is_left_out(name: str) -> None:
    assert voices(sounds.telephone(sounds.SOUNDS[name](6.0, 1)), RATE, NOISY) == []


@pytest.mark.parametrize("name", ["clicks", "cough", "breath"])
def test_neither_is_it_on_a_quiet_line(name: str) -> None:
    assert voices(sounds.telephone(sounds.SOUNDS[name](6.0, 1)), RATE, 60.0) == []


def test_what_webrtcvad_found_of_speech_in_noise_stays(noisy: tuple[Samples, list[tuple[int, int]]]) -> None:
    pcm, spoken = noisy
    segmenter = Segmenter(RATE, 0, **SETTINGS)
    alone = [(s.start, s.end) for s in (*segmenter.feed(pcm), *segmenter.finish())]
    assert share(cut(pcm, RATE, **SETTINGS), spoken) >= share(alone, spoken) - 0.005 > 0.9


def test_clatter_between_words_is_cut_away(noisy: tuple[Samples, list[tuple[int, int]]]) -> None:
    pcm, spoken = noisy
    start, end = spoken[0]
    clatter = sounds.telephone(sounds.SOUNDS["clicks"](4.0, 2))
    stretch = np.concatenate((clatter, pcm[start:end], clatter))
    ((begin, until),) = voices(stretch, RATE, NOISY)
    assert len(clatter) - RATE < begin <= len(clatter)
    assert end - start <= until - len(clatter) < end - start + 1.2 * RATE


@pytest.mark.parametrize("rate", [8000, 24000, 48000])
def test_any_rate_gives_the_same_parts(rate: int, noisy: tuple[Samples, list[tuple[int, int]]]) -> None:
    pcm, spoken = noisy
    stretch = np.concatenate((np.zeros(3 * RATE, dtype=np.int16), pcm[slice(*spoken[0])]))
    other = sounds.resample(stretch.astype(float), RATE, rate).clip(-32768, 32767).astype(np.int16)
    ((start, end),) = voices(other, rate, NOISY)
    ((begin, until),) = voices(stretch, RATE, NOISY)
    assert (start / rate, end / rate) == pytest.approx((begin / RATE, until / RATE), abs=0.1)


def test_of_nothing_there_is_nothing() -> None:
    assert voices(np.zeros(0, dtype=np.int16), RATE, NOISY) == []


@given(st.lists(st.sampled_from([0.0, HEARD - 0.01, HEARD, 0.9]), min_size=1, max_size=400), st.data())
def test_the_parts_hold_what_was_heard_and_its_surroundings_and_nothing_else(
    told: list[float], data: st.DataObject
) -> None:
    length = len(told) * WINDOW - data.draw(st.integers(0, WINDOW - 1))
    given_ = np.array(told, dtype=np.float32)

    def chances(_wave: object) -> npt.NDArray[np.float32]:
        return given_

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listener, "chances", chances)
        found = voices(np.zeros(length, dtype=np.int16), RATE, NOISY)
    wanted = np.zeros(length, dtype=bool)
    for at in np.flatnonzero(given_ >= HEARD):
        wanted[max(0, at * WINDOW - BEFORE_MS * 16) : (at + 1) * WINDOW + AFTER_MS * 16] = True
    have = np.zeros(length, dtype=bool)
    for start, end in found:
        assert 0 <= start < end <= length
        have[start:end] = True
    assert (have == wanted).all()
    assert all(before[1] < after[0] for before, after in itertools.pairwise(found))
