"""Audio as those want it who were trained on speech: Silero, and the recognisers."""

import numpy as np
import numpy.typing as npt

from fsctl.media.wav import Samples

Waveform = npt.NDArray[np.float32]
"""Mono, 16 kHz, -1 to 1."""

RATE = 16000


def to_16k(samples: Samples, rate: int) -> Waveform:
    """Mono int16 at any telephone rate at theirs.

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
