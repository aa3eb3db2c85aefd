"""Whether a stretch of sound repeats itself as a voice does, in most that is loud of it.

The vocal folds close 70 to 400 times a second, so the loud moments of speech, its vowels, look like themselves a
few milliseconds later, through a telephone, too. Clatter, breath and the noise of a street do not. A whisper does
not either, so this says what is plainly a voice, or a tone, and not what is none.
Called by: ``voices``, once for each stretch.
"""

from functools import cache

import numpy as np
import numpy.typing as npt

from fsctl.media.wav import Samples

MOMENT_MS = 40
"""Some periods of a low voice."""
LOWEST_HZ, HIGHEST_HZ = 70, 400
MOST = 8
"""Loud moments that are looked at, at most: more cost more, and say the same."""
ALIKE = 0.65
"""How much most moments are like themselves a period later: noise is by 0.5, vowels by 0.8."""


def is_voiced(samples: Samples, rate: int) -> bool:
    """Whether most of its loudest moments repeat themselves.

    Args:
        samples: mono int16.
        rate: samples a second; of more than 8000 every second one, or fewer, is enough.
    """
    step = max(1, rate // 8000)
    size = MOMENT_MS * rate // step // 1000
    count = len(samples) // step // size
    if not count:
        return False
    moments = samples[: count * size * step : step].reshape(count, size)
    powers = np.einsum("ij,ij->i", moments, moments, dtype=np.float32)
    loud = np.argsort(powers)[-min(MOST, -(-count // 2)) :]
    likeness = sorted(_likeness(moments[loud].astype(np.float32), rate // step).tolist())
    return bool(likeness[len(likeness) // 2] >= ALIKE)


def _likeness(moments: npt.NDArray[np.float32], rate: int) -> npt.NDArray[np.float64]:
    """Of each moment how much it is like itself after the period that suits it best, up to 1."""
    size = moments.shape[1]
    window, fading = _window(size)
    moments = (moments - moments.mean(axis=1, keepdims=True)) * window
    first, last = rate // HIGHEST_HZ, rate // LOWEST_HZ
    echoes = _echoes(moments)
    likeness = echoes[:, first:last] / np.maximum(echoes[:, :1], 1.0) / fading[first:last]
    return np.asarray(likeness.max(axis=1), dtype=np.float64)


@cache
def _window(size: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float64]]:
    """A Hann window, and how much of it is left of itself after each shift."""
    window = np.hanning(size).astype(np.float32)
    echoes = _echoes(window[None, :])[0]
    return window, echoes / echoes[0]


def _echoes(moments: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Autocorrelation, shift by shift up to half of the moment."""
    size = moments.shape[1]
    room = 1 << (size * 3 // 2 - 1).bit_length()
    spectra = np.square(np.abs(np.fft.rfft(moments, room, axis=1)))
    return np.fft.irfft(spectra, axis=1)[:, : size // 2]
