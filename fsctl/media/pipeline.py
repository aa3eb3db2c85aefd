"""One recording on its way to stored utterances, and the places from which it can be read on.

A window of a leg (``fork``) is read in pieces that end at seams. A seam is the end of an utterance that ended
by silence, the first one at least SEAM_S after the seam before. Reading begins anew there, with a segmenter
that knows nothing of what came before, whether this process was restarted or not. So a seam that is stored
together with the utterances before it is an exact place to go on from: an hour-long call is not read from its
start again, and the cuts are the same.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from fsctl.config import Media
from fsctl.media.fork import Fork, Utterance, Window, apart
from fsctl.media.tones import is_tone
from fsctl.media.voices import voices
from fsctl.media.wav import GrowingWav
from fsctl.store.recordings import NewUtterance

SEAM_S = 30.0
"""Least distance of two seams: what is read again at most, but for an utterance, and how long the VAD adapts."""
BY_SILENCE = 0.5
"""An utterance shorter than this share of the longest ended by silence: longer ones may have been cut."""

Spans = Sequence[tuple[int, int | None]]
"""Beginnings and ends in microseconds from the start of the recording; an end is None while it lasts."""


@dataclass
class Batch:
    """What is to be stored together."""

    utterances: list[NewUtterance] = field(default_factory=list)
    seams: dict[str, int] = field(default_factory=dict)
    """"LEG:FIRST SAMPLE OF ITS WINDOW" -> everything before this sample is in this batch or an earlier one."""


@dataclass
class _Piece:
    """The part of a window that is being read: from the last seam on."""

    fork: Fork
    window: Window
    due: int = 0
    """Nothing can end in it before there are so many samples of the file."""


class Pipeline:
    """Reads what is new of one recording."""

    def __init__(self, wav: GrowingWav, settings: Media, seams: Mapping[str, int]) -> None:
        """Args: wav: closed with this; seams: as stored, to go on from."""
        self.wav = wav
        self._settings = settings
        self._seams = dict(seams)
        self._pieces: dict[str, _Piece] = {}
        self._told: tuple[Spans, Spans, Spans] | None = None
        self._windows: Sequence[tuple[str, Window]] = ()
        """As follow from what was told last, each with its key among the seams."""
        self._frames = 0
        """How much of the file there was at the last turn."""

    def advance(self, bridges_us: Spans, pauses_us: Spans, masks_us: Spans = (), *, final: bool) -> Batch:
        """Read on, as far as one turn allows.

        Args:
            bridges_us: when an agent was bridged, by the clock.
            pauses_us: when the file did not grow.
            masks_us: when silence was to be written. It is not read: what leaks into it does not become text.
            final: the file is whole.
        """
        batch = Batch()
        if self._told != (told := (bridges_us, pauses_us, masks_us)):
            self._told = told
            windows = self._told_windows(bridges_us, pauses_us, masks_us)
            self._windows = [(f"{window.leg}:{window.start}", window) for window in windows]
        self._frames = self.wav.frames
        for key, window in self._windows:
            if not self._is_read(key, window):
                self._read(key, window, batch, final=final)
        self._seams |= batch.seams
        return batch

    def _told_windows(self, bridges_us: Spans, pauses_us: Spans, masks_us: Spans) -> Sequence[Window]:
        windows = Fork(self.wav, self._settings).windows(all_in_file(bridges_us, pauses_us))
        gaps = all_in_file([*pauses_us, *masks_us], pauses_us)
        rate = self.wav.rate
        return apart(
            windows,
            [(a * rate // 1_000_000, None if b is None else b * rate // 1_000_000) for a, b in gaps],
        )

    @property
    def wait_s(self) -> float:
        """How much audio must come before anything can end; nothing or less when there is more to be read."""
        open_ = (self._pieces[key].due for key, window in self._windows if not self._is_read(key, window))
        return (min(open_, default=math.inf) - self._frames) / self.wav.rate

    def is_done(self) -> bool:
        """Whether every window, as told last, has been read to its end."""
        return all(
            self._is_read(key, window) or ((piece := self._pieces.get(key)) and _is_done(piece))
            for key, window in self._windows
        )

    def close(self) -> None:
        """Close the file."""
        self.wav.close()

    def _read(self, key: str, window: Window, batch: Batch, *, final: bool) -> None:
        piece = self._piece(key, window)
        if piece.due > self._frames and not final:
            return
        for cut in piece.fork.advance([piece.window], self._frames, final=final):
            batch.utterances.extend(self._to_store(cut))
            if self._is_seam(cut, piece.window.start):
                # What this reader found beyond the seam, the next one finds again, for itself.
                batch.seams[key] = cut.end
                self._begin(key, Window(window.leg, cut.end, window.end))
                return
        piece.due = piece.fork.due(piece.window)
        if window.end is not None and _is_done(piece):
            batch.seams[key] = window.end

    def _piece(self, key: str, window: Window) -> _Piece:
        piece = self._pieces.get(key)
        if piece is None:
            return self._begin(key, Window(window.leg, self._seams.get(key, window.start), window.end))
        if piece.window.end != window.end:
            piece.window, piece.due = Window(window.leg, piece.window.start, window.end), 0
            if window.end is not None and piece.fork.frames > window.end:
                # Its end was told late: a reader that knew it would not have listened beyond.
                return self._begin(key, piece.window)
        return piece

    def _begin(self, key: str, window: Window) -> _Piece:
        piece = self._pieces[key] = _Piece(Fork(self.wav, self._settings), window)
        return piece

    def _is_read(self, key: str, window: Window) -> bool:
        return window.end is not None and self._seams.get(key, -1) >= window.end

    def _is_seam(self, cut: Utterance, since: int) -> bool:
        longest = self.wav.rate * self._settings.max_utterance_ms // 1000
        return cut.end - since >= SEAM_S * self.wav.rate and cut.end - cut.start < BY_SILENCE * longest

    def _to_store(self, cut: Utterance) -> Iterator[NewUtterance]:
        rate = self.wav.rate
        for start, end in voices(cut.samples, rate, cut.reach_db):
            samples = cut.samples[start:end]
            yield NewUtterance(
                leg=cut.leg,
                start_sample=cut.start + start,
                end_sample=cut.start + end,
                rate=rate,
                pcm=np.ascontiguousarray(samples, "<i2").data.cast("B"),
                no_speech="a telephone's tones" if is_tone(samples, rate) else None,
            )


def _is_done(piece: _Piece) -> bool:
    return piece.fork.is_done([piece.window])


def all_in_file(spans_us: Spans, pauses_us: Spans) -> list[tuple[int, int | None]]:
    """The clock's spans in the file's time, which stands still in pauses."""
    return [(_in_file(a, pauses_us), None if b is None else _in_file(b, pauses_us)) for a, b in spans_us]


def _in_file(at_us: int, pauses_us: Spans) -> int:
    """The clock's time in the file's: less what was paused before it."""
    paused = sum(min(at_us, end or at_us) - start for start, end in pauses_us if start < at_us)
    return at_us - paused
