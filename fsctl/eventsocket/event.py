"""One event, and its encodings: ``plain``, ``json`` and ``xml``.

Theory of operation. An event is an ordered list of headers, in which a name may occur twice (``Hangup-Cause``
in CHANNEL_HANGUP_COMPLETE, ``Channel-Write-Codec-Name`` in CODEC: call_queue_plain, call_queue_json), and an
optional body. All encodings keep order and duplicates. The outer header of an event is ``Content-Length``
and then ``Content-Type``; replies to commands have them the other way round.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from json.encoder import encode_basestring
from urllib.parse import quote
from xml.sax.saxutils import escape as xml_escape

Headers = list[tuple[str, str]]

#: switch_url_encode_opt: what is encoded, except a ``%`` that already begins two upper-case hex digits.
UNSAFE = re.compile(rb"%(?![0-9A-F]{2})|[^ -~]|[\r\n #&+:;<=>?@\[\\\]^`{|}\"]")

_NAMES = """
CUSTOM CLONE CHANNEL_CREATE CHANNEL_DESTROY CHANNEL_STATE CHANNEL_CALLSTATE CHANNEL_ANSWER CHANNEL_HANGUP
CHANNEL_HANGUP_COMPLETE CHANNEL_EXECUTE CHANNEL_EXECUTE_COMPLETE CHANNEL_HOLD CHANNEL_UNHOLD CHANNEL_BRIDGE
CHANNEL_UNBRIDGE CHANNEL_PROGRESS CHANNEL_PROGRESS_MEDIA CHANNEL_OUTGOING CHANNEL_PARK CHANNEL_UNPARK
CHANNEL_APPLICATION CHANNEL_ORIGINATE CHANNEL_UUID API LOG INBOUND_CHAN OUTBOUND_CHAN STARTUP SHUTDOWN
PUBLISH UNPUBLISH TALK NOTALK SESSION_CRASH MODULE_LOAD MODULE_UNLOAD DTMF MESSAGE PRESENCE_IN NOTIFY_IN
PRESENCE_OUT PRESENCE_PROBE MESSAGE_WAITING MESSAGE_QUERY ROSTER CODEC BACKGROUND_JOB DETECTED_SPEECH
DETECTED_TONE PRIVATE_COMMAND HEARTBEAT TRAP ADD_SCHEDULE DEL_SCHEDULE EXE_SCHEDULE RE_SCHEDULE RELOADXML
NOTIFY PHONE_FEATURE PHONE_FEATURE_SUBSCRIBE SEND_MESSAGE RECV_MESSAGE REQUEST_PARAMS CHANNEL_DATA GENERAL
COMMAND SESSION_HEARTBEAT CLIENT_DISCONNECTED SERVER_DISCONNECTED SEND_INFO RECV_INFO RECV_RTCP_MESSAGE
SEND_RTCP_MESSAGE CALL_SECURE NAT RECORD_START RECORD_STOP PLAYBACK_START PLAYBACK_STOP CALL_UPDATE FAILURE
SOCKET_DATA MEDIA_BUG_START MEDIA_BUG_STOP CONFERENCE_DATA_QUERY CONFERENCE_DATA CALL_SETUP_REQ
CALL_SETUP_RESULT CALL_DETAIL DEVICE_STATE TEXT SHUTDOWN_REQUESTED ALL
"""

#: Names that ``event`` accepts; FreeSWITCH skips words it does not know (switch_event.c EVENT_NAMES).
EVENT_NAMES = frozenset(_NAMES.split())


@lru_cache(maxsize=1 << 16)
def url_encode(value: str) -> str:
    """``switch_url_encode_opt`` with double_encode=FALSE: a value that holds ``%2C`` is left as it is.

    Measured in originate_quoting; the hex digits that count are upper case (src/switch_utils.c). Remembered,
    since a channel repeats the same two hundred values in each of its events.
    """
    data = value.encode("utf-8", "surrogateescape")
    return UNSAFE.sub(lambda found: b"%%%02X" % found[0][0], data).decode("ascii")


@lru_cache(maxsize=1 << 13)
def exact(value: str) -> str:
    """Percent-encoding that every client decodes to what it was, unlike FreeSWITCH's."""
    return quote(value, safe="!$'()*,/-._~", errors="surrogateescape")


