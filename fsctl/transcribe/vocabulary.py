"""Names, order ids and words of the trade as a prompt: what a recogniser may expect to hear.

Pure. What stands in a prompt comes from strangers (a display name, a chat message), so it is bounded here and
holds nothing that a tokenizer could take for a control token (``<|endoftext|>``).
Called by: the worker, with what the thread knows.
"""

import unicodedata
from collections.abc import Iterable

MOST_CHARACTERS, MOST_OF_ONE = 240, 40
"""Some 60 to 90 tokens: beside 224 that Whisper would take, decoding stays cheap."""
PUNCTUATION = frozenset(" .,'&/+#@-")


def prompt(*groups: Iterable[str]) -> str:
    """One line of everything that fits, in order, none twice; empty when nothing is known.

    Args:
        groups: the most telling first: names, then ids, then the business vocabulary.
    """
    kept: dict[str, str] = {}
    used = 0
    for word in (clean(word) for group in groups for word in group):
        if not word or word.casefold() in kept:
            continue
        if used + len(word) + 2 > MOST_CHARACTERS:
            break
        kept[word.casefold()] = word
        used += len(word) + 2
    return ", ".join(kept.values()) + "." if kept else ""


def clean(text: str) -> str:
    """Letters, digits and the punctuation of names, on one line, of bounded length."""
    kept = (one if _belongs(one) else " " for one in text[: 4 * MOST_OF_ONE])
    return " ".join("".join(kept).split())[:MOST_OF_ONE].strip(" ,.-")


def _belongs(character: str) -> bool:
    """A letter, a mark on one (vowels of Hindi are marks), a digit, or punctuation of names."""
    return unicodedata.category(character)[0] in "LMN" or character in PUNCTUATION
