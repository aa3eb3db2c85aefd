"""The final text of a leg, from its decoded windows.

A segment gets its place in the recording, and the utterance in which most of it lies; an utterance in which nothing
was heard is said to be empty. Pure. Called by: ``legs``, ``file``.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from fsctl.media.windows import Places
from fsctl.store.transcripts import FinalText, Job, Window
from fsctl.transcribe import editor
from fsctl.transcribe.editor import Guard, Heard, Rules
from fsctl.transcribe.engine import Speech, Text

LEAST_SHARE = 0.3
"""A text is of an utterance if it has so much of it, or so much of itself in it."""


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """A window as it was decoded."""

    window: Window
    texts: Sequence[Text]
    rules: Sequence[str | None]
    """For each text the guard's."""


def decoded(window: Window, speech: Speech, texts: Sequence[Text], guard: Guard) -> Decoded:
    """Ask the guard while the audio is at hand; it is not kept."""
    return Decoded(window=window, texts=texts, rules=[guard(text, speech) for text in texts])


def compose(
    job: Job, found: Sequence[Decoded], failed: Mapping[int, str], model: str, rules: Rules
) -> FinalText:
    """All of a leg.

    Args:
        found: its windows, in order.
        failed: windows that could not be decoded, and why.
    """
    heard: list[Heard] = []
    for one in found:
        heard += _of_window(job, one)
    heard.sort(key=lambda one: (one.start_ms, one.end_ms))
    edited = editor.edit(_apart(heard), model, rules)
    return FinalText(model=model, segments=edited.segments, redactions=edited.redactions, failed=failed)


def _of_window(job: Job, one: Decoded) -> list[Heard]:
    places = Places(one.window.pieces, one.window.rate)
    spans = {id: _in_ms(job.spoken[id], one.window.rate) for id in one.window.utterances if id in job.spoken}
    heard = in_place(one.texts, one.rules, places, spans)
    covered = {
        id for id, span in spans.items() if any(_overlap(span, (h.start_ms, h.end_ms)) > 0 for h in heard)
    }
    covered |= {one.utterance_id for one in heard if one.utterance_id is not None}
    language = job.context.language
    return heard + [editor.nothing(*span, language, id) for id, span in spans.items() if id not in covered]


def in_place(
    texts: Sequence[Text], rules: Sequence[str | None], places: Places, spans: Mapping[int, tuple[int, int]]
) -> list[Heard]:
    """The texts of a window where they were said, each with its utterance.

    Args:
        rules: for each text the guard's.
        spans: utterance -> its milliseconds of the recording.
    """
    heard: list[Heard] = []
    for text, rule in zip(texts, rules, strict=True):
        found = editor.place(text, rule, places.start_ms, places.end_ms)
        parts = _by_utterance(found, spans) or [replace(found, utterance_id=_nearest(found, spans))]
        heard += [_within(part, spans.values()) for part in parts]
    return heard


def _by_utterance(found: Heard, spans: Mapping[int, tuple[int, int]]) -> list[Heard]:
    """A text that goes over a pause, in parts: in the pause the other leg may have spoken.

    Returns:
        Nothing where the times of its words are not known, or all are of one utterance.
    """
    words, begins = found.words, _begins(found)
    owners = [_nearest(replace(found, start_ms=start, end_ms=end), spans) for start, end, _, _ in words]
    seams = [i for i in range(1, len(words)) if owners[i] != owners[i - 1]]
    if not begins or not seams:
        return []
    parts = []
    for first, last in pairwise([0, *seams, len(words)]):
        text = found.text[begins[first] if first else 0 : begins[last] if last < len(words) else None]
        own = words[first:last]
        parts.append(
            replace(
                found, start_ms=own[0][0], end_ms=max(end for _, end, _, _ in own), text=text.strip(), words=own,
                utterance_id=owners[first],
            )
        )  # fmt: skip
    return parts


def _within(found: Heard, spans: Collection[tuple[int, int]]) -> Heard:
    """No further than the speech that it is of: Whisper lets a text last until the next one begins."""
    own = (found.start_ms, found.end_ms)
    touched = [
        span for span in spans if _overlap(span, own) > LEAST_SHARE * min(span[1] - span[0], own[1] - own[0])
    ]
    if not touched:
        return found
    start_ms = max(own[0], min(start for start, _ in touched))
    return replace(found, start_ms=start_ms, end_ms=min(own[1], max(end for _, end in touched)))


def _begins(found: Heard) -> list[int]:
    """Where in the text each of its words begins; nothing where one is not in it."""
    begins: list[int] = []
    at = 0
    for _, _, text, _ in found.words:
        begin = found.text.find(text, at)
        if begin < 0:
            return []
        begins.append(begin)
        at = begin + len(text)
    return begins


def _nearest(found: Heard, spans: Mapping[int, tuple[int, int]]) -> int | None:
    """The utterance that shares most time with it, else the nearest."""
    if not spans:
        return None
    return max(spans, key=lambda id: (_overlap(spans[id], (found.start_ms, found.end_ms)), -id))


def _overlap(a: tuple[int, int], b: tuple[int, int]) -> int:
    """Milliseconds that both have; below zero: how far they are apart."""
    return min(a[1], b[1]) - max(a[0], b[0])


def _apart(heard: Sequence[Heard]) -> list[Heard]:
    """No two segments of one utterance begin at the same millisecond: they would be one row."""
    taken: set[tuple[int | None, int]] = set()
    moved: list[Heard] = []
    for one in heard:
        start = one.start_ms
        while (one.utterance_id, start) in taken:
            start += 1
        taken.add((one.utterance_id, start))
        moved.append(replace(one, start_ms=start, end_ms=max(start, one.end_ms)))
    return moved


def _in_ms(span: tuple[int, int], rate: int) -> tuple[int, int]:
    return span[0] * 1000 // rate, span[1] * 1000 // rate
