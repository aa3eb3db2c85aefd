"""Meta's signature of a webhook: HMAC-SHA256 of the raw body under the app's secret, in hexadecimal."""

import hashlib
import hmac
import re

HEADER = "X-Hub-Signature-256"

_SHAPE = re.compile(r"sha256=[0-9a-f]{64}")


def sign(secret: str, body: bytes) -> str:
    """What Meta sends in ``X-Hub-Signature-256`` with this body."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def has_shape(signature: str | None) -> bool:
    """Whether it can be one at all: known before the body is read."""
    return signature is not None and _SHAPE.fullmatch(signature) is not None


def is_genuine(secret: str, body: bytes, signature: str) -> bool:
    """Whether Meta signed these bytes; takes the same time wherever they differ.

    An empty secret signs nothing.
    """
    return bool(secret) and has_shape(signature) and hmac.compare_digest(sign(secret, body), signature)
