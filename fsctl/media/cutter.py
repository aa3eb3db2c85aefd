"""Frames voted as speech become stretches of speech: where one begins, where it ends, where a long one is cut.

Pure: frames in, stretches out, counted in frames from where the leg is read. Knows no samples and no bytes.
Called by: ``segmenter``.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from fsctl.media.floor import decibels
from fsctl.media.frames import Frame, Frames

ONSET_MS, ONSET_CLEAR_MS = 210, 60
"""Speech begins when of this much this much is clear; it then began with the first voiced frame of it."""
BESIDE_MS = 30
"""In quiet an utterance has the sound that leads up to its first voiced frame, the sound in which its last one
fades, and so much more on both sides: soft edges of words are not voiced for the VAD."""
STOP_MS = 180
"""Sound that comes so soon after another is of it still: a word's last stop consonant, a faint last syllable."""
LEAD_NOISY_MS, TAIL_NOISY_MS = 270, 360
"""In noise such sound cannot be told from the noise, so this is kept: words fade longer than they rise."""
SUSTAIN, SUSTAIN_MASK = 2, 0b1111
"""Speech goes on with a frame that is one of so many voiced among the last four: a click alone is not."""
PATIENCE_NOISY_MS = 300
"""In noise an utterance waits so much longer for its next word: weak words are not heard."""
QUIET_DB, PATIENT_DB, NOISY_DB = 45.0, 35.0, 20.0
"""Between noise and speech: from the first on what is said of quiet holds, from the second on down an utterance
waits longer, and at the third what is said of noise holds."""
PAUSE_MS = 120
"""No sound within a word holds its breath so long: a pause between words."""
LATE_SHARE = 0.5
"""A stretch that is too long is cut in its last half, if there is a pause in it."""
SMOOTH_MS = 150
"""With no pause at all the cut falls into the quietest so long, rather than into a stop consonant."""


@dataclass(frozen=True)
class Span:
    """A stretch of speech: its first frame, and the one after its last."""

    begin: int
    end: int
    reach: float = field(default=0.0, compare=False)
    """How many times the speech was above the noise where it ended, in power."""