class Event:
    """Headers in order, perhaps a body; encoded once per format, however many listeners get it."""

    __slots__ = ("_encode", "_index", "_json", "_plain", "_xml", "body", "headers", "name", "subclass")

    def __init__(
        self,
        name: str,
        headers: Headers,
        *,
        subclass: str = "",
        body: str = "",
        encode: Callable[[str], str] = url_encode,
    ) -> None:
        """Args: encode: of the values of plain events; as FreeSWITCH does it unless ``exact``."""
        self._encode = encode
        self.name = name
        self.subclass = subclass
        self.headers = headers
        self.body = body
        self._index: dict[str, str] | None = None
        self._plain: bytes | None = None
        self._json: bytes | None = None
        self._xml: bytes | None = None

    def get(self, name: str) -> str | None:
        """The first header of that name; case does not matter, as in switch_event_get_header."""
        if name == "Event-Name":
            return self.name
        if self._index is None:
            self._index = {}
            for key, value in self.headers:
                self._index.setdefault(key.lower(), value)
        return self._index.get(name.lower())

    def frame(self, form: str) -> bytes:
        """The outer header and the event, in ``plain``, ``json`` or ``xml``."""
        payload = {"json": self.json, "xml": self.xml}.get(form, self.plain)()
        return b"Content-Length: %d\nContent-Type: text/event-%s\n\n%s" % (
            len(payload),
            form.encode(),
            payload,
        )

    def plain(self) -> bytes:
        """One ``Name: encoded value`` a line; a body has an inner Content-Length (bgapi_background_job)."""
        if self._plain is None:
            body = self.body.encode("utf-8", "surrogateescape")
            lines = [f"{name}: {self._encode(value)}\n" for name, value in self.headers]
            if body:
                lines.append(f"Content-Length: {len(body)}\n")
            self._plain = "".join(lines).encode("utf-8") + b"\n" + body
        return self._plain

    def json(self) -> bytes:
        """cJSON_PrintUnformatted: every value a string, duplicate keys kept, the body as ``_body``."""
        if self._json is None:
            pairs = list(self.headers)
            if self.body:
                pairs.append(("Content-Length", str(len(self.body.encode("utf-8", "surrogateescape")))))
                pairs.append(("_body", self.body))
            self._json = _object(pairs).encode("utf-8", "surrogateescape")
        return self._json

    def xml(self) -> bytes:
        """switch_event_xmlize: values percent-encoded as in plain, the body as it is."""
        if self._xml is None:
            lines = ["<event>", "  <headers>"]
            lines += [f"    <{name}>{self._encode(value)}</{name}>" for name, value in self._named()]
            lines.append("  </headers>")
            if self.body:
                size = len(self.body.encode("utf-8", "surrogateescape"))
                lines.append(f"  <Content-Length>{size}</Content-Length>")
                lines.append(f"  <body>{_NOT_XML.sub(_instead, xml_escape(self.body))}</body>")
            self._xml = ("\n".join([*lines, "</event>"]) + "\n").encode("utf-8", "surrogateescape")
        return self._xml

    def _named(self) -> Headers:
        """Headers whose name can be that of an element."""
        return [(name, value) for name, value in self.headers if _XML_NAME.fullmatch(name)]


_XML_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_NOT_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def _instead(_found: re.Match[str]) -> str:
    return "\ufffd"


def _object(pairs: Headers) -> str:
    """A JSON object. The library's encoder knows no name twice, and FreeSWITCH does."""
    return "{" + ",".join(map(_member, pairs)) + "}"


@lru_cache(maxsize=1 << 16)
def _member(pair: tuple[str, str]) -> str:
    """One of its members. Remembered, as ``url_encode`` is."""
    name, value = pair
    return f"{encode_basestring(name)}:{encode_basestring(value)}"
