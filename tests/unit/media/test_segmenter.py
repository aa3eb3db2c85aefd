"""Where speech begins and ends: on real voices, whatever way the samples come in."""

import itertools
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsctl.media.segmenter import Segmenter, Stretch
from fsctl.media.wav import Samples
from fsctl.sim import load_samples

RATE = 16000


@pytest.fixture(scope="module")
def legs() -> dict[str, tuple[Samples, list[tuple[int, int]]]]:
    """Each leg of each sample conversation, with the milliseconds in which it speaks."""
    found = {}
    for sample in load_samples():
        for leg, audio in (("caller", sample.caller_audio), ("agent", sample.agent_audio)):
            spoken = [(turn.start_ms, turn.end_ms) for turn in sample.turns if turn.leg == leg]
            found[f"{sample.name}.{leg}"] = (audio, spoken)
    return found


NAMES = [f"{name}.{leg}" for name in ("order-en", "billing-en", "entrega-es") for leg in ("caller", "agent")]


def cut(samples: Samples, sizes: list[int] | None = None, **options: int) -> list[Stretch]:
    """All stretches, fed in pieces of these sizes (then all the rest)."""
    given = {"vad_mode": 1, "hangover_ms": 500, "min_ms": 150, "max_ms": 12000} | options
    segmenter = Segmenter(RATE, 0, **given)
    found: list[Stretch] = []
    begin = 0
    for size in [*(sizes or []), len(samples)]:
        found += segmenter.feed(samples[begin : begin + size])
        begin += size
    return [*found, *segmenter.finish()]


