"""Who may ask: bearer tokens (RFC 6750), each with its scopes (``fsctl token``)."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from werkzeug import Request
from werkzeug.exceptions import HTTPException

from fsctl.store.tokens import Token, Tokens
from fsctl.web.api.operation import Operation

TOKEN = "fsctl.token"
"""Its place in the WSGI environment."""


class Gate:
    """Looks at the head of a request, before its body is read."""

    def __init__(self, tokens: Tokens, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._tokens = tokens
        self._now = now

    def admit(self, operation: Operation, request: Request) -> None:
        """Let it in, with its token in the environment; any does where nothing is asked for.

        Raises:
            HTTPException: 401, there is no token, or none that holds; 403, it has none of the operation's scopes.
        """
        if not operation.scopes:
            return
        token = self._token(request)
        if not operation.scopes & token.scopes:
            wanted = " ".join(sorted(operation.scopes))
            detail = f"Expected a token with one of these scopes: {wanted}."
            raise _Refused(403, detail, error="insufficient_scope", scope=wanted)
        request.environ[TOKEN] = token

    def _token(self, request: Request) -> Token:
        said = request.authorization
        if said is None or said.type != "bearer" or not said.token:
            raise _Refused(401, "Expected a token: Authorization: Bearer fsctl_...")
        token = self._tokens.known(said.token, self._now())
        if token is None:
            detail = "Expected a token that holds: this one is unknown, revoked or expired."
            raise _Refused(401, detail, error="invalid_token")
        return token


def who(request: Request) -> str:
    """The token's name, for the audit; nobody's where none was asked for."""
    token = request.environ.get(TOKEN)
    return f"token {token.name}" if token else "nobody"


class _Refused(HTTPException):
    """With what would let it in (RFC 6750, 3)."""

    def __init__(self, status: int, detail: str, **told: str) -> None:
        super().__init__(detail)
        self.code = status
        self._told = {"realm": "fsctl", **told}

    def get_headers(self, *given: Any, **named: Any) -> list[tuple[str, str]]:
        """werkzeug's, and the challenge; all quoted, as a realm must be (RFC 9110, 11.5)."""
        told = ", ".join(f'{name}="{value}"' for name, value in self._told.items())
        return [*super().get_headers(*given, **named), ("WWW-Authenticate", f"Bearer {told}")]
