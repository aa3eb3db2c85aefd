"""Bytes of the Event Socket become messages. No sockets here.

A message is a header block, a blank line and, when a header ``Content-Length`` says so, that many bytes of
body. The order of headers is not to be relied on, names may come twice, and a body may itself hold headers
(an event) which may again hold a body (``BACKGROUND_JOB``): mod_event_socket.c, listener_run and
send_event.

A value of a plain event is percent-decoded only after it has been cut out of its line: a caller who sends
``%0AUnique-ID: x`` in a name writes a line break into the name, never a header.

Everything is lazy. Splitting a stream costs one search a message; a header is looked for when it is asked
for. Everything is bounded: a peer that sends an endless line, thousands of headers or a body of a gigabyte
is told apart from FreeSWITCH and gets a ProtocolError.
"""

import json
import re
from collections.abc import Iterator
from urllib.parse import unquote

from fsctl.errors import ProtocolError

MAX_HEAD = 64 * 1024
"""Bytes of an outer header block. Only the reply to an outbound ``connect`` is large (about 10 KB)."""
MAX_BODY = 16 * 1024 * 1024
"""Bytes of a body. The largest real ones are ``show channels`` of a busy switch."""
MAX_HEADERS = 4096
"""Headers of one block. A channel event has about 300."""


_JSON_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_JSON_ARRAY = re.compile(rb'\[(?:[^]"]++|"(?:[^"\\]++|\\.)*+")*+\]', re.DOTALL)
_EVENT_HEAD = re.compile(rb"Content-Length: ([0-9]{1,7})\nContent-Type: (text/event-(?:json|plain))")
"""What stands before nearly every message; seven digits are below MAX_BODY."""
_BLANK = re.compile(rb"(?:\r?\n)*+")


class Fields:
    """The headers of one block, found when asked for. Names compare without case.

    FreeSWITCH keeps the sender's case in ``variable_sip_h_...`` (sofia.c, sip headers to variables), while
    its own look-ups ignore it; so do ours.
    """

    __slots__ = ("_block", "_folded")

    def __init__(self, block: bytes) -> None:
        """Args: block: lines ``Name: value`` joined by line feeds, without the blank line."""
        self._block = b"\n" + block
        self._folded: bytes | None = None

    def get(self, name: str) -> str | None:
        """The first value with this name, decoded; None when there is none."""
        needle = b"\n" + name.encode() + b":"
        start = self._block.find(needle)
        if start < 0:
            return next(self.get_all(name), None)
        begin = start + len(needle)
        end = self._block.find(b"\n", begin)
        return _decode(self._block[begin : end if end >= 0 else len(self._block)])

    def get_all(self, name: str) -> Iterator[str]:
        """Every value with this name, in order of arrival."""
        needle = b"\n" + name.encode() + b":"
        block = self._block
        start = block.find(needle)
        if start < 0:
            # Not in this case: a sender's own spelling, or not there at all.
            needle = needle.lower()
            if self._folded is None:
                self._folded = self._block.lower()
            block = self._folded
            start = block.find(needle)
        while start >= 0:
            begin = start + len(needle)
            end = self._block.find(b"\n", begin)
            yield _decode(self._block[begin : end if end >= 0 else len(self._block)])
            start = block.find(needle, begin)

    def items(self) -> Iterator[tuple[str, str]]:
        """All headers in order, duplicates kept.

        Raises:
            ProtocolError: more than MAX_HEADERS, or a line without a colon.
        """
        lines = self._block[1:].split(b"\n")
        if len(lines) > MAX_HEADERS:
            raise ProtocolError(f"{len(lines)} headers in one block, {MAX_HEADERS} at most")
        for line in lines:
            if not line:
                continue
            name, colon, value = line.partition(b":")
            if not colon:
                raise ProtocolError(f"a header line without a colon: {line[:80]!r}")
            yield name.decode("utf-8", "replace"), _decode(value)


