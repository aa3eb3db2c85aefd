"""The header fields of a request, strictly as RFC 9112 §5 has them: what a proxy might read otherwise is refused.

pywsgi would have the parser of e-mails read them, which forgives, and takes ten times as long.
"""

import re
from collections.abc import Iterator
from typing import Protocol

MOST_FIELDS = 100
LENGTHS = ("content-length", "transfer-encoding")

_FIELD = re.compile(r"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([^\x00\r\n]*?)[ \t]*\r?\n")


class Source(Protocol):
    """A buffered reader."""

    def readline(self, size: int, /) -> bytes:
        """A line with its end, or so many bytes."""


class Malformed(ValueError):
    """Not header fields, or more than one way to read where the request ends."""


class TooBig(ValueError):
    """More than a request has."""


class Head:
    """Header fields, as pywsgi asks for them."""

    status = ""
    """pywsgi's word for what is wrong with them: nothing, else they would not be."""

    def __init__(self, fields: list[tuple[str, str]]) -> None:
        self._fields = fields
        self._first = {name.lower(): value for name, value in reversed(fields)}

    def __delitem__(self, name: str) -> None:
        self._fields = [field for field in self._fields if field[0].lower() != name]
        del self._first[name]

    def get(self, name: str, default: str | None = None) -> str | None:
        """The first field of a name in any case."""
        return self._first.get(name.lower(), default)

    getheader = get

    @property
    def typeheader(self) -> str | None:
        """Content-Type."""
        return self.get("content-type")

    @property
    def headers(self) -> Iterator[str]:
        """A line each."""
        return (f"{name}: {value}\r\n" for name, value in self._fields)


def read(source: Source, most: int) -> Head:
    """The fields up to the blank line.

    Args:
        most: bytes of all of them.

    Raises:
        Malformed, TooBig: the connection cannot go on.
    """
    fields: list[tuple[str, str]] = []
    while True:
        line = source.readline(most + 1)
        most -= len(line)
        if most < 0 or len(fields) > MOST_FIELDS:
            raise TooBig
        if line in (b"\r\n", b"\n"):
            return _unambiguous(fields)
        field = _FIELD.fullmatch(line.decode("latin-1"))
        if field is None:
            raise Malformed("a line that is no header")
        fields.append((field[1], field[2]))


def _unambiguous(fields: list[tuple[str, str]]) -> Head:
    """Where the body ends may be said once, and plainly (RFC 9112 §6.3)."""
    said = [(name.lower(), value) for name, value in fields if name.lower() in LENGTHS]
    if len(said) > 1:
        raise Malformed("more than one length")
    for name, value in said:
        if name == "content-length" and not (value.isascii() and value.isdigit() and len(value) < 16):
            raise Malformed("a length that is no number")
        if name == "transfer-encoding" and value.lower() != "chunked":
            raise Malformed("a transfer coding that we do not know")
    return Head(fields)
