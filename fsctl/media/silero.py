"""Silero, the second listener: how likely somebody speaks.

It comes with faster-whisper and takes two milliseconds of processor time for a second of audio. At its usual
threshold it misses a third of telephone speech, so nothing is cut by it alone: it is asked of what somebody doubts.
Called by: ``voices``, and the transcriber's guard.
"""

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from fsctl.media.wave import Waveform

WINDOW, BEFORE = 512, 64
"""Samples at 16 kHz that it looks at, and of those before them that it is shown again."""
MOST_WINDOWS = 32
"""Given to it at once, a second: it takes memory for all of them. What it remembers is handed on."""
MEMORY = (1, 1, 128)
"""Shape of what it remembers, of two kinds (``faster_whisper.vad``, SileroVADModel)."""


def chances(wave: Waveform) -> npt.NDArray[np.float32]:
    """The probability of a voice in each WINDOW of it, 0 to 1; the last is filled up with silence.

    It remembers what it heard before within the wave, and nothing from one call to the next.
    """
    windows = np.pad(wave.astype(np.float32, copy=False), (0, -len(wave) % WINDOW)).reshape(-1, WINDOW)
    h, c = (np.zeros(MEMORY, dtype=np.float32) for _ in range(2))
    before = np.zeros(BEFORE, dtype=np.float32)
    found = [np.zeros(0, dtype=np.float32)]
    for at in range(0, len(windows), MOST_WINDOWS):
        piece = windows[at : at + MOST_WINDOWS]
        shown = np.empty((len(piece), BEFORE + WINDOW), dtype=np.float32)
        shown[:, BEFORE:] = piece
        shown[0, :BEFORE], shown[1:, :BEFORE] = before, piece[:-1, -BEFORE:]
        before = piece[-1, -BEFORE:]
        part, h, c = _session().run(None, {"input": shown, "h": h, "c": c})
        found.append(part.ravel())
    return np.concatenate(found)


def voice(wave: Waveform) -> float:
    """The highest probability of a voice anywhere in it, 0 to 1."""
    return float(np.max(chances(wave), initial=0.0))


def prepare() -> None:
    """Load it, and let it take its memory: 70 MB and a moment, of a process that is in a hurry later."""
    chances(np.zeros(MOST_WINDOWS * WINDOW, dtype=np.float32))


@cache
def _session() -> Any:
    """The model, loaded when it is first asked."""
    from faster_whisper.vad import get_vad_model

    return get_vad_model().session
