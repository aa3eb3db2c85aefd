"""A fake of Meta's Graph API over HTTP, written from Meta's documentation: messages, webhooks, errors on demand.

It knows what Meta promises, and keeps its limits (service window, pair rate, throughput). It refuses to know fsctl.
Called by tests and the demo; other parts of the API are added with ``add_route``:

    >>> graph = FakeGraph(app_secret="s", webhook_url="http://127.0.0.1:8080/webhooks/whatsapp")
    >>> graph.start()
    >>> graph.messages.open_window("1065", "15550100142")
    >>> graph.fail_next(2, code=130429)
    >>> graph.stop()
"""

import base64
import json
import random
import re
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import gevent
from gevent import socket
from gevent.pool import Pool
from gevent.pywsgi import WSGIHandler, WSGIServer

from fsctl.sim.graph_messages import Messages
from fsctl.sim.graph_webhooks import Webhooks
from fsctl.sim.graph_wire import GraphAnswer, GraphRequest, Handler, refusal

__all__ = ["FakeGraph", "GraphAnswer", "GraphRequest", "Handler", "refusal"]

MESSAGES = r"/(\d+)/messages"
MOST_BYTES = 1024 * 1024
_VERSION = re.compile(r"/v\d+\.\d+(/.*)")


@dataclass(frozen=True)
class _Fault:
    path: re.Pattern[str]
    code: int
    status: int
    retry_after: int | None
    takes: bool
    """The request is carried out all the same."""
    hangs: bool
    cuts: bool
    later: bool


class _Handler(WSGIHandler):  # type: ignore[misc]
    """Lets the application have the socket, to break it."""

    def get_environ(self) -> dict[str, Any]:
        environ: dict[str, Any] = super().get_environ()
        environ["fake.socket"] = self.socket
        return environ

    def log_request(self) -> None:
        """Nothing."""