@pytest.mark.parametrize("name", NAMES)
def test_every_turn_is_found_and_nothing_else(
    name: str, legs: dict[str, tuple[Samples, list[tuple[int, int]]]]
) -> None:
    audio, spoken = legs[name]
    found = [(s.start * 1000 // RATE, s.end * 1000 // RATE) for s in cut(audio)]
    for start, end in spoken:
        within = [(a, b) for a, b in found if a < end and b > start]
        assert within[0][0] <= start + 100
        assert within[-1][1] >= end - 200
        assert sum(b - a for a, b in within) > 0.85 * (end - start)
    for a, b in found:
        assert any(a < end and b > start for start, end in spoken), (a, b, spoken)


@pytest.mark.parametrize("seed", range(4))
def test_the_cuts_do_not_depend_on_how_the_samples_come_in(
    seed: int, legs: dict[str, tuple[Samples, list[tuple[int, int]]]]
) -> None:
    audio, _ = legs[NAMES[seed]]
    rng = random.Random(seed)
    sizes = [rng.choice((1, 319, 320, 321, 5000, 64000)) for _ in range(200)]
    assert cut(audio, sizes) == cut(audio)


def test_long_speech_is_cut_at_its_quietest_moment_and_nothing_is_lost(
    legs: dict[str, tuple[Samples, list[tuple[int, int]]]],
) -> None:
    audio, spoken = legs["order-en.agent"]
    speech = np.concatenate([audio[a * 16 : b * 16] for a, b in spoken])
    found = cut(speech, max_ms=6000)
    assert len(found) >= 3
    assert all(s.end - s.start <= 6 * RATE for s in found)
    for before, after in itertools.pairwise(found):
        gap = speech[before.end : after.start].astype(float)
        assert not len(gap) or np.sqrt(np.mean(gap**2)) < 200
    loud = np.sqrt(np.mean(speech.astype(float) ** 2))
    for stretch in found[:-1]:
        around = speech[max(0, stretch.end - 400) : stretch.end + 400].astype(float)
        assert np.sqrt(np.mean(around**2)) < loud


@pytest.mark.parametrize("hang", [300, 500, 900])
def test_stretches_never_overlap_and_stay_within_the_recording(
    hang: int, legs: dict[str, tuple[Samples, list[tuple[int, int]]]]
) -> None:
    audio, _ = legs["entrega-es.caller"]
    noisy = audio + np.random.default_rng(1).normal(0, 200, len(audio)).astype(np.int16)
    found = cut(noisy, hangover_ms=hang)
    assert found
    assert all(0 <= s.start < s.end <= len(noisy) for s in found)
    assert all(a.end <= b.start for a, b in itertools.pairwise(found))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["noise", "quiet", "tone"]), st.integers(1, 40)), max_size=12),
    st.integers(0, 2**32 - 1),
)
def test_no_mixture_of_sounds_makes_stretches_overlap(parts: list[tuple[str, int]], seed: int) -> None:
    rng = np.random.default_rng(seed)
    pieces = [np.zeros(0, dtype=np.int16)]
    for kind, hundredths in parts:
        count = hundredths * RATE // 10
        if kind == "noise":
            pieces.append(rng.normal(0, 3000, count).astype(np.int16))
        elif kind == "tone":
            pieces.append((8000 * np.sin(np.arange(count) * 0.2)).astype(np.int16))
        else:
            pieces.append(np.zeros(count, dtype=np.int16))
    samples = np.concatenate(pieces)
    found = cut(samples, max_ms=2000)
    assert all(0 <= s.start < s.end <= len(samples) for s in found)
    assert all(s.end - s.start <= 2 * RATE for s in found)
    assert all(a.end <= b.start for a, b in itertools.pairwise(found))
    assert cut(samples, [997] * 50, max_ms=2000) == found


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100, 48000])
def test_any_rate_gives_the_same_stretches_in_its_own_samples(
    rate: int, legs: dict[str, tuple[Samples, list[tuple[int, int]]]]
) -> None:
    audio, _ = legs["order-en.caller"]
    at = np.arange(len(audio) * rate // RATE) * RATE / rate
    segmenter = Segmenter(rate, 0, vad_mode=1, hangover_ms=500, min_ms=150, max_ms=12000)
    other = np.interp(at, np.arange(len(audio)), audio).astype(np.int16)
    found = [s.start / rate for s in (*segmenter.feed(other), *segmenter.finish())]
    assert found == pytest.approx([s.start / RATE for s in cut(audio)], abs=0.2)


@pytest.mark.parametrize("snr_db", [20, 10])
def test_noise_neither_hides_a_turn_nor_makes_one(
    snr_db: int, legs: dict[str, tuple[Samples, list[tuple[int, int]]]]
) -> None:
    audio, spoken = legs["billing-en.caller"]
    speech = np.concatenate([audio[a * 16 : b * 16] for a, b in spoken]).astype(float)
    noise = np.random.default_rng(3).normal(0, speech.std() * 10 ** (-snr_db / 20), len(audio))
    found = cut((audio + noise).clip(-32768, 32767).astype(np.int16))
    for start, end in spoken:
        heard = sum(max(0, min(s.end, end * 16) - max(s.start, start * 16)) for s in found)
        assert heard > 0.8 * (end - start) * 16
    silence = len(audio) - len(speech)
    taken = sum(s.end - s.start for s in found) - sum(
        max(0, min(s.end, b * 16) - max(s.start, a * 16)) for s in found for a, b in spoken
    )
    assert taken < 0.15 * silence


def test_noise_that_begins_in_the_call_is_not_speech_for_long() -> None:
    rng = np.random.default_rng(5)
    noise = np.concatenate([rng.normal(0, 10, 10 * RATE), rng.normal(0, 600, 50 * RATE)]).astype(np.int16)
    assert sum(s.end - s.start for s in cut(noise)) < 5 * RATE


def test_silence_and_a_click_are_not_speech() -> None:
    silence = np.zeros(10 * RATE, dtype=np.int16)
    assert cut(silence) == []
    silence[RATE : RATE + 800] = np.random.default_rng(0).normal(0, 8000, 800)
    assert cut(silence) == []
