"""Numbers as people say them, in English, Spanish, Portuguese and Hindi: words become digits.

"Double four oh nine", "cuatro mil doscientos cuarenta y dos", "quarenta e dois", "बयालीस": each is the digits
that one would type. Pure, and without any model. Called by: ``redact``.

The words are in ``number_words``.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fsctl.transcribe.number_words import (
    ALL_LINKS,
    BEGINS,
    DOUBTED,
    FACTORS,
    HEARD_AS,
    NOT_FOREIGN,
    REPEATS,
    WORDS,
    fold,
)

STOPS = ",;:.!?\n।"
ALONE = 3
"""So many words that only may be numbers, one after the other, are numbers."""


@dataclass(frozen=True)
class Token:
    """A word, or a stretch of digits, and where it stands in the text."""

    start: int
    end: int
    folded: str
    """As compared; digits as 0 to 9, whatever their script."""
    is_apart: bool = False
    """A comma, a stop or a new line stands before it: it goes on with no number."""

    @property
    def is_digits(self) -> bool:
        """Whether it is written in digits."""
        return self.folded.isascii() and self.folded.isdigit()


@dataclass(frozen=True)
class Group:
    """Tokens ``first`` to ``last`` say these digits."""

    first: int
    last: int
    digits: str
    is_sure: bool = True
    """False: a word that also means something else, such as "one" or "um"."""


def tokens(text: str) -> list[Token]:
    """Words and stretches of digits, in order; everything else lies between them."""
    found: list[Token] = []
    start, kind, end = 0, "", 0
    for index, character in enumerate((*text, " ")):
        now = _kind(character)
        # Marks, joiners and keycaps belong to what they stand on.
        if now == "mark":
            now = kind
        if now != kind:
            if kind:
                is_apart = any(mark in STOPS for mark in text[end:start])
                found.append(_token(text, start, index, kind, is_apart=is_apart))
                end = index
            start, kind = index, now
    return found


def _kind(character: str) -> str:
    if unicodedata.digit(character, None) is not None:
        return "digits"
    category = unicodedata.category(character)
    if category[0] == "M" or category == "Cf":
        return "mark"
    return "word" if category[0] == "L" else ""


def _token(text: str, start: int, end: int, kind: str, *, is_apart: bool) -> Token:
    written = text[start:end]
    if kind == "word":
        return Token(start, end, fold(written), is_apart)
    values = (unicodedata.digit(character, None) for character in written)
    return Token(start, end, "".join(str(value) for value in values if value is not None), is_apart)


@dataclass(frozen=True)
class _Said:
    """What one token says."""

    value: int = 0
    is_sure: bool = False
    is_factor: bool = False
    repeats: int = 0
    """It says nothing itself: the next digit stands so often."""
    written: str = ""
    """Its digits, where it is written in digits: a zero before others counts."""


@dataclass
class _Number:
    """A number that is being said."""

    first: int
    last: int
    value: int
    room: int
    """What may still be added is less than this."""
    is_sure: bool
    digits: str = ""
    """Said digit by digit, or written: nothing is added."""

    def takes(self, said: _Said) -> bool:
        """Whether the word goes on with it: "two hundred", "forty two"."""
        if self.digits or said.written:
            return False
        if said.is_factor and 0 < self.value < said.value:
            return True
        return 0 < said.value < self.room

    def add(self, said: _Said, index: int) -> None:
        """Go on."""
        if said.is_factor and self.value < said.value:
            self.value, self.room = self.value * said.value, said.value
        else:
            self.value, self.room = self.value + said.value, _room(said.value)
        self.last, self.is_sure = index, self.is_sure or said.is_sure

    def group(self) -> Group:
        """As the digits that one would type."""
        return Group(self.first, self.last, self.digits or str(self.value), self.is_sure)


def groups(spoken: Sequence[Token], language: str | None) -> list[Group]:
    """Each number, as the digits that it stands for.

    Args:
        spoken: the text's tokens.
        language: ISO 639-1; None or another: taken for English with words of the others.
    """
    mine = language if language and language in WORDS else "en"
    said = _without_prepositions(spoken, [_read(token, mine) for token in spoken])
    return [
        group
        for first, last in _runs(spoken, said)
        for begin, end in _trimmed(spoken, said, first, last)
        for group in _grouped(spoken, said, begin, end)
    ]


def _without_prepositions(spoken: Sequence[Token], said: Sequence[_Said | None]) -> list[_Said | None]:
    """Where digits are written as digits, "to" and "for" beside them are what they are: "at 10:30 for 20"."""
    beside = [None, *said, None]

    def is_preposition(index: int) -> bool:
        word = spoken[index].folded
        return (
            word in HEARD_AS
            and word not in BEGINS
            and any(one is not None and one.written for one in (beside[index], beside[index + 2]))
        )

    return [None if is_preposition(index) else one for index, one in enumerate(said)]


def _read(token: Token, language: str) -> _Said | None:
    word = token.folded
    if token.is_digits:
        return _Said(is_sure=True, written=word)
    if word in REPEATS:
        return _Said(repeats=REPEATS[word])
    is_factor = word in FACTORS
    if word in WORDS[language]:
        return _Said(WORDS[language][word], is_sure=word not in DOUBTED, is_factor=is_factor)
    if word in HEARD_AS:
        return _Said(HEARD_AS[word])
    if word in NOT_FOREIGN:
        return None
    value = next((words[word] for words in WORDS.values() if word in words), None)
    return None if value is None else _Said(value, is_factor=is_factor)


def _runs(spoken: Sequence[Token], said: Sequence[_Said | None]) -> Iterator[tuple[int, int]]:
    """First and last of each stretch of numbers, with what links two of them."""
    index, count = 0, len(said)
    while index < count:
        last = index
        while last < count and (
            said[last] is not None
            or (last > index and spoken[last].folded in ALL_LINKS and last + 1 < count and said[last + 1])
        ):
            last += 1
        if last > index:
            yield index, last - 1
        index = max(last, index + 1)


def _trimmed(
    spoken: Sequence[Token], said: Sequence[_Said | None], first: int, last: int
) -> Iterator[tuple[int, int]]:
    """The stretch without what only sounds like a digit at its edges; none if two words only may be numbers."""
    while first <= last and spoken[first].folded in HEARD_AS and spoken[first].folded not in BEGINS:
        first += 1
    while first <= last and spoken[last].folded in HEARD_AS and spoken[last].folded not in BEGINS:
        last -= 1
    words = [one for one in said[first : last + 1] if one is not None]
    doubted = any(token.folded in DOUBTED for token in spoken[first : last + 1])
    if doubted or len(words) >= ALONE or any(one.is_sure for one in words):
        yield first, last


def _grouped(spoken: Sequence[Token], said: Sequence[_Said | None], first: int, last: int) -> Iterator[Group]:
    """The numbers of one stretch: "forty two" is one, "four two" are two."""
    number: _Number | None = None
    repeats, since = 1, first
    for index in range(first, last + 1):
        one = said[index]
        if one is None:
            continue
        if number is not None and not one.repeats and not spoken[index].is_apart and number.takes(one):
            number.add(one, index)
            continue
        if number is not None:
            yield number.group()
            number = None
        if one.repeats:
            repeats, since = one.repeats, index
            continue
        digits = (one.written or str(one.value)) * repeats if one.written or repeats > 1 else ""
        begin = since if repeats > 1 else index
        number = _Number(begin, index, one.value, _room(one.value), one.is_sure, digits)
        repeats = 1
    if number is not None:
        yield number.group()


def _room(value: int) -> int:
    """What may be added to a number that ends so: to "twenty" a digit, to "two hundred" two."""
    if value >= 100:
        return 1000 if value % 1000 == 0 else 100
    return 10 if value >= 20 and value % 10 == 0 else 0
