"""Errors as ``application/problem+json`` (RFC 9457). What went wrong inside us is for the log, not for clients."""

import json
from http import HTTPStatus

from werkzeug import Request, Response
from werkzeug.exceptions import HTTPException

TYPE = "application/problem+json"


def of(error: HTTPException, request: Request) -> Response:
    """An error that a handler or werkzeug raised, with its headers (``Allow``, ``Retry-After``)."""
    if error.response is not None:
        found = error.get_response(request.environ)
        return found if isinstance(found, Response) else Response.force_type(found, request.environ)
    response = Response(_body(error.code or 500, error.description or ""), error.code, mimetype=TYPE)
    for name, value in error.get_headers(request.environ):
        if name.lower() not in ("content-type", "content-length"):
            response.headers[name] = value
    return response


def raw(status: int) -> bytes:
    """The whole answer to a request that could not be read to its end; the connection is closed then."""
    body = _body(status, "").encode()
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: {TYPE}\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body


def _body(status: int, detail: str) -> str:
    problem = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status}
    return json.dumps(problem | ({"detail": detail} if detail else {}), ensure_ascii=False)
