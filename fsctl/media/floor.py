"""How loud one leg is, frame by frame: its noise, its speech, and the level over which a frame may be speech.

Knows levels only. Refuses to know what is speech: that is for webrtcvad, which the segmenter asks about the
frames that pass here.
Called by: ``segmenter``, with each read's frames.

Frame follows frame in plain floats: numpy costs more than it saves on the few frames of a read, and each frame
meets the same sums however the reads were split. Energies are whole numbers, so adding and taking away is exact.
"""

from collections.abc import Sequence
from math import log10

LEAST = 20.0
"""A frame quieter than this (-70 dBFS) is never speech: telephone codecs idle below it."""
MARGIN = 4.0
"""Over the noise by so much: frames of steady noise differ by less."""
SHARE, CLEAR_SHARE = 0.20, 0.35
"""Over the noise by this share of the way up to the speech, to go on and to begin: a crowd in the
background does not begin an utterance, a weak word does not end one."""
REACH = 37.0
"""Below the speech by no more than this: breath, and the echo of a room, are lower."""
RISE_PER_S = 6.0
"""The noise floor follows a quieter frame at once, and rises so fast: a pause comes before it reaches speech."""
DECAY_PER_S = 0.33
"""The level of speech follows a louder moment at once, and falls so slowly: a speaker stays as loud as he was."""
FIRST_NOISE, FIRST_SPEECH = 30.0, 65.0
"""What is believed of a leg before it is heard: -60 and -25 dBFS."""
NOISE_FRAMES, SPEECH_FRAMES = 3, 7
"""Frames over which the energy is averaged: one that is quiet, or loud, alone says nothing."""


Heard = tuple[float, float, int, bool]
"""Of a frame: its energy (sum of squares), the ratio of speech to noise, how many frames in a row, this the last,
are loud enough to be speech that goes on, and whether it is to be speech that begins. Plain, for there are 33 a
second of every leg."""


class Floor:
    """Follows the noise and the speech of one leg, as energies of a frame."""

    def __init__(self, frame_ms: int, size: int) -> None:
        """Args: size: samples a frame."""
        self._rise = _ratio(RISE_PER_S * frame_ms / 1000)
        self._decay = _ratio(-DECAY_PER_S * frame_ms / 1000)
        self._hush, self._least = float(size), size * _ratio(LEAST)
        self._noise, self._speech = size * _ratio(FIRST_NOISE), size * _ratio(FIRST_SPEECH)
        self._past = [0.0] * SPEECH_FRAMES
        """Energies of the last frames."""
        self._run = 0
        """How many frames in a row were loud enough to be speech that goes on, up to the last."""

    def hear(self, energies: Sequence[float]) -> list[Heard]:
        """The next frames, by their sums of squares, which are whole numbers.

        The noise is the least of what was heard, let rise; the speech is the most of it, let fall.
        """
        past = [*self._past, *energies]
        self._past = past[-SPEECH_FRAMES:]
        many, few = sum(past[:SPEECH_FRAMES]), sum(past[SPEECH_FRAMES - NOISE_FRAMES : SPEECH_FRAMES])
        noise, speech, run = self._noise, self._speech, self._run
        heard: list[Heard] = []
        for at, energy in enumerate(energies):
            many += energy - past[at]
            few += energy - past[at + SPEECH_FRAMES - NOISE_FRAMES]
            noise *= self._rise
            if few < noise * NOISE_FRAMES:
                noise = few / NOISE_FRAMES
            if noise < self._hush:
                noise = self._hush
            speech *= self._decay
            if many > speech * SPEECH_FRAMES:
                speech = many / SPEECH_FRAMES
            reach = speech / noise
            if energy <= noise * OVER or energy <= speech * BELOW or energy <= self._least:
                run = 0
                heard.append((energy, reach, 0, False))
            else:
                over, way = energy / noise, max(reach, 1.0)
                run = run + 1 if over > way**SHARE else 0
                heard.append((energy, reach, run, run > 0 and over > way**CLEAR_SHARE))
        self._noise, self._speech, self._run = noise, speech, run
        return heard


def decibels(ratio: float) -> float:
    """Of powers; nothing counts as one."""
    return 10 * log10(max(ratio, 1.0))


def _ratio(level: float) -> float:
    return float(10 ** (level / 10))


OVER, BELOW = _ratio(MARGIN), _ratio(-REACH)
