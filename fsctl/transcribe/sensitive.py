"""Where in a text numbers stand that must not be stored: card numbers, security codes, telephone numbers.

Pure. Knows a text as tokens and as groups of digits (``spoken``); does not know what is done with what is
found. Called by: ``redact``.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from fsctl.transcribe import cues
from fsctl.transcribe.number_words import DOUBTED
from fsctl.transcribe.spoken import Group, Token

SHORTEST_CARD, LONGEST_CARD = 13, 19
"""ISO/IEC 7812-1 has up to 19; none in use has fewer than 13."""
NEAR_CARD = 8
"""So many digits near a word such as "card" are one of which the recogniser missed some."""
PHONE_DIGITS, PHONE_SHORTEST, PHONE_LONGEST = 9, 7, 15
"""By themselves; near a word such as "phone"; at most (ITU-T E.164)."""
CODE_DIGITS = (3, 4)
TIGHT_CHARACTERS, TIGHT_WORDS, LOOSE_WORDS, NEAR_WORDS = 6, 3, 8, 15
"""Between two groups of one number: characters as written; "and", "okay"; other words. From a word that tells."""
DATE = re.compile(r"\d{1,4}([./-])\d{1,2}\1\d{1,4}")


@dataclass(frozen=True)
class Found:
    """Characters ``start`` to ``end`` are of this kind."""

    start: int
    end: int
    kind: str


@dataclass(frozen=True)
class Reading:
    """A text as the finders look at it."""

    text: str
    tokens: Sequence[Token]
    groups: Sequence[Group]
    is_heard: bool
    """A recogniser wrote it: a digit may be misheard, and is one of a leg's."""
    edges: Sequence[tuple[int, int]] = ()
    """First and last token of each utterance."""

    def size(self, first: int, last: int) -> int:
        """Digits of these groups."""
        return sum(len(group.digits) for group in self.groups[first : last + 1])

    def gap(self, first: int, second: int) -> Sequence[Token]:
        """The words between two groups."""
        return self.tokens[self.groups[first].last + 1 : self.groups[second].first]

    def between(self, first: int, second: int) -> str:
        """The characters between two tokens."""
        return self.text[self.tokens[first].end : self.tokens[second].start]

    def found(self, first: int, last: int, kind: str) -> Found:
        """These groups, and what stands between them."""
        start, end = self.tokens[self.groups[first].first], self.tokens[self.groups[last].last]
        return Found(start.start, end.end, kind)

    def is_near(self, first: int, last: int, words: frozenset[str], *, after: int = 0) -> bool:
        """Whether one of the words stands among these groups, not far before, or so many words after them."""
        begin = max(0, self.groups[first].first - NEAR_WORDS)
        end = self.groups[last].last + 1 + after
        return any(token.folded in words for token in self.tokens[begin:end])


def is_luhn(digits: str) -> bool:
    """Whether the last digit is Luhn's check digit of the others (ISO/IEC 7812-1, annex B)."""
    total = 0
    for place, character in enumerate(reversed(digits)):
        value = int(character) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def clusters(reading: Reading, joins: Callable[[Reading, int, int], bool]) -> Iterator[tuple[int, int]]:
    """First and last of groups that may be one number."""
    first = 0
    for index in range(1, len(reading.groups) + 1):
        if index == len(reading.groups) or not joins(reading, index - 1, index):
            yield first, index - 1
            first = index


def together(reading: Reading, first: int, second: int) -> bool:
    """Nothing between two groups, or what one says while reading a number aloud."""
    gap = reading.gap(first, second)
    if not gap:
        characters = reading.between(reading.groups[first].last, reading.groups[second].first)
        return reading.is_heard or len(characters) <= TIGHT_CHARACTERS
    return reading.is_heard and len(gap) <= TIGHT_WORDS and all(word.folded in cues.FILLERS for word in gap)


def near(reading: Reading, first: int, second: int) -> bool:
    """Some words between two groups: "... let me turn it over ..."."""
    return len(reading.gap(first, second)) <= LOOSE_WORDS


