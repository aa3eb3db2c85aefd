"""Signatures of webhooks, as Standard Webhooks has them (their specification 1.0, "Signature scheme").

HMAC-SHA256 over ``ID.TIMESTAMP.BODY``; the time is signed so that an old request cannot be sent again. Of several
secrets each signs: a receiver that knows one of them is content, so a secret is rotated without a gap.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime

PREFIX = "whsec_"
KEY_BYTES = 32
"""The specification wants 24 to 64."""


def new_secret() -> str:
    """A secret as receivers' libraries take it."""
    return PREFIX + base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def headers(keys: Sequence[str], event_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """The three headers of a request.

    Args:
        keys: the secret, and the one before while both count.
        at: when it is sent: of this try, not of the fact.
    """
    timestamp = str(int(at.timestamp()))
    signed = f"{event_id}.{timestamp}.".encode() + body
    return {
        "webhook-id": event_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{_signature(key, signed)}" for key in keys),
    }


def _signature(secret: str, signed: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(PREFIX))
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