class Cutter:
    """Feed the frames of one leg; take spans that are over. They never overlap."""

    def __init__(self, frame_ms: int, *, hangover_ms: int, min_ms: int, max_ms: int) -> None:
        """
        Args:
            frame_ms: length of a frame.
            hangover_ms: silence that ends a stretch.
            min_ms: voiced sound that a stretch has at least; with less it was a click or a breath.
            max_ms: longest stretch.
        """
        self._frame_ms = frame_ms
        self._hangover = max(1, hangover_ms // frame_ms)
        self._least = max(1, min_ms // frame_ms)
        self._longest = max(2, max_ms // frame_ms)
        self._count = 0
        """Frames seen."""
        self._free = 0
        """No span begins before this frame: the end of the one before."""
        self._recent: deque[Frame] = deque(maxlen=ONSET_MS // frame_ms)
        """In silence: what may turn out to be a beginning."""
        self._begin: int | None = None
        """Of the open span; None in silence."""
        self._frames = Frames(0, ())
        """Of the open span, from its first voiced frame on."""
        self._voiced = 0
        """How many frames of the open span are."""
        self._last_voiced = 0
        self._votes = 0
        """Whether the last frames of the open span were voiced, one a bit."""
        self._is_rest = False
        """The open span is what a cut left: however short, it is part of the speech."""

    @property
    def due(self) -> int:
        """No span can be over before so many frames have been seen."""
        if self._begin is None:
            begin, missing = self._count, self._least - _voiced(self._recent)
        else:
            begin, missing = self._begin, 0 if self._is_rest else self._least - self._voiced
        if self._begin is None or missing > 0:
            lasting = self._count + max(0, missing) + self._hangover
        else:
            # The next frame may be voiced and stand clear of the noise: less patience is due behind it.
            lasting = min(self._last_voiced + 1 + self._patience(), self._count + 1 + self._hangover)
        return min(lasting, begin + self._longest)

    def take(self, frame: Frame) -> Span | None:
        """Look at the next frame; returns the span that is over with it, if one is."""
        self._count += 1
        if self._begin is None:
            self._listen(frame)
            return None
        self._frames.append(frame)
        self._voiced += frame.voiced
        self._votes = (self._votes << 1 | frame.voiced) & SUSTAIN_MASK
        silent = self._count - 1 - self._last_voiced
        if frame.voiced and self._votes.bit_count() >= SUSTAIN:
            self._last_voiced = self._count - 1
        elif silent >= self._hangover and silent >= self._patience():
            span = self._close(self._count - 1)
            self._listen(frame)  # A voice so late goes on with nothing, but something may begin with it.
            return span
        return self._cut() if self._count - self._begin >= self._longest else None

    def skip(self) -> bool:
        """Pass over a frame that is not voiced; False, and it is to be taken, unless all was silent lately."""
        if self._begin is not None or self._recent:
            return False
        self._count += 1
        return True

    def finish(self) -> Span | None:
        """There is no more: returns the span that was still open, if it counts."""
        return None if self._begin is None else self._close(self._count)

    def _listen(self, frame: Frame) -> None:
        if not frame.voiced and not any(past.voiced for past in self._recent):
            self._recent.clear()
            return
        self._recent.append(frame)
        if sum(past.clear for past in self._recent) * self._frame_ms < ONSET_CLEAR_MS:
            return
        frames = list(self._recent)
        while not frames[0].voiced:
            del frames[0]
        first = self._count - len(frames)
        self._frames, self._voiced = Frames(first, frames), _voiced(frames)
        self._begin = max(self._free, first - self._lead(first))
        self._votes = SUSTAIN_MASK
        self._last_voiced = self._count - 1

    def _patience(self) -> int:
        """Frames of silence that end the open span."""
        longer_ms = PATIENCE_NOISY_MS * self._noise(self._last_voiced, PATIENT_DB)
        return self._hangover + min(int(longer_ms) // self._frame_ms, self._hangover)

    def _close(self, until: int) -> Span | None:
        """End after the last voiced frame, before this one, and be silent again."""
        assert self._begin is not None
        end = min(until, self._last_voiced + 1 + self._tail(self._last_voiced, until))
        span = None
        if self._is_rest or self._voiced >= self._least:
            span = Span(self._begin, end, self._frames.reach(self._last_voiced))
            self._free = end
        self._begin = None
        self._is_rest = False
        self._frames = Frames(0, ())
        self._recent.clear()
        return span

    def _cut(self) -> Span | None:
        """End in the best pause, and go on after it; with no pause at all, at the quietest moment."""
        assert self._begin is not None
        pauses = [Span(*pause) for pause in self._frames.pauses(-(-PAUSE_MS // self._frame_ms))]
        half = self._begin + int(self._longest * (1 - LATE_SHARE))
        best = max([p for p in pauses if p.begin >= half] or pauses, key=self._merit, default=None)
        if best is None:
            end = begin = self._quietest(half)
        elif best.end == self._count:
            return self._close(self._count)
        else:
            end, begin = self._edges(best)
        span = Span(self._begin, end, self._frames.reach(self._count - 1))
        self._frames.forget(max(begin, best.end if best else 0))
        # What is left may begin with a voice that was too short to count as speech going on.
        self._last_voiced = max(self._last_voiced, self._frames.first)
        self._begin = self._free = begin
        self._is_rest = True
        return span

    def _merit(self, pause: Span) -> tuple[int, float]:
        """The longest pause is the best, of two as long the quieter."""
        return pause.end - pause.begin, -self._frames.loudness(pause.begin, pause.end)

    def _quietest(self, after: int) -> int:
        """The middle of the quietest moment between a frame and the last voiced one."""
        width = SMOOTH_MS // self._frame_ms
        starts = range(after, max(after, self._last_voiced - width) + 1)
        return min(starts, key=lambda start: self._frames.loudness(start, start + width)) + width // 2

    def _edges(self, pause: Span) -> tuple[int, int]:
        """Where speech ends before a pause and begins after it, with the padding for which there is room."""
        end = pause.begin + self._tail(pause.begin - 1, pause.end)
        begin = pause.end - self._lead(pause.end)
        return (end, begin) if end <= begin else ((pause.begin + pause.end) // 2,) * 2

    def _lead(self, first: int) -> int:
        """Frames to keep before the first that is voiced."""
        return self._padding(first, self._frames.rise(first) * self._frame_ms + BESIDE_MS, LEAD_NOISY_MS)

    def _tail(self, last: int, until: int) -> int:
        """Frames to keep after the last that is voiced, of those before another."""
        fade = self._frames.fade(last, until, STOP_MS // self._frame_ms)
        return self._padding(last, fade * self._frame_ms + BESIDE_MS, TAIL_NOISY_MS)

    def _padding(self, at: int, quiet_ms: int, noisy_ms: int) -> int:
        """Frames to keep beside this one: the nearer the noise comes to the speech, the more of it is hidden."""
        noise, most_ms = self._noise(at, QUIET_DB), self._hangover * self._frame_ms
        padding_ms = min(quiet_ms, most_ms) * (1 - noise) + noisy_ms * noise
        return int(padding_ms) // self._frame_ms

    def _noise(self, at: int, quiet_db: float) -> float:
        """How much of what is said of noise holds at this frame, 0 to 1."""
        above_db = decibels(self._frames.reach(at))
        return min(max((quiet_db - above_db) / (quiet_db - NOISY_DB), 0.0), 1.0)


def _voiced(frames: Iterable[Frame]) -> int:
    return sum(frame.voiced for frame in frames)
