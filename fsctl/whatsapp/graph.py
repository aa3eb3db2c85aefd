"""Meta's Graph API over HTTP: a question, an answer, and three ways to fail.

Knows: where it is, the token, and at which moment of a failed request Meta may have acted already. Refuses to know
what is asked. Called by whatever asks Meta: sending, settings, conversions. Nothing is tried again here.

That moment is all that matters for "never twice": until the connection stands, nothing has left (GraphDown); from
then on, without a whole answer, nobody can say (GraphUnsure).
"""

import json as json_
import time
from typing import Any
from urllib.parse import quote, urlencode

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError

from fsctl.errors import GraphError

CONNECT_S = 5.0
ANSWER_S = 20.0
"""For the whole answer, once the connection stands."""
IDLE_S = 15.0
"""A connection that was idle for longer is made anew: one that the other side closes in the moment of a request
would leave us unsure of it."""
MOST_BYTES = 4 * 1024 * 1024
"""Of an answer."""
MOST_TEXT = 500
"""Characters of Meta's words that are kept."""


class GraphRefused(GraphError):
    """Meta said no, so nothing was done."""

    def __init__(
        self,
        code: int,
        subcode: int = 0,
        message: str = "",
        retry_after: float | None = None,
        status: int = 0,
    ) -> None:
        """Args: code: of Meta's table, 0 where it named none; retry_after: seconds; status: of HTTP."""
        super().__init__(f"Meta refused ({code or f'HTTP {status}'}): {message or 'no reason given'}")
        self.code = code
        self.subcode = subcode
        self.message = message
        self.retry_after = retry_after
        self.status = status


class GraphUnsure(GraphError):
    """The request left and no whole answer came: it may have been done."""


class GraphDown(GraphError):
    """No connection could be made: nothing left."""


class _Connection(HTTPConnection):
    """Tells its own failures apart from those of a request, and does not stand idle for long."""

    _used_at = 0.0

    def connect(self) -> None:
        try:
            super().connect()
        except (OSError, HTTPError, ValueError) as error:
            # A TLS handshake that fails or takes too long would else look like an answer that does.
            raise NewConnectionError(self, f"{type(error).__name__}: {error}") from error
        self._used_at = time.monotonic()

    @property
    def is_connected(self) -> bool:
        return super().is_connected and time.monotonic() - self._used_at < IDLE_S

    def getresponse(self) -> Any:
        response = super().getresponse()
        self._used_at = time.monotonic()
        return response


class _TlsConnection(_Connection, HTTPSConnection):
    """The same over TLS."""


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class Graph:
    """One version of the API, with one token. Greenlets and threads may share it."""

    def __init__(
        self,
        url: str,
        version: str,
        token: str,
        *,
        connect_s: float = CONNECT_S,
        answer_s: float = ANSWER_S,
        connections: int = 32,
    ) -> None:
        """Args: url: such as https://graph.facebook.com; version: such as v25.0."""
        self._token = token
        self._answer_s = answer_s
        parts = urllib3.util.parse_url(url)
        self._prefix = f"{(parts.path or '').rstrip('/')}/{version}"
        kind = _TlsPool if parts.scheme == "https" else _Pool
        self._pool = kind(
            parts.host or "",
            parts.port,
            maxsize=connections,
            timeout=urllib3.Timeout(connect=connect_s, read=answer_s),
            retries=False,
        )

    def get(self, path: str, **params: str | int) -> dict[str, Any]:
        """Read something.

        Raises:
            GraphRefused, GraphUnsure, GraphDown: see there.
        """
        return self._ask("GET", f"{path}?{urlencode(params)}" if params else path, None)

    def post(self, path: str, json: dict[str, Any]) -> dict[str, Any]:
        """Do something.

        Raises:
            GraphRefused: it was not done.
            GraphUnsure: nobody can say.
            GraphDown: it was not done, and Meta does not know that we wanted to.
        """
        return self._ask("POST", path, json_.dumps(json, ensure_ascii=False).encode())

    def close(self) -> None:
        """Close the connections that wait."""
        self._pool.close()

    def _ask(self, method: str, path: str, body: bytes | None) -> dict[str, Any]:
        target = f"{self._prefix}/{quote(path.lstrip('/'), safe='/?&=%+:,-._~')}"
        headers = {"Authorization": f"Bearer {self._token}", "Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            response = self._pool.urlopen(
                method, target, body=body, headers=headers, redirect=False, preload_content=False
            )
            try:
                content = _whole(response, time.monotonic() + self._answer_s)
            except BaseException:
                response.close()
                raise
            response.release_conn()
        except (NewConnectionError, ConnectTimeoutError) as error:
            raise GraphDown(f"Meta cannot be reached: {self._harmless(error)}") from None
        except (HTTPError, OSError, ValueError) as error:
            raise GraphUnsure(f"no whole answer from Meta: {self._harmless(error)}") from None
        return self._judged(response, content)

    def _judged(self, response: urllib3.BaseHTTPResponse, content: bytes) -> dict[str, Any]:
        try:
            found = json_.loads(content)
        except ValueError:
            found = None
        status = response.status
        if 200 <= status < 300 and isinstance(found, dict) and "error" not in found:
            return found
        error = found.get("error") if isinstance(found, dict) else None
        if isinstance(error, dict):
            raise self._refused(error, status, response.headers.get("Retry-After"))
        if 300 <= status < 500:
            raise GraphRefused(0, 0, "", _seconds(response.headers.get("Retry-After")), status)
        # Something before or behind the API answers: a gateway gives up waiting (502, 504) for what goes on.
        raise GraphUnsure(f"HTTP {status} without Meta's words")

    def _refused(self, error: dict[str, Any], status: int, retry_after: str | None) -> GraphRefused:
        data = error.get("error_data")
        details = data.get("details") if isinstance(data, dict) else None
        words = [str(word) for word in (error.get("message"), details) if word]
        return GraphRefused(
            _number(error.get("code")),
            _number(error.get("error_subcode")),
            self._harmless(": ".join(words)),
            _seconds(retry_after),
            status,
        )

    def _harmless(self, error: object) -> str:
        """Bounded, and without the token: Meta quotes a malformed one."""
        text = str(error)
        return (text.replace(self._token, "(token)") if self._token else text)[:MOST_TEXT]


def _whole(response: urllib3.BaseHTTPResponse, until: float) -> bytes:
    """The body, bounded in size and time: a read time-out alone allows a byte every few seconds for ever."""
    parts: list[bytes] = []
    size = 0
    while part := response.read1(65536):
        parts.append(part)
        size += len(part)
        if size > MOST_BYTES or time.monotonic() > until:
            raise HTTPError("the answer does not end")
    return b"".join(parts)


def _number(value: object) -> int:
    try:
        return int(str(value))
    except ValueError:
        return 0


def _seconds(text: str | None) -> float | None:
    return float(text) if text and text.isascii() and text.isdigit() and len(text) < 7 else None
