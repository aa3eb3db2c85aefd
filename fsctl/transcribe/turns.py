"""Segments of both legs become turns, for reading: in order of speech, neighbours of one leg joined."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

JOIN_MS = 1500
"""A longer pause of the same speaker begins a new turn."""


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
