"""The fork of one call: its recording, read leg by leg in the windows in which the leg may be speech.

The left channel is the caller, from the beginning. The right channel is what the caller hears: music and
prompts, and an agent only while bridged. So a leg is read in windows. A window may become known late (the
controller was down); the file is still there, and is read from the window's start.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from fsctl.config import Media
from fsctl.media.segmenter import Segmenter, Stretch
from fsctl.media.wav import GrowingWav, Samples

Leg = Literal["caller", "agent"]
CHANNEL: dict[Leg, int] = {"caller": 0, "agent": 1}

READ_SAMPLES = 10 * 48000
"""Most that is read at once, so that a reader far behind does not hold the hub."""


@dataclass(frozen=True)
class Window:
    """A stretch of one leg, in samples; ``end`` None while it lasts."""

    leg: Leg
    start: int
    end: int | None


def apart(windows: Sequence[Window], gaps: Sequence[tuple[int, int | None]]) -> list[Window]:
    """The windows without the gaps in them: what was not to be recorded is not read, and nothing is joined over it.

    Args:
        gaps: first sample and one past the last, in the file; both are one where the file did not grow meanwhile.
    """
    found = list(windows)
    for start, end in gaps:
        found = [part for window in found for part in _around(window, start, end)]
    return found


def _around(window: Window, start: int, end: int | None) -> Iterator[Window]:
    if (window.end is not None and window.end <= start) or (end is not None and end < window.start):
        yield window
        return
    if window.start < start:
        yield Window(window.leg, window.start, start)
    if end is not None and (window.end is None or end < window.end):
        yield Window(window.leg, max(window.start, end), window.end)


@dataclass(frozen=True)
class Utterance:
    """A stretch of speech of one leg, with its audio (mono int16 at the recording's rate)."""

    leg: Leg
    start: int
    end: int
    reach_db: float = field(compare=False)
    """How far the speech stood above the noise at its end."""
    samples: Samples = field(compare=False, repr=False)


@dataclass
class _Reading:
    segmenter: Segmenter
    position: int
    finished: bool = False


class Fork:
    """One recording on its way to utterances."""

    def __init__(self, wav: GrowingWav, settings: Media) -> None:
        self.wav = wav
        self._settings = settings
        self._readings: dict[tuple[Leg, int], _Reading] = {}
        self.frames = 0
        """How much of the file there was when it was last read."""

    def windows(self, bridges_us: Sequence[tuple[int, int | None]]) -> list[Window]:
        """What may be speech.

        Args:
            bridges_us: when an agent was bridged, in microseconds from the start of the recording.
        """
        if self.wav.channels == 1:
            return [Window("caller", 0, None)]
        rate = self.wav.rate
        agent = [
            Window(
                "agent", max(0, start * rate // 1_000_000), None if end is None else end * rate // 1_000_000
            )
            for start, end in bridges_us
        ]
        return [Window("caller", 0, None), *agent]

    def advance(self, windows: Sequence[Window], frames: int, *, final: bool) -> Iterator[Utterance]:
        """Read what is new in the windows and yield the utterances that ended in it.

        Args:
            windows: as now known; one that ends, or grows an end, is closed when it has been read.
            frames: how much of the file there is.
            final: the file is whole: what is open ends with it.
        """
        self.frames = frames
        for window in windows:
            yield from self._read(window, frames, final=final)

    def due(self, window: Window) -> int:
        """How much of the file there must be before anything can end in a window."""
        reading = self._readings.get((window.leg, window.start))
        due = window.start if reading is None else reading.segmenter.due
        return due if window.end is None else min(due, window.end)

    def is_done(self, windows: Sequence[Window]) -> bool:
        """Whether every window has been read to its end."""
        return all((reading := self._readings.get((w.leg, w.start))) and reading.finished for w in windows)

    def close(self) -> None:
        """Close the file."""
        self.wav.close()

    def _read(self, window: Window, frames: int, *, final: bool) -> Iterator[Utterance]:
        reading = self._readings.get((window.leg, window.start))
        if reading is None:
            reading = self._readings[window.leg, window.start] = _Reading(
                self._segmenter(window), window.start
            )
        if reading.finished:
            return
        end = frames if window.end is None else min(frames, window.end)
        stop = min(end, reading.position + READ_SAMPLES)
        if stop > reading.position:
            samples = self.wav.read(CHANNEL[window.leg], reading.position, stop)
            reading.position += len(samples)
            for stretch in reading.segmenter.feed(samples):
                yield from self._utterance(window, stretch, frames)
        over = window.end is not None and reading.position >= window.end
        if reading.position >= end and (final or over):
            reading.finished = True
            for stretch in reading.segmenter.finish():
                yield from self._utterance(window, stretch, frames)

    def _utterance(self, window: Window, stretch: Stretch, frames: int) -> Iterator[Utterance]:
        start = stretch.start
        last = min(stretch.end, frames if window.end is None else min(frames, window.end))
        if start < last:
            samples = self.wav.read(CHANNEL[window.leg], start, last)
            yield Utterance(window.leg, start, last, stretch.reach_db, samples)

    def _segmenter(self, window: Window) -> Segmenter:
        return Segmenter(
            self.wav.rate,
            window.start,
            vad_mode=self._settings.vad_mode,
            hangover_ms=self._settings.hangover_ms,
            min_ms=self._settings.min_utterance_ms,
            max_ms=self._settings.max_utterance_ms,
        )
