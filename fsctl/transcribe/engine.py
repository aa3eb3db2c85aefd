"""What a recogniser must offer. To add one: ``transcribe/NAME.py`` and a line in ENGINES."""

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from fsctl.errors import ModelError

Waveform = npt.NDArray[np.float32]
"""Mono, 16 kHz, -1 to 1."""

RATE = 16000


@dataclass(frozen=True)
class Speech:
    """One utterance to be decoded."""

    wave: Waveform
    language: str | None
    """ISO 639-1, or None to choose among the allowed."""

    @property
    def seconds(self) -> float:
        """Its length."""
        return len(self.wave) / RATE


@dataclass(frozen=True, kw_only=True)
class Text:
    """A piece of text as an engine returns it, and what it thinks of it. Times from the utterance's start."""

    start_s: float
    end_s: float
    text: str
    language: str
    logprob: float
    """Mean natural-log probability of its tokens."""
    no_speech: float
    """Probability that there was no speech at all."""


def to_16k(samples: npt.NDArray[np.int16], rate: int) -> Waveform:
    """Mono int16 at any telephone rate as recognisers want it.

    Band-limited by the Fourier transform: utterances are seconds long, so the whole is transformed at once.
    """
    wave = samples.astype(np.float32) / 32768.0
    if rate == RATE or not len(wave):
        return wave
    count = round(len(wave) * RATE / rate)
    spectrum = np.fft.rfft(wave)
    kept = min(len(spectrum), count // 2 + 1)
    out = np.zeros(count // 2 + 1, dtype=spectrum.dtype)
    out[:kept] = spectrum[:kept]
    resampled: Waveform = (np.fft.irfft(out, count) * (count / len(wave))).astype(np.float32)
    return resampled


class Engine(Protocol):
    """A recogniser, loaded."""

    @property
    def name(self) -> str:
        """Model and precision, as it stands on each segment."""

    def decode(self, batch: Sequence[Speech]) -> list[list[Text]]:
        """The text of each utterance of the batch, in order; an empty list where nothing was heard."""


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """What every engine is told."""

    model_dir: Path
    languages: Sequence[str]
    device: str
    threads: int


ENGINES: Mapping[str, str] = {"whisper": "fsctl.transcribe.whisper"}
"""Name -> module with ``load(EngineOptions) -> Engine``; imported when it is wanted."""


def load(name: str, options: EngineOptions) -> Engine:
    """Load a recogniser.

    Raises:
        ModelError: there is none of this name, or its weights are not there.
    """
    if name not in ENGINES:
        raise ModelError(f"no recogniser is called {name!r} (there is: {', '.join(ENGINES)})")
    loader: Callable[[EngineOptions], Engine] = importlib.import_module(ENGINES[name]).load
    return loader(options)
