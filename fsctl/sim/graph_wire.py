"""What a route of the fake Graph API is given and gives, and errors in Meta's words."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class GraphRequest:
    """What a handler gets."""

    method: str
    path: str
    """After the version: ``/123/messages``."""
    params: Mapping[str, str]
    """Of the query."""
    json: Any
    """The body; None where there is none."""
    match: tuple[str, ...] = ()
    """What the groups of the route's regular expression matched."""
    headers: Mapping[str, str] = field(default_factory=dict)
    later: int = 0
    """An error code that was asked for, to be told by a webhook after the request was taken; 0: none."""


@dataclass(frozen=True)
class GraphAnswer:
    """What a handler gives: a status of HTTP and JSON."""

    status: int
    json: Any
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[GraphRequest], GraphAnswer]

STATUSES = {190: 401, 4: 400, 10: 403, 80007: 400, 130429: 429, 131000: 500, 131016: 500, 131005: 403, 131031: 403,
            131057: 500, 1: 500, 2: 503, 368: 403}  # fmt: skip
"""HTTP's, by code (Meta, "Error codes"); 400 for all others."""
WORDS = {
    100: "Invalid parameter",
    190: "Error validating access token",
    130429: "Rate limit hit",
    131000: "Something went wrong",
    131008: "Required parameter is missing",
    131009: "Parameter value is not valid",
    131016: "Service unavailable",
    131026: "Message undeliverable",
    131047: "Re-engagement message",
    131049: "This message was not delivered to maintain healthy ecosystem engagement.",
    131050: "User has stopped receiving marketing messages from this business",
    131056: "(Business Account, Consumer Account) pair rate limit hit",
    132001: "Template does not exist",
}
DETAILS = {
    131047: "More than 24 hours have passed since the customer last replied to this number.",
    131056: "Too many messages sent from this phone number to the same phone number in a short period of time.",
}


def refusal(
    code: int, message: str = "", *, subcode: int = 0, status: int = 0, details: str = "",
    retry_after: int | None = None,
) -> GraphAnswer:  # fmt: skip
    """An error as Meta words it (Meta, "Error codes").

    Args:
        status: of HTTP; 0: as Meta has it for this code.
        retry_after: seconds.
    """
    words = message or WORDS.get(code, "An error occurred")
    error: dict[str, Any] = {
        "message": words if words.startswith("(") else f"(#{code}) {words}",
        "type": "OAuthException",
        "code": code,
        "error_data": {"messaging_product": "whatsapp", "details": details or DETAILS.get(code, words)},
        "fbtrace_id": "AbCdEfGhIjKl",
    }
    if subcode:
        error["error_subcode"] = subcode
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return GraphAnswer(status or STATUSES.get(code, 400), {"error": error}, headers)
