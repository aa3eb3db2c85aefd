"""Serves routes by HTTP: reads a request whole, finds its route, has it answered, tells errors as problems."""

import io
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from werkzeug import Request, Response
from werkzeug.exceptions import HTTPException, InternalServerError, ServiceUnavailable
from werkzeug.routing import Map, Rule

from fsctl.errors import ConfigError, DatabaseDown
from fsctl.web import problems
from fsctl.web.connection import CONNECTION, Connection
from fsctl.web.limits import Counts, Limits
from fsctl.web.listener import Certificate, Listener

log = logging.getLogger(__name__)

STOP_S = 1.0
"""Requests that are being answered get so long to end."""
AGAIN_S = 30
"""When to come again, while Postgres is away."""
PAGES = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}
"""Headers of HTML, where its handler says nothing else: our pages need no scripts, and their paths hold secrets."""

ROUTE = "fsctl.route"
"""What the log tells of a request, in its environ: the path as its route has it."""

Handler = Callable[[Request, Mapping[str, str]], Response]
"""Answers a request, given what its path's placeholders stand for. Raises a werkzeug HTTPException to refuse it."""


@dataclass(frozen=True, kw_only=True)
class Route:
    """Where requests of one kind go.

    ::

        Route(method="GET", path="/callback/<token>", handler=page)    page(request, {"token": "..."}) -> Response
    """

    method: str
    path: str
    """As werkzeug writes it: ``/callback/<token>``."""
    handler: Handler
    most_bytes: int = 65536
    """Of the body, which has been read whole when the handler is called (``get_data()``, ``form``)."""
    admit: Callable[[Request], None] | None = None
    """Looks at the head before the body is read; raises a werkzeug HTTPException to refuse it."""


class Server:
    """Listens, and hands requests to the routes."""

    def __init__(
        self,
        listen: str,
        routes: Sequence[Route],
        certificate: Path | None = None,
        key: Path | None = None,
        limits: Limits | None = None,
    ) -> None:
        """Args: listen: HOST:PORT (port 0: any); certificate, key: PEM files, where no proxy does TLS."""
        self.counts = Counts()
        self._listen = listen
        self._files = (certificate, key) if certificate and key else None
        self._limits = limits or Limits()
        rules = [Rule(route.path, methods=[route.method], endpoint=route) for route in routes]
        self._routes = Map(rules, strict_slashes=False, merge_slashes=False).bind("")
        self._listener: Listener | None = None

    def start(self) -> None:
        """Listen, in the background.

        Raises:
            ConfigError: the address or the certificate cannot be used.
        """
        certificate = Certificate(*self._files) if self._files else None
        host, _, port = self._listen.rpartition(":")
        try:
            listener = Listener(
                host.strip("[]"), int(port), self._application, self._limits, self.counts, certificate
            )
        except OSError as error:
            raise ConfigError(f"web.listen: {self._listen}: {error.strerror or error}") from error
        listener.start()
        self._listener = listener
        log.info("serving http%s://%s:%d", "s" if certificate else "", *self.address)

    def stop(self) -> None:
        """Take no more; requests that are being answered get a second."""
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.stop(STOP_S)

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens, once started."""
        assert self._listener is not None
        host, port = self._listener.address[:2]
        return host, port

    def _application(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        request, connection = Request(environ), environ[CONNECTION]
        try:
            response = self._answer(request, connection)
        except HTTPException as error:
            response = problems.of(error, request)
        except DatabaseDown as error:
            log.warning("%s %s: %s", request.method, request.environ.get(ROUTE), error)
            response = problems.of(ServiceUnavailable(retry_after=AGAIN_S), request)
        except Exception:
            self.counts.failed += 1
            log.exception("%s %s failed", request.method, request.environ.get(ROUTE))
            response = problems.of(InternalServerError("This is our fault, and logged."), request)
        if connection.has_body_left:
            connection.leave_body()
            response.headers["Connection"] = "close"
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        if response.mimetype == "text/html":
            for name, value in PAGES.items():
                response.headers.setdefault(name, value)
        return response(environ, start_response)

    def _answer(self, request: Request, connection: Connection) -> Response:
        route, values = self._routes.match(request.path, request.method)
        assert isinstance(route, Route)
        request.environ[ROUTE] = route.path
        if route.admit is not None:
            route.admit(request)
        body = connection.read_body(route.most_bytes)
        request.environ["wsgi.input"] = io.BytesIO(body)
        request.environ["CONTENT_LENGTH"] = str(len(body))
        return route.handler(request, values)
