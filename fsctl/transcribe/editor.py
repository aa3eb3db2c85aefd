"""What an engine heard becomes segments that may be stored: guarded, redacted, in its place in the recording.

Pure. Nothing unredacted leaves this file. Called by: ``worker`` for utterances, ``final`` for the windows of a leg.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fsctl.store.segments import NewRedaction, NewSegment
from fsctl.transcribe import redact
from fsctl.transcribe.engine import Speech, Text, Word

NO_TEXT = "no_text"
"""The engine heard nothing; said with an empty segment, so that every utterance is accounted for."""

Guard = Callable[[Text, Speech], str | None]
"""The name of the rule by which a text was not spoken; see ``guard``."""


@dataclass(frozen=True, kw_only=True)
class Heard:
    """A text in its place; milliseconds from the start of the recording."""

    start_ms: int
    end_ms: int
    text: str
    confidence: float
    language: str
    suppressed_by: str | None
    words: tuple[tuple[int, int, str, float], ...] = ()
    utterance_id: int | None = None


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What must not be stored of a leg."""

    kinds: Sequence[str] = ()
    """See ``redact.FINDERS``."""
    is_live: bool = False
    """The rest of what is said is still to come."""
    asked_ms: Sequence[int] = ()
    """When the other leg asked for a security code."""


@dataclass(frozen=True)
class Edited:
    """What may be stored."""

    segments: list[NewSegment]
    redactions: list[NewRedaction]


def place(
    text: Text, suppressed_by: str | None, start_ms: Callable[[float], int], end_ms: Callable[[float], int]
) -> Heard:
    """Put a text where it was said.

    Args:
        start_ms, end_ms: seconds of what was decoded -> milliseconds of the recording.
    """
    first = start_ms(text.start_s)
    return Heard(
        start_ms=first,
        end_ms=max(first, end_ms(text.end_s)),
        text=text.text,
        confidence=round(math.exp(min(0.0, text.logprob)), 4),
        language=text.language,
        suppressed_by=suppressed_by,
        words=tuple(
            (start_ms(word.start_s), end_ms(word.end_s), word.text, round(word.probability, 3))
            for word in text.words
        ),
    )


def nothing(start_ms: int, end_ms: int, language: str | None, utterance_id: int | None = None) -> Heard:
    """An utterance in which nothing was heard."""
    return Heard(
        start_ms=start_ms, end_ms=end_ms, text="", confidence=0.0, language=language or "",
        suppressed_by=NO_TEXT, utterance_id=utterance_id,
    )  # fmt: skip


def edit(heard: Sequence[Heard], model: str, rules: Rules) -> Edited:
    """Redact what one leg said, in order, and make it segments."""
    # What was not spoken is kept as it was heard, but never more of it than of speech.
    said = [one for one in heard if one.suppressed_by is None]
    doubted = [one for one in heard if one.suppressed_by is not None]
    edited = Edited([], [])
    _edit(said, model, rules, edited)
    for one in doubted:
        _edit([one], model, Rules(kinds=rules.kinds, is_live=True), edited)
    edited.segments.sort(key=lambda one: (one.start_ms, one.end_ms))
    return edited


def _edit(heard: Sequence[Heard], model: str, rules: Rules, edited: Edited) -> None:
    pieces = [redact.Piece(one.text, one.start_ms, one.end_ms, _timed(one)) for one in heard]
    language = heard[0].language if heard else None
    found = redact.redact_all(
        pieces, rules.kinds, language=language, is_live=rules.is_live, asked_ms=rules.asked_ms
    )
    for one, redacted in zip(heard, found, strict=True):
        edited.segments.append(_segment(one, model, redacted))
        edited.redactions.extend(
            NewRedaction(start_ms=max(0, span.start_ms), end_ms=span.end_ms, kind=span.kind)
            for span in redacted.spans
        )


def _segment(one: Heard, model: str, redacted: redact.Redacted) -> NewSegment:
    known = {(start, end, text): probability for start, end, text, probability in one.words}
    words = [
        (w.start_ms, w.end_ms, w.text, known.get((w.start_ms, w.end_ms, w.text), 0.0)) for w in redacted.words
    ]
    return NewSegment(
        start_ms=one.start_ms,
        end_ms=one.end_ms,
        text=redacted.text,
        confidence=one.confidence,
        language=one.language,
        model=model,
        suppressed_by=one.suppressed_by,
        words=words,
        redacted=redacted.kinds,
        utterance_id=one.utterance_id,
    )


def _timed(one: Heard) -> Sequence[redact.Timed]:
    """Its words as they count from its beginning."""
    return [
        Word((start - one.start_ms) / 1000, (end - one.start_ms) / 1000, text, probability)
        for start, end, text, probability in one.words
    ]
