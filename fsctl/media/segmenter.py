"""Where speech begins and ends on one leg: webrtcvad asked about frames over the noise, and what it says joined.

The result depends on the samples alone, never on how they were split into reads, so a reader that starts
again cuts the same stretches.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import webrtcvad

from fsctl.media.cutter import Cutter, Span
from fsctl.media.floor import Floor, decibels
from fsctl.media.frames import Frame
from fsctl.media.wav import Samples

FRAME_MS = 30
"""webrtcvad's longest: the fewest calls."""
NATIVE_RATES = (8000, 16000, 32000, 48000)
"""What webrtcvad takes; it works at 8 kHz inside."""


@dataclass(frozen=True)
class Stretch:
    """A stretch of speech, in samples from the beginning of the recording."""

    start: int
    end: int
    reach_db: float = field(default=0.0, compare=False)
    """How far the speech stood above the noise at its end."""


class Segmenter:
    """Feed one leg's samples from a point on; take stretches of speech."""

    def __init__(
        self, rate: int, origin: int, *, vad_mode: int, hangover_ms: int, min_ms: int, max_ms: int
    ) -> None:
        """
        Args:
            rate: samples a second; one that webrtcvad does not take is brought to 8 kHz for its ears only.
            origin: the recording's sample at which feeding starts.
            vad_mode: webrtcvad's aggressiveness, 0 to 3.
            hangover_ms: silence that ends an utterance.
            min_ms: voiced sound that an utterance has at least.
            max_ms: longest utterance.
        """
        self._vad = webrtcvad.Vad(vad_mode)
        self._rate = rate
        self._frame = rate * FRAME_MS // 1000
        self._origin = origin
        self._rest: Samples = np.zeros(0, dtype=np.int16)
        self._count = 0
        """Frames seen."""
        self._floor = Floor(FRAME_MS, self._frame)
        self._cutter = Cutter(FRAME_MS, hangover_ms=hangover_ms, min_ms=min_ms, max_ms=max_ms)

    @property
    def position(self) -> int:
        """The sample up to which everything has been looked at."""
        return self._origin + self._count * self._frame

    @property
    def due(self) -> int:
        """The sample before which no stretch can end: until there is so much, feeding may wait."""
        return self._origin + self._cutter.due * self._frame

    def feed(self, samples: Samples) -> Iterator[Stretch]:
        """Look at samples that follow those fed before; yields what ended within them."""
        samples = np.concatenate((self._rest, samples)) if len(self._rest) else samples
        whole = len(samples) // self._frame
        self._rest = samples[whole * self._frame :].copy()
        if not whole:
            return
        self._count += whole
        frames = samples[: whole * self._frame].reshape(whole, self._frame)
        wide = frames.astype(np.float64)
        energies = (wide[:, None] @ wide[:, :, None]).ravel().tolist()
        native = self._rate in NATIVE_RATES
        heard, rate = (frames, self._rate) if native else (_narrow(frames), 8000)
        data, size = heard.tobytes(), 2 * heard.shape[1]
        is_speech, skip, take = self._vad.is_speech, self._cutter.skip, self._cutter.take
        new = tuple.__new__  # what Frame() comes to, without a call of Python
        for at, (energy, reach, run, clear) in enumerate(self._floor.hear(energies)):
            voiced = run > 0 and is_speech(data[at * size : (at + 1) * size], rate, size // 2)
            if not voiced and skip():
                continue
            span = take(new(Frame, (voiced, voiced and clear, run, energy / self._frame, reach)))
            if span is not None:
                yield self._stretch(span)

    def finish(self) -> Iterator[Stretch]:
        """There is no more: yields the utterance that was still open."""
        if (span := self._cutter.finish()) is not None:
            yield self._stretch(span)

    def _stretch(self, span: Span) -> Stretch:
        begin, end = (self._origin + at * self._frame for at in (span.begin, span.end))
        return Stretch(begin, end, decibels(span.reach))


def _narrow(frames: Samples) -> Samples:
    """Each frame at 8 kHz, on straight lines between its samples: enough to tell a voice, not to listen to."""
    count = frames.shape[1]
    at = np.arange(8 * FRAME_MS) * (count - 1) / (8 * FRAME_MS - 1)
    low = np.minimum(at.astype(np.intp), count - 2)
    share = at - low
    return np.asarray(np.rint(frames[:, low] * (1 - share) + frames[:, low + 1] * share), dtype=np.int16)
