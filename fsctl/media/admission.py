"""Who may send audio by websocket, and for which call: by our signature in the path, or by basic authentication.

``GET /UUID/EXPIRES.SIGNATURE`` needs nothing else and opens one call for some time; ``GET /UUID`` needs the
password (MOD_AUDIO_BASIC_AUTH_PASSWORD, any user name).
"""

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass
from http import HTTPStatus

UUID = re.compile(r"[0-9A-Za-z-]{1,64}")


@dataclass(frozen=True)
class Refused(Exception):
    """A peer that is not let in."""

    status: HTTPStatus
    why: str


def sign(secret: str, uuid: str, expires: int) -> str:
    """The path to be told to FreeSWITCH for one call.

    Args:
        expires: seconds since 1970 after which it opens nothing.
    """
    return f"/{uuid}/{expires}.{_signature(secret, uuid, expires)}"


def admit(path: str, authorization: str, secret: str, now: float) -> tuple[str, bool]:
    """Whose audio a request brings, and whether our own signature says so.

    Args:
        authorization: the header of that name, or nothing.

    Raises:
        Refused: neither a signature nor a password that is ours, or no call is named.
    """
    uuid, _, token = path.removeprefix("/").partition("/")
    if not UUID.fullmatch(uuid):
        raise Refused(HTTPStatus.NOT_FOUND, "no call is named")
    if token:
        until, _, signature = token.partition(".")
        expires = int(until) if until.isascii() and until.isdigit() and len(until) < 12 else 0
        if not hmac.compare_digest(signature.encode(), _signature(secret, uuid, expires).encode()):
            raise Refused(HTTPStatus.FORBIDDEN, "the signature is not ours")
        if expires < now:
            raise Refused(HTTPStatus.FORBIDDEN, "the signature has expired")
        return uuid, True
    scheme, _, credentials = authorization.partition(" ")
    try:
        _, _, password = base64.b64decode(credentials, validate=True).partition(b":")
    except (binascii.Error, ValueError):
        password = b""
    if scheme.lower() != "basic" or not hmac.compare_digest(password, secret.encode()):
        raise Refused(HTTPStatus.UNAUTHORIZED, "neither a signature nor the password")
    return uuid, False


def _signature(secret: str, uuid: str, expires: int) -> str:
    return hmac.new(secret.encode(), f"{uuid}.{expires}".encode(), hashlib.sha256).hexdigest()
