"""How loud one leg is, frame by frame: its noise, its speech, and the level over which a frame may be speech.

Knows levels only. Refuses to know what is speech: that is for webrtcvad, which the segmenter asks about the
frames that pass here.
Called by: ``segmenter``, with each read's frames.

Levels are whole hundredths of a decibel and energies are sums of whole numbers, so that nothing is rounded
differently when the same samples come in other pieces.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fsctl.media.wav import Samples

Levels = npt.NDArray[np.int64]
"""One a frame, in hundredths of a decibel over one unit of int16 (full scale is 9,031)."""
Energies = npt.NDArray[np.float64]

LEAST = 2000
"""A frame quieter than this (-70 dBFS) is never speech: telephone codecs idle below it."""
MARGIN = 400
"""Over the noise by so much: frames of steady noise differ by less."""
SHARE, CLEAR_SHARE = 20, 35
"""Over the noise by this percentage of the way up to the speech, to go on and to begin: a crowd in the
background does not begin an utterance, a weak word does not end one."""
REACH = 3700
"""Below the speech by no more than this: breath, and the echo of a room, are lower."""
RISE_PER_S = 600
"""The noise floor follows a quieter frame at once, and rises so fast: a pause comes before it reaches speech."""
DECAY_PER_S = 33
"""The level of speech follows a louder moment at once, and falls so slowly: a speaker stays as loud as he was."""
FIRST_NOISE, FIRST_SPEECH = 3000, 6500
"""What is believed of a leg before it is heard: -60 and -25 dBFS."""
NOISE_FRAMES, SPEECH_FRAMES = 3, 7
"""Frames over which the energy is averaged: one that is quiet, or loud, alone says nothing."""


@dataclass(frozen=True)
class Heard:
    """What is known of each frame of a read."""

    levels: Levels
    ranges: Levels
    """From the noise up to the speech, at each frame."""
    passes: npt.NDArray[np.bool_]
    """Loud enough to be speech that goes on."""
    clear: npt.NDArray[np.bool_]
    """Loud enough to be speech that begins."""


class Floor:
    """Follows the noise and the speech of one leg."""

    def __init__(self, frame_ms: int) -> None:
        self._rise = RISE_PER_S * frame_ms // 1000
        self._decay = max(1, DECAY_PER_S * frame_ms // 1000)
        self._noise, self._speech = FIRST_NOISE, FIRST_SPEECH
        self._energies = np.zeros(SPEECH_FRAMES - 1)
        """Of the last frames."""

    def hear(self, frames: Samples) -> Heard:
        """The next frames, one a row.

        The noise is the least of what was heard, let rise; the speech is the most of it, let fall.
        """
        count, size = frames.shape
        wide = frames.astype(np.float64)
        past = np.concatenate((self._energies, np.einsum("ij,ij->i", wide, wide)))
        self._energies = past[count:].copy()
        short, long, levels = _levels(past, size)
        steps = np.arange(1, count + 1)
        rises, decays = steps * self._rise, steps * self._decay
        noise = np.minimum(np.minimum.accumulate(short - rises), self._noise) + rises
        speech = np.maximum(np.maximum.accumulate(long + decays), self._speech) - decays
        self._noise, self._speech = int(noise[-1]), int(speech[-1])
        ranges = np.maximum(speech - noise, 0)
        least = np.maximum(speech - REACH, LEAST)
        passes = levels > np.maximum(noise + np.maximum(ranges * SHARE // 100, MARGIN), least)
        return Heard(levels, ranges, passes, passes & (levels > noise + ranges * CLEAR_SHARE // 100))


def _levels(past: Energies, size: int) -> Levels:
    """Of the frames up to each but the first of ``past``, which only lead in: of few, of many, of one alone.

    Args:
        past: sums of squares; whole numbers below 2**53 even when added up, so exact in any order.
        size: samples a frame.
    """
    sums = np.concatenate((np.zeros(1), np.cumsum(past)))
    last = sums[SPEECH_FRAMES:]
    short = (last - sums[SPEECH_FRAMES - NOISE_FRAMES : -NOISE_FRAMES]) / NOISE_FRAMES
    long = (last - sums[:-SPEECH_FRAMES]) / SPEECH_FRAMES
    power = np.array((short, long, past[SPEECH_FRAMES - 1 :]))
    levels: Levels = np.rint(1000 * np.log10(np.maximum(power / size, 1.0))).astype(np.int64)
    return levels
