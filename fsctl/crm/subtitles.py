"""What was said as subtitles: WebVTT (W3C Candidate Recommendation, 2019) and SubRip.

Words of strangers: in WebVTT the signs of its markup are written as references; SubRip has none, so there signs
that players take for markup are replaced by some that look alike. A cue never holds a blank line or an arrow of its
own. Called by: ``fsctl transcribe FILE``, ``as_vtt``, ``as_srt``.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from fsctl.terminal import escape
from fsctl.transcribe.turns import Segment

LEAST_MS = 500
"""A shorter cue cannot be seen."""
_ALIKE = str.maketrans({"<": "‹", ">": "›", "{": "(", "}": ")"})


@dataclass(frozen=True)
class Cue:
    """Words on the screen. Milliseconds from the beginning of what is played."""

    start_ms: int
    end_ms: int
    voice: str
    """Who speaks."""
    text: str
    note: str = ""
    """Stands before it, and is not shown; WebVTT only."""


def of_segments(segments: Iterable[Segment]) -> Iterator[Cue]:
    """Segments of one recording; the voice is the leg."""
    return (Cue(one.start_ms, one.end_ms, one.leg, one.text) for one in segments)


def vtt(cues: Iterable[Cue]) -> str:
    """WebVTT; who speaks is the cue's voice."""
    blocks = ["WEBVTT\n"]
    for one, start, end in _timed(cues):
        if one.note:
            blocks.append(f"NOTE {_markup(one.note)}\n")
        voice = _markup(one.voice) or "unknown"
        blocks.append(f"{_clock(start, '.')} --> {_clock(end, '.')}\n<v {voice}>{_markup(one.text)}\n")
    return "\n".join(blocks)


def srt(cues: Iterable[Cue]) -> str:
    """SubRip; who speaks stands before the words."""
    blocks = []
    for number, (one, start, end) in enumerate(_timed(cues), 1):
        said = f"{_alike(one.voice) or 'unknown'}: {_alike(one.text)}"
        blocks.append(f"{number}\n{_clock(start, ',')} --> {_clock(end, ',')}\n{said}\n")
    return "\n".join(blocks)


def _timed(cues: Iterable[Cue]) -> Iterator[tuple[Cue, int, int]]:
    for one in sorted(cues, key=lambda one: (one.start_ms, one.end_ms, one.voice)):
        if one.text.strip():
            start = max(0, one.start_ms)
            yield one, start, max(one.end_ms, start + LEAST_MS)


def _clock(ms: int, point: str) -> str:
    return f"{ms // 3600000:02d}:{ms // 60000 % 60:02d}:{ms // 1000 % 60:02d}{point}{ms % 1000:03d}"


def _plain(text: str) -> str:
    """One line, without control characters."""
    return escape(" ".join(text.split()))


def _alike(text: str) -> str:
    return _plain(text).translate(_ALIKE)


def _markup(text: str) -> str:
    return _plain(text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))
