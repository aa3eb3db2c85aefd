"""What in a result says that it is wrong: repeated, too long for its time, unsure, or its prompt again.

Pure: a result and its circumstances in, the name of what is wrong out. Whether nobody spoke at all is the
guard's question, not this one's.
Called by: ``whisper``, which decodes a doubtful utterance once more, with the full context.
"""

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

TOKENS_AT_LEAST, TOKENS_PER_SECOND = 12, 8
"""More tokens than this were not spoken in the time."""
WORDS_AT_LEAST, WORDS_PER_SECOND = 4, 6
"""The same for words: the fastest of our samples says 4.6 a second."""
FEWEST_TOKENS_PER_SECOND, LONG_S = 0.8, 3.0
"""Fewer than this in an utterance longer than this: the decoder stopped too early."""
LOWEST_LOGPROB = -1.0
HIGHEST_COMPRESSION = 2.4
NEAR_WORDS = 24
"""A decoder that goes round in circles is back within so many words; a speaker comes back to his words later."""
ECHO_WORDS = 4
"""So many words of the prompt in a row are no accident."""


@dataclass(frozen=True)
class Result:
    """What a decoder wrote, and for what."""

    text: str
    tokens: int
    logprob: float
    """Mean natural-log probability of its tokens."""
    seconds: float
    """Length of the utterance."""
    prompt: str = ""


def most_tokens(seconds: float) -> int:
    """How many tokens can be spoken in the time."""
    return int(TOKENS_AT_LEAST + TOKENS_PER_SECOND * seconds)


def compression(text: str) -> float:
    """Bytes by bytes compressed; 0 of an empty text."""
    data = text.encode()
    return len(data) / len(zlib.compress(data)) if data else 0.0


def _unsure(result: Result) -> bool:
    return result.logprob < LOWEST_LOGPROB


def _too_long(result: Result) -> bool:
    words = len(result.text.split())
    most_words = WORDS_AT_LEAST + WORDS_PER_SECOND * result.seconds
    return result.tokens >= most_tokens(result.seconds) or words > most_words


def _too_short(result: Result) -> bool:
    return result.seconds > LONG_S and result.tokens < FEWEST_TOKENS_PER_SECOND * result.seconds


def _repeats(result: Result) -> bool:
    return compression(result.text) > HIGHEST_COMPRESSION or _says_again(_words(result.text))


def _echoes(result: Result) -> bool:
    said, given = _words(result.text), _words(result.prompt)
    echoed = set(_groups(given, ECHO_WORDS))
    return any(group in echoed for group in _groups(said, ECHO_WORDS))


RULES: Mapping[str, Callable[[Result], bool]] = {
    "unsure": _unsure, "too long": _too_long, "too short": _too_short, "repeats": _repeats, "echoes": _echoes,
}  # fmt: skip


def doubt(result: Result) -> str | None:
    """The name of the first rule that holds, or None: nothing speaks against it."""
    return next((name for name, holds in RULES.items() if holds(result)), None)


def _words(text: str) -> list[str]:
    return [word.strip(".,;:!?\"'") for word in text.lower().split()]


def _groups(words: Sequence[str], size: int) -> list[tuple[str, ...]]:
    return [tuple(words[i : i + size]) for i in range(len(words) - size + 1)]


def _says_again(words: Sequence[str]) -> bool:
    """A group of four words twice within a few words, or a group of up to three words three times in a row.

    Numbers are meant to be said again: 4242 4242 4242 4242 is a card.
    """
    words = [word for word in words if not word.isdigit()]
    seen: dict[tuple[str, ...], int] = {}
    for at, group in enumerate(_groups(words, 4)):
        if at - seen.get(group, -NEAR_WORDS) < NEAR_WORDS:
            return True
        seen[group] = at
    for size in (1, 2, 3):
        for i in range(len(words) - 3 * size + 1):
            if words[i : i + size] == words[i + size : i + 2 * size] == words[i + 2 * size : i + 3 * size]:
                return True
    return False
