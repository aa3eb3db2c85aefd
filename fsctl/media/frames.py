"""What was decided of the frames of one leg, as long as somebody may ask for it again.

Frames have numbers, counted from where the leg is read. Knows neither samples nor where speech begins and ends.
Called by: ``cutter``, which is given frames by ``segmenter``.
"""

from array import array
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import NamedTuple

from fsctl.media.floor import decibels


class Frame(NamedTuple):
    """What was decided of one frame. Powers are plain: of few frames anybody asks how many decibels they are."""

    voiced: bool
    clear: bool
    """Voiced, and loud enough to begin an utterance."""
    run: int
    """How many frames in a row, this the last, are loud enough to be speech, voiced or not."""
    power: float
    """Mean of the squares of its samples."""
    reach: float
    """How many times the speech is above the noise, in power."""


class Frames:
    """Frames that follow each other, in columns: an open stretch has hundreds, and tuples of them are large."""

    def __init__(self, first: int, frames: Iterable[Frame]) -> None:
        """Args: first: number of the first of them."""
        self.first = first
        self._voiced = bytearray()
        self._runs, self._powers, self._reaches = array("I"), array("f"), array("d")
        for frame in frames:
            self.append(frame)

    def append(self, frame: Frame) -> None:
        """The next one."""
        voiced, _, run, power, reach = frame
        self._voiced.append(voiced)
        self._runs.append(run)
        self._powers.append(power)
        self._reaches.append(reach)

    def forget(self, before: int) -> None:
        """Nobody will ask again for frames with lower numbers."""
        gone = before - self.first
        for column in (self._voiced, self._runs, self._powers, self._reaches):
            del column[:gone]
        self.first = before

    def reach(self, at: int) -> float:
        """How many times the speech was above the noise at this frame, in power."""
        return self._reaches[at - self.first]

    def rise(self, at: int) -> int:
        """Through how many frames before this one the sound lasted that goes on in it."""
        return max(0, self._runs[at - self.first] - 1)

    def fade(self, at: int, until: int, stop: int) -> int:
        """Through how many frames after this one its sound goes on.

        Args:
            until: it is somebody else's from this frame on.
            stop: it goes on over silences of no more than so many frames.
        """
        last = 0
        for count, run in enumerate(self._runs[at - self.first + 1 : until - self.first], 1):
            if run:
                last = count
            elif count - last > stop:
                break
        return last

    def pauses(self, least: int) -> Iterator[tuple[int, int]]:
        """First frame and one past the last of each that has so many frames and no voice in them."""
        at = self.first
        for voiced, run in groupby(self._voiced):
            length = len(list(run))
            if not voiced and length >= least:
                yield at, at + length
            at += length

    def loudness(self, begin: int, end: int) -> float:
        """The mean level of these frames, in decibels."""
        levels = [decibels(power) for power in self._powers[max(0, begin - self.first) : end - self.first]]
        return sum(levels) / len(levels)