class JsonFields:
    """The same for an event that came as JSON: values are exact there, and names may be doubled.

    A name is looked for as ``"name":`` after a comma or the opening brace, as FreeSWITCH prints it without
    blanks (switch_event_serialize_json, cJSON_PrintUnformatted). Text of strangers cannot forge one: a quote
    inside a value has a backslash before it.
    """

    __slots__ = ("_body", "_folded")

    def __init__(self, body: bytes) -> None:
        """Raises ProtocolError when the body is plainly not a JSON object."""
        self._body = body.strip()
        if not self._body.startswith(b"{") or not self._body.endswith(b"}"):
            raise ProtocolError(f"an event that is not a JSON object: {body[:80]!r}")
        self._folded: bytes | None = None

    def get(self, name: str) -> str | None:
        """The first value with this name; None when there is none."""
        needle = b'"' + name.encode() + b'":'
        start = self._body.find(needle)
        if start > 0 and self._body[start - 1] in b",{":
            return self._value(start + len(needle))
        return next(self.get_all(name), None)

    def get_all(self, name: str) -> Iterator[str]:
        """Every value with this name, in order of arrival.

        Raises:
            ProtocolError: what stands behind the name is not a JSON string; arrays (pushed variables) come
                as their JSON text.
        """
        needle = b'"' + name.encode() + b'":'
        body = self._body
        start = body.find(needle)
        if start < 0:
            needle = needle.lower()
            if self._folded is None:
                self._folded = self._body.lower()
            body = self._folded
            start = body.find(needle)
        while start >= 0:
            begin = start + len(needle)
            if self._body[start - 1 : start] in (b",", b"{"):
                yield self._value(begin)
            start = body.find(needle, begin)

    def items(self) -> Iterator[tuple[str, str]]:
        """All pairs in order, duplicates kept. Raises ProtocolError when the body is not JSON."""
        try:
            pairs = json.loads(self._body.decode("utf-8", "replace"), object_pairs_hook=tuple, strict=False)
        except (ValueError, RecursionError) as error:
            raise ProtocolError(f"an event that is not JSON: {self._body[:80]!r}") from error
        return (
            (_whole(str(key)), _whole(value) if isinstance(value, str) else json.dumps(value))
            for key, value in pairs
        )

    def _value(self, begin: int) -> str:
        body = self._body
        if body[begin : begin + 1] != b'"':
            array = _JSON_ARRAY.match(body, begin)
            if array is None:
                raise ProtocolError(f"neither a string nor an array: {body[begin : begin + 80]!r}")
            return array.group().decode("utf-8", "replace")
        end = body.find(b'"', begin + 1)
        if body.find(b"\\", begin, end) < 0 <= end:
            return body[begin + 1 : end].decode("utf-8", "replace")
        found = _JSON_STRING.match(body, begin)
        if found is None:
            raise ProtocolError(f"a JSON string without end: {body[begin : begin + 80]!r}")
        try:
            text = str(json.loads(found.group().decode("utf-8", "replace"), strict=False))
            return _whole(text)
        except ValueError as error:
            raise ProtocolError(f"a JSON string that is none: {found.group()[:80]!r}") from error


class Event:
    """One event of FreeSWITCH: headers by name and a body, exact."""

    __slots__ = ("_body", "fields")

    def __init__(self, fields: Fields | JsonFields, body: bytes | None = None) -> None:
        """Args: body: None when it is a value among the fields, as in JSON."""
        self.fields = fields
        self._body = body

    @property
    def body(self) -> bytes:
        """The event's own body, empty for most."""
        if self._body is None:
            self._body = (self.fields.get("_body") or "").encode()
        return self._body

    def get(self, name: str) -> str | None:
        """The first value of a header, or None. C's strings hold no NUL, and no database stores one."""
        value = self.fields.get(name)
        return value.replace("\x00", "") if value else value

    @property
    def name(self) -> str:
        """``CHANNEL_CREATE``; for CUSTOM events the subclass, such as ``callcenter::info``."""
        name = self.get("Event-Name") or ""
        return (self.get("Event-Subclass") or name) if name == "CUSTOM" else name


