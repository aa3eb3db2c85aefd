"""Payloads of our own call buttons and links, signed: a customer can carry them, and cannot write them.

Meta hands a call button's payload back in ``x-wa-meta-cta-payload`` and a call link's in
``x-wa-meta-deeplink-payload`` (Meta, "Configure SIP"). Whoever calls could send anything there, so only a ticket
with our signature is trusted, for the contact it was made for and until it expires. Any other text is a hint.
"""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

PREFIX = "f1"
MAX_LENGTH = 512
"""Characters that Meta takes as a payload."""
SIGNATURE_BYTES = 16


@dataclass(frozen=True, kw_only=True)
class Ticket:
    """What one of our buttons or links says of the call that it begins."""

    expires: datetime
    queue: str | None = None
    score: int | None = None
    """Points ahead of others when the caller calls: mod_callcenter's base score."""
    since: datetime | None = None
    """When the caller first joined the queue: each second since counts as waited. To the second."""
    language: str | None = None
    campaign: str | None = None
    contact_id: int | None = None
    """None: a public link, good for everybody who has it."""


_SHORT = {"queue": "q", "score": "s", "since": "t", "language": "l", "campaign": "c", "contact_id": "i"}
_TYPES = {"queue": str, "score": int, "since": datetime, "language": str, "campaign": str, "contact_id": int}


def sign(ticket: Ticket, secret: bytes) -> str:
    """The ticket as text.

    Raises:
        ValueError: it does not fit into a payload.
    """
    values: dict[str, object] = {"e": int(ticket.expires.timestamp())}
    for name, short in _SHORT.items():
        if (value := getattr(ticket, name)) is not None:
            values[short] = int(value.timestamp()) if isinstance(value, datetime) else value
    text = seal(PREFIX, values, secret)
    if len(text) > MAX_LENGTH:
        raise ValueError(f"the payload has {len(text)} characters, and WhatsApp takes {MAX_LENGTH}")
    return text


def read(text: str, secrets: Sequence[bytes]) -> Ticket | None:
    """The ticket in a payload, or None when it is not one of ours (or was changed on its way).

    Args:
        text: as a stranger sent it.
        secrets: any of them may have signed; the newest first, so that a secret can be changed.
    """
    values = unseal(PREFIX, text, secrets)
    if values is None:
        return None
    found = {name: values[short] for name, short in _SHORT.items() if short in values}
    try:
        expires = moment(values["e"])
        if "since" in found:
            found["since"] = moment(found["since"])
    except (ValueError, KeyError):
        return None
    if any(type(value) is not _TYPES[name] for name, value in found.items()):
        return None
    return Ticket(expires=expires, **found)


# --- what else we sign ---------------------------------------------------------------------------------------


def seal(prefix: str, values: Mapping[str, object], secret: bytes) -> str:
    """``PREFIX.BODY.SIGNATURE``, in characters that an address may hold.

    The prefix says what it is for and is signed too: what was signed for one thing is nothing for another.
    """
    body = _encode(json.dumps(values, separators=(",", ":"), ensure_ascii=False).encode())
    return f"{prefix}.{body}.{_encode(_signature(prefix, body, secret))}"


def unseal(prefix: str, text: str, secrets: Sequence[bytes]) -> dict[str, Any] | None:
    """What was sealed, or None when it was not sealed by us for this. Never raises, whatever the text."""
    parts = text[: MAX_LENGTH + 1].split(".")
    if len(parts) != 3 or parts[0] != prefix or not text.isascii():
        return None
    _, body, signature = parts
    # As text: base64 has several spellings of the same bytes, and only one is what we wrote.
    if not any(hmac.compare_digest(signature, _encode(_signature(prefix, body, one))) for one in secrets):
        return None
    try:
        values = json.loads(_decode(body) or b"")
    except ValueError:
        return None
    return values if isinstance(values, dict) else None


def moment(value: object) -> datetime:
    """Seconds since 1970 as an instant. Raises ValueError: it is none."""
    if type(value) is not int:
        raise ValueError(f"expected seconds, not {value!r}")
    try:
        return datetime.fromtimestamp(value, UTC)
    except (OverflowError, OSError) as error:
        raise ValueError(f"no time has so many seconds: {value}") from error


def _signature(prefix: str, body: str, secret: bytes) -> bytes:
    return hmac.new(secret, f"{prefix}.{body}".encode(), hashlib.sha256).digest()[:SIGNATURE_BYTES]


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes | None:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return None
