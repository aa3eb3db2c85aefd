"""Silero, the second listener: how likely somebody speaks.

It comes with faster-whisper and takes two milliseconds of processor time for a second of audio. At its usual
threshold it misses a third of telephone speech, so nothing is cut by it alone: it is asked only of
what somebody doubts.
"""

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from fsctl.media.wave import Waveform

WINDOW = 512
"""Samples at 16 kHz that it looks at."""


def chances(wave: Waveform) -> npt.NDArray[np.float32]:
    """The probability of a voice in each WINDOW of it, 0 to 1; the last is filled up with silence.

    It remembers what it heard before within the wave, and nothing from one call to the next.
    """
    if not len(wave):
        return np.zeros(0, dtype=np.float32)
    padded = np.pad(wave.astype(np.float32), (0, -len(wave) % WINDOW))
    return np.asarray(load()(padded), dtype=np.float32).ravel()


def voice(wave: Waveform) -> float:
    """The highest probability of a voice anywhere in it, 0 to 1."""
    return float(np.max(chances(wave), initial=0.0))


@cache
def load() -> Any:
    """The model: 70 MB and a moment, when it is first asked, or when a process begins that is in a hurry later."""
    from faster_whisper.vad import get_vad_model

    return get_vad_model()