def cards(reading: Reading) -> Iterator[Found]:
    """Card numbers. Of what was heard also what is as long as one, or nearly so where a card is spoken of."""
    for first, last in clusters(reading, together):
        size = reading.size(first, last)
        if reading.is_heard and (
            size >= SHORTEST_CARD or (size >= NEAR_CARD and reading.is_near(first, last, cues.CARD))
        ):
            yield reading.found(first, last, "card")
        else:
            yield from _checked(reading, first, last)
    if reading.is_heard:
        for first, last in clusters(reading, near):
            if reading.size(first, last) >= NEAR_CARD and reading.is_near(first, last, cues.CARD):
                for begin, end in clusters(reading, together):
                    if first <= begin and end <= last:
                        yield reading.found(begin, end, "card")
            else:
                yield from _checked(reading, first, last)


def codes(reading: Reading) -> Iterator[Found]:
    """Three or four digits near a word such as CVV; of what was heard, also those soon after a card number."""
    ends = sorted(found.end for found in cards(reading)) if reading.is_heard else []
    starts = [token.start for token in reading.tokens]
    for first, last in few_digits(reading):
        found = reading.found(first, last, "code")
        before = bisect_right(ends, found.start)
        # Words between the last card number before it, and it.
        words = reading.groups[first].first - bisect_right(starts, ends[before - 1]) if before else None
        follows = words is not None and words <= 2 * NEAR_WORDS
        if follows or reading.is_near(first, last, cues.CODE, after=5):
            yield found


def few_digits(reading: Reading) -> Iterator[tuple[int, int]]:
    """Groups that are together three or four digits."""
    for first, last in clusters(reading, together):
        if reading.size(first, last) in CODE_DIGITS:
            yield first, last


def phones(reading: Reading) -> Iterator[Found]:
    """Telephone numbers: nine digits and more by themselves, seven near a word such as "phone"."""
    for first, last in clusters(reading, together):
        least = PHONE_SHORTEST if reading.is_near(first, last, cues.PHONE, after=3) else PHONE_DIGITS
        if least <= reading.size(first, last) <= PHONE_LONGEST:
            found = reading.found(first, last, "phone")
            if DATE.fullmatch(reading.text[found.start : found.end]):
                continue
            before = reading.text[: found.start].rstrip(" (")
            yield replace(found, start=len(before) - 1) if before.endswith("+") else found


def parts(reading: Reading) -> Iterator[Found]:
    """While a call lasts: a number at the edge of an utterance, or of three digits, may be part of any of these."""
    for first, last in clusters(reading, together):
        begin, end = reading.groups[first].first, reading.groups[last].last
        edge = next(((a, b) for a, b in reading.edges if a <= begin <= b), (0, len(reading.tokens) - 1))
        others = [*reading.tokens[edge[0] : begin], *reading.tokens[end + 1 : edge[1] + 1]]
        is_alone = all(word.folded in cues.FILLERS for word in others)
        is_word = reading.size(first, last) == 1 and reading.tokens[begin].folded in DOUBTED
        at_edge = begin - edge[0] <= TIGHT_WORDS or edge[1] - end <= TIGHT_WORDS
        if reading.size(first, last) >= CODE_DIGITS[0] or is_alone or (at_edge and not is_word):
            yield reading.found(first, last, "number")


def _checked(reading: Reading, first: int, last: int) -> Iterator[Found]:
    """Stretches of groups that are as long as a card number and pass Luhn; the longest first."""
    index = first
    while index <= last:
        end = _card_from(reading, index, last)
        if end is not None:
            yield reading.found(index, end, "card")
            index = end
        index += 1


def _card_from(reading: Reading, first: int, last: int) -> int | None:
    """Last group of a card number that begins with a group; or the group itself, where two stand in it unparted."""
    for end in range(min(last, first + LONGEST_CARD), first - 1, -1):
        digits = "".join(group.digits for group in reading.groups[first : end + 1])
        if SHORTEST_CARD <= len(digits) <= LONGEST_CARD and is_luhn(digits):
            return end
    digits = reading.groups[first].digits
    sizes = range(SHORTEST_CARD, LONGEST_CARD + 1) if len(digits) > LONGEST_CARD else ()
    within = any(is_luhn(digits[at : at + size]) for size in sizes for at in range(len(digits) - size + 1))
    return first if within else None
