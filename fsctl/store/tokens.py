"""Tokens: secrets with which programs come over HTTP, each for what it needs.

A secret is shown once, when it is made; its SHA-256 is kept. Who presents one is looked up by that, so no
comparison takes longer for a secret that is nearly right; and it has 256 random bits, so nobody guesses it from a
stolen table.
Called by: ``fsctl token``, and ``web.api`` for each request.
"""

import hashlib
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from fsctl.errors import BadInput
from fsctl.store import audit
from fsctl.store.db import Database, Row

SCOPES = ("crm", "agent", "supervisor", "ops")
"""What a token may be for; ``web.api`` says what each may do."""
PREFIX = "fsctl_"
"""So that scanners for leaked secrets know one."""
RANDOM_BYTES = 32
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
LONGEST = 200
"""Characters of a text that may be a secret."""


@dataclass(frozen=True, kw_only=True)
class Token:
    """A token, without its secret."""

    id: int
    name: str
    scopes: frozenset[str]
    created_at: datetime
    expires_at: datetime | None
    """None: never."""
    last_used_at: datetime | None
    """To the minute."""
    revoked_at: datetime | None


class Tokens:
    """The table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def new(self, name: str, scopes: Collection[str], expires_at: datetime | None = None, *, who: str) -> str:
        """Make a token.

        Args:
            name: whose it is; of those that are not revoked, one has it.
            who: makes it, for the audit.

        Returns:
            The secret, which nobody can see again: ``fsctl_`` and 43 characters.

        Raises:
            BadInput: the name is no name or taken, or there is no such scope.
        """
        check(name, scopes)
        secret, ordered = PREFIX + secrets.token_urlsafe(RANDOM_BYTES), sorted(set(scopes))
        with self._database.transaction(f"making token {name}") as transaction:
            row = transaction.one(
                "tokens.add", token=name, digest=_digest(secret), scopes=ordered, expires_at=expires_at
            )
            if row is None:
                raise BadInput(
                    f"there is a token {name!r} already; revoke it first, or give this one another name"
                )
            detail = {"scopes": " ".join(ordered), "expires": expires_at.isoformat() if expires_at else ""}
            audit.append(transaction, audit.Entry(who=who, action="token.new", subject=name, detail=detail))
        return secret

    def list(self) -> list[Token]:
        """All of them, revoked ones too, in order of name and age."""
        with self._database.statement("reading the tokens") as transaction:
            return [_token(row) for row in transaction.rows("tokens.list")]

    def revoke(self, name: str, *, who: str) -> bool:
        """Let a token count no more, at once. False: none that counts has this name."""
        with self._database.transaction(f"revoking token {name}") as transaction:
            is_done = bool(transaction.run("tokens.revoke", token=name))
            if is_done:
                audit.append(transaction, audit.Entry(who=who, action="token.revoke", subject=name))
        return is_done

    def known(self, secret: str, at: datetime) -> Token | None:
        """Whose secret this is. None: nobody's, or the token was revoked or has expired.

        Args:
            at: now; noted as its last use, once a minute at most.

        Raises:
            DatabaseDown: nobody can tell.
        """
        if not secret.startswith(PREFIX) or len(secret) > LONGEST:
            return None
        with self._database.statement("looking for a token") as transaction:
            row = transaction.one("tokens.known", digest=_digest(secret), at=at)
        return _token(row) if row else None


def check(name: str, scopes: Collection[str]) -> None:
    """Raises BadInput: such a token cannot be made."""
    if not NAME.match(name):
        raise BadInput(
            f"{name[:80]!r} is no name of a token: letters, digits and . _ - are expected, 64 at most"
        )
    unknown = sorted(set(scopes) - set(SCOPES))
    if unknown or not scopes:
        said = ", ".join(unknown) or "none"
        raise BadInput(f"scopes of a token are one or more of {', '.join(SCOPES)}, not {said}")


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "replace")).digest()


def _token(row: Row) -> Token:
    return Token(**row | {"scopes": frozenset(row["scopes"])})
