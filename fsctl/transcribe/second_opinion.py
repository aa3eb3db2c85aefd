"""Silero, asked whether there is a voice in an utterance that the recogniser itself doubts.

It comes with faster-whisper and takes two milliseconds of processor time for a second of audio. At its usual
threshold it misses a third of telephone speech, so nothing is cut by it: only what it does not hear at all,
anywhere in a doubtful utterance, was no voice.
"""

from functools import cache
from typing import Any

import numpy as np

from fsctl.transcribe.engine import Waveform

WINDOW = 512
"""Samples at 16 kHz that it looks at."""


def voice(wave: Waveform) -> float:
    """The highest probability of a voice anywhere in it, 0 to 1."""
    if not len(wave):
        return 0.0
    padded = np.pad(wave.astype(np.float32), (0, -len(wave) % WINDOW))
    return float(np.max(_model()(padded)))


@cache
def _model() -> Any:
    """Loaded when it is first asked."""
    from faster_whisper.vad import get_vad_model

    return get_vad_model()
