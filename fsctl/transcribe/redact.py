"""What must not be stored is taken out of text before it is: card numbers, codes, phones, e-mail addresses.

As digits or spoken, in any grouping, in the languages of ``spoken``. In its place stands its kind, such as
``[card]``; the same milliseconds are told, so that the audio can be silenced. Pure, and without any model: chat
uses it as well as transcripts.

Written text is exact: a card number has 13 to 19 digits and Luhn's check digit (ISO/IEC 7812-1). Heard text is
not exact itself, a digit may be misheard: what is as long as a card number is taken for one. A leg is redacted
whole (``redact_all``), so that a number said in groups with pauses is found. While a call lasts (``is_live``)
the rest of a number may be still to come: every number that could be part of one goes, until the final pass
says better.

To add a kind: a function in FINDERS. A queue may ask for patterns of its own: ``NAME=REGULAR EXPRESSION``.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Protocol

from fsctl.errors import BadInput
from fsctl.transcribe import cues, sensitive
from fsctl.transcribe.addresses import emails
from fsctl.transcribe.sensitive import Found, Reading
from fsctl.transcribe.spoken import Token, groups, tokens

PAD_MS = 250
"""Silenced before and after: to about so much the time of a word is known."""

Finder = Callable[[Reading], Iterator[Found]]
FINDERS: Mapping[str, Finder] = {
    "card": sensitive.cards,
    "code": sensitive.codes,
    "email": emails,
    "phone": sensitive.phones,
}
OF_DIGITS = ("card", "code", "phone")
NAME = re.compile(r"[a-z][a-z0-9_-]{0,30}")
"""Of a pattern."""


class Timed(Protocol):
    """A word with its times, as an engine tells them: seconds from the beginning of its piece."""

    @property
    def start_s(self) -> float:
        """Its beginning."""

    @property
    def end_s(self) -> float:
        """Its end."""

    @property
    def text(self) -> str:
        """As written."""


@dataclass(frozen=True)
class Piece:
    """A piece of text to be redacted. Milliseconds from the start of the recording; chat has none."""

    text: str
    start_ms: int = 0
    end_ms: int = 0
    words: Sequence[Timed] = ()
    """Their times count from ``start_ms``."""


@dataclass(frozen=True)
class Span:
    """Milliseconds of the recording that must not be heard."""

    start_ms: int
    end_ms: int
    kind: str


@dataclass(frozen=True)
class TimedWord:
    """A word that may be stored; what was taken out is one word, ``[card]``. Milliseconds of the recording."""

    start_ms: int
    end_ms: int
    text: str


@dataclass(frozen=True)
class Redacted:
    """A piece of text without what must not be stored."""

    text: str
    kinds: tuple[str, ...] = ()
    """What was taken out."""
    spans: tuple[Span, ...] = ()
    words: tuple[TimedWord, ...] = ()


def require(kinds: Sequence[str]) -> None:
    """Raises BadInput where a kind is neither one of FINDERS nor a pattern with a name."""
    for kind in kinds:
        _finder(kind)


def redact(
    text: str, kinds: Sequence[str], *, language: str | None = None, is_heard: bool = False
) -> Redacted:
    """A text by itself, such as a message. See ``redact_all``."""
    return redact_all([Piece(text)], kinds, language=language, is_heard=is_heard)[0]


def redact_all(
    pieces: Sequence[Piece],
    kinds: Sequence[str],
    *,
    language: str | None = None,
    is_heard: bool = True,
    is_live: bool = False,
    asked_ms: Sequence[int] = (),
) -> list[Redacted]:
    """Everything that one leg said, in order: a number may go on from one piece to the next.

    Args:
        kinds: those of FINDERS, and patterns as ``NAME=REGULAR EXPRESSION``.
        language: of the text, ISO 639-1, where it is known.
        is_heard: a recogniser wrote it.
        is_live: the rest is still to come: take out whatever could be part of a number.
        asked_ms: when the other leg asked for a security code (``asks_for_code``), in the recording's milliseconds.

    Raises:
        BadInput: a kind is none.
    """
    finders = [_finder(kind, is_live=is_live) for kind in kinds]
    text = "\n".join(piece.text for piece in pieces)
    spoken = tokens(text) if finders else []
    edges = _edges(pieces, spoken) if is_live else ()
    reading = Reading(text, spoken, groups(spoken, language), is_heard, edges)
    found = [one for finder in finders for one in finder(reading)]
    if "code" in kinds:
        found += _answers(reading, pieces, asked_ms)
    return _taken_out(pieces, _merged(found))


def asks_for_code(text: str) -> bool:
    """Whether a text speaks of a security code: what the other leg says next may be one."""
    return any(token.folded in cues.CODE for token in tokens(text))


# --- what to look for --------------------------------------------------------------------------------------


def _finder(kind: str, *, is_live: bool = False) -> Finder:
    """Raises BadInput."""
    if kind in FINDERS:
        return sensitive.parts if is_live and kind in OF_DIGITS else FINDERS[kind]
    name, equals, pattern = kind.partition("=")
    if not equals or not NAME.fullmatch(name):
        raise BadInput(f"redaction {kind!r}: expected {', '.join(FINDERS)}, or NAME=REGULAR EXPRESSION")
    try:
        compiled = re.compile(pattern, re.IGNORECASE)
    except re.error as error:
        raise BadInput(f"redaction {name}: not a regular expression: {error}") from error
    return lambda reading: _matches(reading, name, compiled)


def _matches(reading: Reading, name: str, pattern: re.Pattern[str]) -> Iterator[Found]:
    """In the text as it is, and with its numbers written in digits."""
    for match in pattern.finditer(reading.text):
        if match.group():
            yield Found(match.start(), match.end(), name)
    written, at = _in_digits(reading)
    for match in pattern.finditer(written):
        if match.group():
            yield Found(at[match.start()][0], at[match.end() - 1][1], name)


def _in_digits(reading: Reading) -> tuple[str, list[tuple[int, int]]]:
    """The text with digits for numbers, neighbours joined; and where in the text each character stands."""
    out: list[str] = []
    at: list[tuple[int, int]] = []
    position = 0
    for group in reading.groups:
        start, end = reading.tokens[group.first].start, reading.tokens[group.last].end
        gap = reading.text[position:start]
        if not at or gap.strip(" -,"):
            out.append(gap)
            at += [(index, index + 1) for index in range(position, start)]
        out.append(group.digits)
        at += [(start, end)] * len(group.digits)
        position = end
    out.append(reading.text[position:])
    at += [(index, index + 1) for index in range(position, len(reading.text))]
    return "".join(out), at


def _answers(reading: Reading, pieces: Sequence[Piece], asked_ms: Sequence[int]) -> Iterator[Found]:
    """Three or four digits said soon after the other leg asked for a code."""
    begins = _begins(pieces)
    for first, last in sensitive.few_digits(reading) if asked_ms else ():
        found = reading.found(first, last, "code")
        piece = pieces[max(index for index, begin in enumerate(begins) if begin <= found.start)]
        if any(piece.start_ms <= at + cues.ANSWER_MS and at <= piece.end_ms for at in asked_ms):
            yield found


# --- taking it out -----------------------------------------------------------------------------------------


def _begins(pieces: Sequence[Piece]) -> list[int]:
    """Where in the joined text each piece begins."""
    begins, at = [], 0
    for piece in pieces:
        begins.append(at)
        at += len(piece.text) + 1
    return begins


def _edges(pieces: Sequence[Piece], spoken: Sequence[Token]) -> list[tuple[int, int]]:
    """First and last token of each piece that has any."""
    edges = []
    for begin, piece in zip(_begins(pieces), pieces):
        within = [i for i, token in enumerate(spoken) if begin <= token.start < begin + len(piece.text)]
        if within:
            edges.append((within[0], within[-1]))
    return edges


def _merged(found: Sequence[Found]) -> list[Found]:
    """In order; what overlaps is one, of the kind of the longest."""
    merged: list[Found] = []
    for one in sorted(found, key=lambda one: (one.start, -one.end)):
        if not merged or one.start >= merged[-1].end:
            merged.append(one)
        elif one.end > merged[-1].end:
            kind = max((merged[-1], one), key=lambda each: each.end - each.start).kind
            merged[-1] = Found(merged[-1].start, one.end, kind)
    return merged


def _taken_out(pieces: Sequence[Piece], found: Sequence[Found]) -> list[Redacted]:
    redacted = []
    for begin, piece in zip(_begins(pieces), pieces):
        end = begin + len(piece.text)
        mine = [
            Found(max(begin, one.start) - begin, min(end, one.end) - begin, one.kind)
            for one in found
            if one.start < end and one.end > begin
        ]
        redacted.append(_without(piece, mine))
    return redacted


def _without(piece: Piece, found: Sequence[Found]) -> Redacted:
    text, at = [], 0
    for one in found:
        text += [piece.text[at : one.start], f"[{one.kind}]"]
        at = one.end
    places = _places(piece)
    return Redacted(
        "".join((*text, piece.text[at:])),
        tuple(dict.fromkeys(one.kind for one in found)),
        tuple(_span(piece, one, places) for one in found),
        tuple(_kept_words(found, places)),
    )


Place = tuple[int, int, TimedWord]
"""First character of a word in the text, one past its last, and the word."""


def _places(piece: Piece) -> list[Place]:
    """Where each word stands in the text; nothing when one is not found: its times can then not be told."""
    places, at = [], 0
    for word in piece.words:
        written = word.text.strip()
        start = piece.text.find(written, at)
        if start < 0:
            return []
        at = start + len(written)
        start_ms, end_ms = (piece.start_ms + round(1000 * second) for second in (word.start_s, word.end_s))
        places.append((start, at, TimedWord(start_ms, max(start_ms, end_ms), written)))
    return places


def _span(piece: Piece, found: Found, places: Sequence[Place]) -> Span:
    """The words' milliseconds and some more; without their times all of the piece."""
    spoken = [word for start, end, word in places if start < found.end and end > found.start]
    if not spoken:
        return Span(piece.start_ms, piece.end_ms, found.kind)
    start_ms = min(word.start_ms for word in spoken) - PAD_MS
    return Span(max(0, start_ms), max(word.end_ms for word in spoken) + PAD_MS, found.kind)


def _kept_words(found: Sequence[Found], places: Sequence[Place]) -> Iterator[TimedWord]:
    """The words, with one in place of all those that were taken out together."""
    said = [
        next((one for one in found if start < one.end and end > one.start), None) for start, end, _ in places
    ]
    for taken, run in groupby(zip(said, places), key=lambda pair: pair[0]):
        words = [word for _, (_, _, word) in run]
        if taken is None:
            yield from words
        else:
            yield TimedWord(words[0].start_ms, words[-1].end_ms, f"[{taken.kind}]")
