"""What is heard on a leg: comfort noise, hold music, and tracks that change at an exact sample.

All audio is mono int16 at 16 kHz; positions are samples since the switch started.
"""

from functools import cache

import numpy as np

from fsctl.sim.plan import PLAN_RATE, Audio

SILENCE: Audio = np.zeros(PLAN_RATE, dtype=np.int16)


@cache
def comfort_noise() -> Audio:
    """Four seconds of noise at about -70 dBFS: a quiet line, not digital silence."""
    noise = np.random.default_rng(1).normal(0.0, 10.0, 4 * PLAN_RATE)
    return noise.astype(np.int16)


@cache
def hold_music() -> Audio:
    """Sixteen seconds of slow broken chords, each note a decaying tone with two overtones."""
    chords = (
        (220.0, 277.2, 329.6, 440.0),
        (196.0, 246.9, 293.7, 392.0),
        (174.6, 220.0, 261.6, 349.2),
        (164.8, 207.7, 246.9, 329.6),
    )
    note_s, notes_a_chord = 0.5, 8
    music = np.zeros(int(len(chords) * notes_a_chord * note_s * PLAN_RATE) + PLAN_RATE)
    time_s = np.arange(PLAN_RATE) / PLAN_RATE
    envelope = np.exp(-3.5 * time_s) * np.minimum(time_s * 200.0, 1.0)
    for step in range(len(chords) * notes_a_chord):
        pitch = chords[step // notes_a_chord][(0, 1, 2, 3, 2, 1, 3, 2)[step % notes_a_chord]]
        start = int(step * note_s * PLAN_RATE)
        music[start : start + PLAN_RATE] += _note(pitch, time_s) * envelope
    return (music[:-PLAN_RATE] * 4500).astype(np.int16)


def _note(
    pitch_hz: float, time_s: np.ndarray[tuple[int], np.dtype[np.float64]]
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    wave = sum(np.sin(2 * np.pi * pitch_hz * harmonic * time_s) / harmonic**1.5 for harmonic in (1, 2, 3))
    return np.asarray(wave)


@cache
def tone(frequency_hz: int = 440) -> Audio:
    """One second of a sine, for tone_stream and for prompts that the simulator does not have."""
    return (np.sin(2 * np.pi * frequency_hz * np.arange(PLAN_RATE) / PLAN_RATE) * 6000).astype(np.int16)


class Track:
    """What one direction of a leg carries: pieces of audio, each from its own start until the next one's."""

    #: Pieces kept: a block may reach back over a change or two, never further.
    KEPT = 4

    def __init__(self) -> None:
        self._pieces: list[tuple[int, Audio, bool]] = []

    def play(self, at: int, audio: Audio | None, *, loop: bool = False) -> None:
        """From sample ``at`` on, carry ``audio`` from its beginning; None or its end is silence."""
        self._pieces = [*self._pieces[-self.KEPT :], (at, SILENCE[:0] if audio is None else audio, loop)]

    def block(self, start: int, end: int) -> Audio:
        """The samples from ``start`` to ``end``."""
        out = np.zeros(end - start, dtype=np.int16)
        ends = [piece[0] for piece in self._pieces[1:]] + [end]
        for (begin, audio, loop), until in zip(self._pieces, ends):
            low, high = max(start, begin), min(end, until)
            if low < high and len(audio):
                piece = _cut(audio, low - begin, high - begin, loop)
                out[low - start : low - start + len(piece)] = piece
        return out


def _cut(audio: Audio, start: int, end: int, loop: bool) -> Audio:
    if not loop or (end <= len(audio)):
        return audio[start:end]
    return np.take(audio, np.arange(start, end) % len(audio))
