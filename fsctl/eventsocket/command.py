"""Bytes of a client become commands: a line, headers below it, and a body if one was announced.

The rules are those of mod_event_socket.c, read_packet: line ends may be CRLF, a blank line ends a command, blank
lines before one mean nothing, and a carriage return ends a line as a line feed does, so none is ever in a command.
"""

import re

_END = re.compile(rb"\n\r*\n")
_LINES = re.compile(r"[\r\n]+")


class TooLong(ValueError):
    """A command, or the body it announces, is longer than is taken; the connection is of no more use."""


class Command:
    """A command line with the headers below it, and its body if it announced one."""

    def __init__(self, text: str) -> None:
        lines = _LINES.split(text)
        self.line: str = lines[0]
        word, _, rest = self.line.partition(" ")
        self.word: str = word.lower()
        self.rest: str = rest
        pairs = (line.partition(":") for line in lines[1:] if ":" in line)
        self.headers = [(name.strip(), value.strip()) for name, _, value in pairs]
        self.body = ""

    def header(self, name: str) -> str:
        """A header's value, whatever its case; empty when absent."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")


class Commands:
    """Feed bytes, take commands. Holds at most twice ``most`` bytes besides what one ``feed`` brings."""

    def __init__(self, most: int) -> None:
        """Args: most: bytes of a command with its headers; the same again of its body."""
        self._most = most
        self._buffer = bytearray()
        self._searched = 0
        self._pending: Command | None = None
        self._need = 0

    @property
    def is_amid(self) -> bool:
        """Whether a command has begun and not ended."""
        return bool(self._buffer) or self._pending is not None

    def feed(self, data: bytes) -> None:
        """Add bytes as they came; any split will do."""
        self._buffer += data

    def next(self) -> Command | None:
        """The next whole command, or None until more bytes come.

        Raises:
            TooLong: no end within the bound, or an announced body that is larger, or of no sensible size.
        """
        if self._pending is None:
            self._pending = self._head()
        if self._pending is None or len(self._buffer) < self._need:
            return None
        command, self._pending = self._pending, None
        command.body = self._buffer[: self._need].decode("utf-8", "surrogateescape")
        self._drop(self._need)
        return command

    def _head(self) -> Command | None:
        blank = len(self._buffer) - len(self._buffer.lstrip(b"\r\n"))
        if blank:
            self._drop(blank)
        end = _END.search(self._buffer, max(0, self._searched))
        if (end.start() if end else len(self._buffer)) > self._most:
            raise TooLong(f"no end of a command within {self._most} bytes")
        if end is None:
            # What ends it may have begun: a line feed and any number of carriage returns.
            self._searched = len(self._buffer.rstrip(b"\r")) - 1
            return None
        command = Command(self._buffer[: end.start()].decode("utf-8", "surrogateescape"))
        self._drop(end.end())
        self._need = self._length(command.header("Content-Length"))
        return command

    def _length(self, text: str) -> int:
        if not text:
            return 0
        if not (text.isascii() and text.isdigit() and len(text) < 10) or int(text) > self._most:
            raise TooLong(f"a body of {text[:40]!r} bytes, {self._most} at most")
        return int(text)

    def _drop(self, count: int) -> None:
        del self._buffer[:count]
        self._searched = 0
