"""Reads a body that comes in chunks (RFC 9112 §7.1), bounded: in bytes, in chunks, in what is said beside them."""

from typing import Protocol

MOST_CHUNKS = 4096
"""Each costs more than its bytes; who sends single ones would keep us busy for nothing."""
MOST_LINE = 1024
"""Of a chunk's size with its extensions, and of a trailer field."""
MOST_TRAILERS = 16


class Source(Protocol):
    """A buffered reader."""

    def read(self, size: int, /) -> bytes:
        """So many bytes; fewer at the end."""

    def readline(self, size: int, /) -> bytes:
        """A line with its end, or so many bytes."""


class Malformed(ValueError):
    """Not what RFC 9112 calls a chunked body."""


class TooMuch(ValueError):
    """More than may come."""


class Chunks:
    """A chunked body, piece by piece."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._left = 0
        self._chunks = 0
        self._ended = False

    def read(self, most: int) -> bytes:
        """The next bytes; empty at the end of the body.

        Raises:
            Malformed: it is not chunked as it should be, or ended too early.
            TooMuch: too many chunks.
        """
        if self._ended:
            return b""
        if not self._left:
            self._left = self._size()
            if not self._left:
                self._end()
                return b""
        piece = self._source.read(min(self._left, most))
        if not piece:
            raise Malformed("ended within a chunk")
        self._left -= len(piece)
        if not self._left and self._line():
            raise Malformed("a chunk is longer than it said")
        return piece

    def _size(self) -> int:
        self._chunks += 1
        if self._chunks > MOST_CHUNKS:
            raise TooMuch(f"more than {MOST_CHUNKS} chunks")
        digits = self._line().partition(b";")[0].strip(b" \t")
        # int() would take signs, blanks and underscores as well; 16 digits are more than any body has.
        if not 0 < len(digits) <= 16 or digits.strip(b"0123456789abcdefABCDEF"):
            raise Malformed("a chunk without a size")
        return int(digits, 16)

    def _end(self) -> None:
        for _ in range(MOST_TRAILERS):
            if not self._line():
                self._ended = True
                return
        raise TooMuch(f"more than {MOST_TRAILERS} trailer fields")

    def _line(self) -> bytes:
        line = self._source.readline(MOST_LINE)
        if not line.endswith(b"\r\n"):
            raise Malformed("a line within the body does not end, or not with CRLF")
        return line[:-2]
