"""Word error rate: how far a transcript is from what was said."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Errors:
    """Counts of words."""

    substitutions: int
    deletions: int
    insertions: int
    words: int
    """In the reference."""

    @property
    def rate(self) -> float:
        """Errors per reference word; 0 when there are none of either."""
        return (self.substitutions + self.deletions + self.insertions) / max(1, self.words)


def words(text: str) -> list[str]:
    """Words as compared: lower case, no punctuation, accents kept, apostrophes inside words dropped.

    Each digit is a word: "4 2" and "42" are one thing written in two ways.
    """
    folded = unicodedata.normalize("NFC", text).lower().replace("’", "'").replace("'", "")
    return re.findall(r"\d|[^\W\d_]+", folded)


def compare(reference: str, hypothesis: str) -> Errors:
    """Align the two by least edits and count."""
    said, heard = words(reference), words(hypothesis)
    # Each cell: (errors, substitutions, deletions, insertions) for a prefix of both.
    row = [(i, 0, 0, i) for i in range(len(heard) + 1)]
    for index, word in enumerate(said, start=1):
        row = _next_row(row, index, word, heard)
    _, substitutions, deletions, insertions = row[-1]
    return Errors(substitutions, deletions, insertions, len(said))


Cell = tuple[int, int, int, int]


def _next_row(row: Sequence[Cell], index: int, word: str, heard: Sequence[str]) -> list[Cell]:
    new: list[Cell] = [(index, 0, index, 0)]
    for column, other in enumerate(heard, start=1):
        diagonal, above, left = row[column - 1], row[column], new[-1]
        same = word == other
        new.append(
            min(
                diagonal if same else (diagonal[0] + 1, diagonal[1] + 1, diagonal[2], diagonal[3]),
                (above[0] + 1, above[1], above[2] + 1, above[3]),
                (left[0] + 1, left[1], left[2], left[3] + 1),
            )
        )
    return new