class Message:
    """One message off the wire."""

    __slots__ = ("_fields", "body", "content_type")

    def __init__(self, fields: Fields, body: bytes, content_type: str | None = None) -> None:
        self._fields = fields
        self.body = body
        self.content_type = content_type or fields.get("Content-Type") or ""

    def get(self, name: str) -> str | None:
        """The first value of an outer header, or None."""
        return self._fields.get(name)

    def items(self) -> Iterator[tuple[str, str]]:
        """All outer headers in order."""
        return self._fields.items()

    @property
    def is_event(self) -> bool:
        """Whether the body is an event."""
        return self.content_type in ("text/event-plain", "text/event-json")

    def event(self) -> Event:
        """The event in the body.

        Raises:
            ProtocolError: not an event, or its inner lengths do not agree with the outer one.
        """
        if self.content_type == "text/event-json":
            return Event(JsonFields(self.body))
        if self.content_type != "text/event-plain":
            raise ProtocolError(f"not an event: {self.content_type!r}")
        return parse_event(self.body)


def parse_event(data: bytes) -> Event:
    """Split a plain event into headers and its own body.

    Raises:
        ProtocolError: the inner Content-Length says more than is there.
    """
    head, _, rest = data.partition(b"\n\n")
    fields = Fields(head)
    length = fields.get("Content-Length")
    if length is None:
        return Event(fields, b"")
    size = _length(length)
    if size > len(rest):
        raise ProtocolError(f"an event says that its body has {size} bytes, {len(rest)} are there")
    return Event(fields, rest[:size])


class Parser:
    """Feed bytes, take messages.

    ::

        parser.receive_data(data)
        while (message := parser.next_message()) is not None:
            ...
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._begin = 0
        self._searched = 0
        self._pending: Fields | None = None
        self._type = ""
        self._need = 0

    def receive_data(self, data: bytes) -> None:
        """Add bytes as they came; any split will do."""
        if self._begin > MAX_HEAD:
            del self._buffer[: self._begin]
            self._searched = max(0, self._searched - self._begin)
            self._begin = 0
        self._buffer += data

    def next_message(self) -> Message | None:
        """The next whole message, or None until more bytes come.

        Raises:
            ProtocolError: what came is not the Event Socket's format; the connection is of no more use.
        """
        if self._pending is None and not self._read_head():
            return None
        fields = self._pending
        assert fields is not None
        end = self._begin + self._need
        if len(self._buffer) < end:
            return None
        body = bytes(self._buffer[self._begin : end])
        self._begin = self._searched = end
        self._pending = None
        return Message(fields, body, self._type)

    def _read_head(self) -> bool:
        buffer = self._buffer
        # An empty line between messages means nothing; FreeSWITCH skips it in the other direction too.
        blank = _BLANK.match(buffer, self._begin)
        self._begin = blank.end() if blank else self._begin
        end = buffer.find(b"\n\n", max(self._begin, self._searched - 1))
        if end < 0:
            if len(buffer) - self._begin > MAX_HEAD:
                raise ProtocolError(f"no end of headers within {MAX_HEAD} bytes: {self._peek()!r}")
            self._searched = len(buffer)
            return False
        if end - self._begin > MAX_HEAD:
            raise ProtocolError(f"headers of {end - self._begin} bytes, {MAX_HEAD} at most: {self._peek()!r}")
        fields = Fields(bytes(buffer[self._begin : end]))
        usual = _EVENT_HEAD.fullmatch(buffer, self._begin, end)
        if usual:
            self._need, self._type = int(usual[1]), usual[2].decode()
        else:
            length = fields.get("Content-Length")
            self._need, self._type = _length(length or "0"), fields.get("Content-Type") or ""
        if not self._type:
            raise ProtocolError(f"headers without Content-Type: {self._peek()!r}")
        self._begin = self._searched = end + 2
        self._pending = fields
        return True

    def _peek(self) -> bytes:
        return bytes(self._buffer[self._begin : self._begin + 80])


def _whole(text: str) -> str:
    """Half a surrogate pair is legal JSON and no text: nobody could store or print it."""
    return text.encode("utf-8", "replace").decode()


def _decode(value: bytes) -> str:
    text = value[1:] if value.startswith(b" ") else value
    if b"%" in text:
        return unquote(text.decode("utf-8", "replace"), errors="replace")
    return text.decode("utf-8", "replace")


def _length(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 12:
        raise ProtocolError(f"Content-Length {text[:40]!r} is not a number of bytes")
    size = int(text)
    if size > MAX_BODY:
        raise ProtocolError(f"a body of {size} bytes, {MAX_BODY} at most")
    return size
