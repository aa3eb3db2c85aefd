"""Segments of both legs become turns, for reading: in order of speech, neighbours of one leg joined.

And what such a conversation was like: who spoke how much, who fell into whose words. Pure.
Called by: ``store.items`` for reading, and when the text of a call is final.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

JOIN_MS = 1500
"""A longer pause of the same speaker begins a new turn."""
INTERRUPTS_MS = 300
"""So long two must speak at once before it is an interruption: turns overlap a little in every talk."""
ASIDE_MS = 1000
"""Who says less than this while the other speaks on ("yes", "mhm") listens."""
PAUSE_MS = 10_000
"""After so long a silence nobody goes on with what he was saying."""


@dataclass(frozen=True)
class Segment:
    """A stored piece of text; milliseconds from the start of the recording."""

    leg: str
    start_ms: int
    end_ms: int
    text: str
    confidence: float | None = None
    language: str | None = None


@dataclass(frozen=True)
class Turn:
    """What one leg said until the other spoke or a pause came."""

    leg: str
    start_ms: int
    end_ms: int
    text: str
    segments: Sequence[Segment]


@dataclass(frozen=True)
class Interruption:
    """A leg began to speak while the other spoke, and went on."""

    leg: str
    at_ms: int


@dataclass(frozen=True)
class Monologue:
    """A leg spoke, and nobody else but for an aside."""

    leg: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """What a conversation was like. Shares are of its duration, 0 to 1."""

    duration_ms: int
    talk: dict[str, float] = field(default_factory=dict)
    """Leg -> share of the time in which it speaks."""
    listen: dict[str, float] = field(default_factory=dict)
    """Leg -> share of the time in which only the others speak."""
    both: float = 0.0
    """Share of the time in which more than one speaks."""
    silence: float = 1.0
    """Share of the time in which nobody speaks."""
    interruptions: tuple[Interruption, ...] = ()
    longest_monologue: Monologue | None = None

    def as_dict(self) -> dict[str, Any]:
        """As plain values, for ``call.talk``."""
        return asdict(self)


def turns(segments: Iterable[Segment]) -> list[Turn]:
    """Merge segments into turns. Overlapping speech stays apart, in order of its beginning."""
    merged: list[Turn] = []
    for segment in sorted(segments, key=lambda s: (s.start_ms, s.end_ms, s.leg)):
        last = merged[-1] if merged else None
        if last and last.leg == segment.leg and segment.start_ms - last.end_ms <= JOIN_MS:
            merged[-1] = replace(
                last,
                end_ms=max(last.end_ms, segment.end_ms),
                text=f"{last.text} {segment.text}",
                segments=(*last.segments, segment),
            )
        else:
            merged.append(Turn(segment.leg, segment.start_ms, segment.end_ms, segment.text, (segment,)))
    return merged


def statistics(segments: Iterable[Segment], duration_ms: int) -> Statistics:
    """Who spoke how long, who interrupted, who spoke longest.

    Args:
        duration_ms: of the conversation; what was said after it counts to its end only.
    """
    spoken = {leg: _joined(stretches, duration_ms) for leg, stretches in _by_leg(segments).items()}
    whole = max(1, duration_ms)
    talk = {leg: _length(stretches) for leg, stretches in spoken.items()}
    anybody = _length(_joined([one for stretches in spoken.values() for one in stretches], duration_ms))
    both = sum(talk.values()) - anybody
    return Statistics(
        duration_ms=duration_ms,
        talk={leg: round(length / whole, 4) for leg, length in talk.items()},
        # Only the others: what they say, less what is said at the same time.
        listen={leg: round((anybody - talk[leg]) / whole, 4) for leg in talk},
        both=round(both / whole, 4),
        silence=round((duration_ms - anybody) / whole, 4),
        interruptions=tuple(_interruptions(spoken)),
        longest_monologue=_longest(spoken),
    )


Stretch = tuple[int, int]


def _by_leg(segments: Iterable[Segment]) -> dict[str, list[Stretch]]:
    found: dict[str, list[Stretch]] = {}
    for segment in segments:
        found.setdefault(segment.leg, []).append((segment.start_ms, segment.end_ms))
    return dict(sorted(found.items()))


def _joined(stretches: Iterable[Stretch], until_ms: int) -> list[Stretch]:
    """In order, none over another, none beyond the end."""
    joined: list[Stretch] = []
    for start, end in sorted((max(0, start), min(end, until_ms)) for start, end in stretches):
        if start >= end:
            continue
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined


def _length(stretches: Sequence[Stretch]) -> int:
    return sum(end - start for start, end in stretches)


def _interruptions(spoken: dict[str, list[Stretch]]) -> list[Interruption]:
    """Who began within the other's words, was heard at once with them, and said more than an aside."""
    found = [
        Interruption(leg, start)
        for leg, stretches in spoken.items()
        for start, end in stretches
        if end - start >= ASIDE_MS
        and any(
            begin < start and min(end, stop) - start >= INTERRUPTS_MS
            for other in spoken
            if other != leg
            for begin, stop in spoken[other]
        )
    ]
    return sorted(found, key=lambda one: (one.at_ms, one.leg))


def _longest(spoken: dict[str, list[Stretch]]) -> Monologue | None:
    """From a leg's first word to its last before the others say more than an aside."""
    longest: Monologue | None = None
    begun: Monologue | None = None
    said = [(start, end, leg) for leg, stretches in spoken.items() for start, end in stretches]
    for start, end, leg in sorted(said):
        if begun is not None and start - begun.end_ms > PAUSE_MS:
            begun = None
        if begun is not None and begun.leg == leg:
            begun = replace(begun, end_ms=max(begun.end_ms, end))
        elif begun is None or end - start >= ASIDE_MS:
            begun = Monologue(leg, start, end)
        if longest is None or begun.end_ms - begun.start_ms > longest.end_ms - longest.start_ms:
            longest = begun
    return longest
