"""The OpenAPI 3.1 document, from the declarations by which requests are routed and checked."""

from collections.abc import Sequence
from typing import Any

import msgspec

from fsctl import __version__
from fsctl.web import problems
from fsctl.web.api.answers import Problem
from fsctl.web.api.operation import JSON, Operation

_REFERENCE = "#/components/schemas/{name}"
_TOKEN = "token"
_REFUSALS = {
    400: "A parameter or field is not what is expected; `detail` says what is.",
    401: "There is no token, or none that holds.",
    403: "The token has none of the scopes that this needs; `detail` names them.",
    404: "There is no such thing.",
    413: "The body is larger than what is taken here.",
    415: "The body is not said to be JSON.",
    503: "Our database cannot be reached; ask again.",
}
_HEADERS = {308: "Location", 401: "WWW-Authenticate", 403: "WWW-Authenticate", 416: "Content-Range"}


def document(operations: Sequence[Operation], public_url: str = "") -> dict[str, Any]:
    """The document as plain values. Args: public_url: ``[web] public_url``."""
    kinds = {kind for one in operations for kind in (one.body, one.answer) if kind is not None}
    ordered = sorted(kinds, key=lambda kind: kind.__name__)
    _, components = msgspec.json.schema_components([*ordered, Problem], ref_template=_REFERENCE)
    for kind in kinds:
        components[kind.__name__] |= getattr(kind, "also", {})
    paths: dict[str, dict[str, Any]] = {}
    for one in operations:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "fsctl",
            "version": __version__,
            "description": "Threads of WhatsApp chat and calls, their transcripts and recordings. See docs/crm.md.",
        },
        "servers": [{"url": public_url or "/"}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                _TOKEN: {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "`fsctl token new NAME --scope crm`",
                }
            },
        },
    }


def _operation(one: Operation) -> dict[str, Any]:
    summary, description = one.words
    found: dict[str, Any] = {"operationId": one.name, "summary": summary}
    if description:
        found["description"] = description
    if one.scopes:
        # Any of them will do: each is an alternative of its own.
        found["security"] = [{_TOKEN: [scope]} for scope in sorted(one.scopes)]
    if parameters := _parameters(one):
        found["parameters"] = parameters
    if one.body is not None:
        found["requestBody"] = {"required": True, "content": {JSON: {"schema": _reference(one.body)}}}
    return found | {"responses": _responses(one)}


def _parameters(one: Operation) -> list[dict[str, Any]]:
    _, components = msgspec.json.schema_components([one.given], ref_template=_REFERENCE)
    schema = components[one.given.__name__]
    found = []
    for name, kind in schema["properties"].items():
        described = {"description": kind.pop("description")} if "description" in kind else {}
        where = {"in": "path", "required": True} if name in one.in_path else {"in": "query"}
        required = {"required": True} if name in schema.get("required", ()) else {}
        found.append({"name": name, **where, **required, **described, "schema": kind})
    return found


def _responses(one: Operation) -> dict[str, Any]:
    schema = {} if one.answer is None else _reference(one.answer)
    content = {media: {"schema": schema if media == JSON else {}} for media in one.media}
    refused = {
        400: True,
        401: bool(one.scopes),
        403: bool(one.scopes),
        404: bool(one.in_path),
        413: one.body is not None,
        415: one.body is not None,
        503: True,
    }
    told = {status: _REFUSALS[status] for status, may in refused.items() if may} | dict(one.refusals)
    answers = {
        str(status): {"description": means, "content": content} for status, means in one.answers.items()
    }
    return answers | {str(status): _refusal(status, told[status]) for status in sorted(told)}


def _refusal(status: int, means: str) -> dict[str, Any]:
    found: dict[str, Any] = {"description": means}
    if status in _HEADERS:
        found["headers"] = {_HEADERS[status]: {"schema": {"type": "string"}}}
    if status >= 400:
        found["content"] = {problems.TYPE: {"schema": _reference(Problem)}}
    return found


def _reference(kind: type) -> dict[str, str]:
    return {"$ref": _REFERENCE.format(name=kind.__name__)}
