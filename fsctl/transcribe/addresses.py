"""Where in a text e-mail addresses stand, written or spoken: "john dot smith at example dot com".

Pure. Called by: ``redact``.
"""

import re
from collections.abc import Iterator

from fsctl.transcribe import cues
from fsctl.transcribe.sensitive import Found, Reading

WRITTEN = re.compile(r"[^\s@<>()\[\],;:\"]{1,64}@[^\s@<>()\[\],;:\"]{1,64}\.[^\W\d_]{2,24}")
PARTS = 12
"""Words of a domain at most: spelled ones have many."""
PLAIN_WORDS = 3
"""Words before the sign that nothing joins: "john smith at"."""


def emails(reading: Reading) -> Iterator[Found]:
    """Every address."""
    for match in WRITTEN.finditer(reading.text):
        yield Found(match.start(), match.end(), "email")
    for index, token in enumerate(reading.tokens):
        if token.folded in cues.AT or token.folded in cues.AT_OR_TO:
            last = _domain_end(reading, index + 1)
            if last is not None:
                first = _local_begin(reading, index)
                yield Found(reading.tokens[first].start, reading.tokens[last].end, "email")


def _domain_end(reading: Reading, begin: int) -> int | None:
    """Last token of "example dot com" or "example.com" that begins with a token; None where none does."""
    end, has_dot = None, False
    for index in range(begin, min(len(reading.tokens), begin + PARTS)):
        folded = reading.tokens[index].folded
        gap = reading.between(index - 1, index) if index else ""
        if folded in cues.DOT and index > begin:
            has_dot = True
        elif has_dot or (gap == "." and index > begin):
            if len(folded) > 1 and not folded.isdigit():
                end = index
            has_dot = False
        elif index > begin and folded not in cues.JOINS and len(folded) > 1 and gap != "-":
            break
    return end


def _local_begin(reading: Reading, sign: int) -> int:
    """First token of what stands before the sign: spelled letters and joined words, else a few plain words."""
    first, plain, is_spelled = sign, 0, True
    while first > 0:
        folded = reading.tokens[first - 1].folded
        gap = reading.between(first - 1, first)
        is_joint = folded in cues.DOT or folded in cues.JOINS or len(folded) == 1
        plain += not is_joint
        # "My address: a b at ..." ends at the colon, and a spelled "e" does not end it.
        if plain > PLAIN_WORDS or any(mark in gap for mark in ":?!\n") or ". " in gap:
            break
        if folded in cues.BEFORE_ADDRESS and not (len(folded) == 1 and is_spelled):
            break
        is_spelled = len(folded) == 1
        first -= 1
    return first
