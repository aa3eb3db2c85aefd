"""One connection of a client: gevent's HTTP under our limits.

pywsgi reads heads and writes answers. What is ours: deadlines for each part, one reading only of where a request
ends (RFC 9112 §6.3; else a proxy in front and we might disagree), bodies read whole and bounded before anybody
acts on them, and refusals that do not read what was refused.
"""

import contextlib
import logging
import time
from socket import SHUT_WR
from typing import TYPE_CHECKING, Any

import gevent
from gevent.pywsgi import Input, WSGIHandler
from werkzeug.exceptions import (
    BadRequest,
    LengthRequired,
    RequestEntityTooLarge,
    RequestTimeout,
    ServiceUnavailable,
)

from fsctl.web import chunks, head, problems
from fsctl.web.limits import TURN_S, YIELD_S, Slow

if TYPE_CHECKING:
    from fsctl.web.listener import Listener

log = logging.getLogger(__name__)

PIECE = 65536
CONNECTION = "fsctl.connection"
"""Its place in the WSGI environment."""


class Connection(WSGIHandler):  # type: ignore[misc]
    """Reads requests, one after the other, and has the server's application answer each."""

    server: "Listener"

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._turn = time.monotonic()
        self._left_body = False
        self._head_wait = contextlib.ExitStack()

    # --- the head --------------------------------------------------------------------------------------------

    def handle_one_request(self) -> Any:
        """One request; None ends the connection."""
        now = time.monotonic()
        if now - self._turn > TURN_S:
            # Who sends one request after the other would else never let go.
            gevent.sleep(YIELD_S)
            self._turn = now
        self._left_body = False
        try:
            found = super().handle_one_request()
        except Slow:
            self.server.counts.slow += 1
            found = ("408", b"")
        finally:
            self._head_wait.close()
        if isinstance(found, tuple):
            self._refuse(int(found[0]))
            return None
        if self._left_body:
            self._linger()
        return found

    def read_requestline(self) -> str:
        """pywsgi's, with deadlines."""
        crowd, limits = self.server.crowd, self.server.limits
        try:
            with crowd.wait(limits.idle_s):
                if not self.rfile.peek(1):
                    return ""
        except Slow:
            return ""
        self._head_wait.enter_context(crowd.wait(limits.head_s))
        line: str = super().read_requestline()
        return line

    def read_request(self, raw_requestline: str) -> bool:
        """pywsgi's, with deadlines. Raises ValueError: not a request."""
        with self._head_wait:
            if not raw_requestline.endswith("\n"):
                raise ValueError("the request line does not end")
            found: bool = super().read_request(raw_requestline)
            if self.request_version == "HTTP/0.9":
                raise ValueError("HTTP/0.9")
        self.server.counts.requests += 1
        return found

    def MessageClass(self, rfile: Any, *_: Any) -> head.Head:
        """Our own reader of headers. Raises ValueError: see ``head.read``."""
        return head.read(rfile, self.server.limits.head_bytes)

    def _handle_client_error(self, error: Exception) -> tuple[str, bytes]:
        if isinstance(error, Slow):
            self.server.counts.slow += 1
            return ("408", b"")
        if isinstance(error, head.TooBig):
            self.server.counts.too_big += 1
            return ("431", b"")
        self.server.counts.malformed += 1
        return ("400", b"")

    def get_environ(self) -> Any:
        """pywsgi's, and how the application finds us."""
        environ = super().get_environ()
        environ[CONNECTION] = self
        return environ

    # --- the body --------------------------------------------------------------------------------------------

    def read_body(self, most: int) -> bytes:
        """The whole body.

        Raises:
            HTTPException: 400, 408, 411, 413 or 503; the rest of it must be left (``leave_body``).
        """
        source = self.wsgi_input
        if source.content_length is None and not source.chunked_input:
            if self.command in ("POST", "PUT", "PATCH"):
                raise LengthRequired()
            return b""
        if (source.content_length or 0) > most:
            raise self._too_big(most)
        reader = chunks.Chunks(self.rfile) if source.chunked_input else source
        try:
            with self.server.crowd.wait(self.server.limits.body_s):
                source._send_100_continue()
                return self._read_pieces(reader, most)
        except Slow:
            self.server.counts.slow += 1
            raise RequestTimeout() from None
        except chunks.TooMuch:
            raise self._too_big(most) from None
        except (OSError, ValueError) as error:
            self.server.counts.malformed += 1
            raise BadRequest("The body ended too early, or is not framed as HTTP frames bodies.") from error

    def _read_pieces(self, reader: Any, most: int) -> bytes:
        crowd = self.server.crowd
        pieces: list[bytes] = []
        size = 0
        try:
            while piece := reader.read(PIECE):
                pieces.append(piece)
                size += len(piece)
                crowd.held_bytes += len(piece)
                if size > most:
                    raise self._too_big(most)
                if not crowd.has_room(size):
                    raise ServiceUnavailable(retry_after=5)
        finally:
            crowd.held_bytes -= size
        # Nothing is left that pywsgi would have to skip.
        self.wsgi_input = Input(self.rfile, 0)
        return b"".join(pieces)

    def _too_big(self, most: int) -> RequestEntityTooLarge:
        self.server.counts.too_big += 1
        return RequestEntityTooLarge(f"At most {most} bytes are taken here.")

    @property
    def has_body_left(self) -> bool:
        """Whether the client sends a body, or goes on with one, that was not read."""
        return bool(self.wsgi_input.content_length or self.wsgi_input.chunked_input)

    def leave_body(self) -> None:
        """Read no more of it; the connection ends with this request."""
        self.wsgi_input = Input(self.rfile, 0)
        self.close_connection = self._left_body = True

    # --- the answer ------------------------------------------------------------------------------------------

    def _sendall(self, data: bytes) -> None:
        with self.server.crowd.wait(self.server.limits.send_s):
            super()._sendall(data)

    def handle_error(self, kind: type[BaseException], error: BaseException, trace: Any) -> None:
        """What goes wrong while the answer is sent; the application has caught all that is ours."""
        self.close_connection = True
        if isinstance(error, Slow):
            self.server.counts.slow += 1
        elif isinstance(error, Exception) and not isinstance(error, OSError):
            self.server.counts.failed += 1
            log.error("an answer could not be sent", exc_info=(kind, error, trace))

    def log_request(self) -> None:
        """No log of every request: counts tell."""

    def _refuse(self, status: int) -> None:
        with contextlib.suppress(OSError, Slow), self.server.crowd.wait(self.server.limits.send_s):
            self.socket.sendall(problems.raw(status))
            self._linger()

    def _linger(self) -> None:
        """Closed with unread bytes on their way, a connection is reset, and its client never reads why."""
        left = self.server.limits.linger_bytes
        with contextlib.suppress(OSError, Slow), self.server.crowd.wait(self.server.limits.linger_s):
            self.socket.shutdown(SHUT_WR)
            while left > 0 and (dropped := len(self.socket.recv(PIECE))):
                left -= dropped
