"""What was said as subtitles: WebVTT (W3C Recommendation candidate, 2019) and SubRip.

Words of strangers: in WebVTT the signs of its markup are written as references, and a cue never holds a blank
line or an arrow of its own. Called by: ``fsctl transcribe FILE``; later by exports.
"""

from collections.abc import Iterable, Iterator

from fsctl.terminal import escape
from fsctl.transcribe.turns import Segment

LEAST_MS = 500
"""A shorter cue cannot be seen."""


def vtt(segments: Iterable[Segment]) -> str:
    """WebVTT; who speaks is the cue's voice."""
    cues = (
        f"{_clock(start, '.')} --> {_clock(end, '.')}\n<v {_markup(one.leg)}>{_markup(one.text)}\n"
        for one, start, end in _timed(segments)
    )
    return "\n".join(("WEBVTT\n", *cues))


def srt(segments: Iterable[Segment]) -> str:
    """SubRip; who speaks stands before the words."""
    cues = (
        f"{number}\n{_clock(start, ',')} --> {_clock(end, ',')}\n{one.leg}: {_plain(one.text)}\n"
        for number, (one, start, end) in enumerate(_timed(segments), 1)
    )
    return "\n".join(cues)


def _timed(segments: Iterable[Segment]) -> Iterator[tuple[Segment, int, int]]:
    for one in sorted(segments, key=lambda one: (one.start_ms, one.end_ms, one.leg)):
        if one.text.strip():
            start = max(0, one.start_ms)
            yield one, start, max(one.end_ms, start + LEAST_MS)


def _clock(ms: int, point: str) -> str:
    return f"{ms // 3600000:02d}:{ms // 60000 % 60:02d}:{ms // 1000 % 60:02d}{point}{ms % 1000:03d}"


def _plain(text: str) -> str:
    """One line, without control characters, and without what would begin a cue."""
    return escape(" ".join(text.split())).replace("-->", "->")


def _markup(text: str) -> str:
    return _plain(text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))
