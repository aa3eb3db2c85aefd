"""Neighbouring utterances packed into windows, for a recogniser that looks at a finished recording.

A window is real audio: the utterances of one leg with the pauses between them, as many as fit. A pause that is
longer than need be is squeezed: its middle is left out. So a window is a list of pieces of the recording, and any
time in it has its exact place there.

Pure: samples are counted, never touched.
Called by: ``planner``, ``fsctl.transcribe.final``, ``fsctl transcribe FILE``.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

LONGEST_S = 180.0
"""A recogniser knows what was said before within a window, not across two; a window that breaks it takes no more
text along than this, and its audio is held in memory at once."""
PAUSE_S = 0.8
"""What is left of a longer pause, half of it beside each of its neighbours; with 0.5 words were lost."""
LATE_SHARE = 0.5
"""A window that is full ends with the longest pause in its last half: a sentence is seldom cut."""

Span = tuple[int, int]
"""First sample and one past the last."""
Bounds = Sequence[tuple[int, int | None]]
"""Stretches of the recording in which a leg may be heard; an open end is None."""


@dataclass(frozen=True)
class Stretch:
    """An utterance, or a part of a very long one."""

    id: int
    start: int
    end: int


@dataclass(frozen=True)
class Packed:
    """A window: pieces of the recording one after the other, and the utterances in it."""

    pieces: tuple[Span, ...]
    ids: tuple[int, ...]


class Places:
    """Where the times of a window are in the recording."""

    def __init__(self, pieces: Sequence[Span], rate: int) -> None:
        self._pieces = pieces
        self._rate = rate
        self._offsets = [0, *accumulate(end - start for start, end in pieces)]

    @property
    def samples(self) -> int:
        """How long the window is."""
        return self._offsets[-1]

    @property
    def seams_s(self) -> tuple[float, ...]:
        """The seconds of the window at which the middle of a pause was left out."""
        return tuple(offset / self._rate for offset in self._offsets[1:-1])

    def pauses_s(self, spoken: Iterable[Span]) -> tuple[float, ...]:
        """The seconds of the window at which nobody speaks: the middles between the stretches of speech in it."""
        ordered = sorted(spoken)
        middles = ((before[1] + after[0]) // 2 for before, after in pairwise(ordered))
        return tuple(self._offset(middle) / self._rate for middle in middles)

    def _offset(self, sample: int) -> int:
        """Where in the window a sample of the recording is; of one that was left out, the seam."""
        for (start, end), offset in zip(self._pieces, self._offsets):
            if sample < end:
                return offset + max(0, sample - start)
        return self.samples

    def sample(self, index: int) -> int:
        """The recording's sample that is this one of the window."""
        piece = min(bisect_right(self._offsets, index), len(self._pieces)) - 1
        return self._pieces[piece][0] + index - self._offsets[piece]

    def start_ms(self, seconds: float) -> int:
        """Where something begins: at a seam, in the piece after it."""
        return self.sample(self._index(seconds)) * 1000 // self._rate

    def end_ms(self, seconds: float) -> int:
        """Where something ends: at a seam, in the piece before it."""
        index = self._index(seconds)
        piece = max(1, bisect_left(self._offsets, index)) - 1
        return (self._pieces[piece][0] + index - self._offsets[piece]) * 1000 // self._rate

    def _index(self, seconds: float) -> int:
        return min(max(0, round(seconds * self._rate)), self.samples)


def pack(
    stretches: Sequence[Stretch],
    rate: int,
    bounds: Bounds = ((0, None),),
    *,
    longest_s: float = LONGEST_S,
    pause_s: float = PAUSE_S,
) -> list[Packed]:
    """Windows of one leg, in order. Each sample of each utterance is in exactly one.

    Args:
        stretches: the leg's utterances.
        bounds: no window goes over a bound, and no pause holds what is outside: there is music.
        longest_s: of a window.
        pause_s: longest pause in a window.
    """
    longest, pause = int(longest_s * rate), int(pause_s * rate)
    windows: list[Packed] = []
    for run in _runs(list(_parts(stretches, longest)), bounds):
        rest = run
        while rest:
            count = _fitting(rest, longest, pause)
            windows.append(_window(rest[:count], pause))
            rest = rest[count:]
    return windows


def _parts(stretches: Sequence[Stretch], longest: int) -> Iterator[Stretch]:
    """In order, none longer than a window, none beginning before the last has ended."""
    free = 0
    for one in sorted(stretches, key=lambda one: (one.start, one.end)):
        for start in range(max(one.start, free), one.end, longest):
            yield Stretch(one.id, start, min(start + longest, one.end))
        free = max(free, one.end)


def _runs(stretches: Sequence[Stretch], bounds: Bounds) -> Iterator[list[Stretch]]:
    """Stretches between which nothing ends; one that is in no bound is alone with its like."""
    run: list[Stretch] = []
    last: int | None = None
    for one in stretches:
        place = _bound(one, bounds)
        if run and place != last:
            yield run
            run = []
        run.append(one)
        last = place
    if run:
        yield run


def _bound(one: Stretch, bounds: Bounds) -> int:
    return next(
        (
            i
            for i, (start, end) in enumerate(bounds)
            if start <= one.start and (end is None or one.end <= end)
        ),
        -1,
    )


def _fitting(stretches: Sequence[Stretch], longest: int, pause: int) -> int:
    """How many go into the next window."""
    length = stretches[0].end - stretches[0].start
    late: list[tuple[int, int]] = []
    for count, (before, after) in enumerate(pairwise(stretches), 1):
        gap = after.start - before.end
        if length >= longest * LATE_SHARE:
            late.append((gap, count))
        length += min(gap, pause) + after.end - after.start
        if length > longest:
            return max(late)[1] if late else count
    return len(stretches)


def _window(stretches: Sequence[Stretch], pause: int) -> Packed:
    pieces: list[Span] = []
    start = stretches[0].start
    for before, after in pairwise(stretches):
        if after.start - before.end > pause:
            pieces.append((start, before.end + pause // 2))
            start = after.start - (pause - pause // 2)
    pieces.append((start, stretches[-1].end))
    return Packed(tuple(pieces), tuple(dict.fromkeys(one.id for one in stretches)))