class FakeGraph:
    """Listens on HTTP from ``start`` to ``stop``."""

    def __init__(
        self,
        listen: tuple[str, int] = ("127.0.0.1", 0),
        *,
        app_secret: str = "app-secret",
        token: str = "token",
        webhook_url: str = "",
        waba_id: str = "1020304050",
        numbers: Mapping[str, str] | None = None,
        seed: int | None = None,
    ) -> None:
        """Args: webhook_url: where statuses go; numbers: id of a business number -> its digits; seed: of wamids."""
        self.token = token
        """What messages are sent with; other routes look after themselves."""
        self.webhooks = Webhooks(webhook_url, app_secret, waba_id)
        self.webhooks.displays.update(numbers or {})
        self._rng = random.Random(seed)
        self.messages = Messages(self.webhooks, self._rng)
        self.asked: list[GraphRequest] = []
        """Every request that was read, in order, whatever came of it."""
        self.hang_s = 60.0
        """How long a request hangs that is to time out."""
        self._routes: list[tuple[str, re.Pattern[str], Handler]] = []
        self._faults: deque[_Fault] = deque()
        # With a pool of its own, stopping ends the connections that stand, too.
        self._server = WSGIServer(
            listen, self._application, spawn=Pool(), handler_class=_Handler, log=None, error_log=None
        )
        self.add_route("POST", MESSAGES, self._with_token(self.messages.send))
        self.add_route("GET", r"/(\d+)/call_permissions", self._with_token(self.messages.permission))

    @property
    def received(self) -> list[dict[str, Any]]:
        """See Messages.received."""
        return self.messages.received

    @property
    def url(self) -> str:
        """Its address, once it is started: what stands for https://graph.facebook.com."""
        host, port = self._server.address[:2]
        return f"http://{host}:{port}"

    def start(self) -> None:
        """Listen."""
        self._server.start()
        # pywsgi writes head and body apart: without this every answer waits for a delayed acknowledgement.
        self._server.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def stop(self) -> None:
        """Listen no more, and tell nothing more."""
        self._server.stop(timeout=0.1)
        self.webhooks.stop()

    def add_route(self, method: str, pattern: str, handler: Handler) -> None:
        """Answer what is asked of a path; the route added last wins.

        Args:
            pattern: regular expression of the whole path after the version; its groups are ``GraphRequest.match``.
        """
        self._routes.insert(0, (method, re.compile(pattern), handler))

    def fail_next(
        self,
        times: int = 1,
        *,
        code: int = 0,
        status: int = 0,
        retry_after: int | None = None,
        later: bool = False,
        timeout_after_accept: bool = False,
        drop: bool = False,
        drop_after_accept: bool = False,
        path: str = MESSAGES,
    ) -> None:
        """Let the next requests go wrong, each in one way; faults wait in a row.

        Args:
            code: refused with this code of Meta's.
            status: answered with this status of HTTP and no word of Meta's, as a gateway does.
            later: taken, and the code told by a failed status.
            timeout_after_accept: taken, and never answered.
            drop: the connection is cut and nothing taken. drop_after_accept: taken, then cut.
            path: which requests, as a regular expression of the whole path.
        """
        takes = later or timeout_after_accept or drop_after_accept
        fault = _Fault(re.compile(path), code, status, retry_after, takes, timeout_after_accept,
                       drop or drop_after_accept, later)  # fmt: skip
        self._faults.extend([fault] * times)

    def user_writes(self, number_id: str, user: str, text: str, *, name: str = "", user_id: str = "") -> str:
        """A user sends a text to a number: the window opens, the webhook is told. Returns: the wamid."""
        self.messages.open_window(number_id, user)
        wamid = "wamid.HBgL" + base64.b64encode(self._rng.randbytes(24)).decode()
        user_id = user_id or f"US.{user}"
        message = {"from": user, "from_user_id": user_id, "id": wamid, "timestamp": str(int(time.time())),
                   "type": "text", "text": {"body": text}}  # fmt: skip
        contact = {"profile": {"name": name or user}, "wa_id": user, "user_id": user_id}
        self.webhooks.tell(number_id, {"contacts": [contact], "messages": [message]})
        return wamid

    def _with_token(self, handler: Handler) -> Handler:
        def checked(request: GraphRequest) -> GraphAnswer:
            if request.headers.get("Authorization") != f"Bearer {self.token}":
                return refusal(190)
            return handler(request)

        return checked

    def _application(
        self, environ: dict[str, Any], start_response: Callable[[str, list[tuple[str, str]]], object]
    ) -> Iterable[bytes]:
        request = _read(environ)
        self.asked.append(request)
        fault = self._next_fault(request.path)
        answer = self._answer(request, fault)
        if fault is not None and fault.hangs:
            gevent.sleep(self.hang_s)
        if fault is not None and fault.cuts:
            _cut(environ)
        kind, body = "application/json", json.dumps(answer.json).encode()
        if answer.json is None:
            kind, body = "text/html", b"<html>error</html>"
        headers = {"Content-Type": kind, "Content-Length": str(len(body)), **answer.headers}
        start_response(f"{answer.status} x", list(headers.items()))
        return [body]

    def _answer(self, request: GraphRequest, fault: _Fault | None) -> GraphAnswer:
        if fault is not None and not fault.takes:
            if fault.status or fault.cuts:
                return GraphAnswer(fault.status or 500, None)
            return refusal(fault.code, retry_after=fault.retry_after)
        later = fault.code if fault is not None and fault.later else 0
        for method, pattern, handler in self._routes:
            found = pattern.fullmatch(request.path)
            if found and method == request.method:
                groups = tuple(one or "" for one in found.groups())
                return handler(_completed(request, groups, later))
        return refusal(100, f"Unsupported {request.method.lower()} request", subcode=33)

    def _next_fault(self, path: str) -> _Fault | None:
        if self._faults and self._faults[0].path.fullmatch(path):
            return self._faults.popleft()
        return None


def _completed(request: GraphRequest, match: tuple[str, ...], later: int) -> GraphRequest:
    return GraphRequest(
        request.method, request.path, request.params, request.json, match, request.headers, later
    )


def _read(environ: dict[str, Any]) -> GraphRequest:
    body = environ["wsgi.input"].read(MOST_BYTES)
    try:
        parsed = json.loads(body) if body else None
    except ValueError:
        parsed = None
    versioned = _VERSION.fullmatch(environ["PATH_INFO"])
    headers = {
        key.removeprefix("HTTP_").replace("_", "-").title(): value
        for key, value in environ.items()
        if key.startswith("HTTP_")
    }
    params = dict(parse_qsl(environ.get("QUERY_STRING", "")))
    path = versioned[1] if versioned else environ["PATH_INFO"]
    return GraphRequest(environ["REQUEST_METHOD"], path, params, parsed, (), headers)


def _cut(environ: dict[str, Any]) -> None:
    """Break the connection without a word: what is written after this goes nowhere."""
    environ["fake.socket"].shutdown(socket.SHUT_RDWR)
