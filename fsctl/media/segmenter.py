"""Where speech begins and ends on one leg: webrtcvad on frames of 20 ms, with patience on both sides.

The result depends on the samples alone, never on how they were split into reads, so a reader that starts
again cuts the same utterances.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import webrtcvad

from fsctl.media.wav import Samples

FRAME_MS = 20
ONSET_FRAMES = 10
"""Speech begins when ONSET_VOICED of so many frames are voiced; it then began with the first of them."""
ONSET_VOICED = 6
PAD_FRAMES = 10
"""Kept before the onset and after the last voiced frame: soft consonants are not voiced for the VAD."""
LEAST_VOICED = 8
"""An utterance with fewer voiced frames was a click or a breath."""
FLOOR_RMS = 40.0
"""About -58 dBFS: below it is the noise of codecs, which webrtcvad may take for speech."""
CUT_SEARCH = 0.4
"""Speech that is too long is cut at the quietest moment of this last share of it."""
CUT_SMOOTH = 5
"""Frames over which quiet is measured, so that the cut falls into a pause and not into a stop consonant."""


@dataclass(frozen=True)
class Stretch:
    """A stretch of speech, in samples from the beginning of the recording."""

    start: int
    end: int


@dataclass(frozen=True)
class _Frame:
    voiced: bool
    rms: float


class Segmenter:
    """Feed one leg's samples from a point on; take stretches of speech."""

    def __init__(self, rate: int, origin: int, *, vad_mode: int, hangover_ms: int, max_ms: int) -> None:
        """
        Args:
            rate: 8000, 16000, 32000 or 48000 Hz.
            origin: the recording's sample at which feeding starts.
            vad_mode: webrtcvad's aggressiveness, 0 to 3.
            hangover_ms: silence that ends an utterance.
            max_ms: longest utterance.
        """
        self._vad = webrtcvad.Vad(vad_mode)
        self._rate = rate
        self._frame = rate * FRAME_MS // 1000
        self._hangover = max(1, hangover_ms // FRAME_MS)
        self._longest = max_ms // FRAME_MS
        self._origin = origin
        self._rest: Samples = np.zeros(0, dtype=np.int16)
        self._count = 0
        """Frames seen."""
        self._floor = 0
        """No utterance begins before this frame: the end of the one before."""
        self._onset: deque[_Frame] = deque(maxlen=ONSET_FRAMES)
        self._begin: int | None = None
        """Frame where the open utterance begins; None in silence."""
        self._frames: list[_Frame] = []
        """Of the open utterance, from its begin."""
        self._last_voiced = 0

    @property
    def position(self) -> int:
        """The sample up to which everything has been looked at."""
        return self._origin + self._count * self._frame

    def feed(self, samples: Samples) -> Iterator[Stretch]:
        """Look at samples that follow those fed before; yields what ended within them."""
        samples = np.concatenate((self._rest, samples)) if len(self._rest) else samples
        whole = len(samples) // self._frame
        blocks = samples[: whole * self._frame].reshape(whole, self._frame)
        self._rest = samples[whole * self._frame :]
        levels = np.sqrt(np.mean(np.square(blocks.astype(np.float32)), axis=1)) if whole else ()
        for block, rms in zip(blocks, levels):
            voiced = rms > FLOOR_RMS and self._vad.is_speech(block.tobytes(), self._rate)
            yield from self._take(_Frame(bool(voiced), float(rms)))

    def finish(self) -> Iterator[Stretch]:
        """There is no more: yields the utterance that was still open."""
        if self._begin is not None:
            yield from self._close(min(self._count, self._last_voiced + 1 + PAD_FRAMES))

    def _take(self, frame: _Frame) -> Iterator[Stretch]:
        self._count += 1
        if self._begin is None:
            self._listen(frame)
            return
        self._frames.append(frame)
        if frame.voiced:
            self._last_voiced = self._count - 1
        if self._count - 1 - self._last_voiced >= self._hangover:
            yield from self._close(self._last_voiced + 1 + PAD_FRAMES)
        elif len(self._frames) >= self._longest:
            yield from self._cut()

    def _listen(self, frame: _Frame) -> None:
        self._onset.append(frame)
        recent = list(self._onset)
        if sum(past.voiced for past in recent) < ONSET_VOICED:
            return
        heard = self._count - len(recent)
        first = heard + next(i for i, past in enumerate(recent) if past.voiced)
        self._begin = max(self._floor, first - PAD_FRAMES)
        self._last_voiced = self._count - 1
        # Frames of the padding are past and were quiet; what was heard since begins this utterance.
        padding = max(0, heard - self._begin)
        self._frames = [_Frame(False, 0.0)] * padding + recent[max(0, self._begin - heard) :]

    def _close(self, end: int) -> Iterator[Stretch]:
        assert self._begin is not None
        if sum(frame.voiced for frame in self._frames) >= LEAST_VOICED:
            yield self._stretch(self._begin, end)
        self._floor = end
        self._begin = None
        self._frames = []
        self._onset.clear()

    def _cut(self) -> Iterator[Stretch]:
        """End here and go on at once: at the quietest moment of the last part, and the rest stays open."""
        assert self._begin is not None
        first = int(len(self._frames) * (1 - CUT_SEARCH))
        levels = np.array([frame.rms for frame in self._frames[first:]])
        smooth = np.convolve(levels, np.ones(CUT_SMOOTH) / CUT_SMOOTH, mode="valid")
        at = first + int(np.argmin(smooth)) + CUT_SMOOTH // 2
        yield self._stretch(self._begin, self._begin + at)
        self._begin += at
        self._floor = self._begin
        self._frames = self._frames[at:]

    def _stretch(self, begin: int, end: int) -> Stretch:
        return Stretch(self._origin + begin * self._frame, self._origin + end * self._frame)
