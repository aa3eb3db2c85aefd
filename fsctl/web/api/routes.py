"""The operations as routes of the server: who asks, what was given, what is answered."""

from collections.abc import Mapping, Sequence
from functools import partial

import msgspec
from werkzeug import Request, Response
from werkzeug.exceptions import BadRequest

from fsctl.errors import BadInput
from fsctl.store.tokens import Tokens
from fsctl.web.api import gate
from fsctl.web.api.document import document
from fsctl.web.api.gate import Gate
from fsctl.web.api.house import House
from fsctl.web.api.operation import JSON, Asked, Operation
from fsctl.web.api.table import OPERATIONS
from fsctl.web.server import Route

MOST_BYTES = 16384
"""Of a body: an outcome with a long note."""
DOCUMENT = "/v1/openapi.json"


def routes(house: House, tokens: Tokens) -> Sequence[Route]:
    """All of ``/v1``, for the server."""
    told = msgspec.json.encode(document(OPERATIONS, house.public_url))

    def describe(_request: Request, _values: Mapping[str, str]) -> Response:
        return Response(told, mimetype=JSON)

    guard = Gate(tokens)
    return (
        Route(method="GET", path=DOCUMENT, handler=describe, most_bytes=0),
        *(_route(operation, house, guard) for operation in OPERATIONS),
    )


def _route(operation: Operation, house: House, guard: Gate) -> Route:
    return Route(
        method=operation.method,
        path=operation.path.replace("{", "<").replace("}", ">"),
        handler=partial(_answer, operation, house),
        most_bytes=0 if operation.body is None else MOST_BYTES,
        admit=partial(guard.admit, operation),
    )


def _answer(operation: Operation, house: House, request: Request, values: Mapping[str, str]) -> Response:
    asked = Asked(gate.who(request), request)
    try:
        found = operation.do(house, asked, *operation.read(request, values))
    except BadInput as error:
        raise BadRequest(str(error)) from error
    response = found if isinstance(found, Response) else Response(msgspec.json.encode(found), mimetype=JSON)
    # People's names and words: nobody on the way keeps them.
    response.headers.setdefault("Cache-Control", "no-store")
    return response
