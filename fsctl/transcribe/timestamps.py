"""Whisper's timestamp tokens: where in a window each piece of text begins and ends.

Pure: tokens in, pieces out. A timestamp is a token from ``begin`` on, 20 ms each; a piece stands between two
of them, and two in a row end one piece and begin the next (Radford et al. 2022, section 2.3).
Called by: ``whisper``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

STEP_S = 0.02
LEAST_PROGRESS_S = 1.0
"""A window is decoded on from here at the earliest, so that it comes to an end."""


@dataclass(frozen=True)
class Piece:
    """Text tokens and their time in the window."""

    start_s: float
    end_s: float
    tokens: tuple[int, ...]


def pieces(tokens: Sequence[int], begin: int, seconds: float) -> tuple[list[Piece], float]:
    """Split what was decoded.

    Args:
        tokens: as decoded, without prompt and end-of-text.
        begin: the token of 0.00 s; smaller ones are text.
        seconds: length of the window.

    Returns:
        The pieces, without those that begin at the end, where nobody speaks any more; and the second from which
        on the window is to be decoded again, its length when all was said. A last piece without an end was cut
        off, so it is left to that next decoding, unless it is alone.
    """
    found: list[Piece] = []
    start, text = 0.0, list[int]()
    for token in tokens:
        if token < begin:
            text.append(token)
            continue
        at = min(seconds, (token - begin) * STEP_S)
        if text and (start < seconds - STEP_S or not found):
            found.append(Piece(start, max(start, at), tuple(text)))
        text = []
        start = at
    moved = bool(found) and start >= LEAST_PROGRESS_S
    if text and not moved:
        return [*found, Piece(start, seconds, tuple(text))], seconds
    goes_on = bool(text) or (len(tokens) > 2 and tokens[-1] >= begin and tokens[-2] >= begin)
    return found, start if goes_on and moved else seconds
