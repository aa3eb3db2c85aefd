"""The door that Meta knocks at: name, port, TLS and certificate of our SIP server, seen from outside.

Meta calls over TLS, checks that the certificate is publicly valid and names the host, and presents none of its own
that an ordinary server could check; where any of it fails the caller hears a failure and no INVITE ever arrives
(Meta, "Configure SIP" and "FAQ"). So it is looked at here as Meta does: TLS 1.2 or newer, the host name in the
handshake, no ALPN. Refuses to know SIP and FreeSWITCH. Called by ``fsctl whatsapp check``.
"""

import ipaddress
import socket
import ssl
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fsctl.finding import Finding

TIMEOUT_S = 5.0
FEW_DAYS = 14
"""An automatic renewal that works is never so late."""
MOST_HANDSHAKE = 256 * 1024
"""Bytes of a server's handshake that are read."""
HANDSHAKE, CERTIFICATE_REQUEST = 22, 13
"""A record's type; a message's type (RFC 5246, sections 6.2.1 and 7.4)."""

WHY = {
    10: (
        "has expired",
        "renew it, and give FreeSWITCH the new one: agent.pem, then `sofia profile whatsapp restart`",
    ),
    18: ("is signed by itself", "get one from a public authority, such as Let's Encrypt"),
    19: (
        "comes from an authority that nobody knows",
        "get one from a public authority, such as Let's Encrypt",
    ),
    20: (
        "has no chain up to a public authority",
        "agent.pem needs the intermediate certificates too, after the first (fullchain.pem)",
    ),
    62: ("is not for this name", "get one for whatsapp.calling.sip_host, or write its name there"),
}
"""What OpenSSL finds (its X509_V_ERR numbers) -> in words, and what to do."""


def look(
    host: str,
    port: int,
    now: datetime,
    *,
    authorities: Path | None = None,
    timeout_s: float = TIMEOUT_S,
    must_be_public: bool = True,
) -> Iterator[Finding]:
    """Everything from the name to the certificate; ends where the next thing cannot be looked at.

    Args:
        now: aware, to count the days that are left.
        authorities: PEM file of those whose signature counts; None: those of this machine.
        must_be_public: whether an address that only a network of our own reaches is a fault.
    """
    addresses = _addresses(host, port)
    yield _name(host, addresses, must_be_public)
    if not addresses:
        return
    try:
        socket.create_connection((host, port), timeout=timeout_s).close()
    except OSError as error:
        cure = "is FreeSWITCH up, does the profile listen there, does a firewall let Meta's networks in?"
        yield Finding(False, "port", f"{host}:{port}: {_words(error)}", cure)
        return
    yield Finding(True, "port", f"{host}:{port} is open from here")
    yield from _tls(host, port, now, authorities, timeout_s)


def _addresses(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return sorted({str(address[4][0]) for address in found})


def _name(host: str, addresses: list[str], must_be_public: bool) -> Finding:
    if not addresses:
        return Finding(False, "name", f"{host} has no address", "make an A record for it, public")
    inner = [one for one in addresses if not ipaddress.ip_address(one).is_global]
    if inner and must_be_public:
        cure = "Meta needs a public address (here it may be resolved otherwise than outside: ask another resolver)"
        return Finding(False, "name", f"{host} is {', '.join(inner)}: not public", cure)
    return Finding(True, "name", f"{host} is {', '.join(addresses)}")


def _tls(
    host: str, port: int, now: datetime, authorities: Path | None, timeout_s: float
) -> Iterator[Finding]:
    context = _context(authorities)
    try:
        with (
            socket.create_connection((host, port), timeout=timeout_s) as plain,
            context.wrap_socket(plain, server_hostname=host) as secure,
        ):
            version, certificate = secure.version(), secure.getpeercert()
    except ssl.SSLCertVerificationError as error:
        yield _refused(host, error)
    except OSError as error:
        if not asks_for_certificate(host, port, timeout_s):
            cure = (
                "FreeSWITCH's profile needs tls-version tlsv1.2 or tlsv1.3, and an agent.pem that it can read"
            )
            yield Finding(False, "tls", f"no handshake with TLS 1.2 or newer: {_words(error)}", cure)
            return
    else:
        yield Finding(True, "tls", str(version))
        yield _expiry(certificate or {}, now)
    yield _client_certificate(host, port, timeout_s)


def _context(authorities: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(authorities) if authorities else None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _refused(host: str, error: ssl.SSLCertVerificationError) -> Finding:
    why, cure = WHY.get(error.verify_code, (f"is not valid: {error.verify_message[:200]}", "get one that is"))
    return Finding(False, "certificate", f"the certificate of {host} {why}", cure)


def _expiry(certificate: dict[str, Any], now: datetime) -> Finding:
    """The handshake has proved chain, name and time; what is left is for how long."""
    until = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(certificate["notAfter"])), UTC)
    days = (until - now).days
    names = ", ".join(str(name) for kind, name in certificate.get("subjectAltName", ())[:5] if kind == "DNS")
    text = f"for {names or 'its subject'}, valid until {until:%Y-%m-%d}, {days} days"
    cure = "renew it now: without it no call arrives at all" if days < FEW_DAYS else ""
    return Finding(days >= FEW_DAYS, "certificate", text, cure)


def _client_certificate(host: str, port: int, timeout_s: float) -> Finding:
    what = "client"
    asked = asks_for_certificate(host, port, timeout_s)
    if asked is None:
        return Finding(True, what, "speaks TLS 1.3 only, so whether it asks for a certificate is not seen")
    if asked:
        cure = "Meta has none that you could check: set tls-verify-policy to none in FreeSWITCH's profile"
        return Finding(False, what, "asks who calls for a certificate", cure)
    return Finding(True, what, "asks who calls for no certificate")


def asks_for_certificate(host: str, port: int, timeout_s: float = TIMEOUT_S) -> bool | None:
    """Whether a server wants a certificate from its client; None where it cannot be seen.

    In TLS 1.2 the server says so before anything is encrypted, so its first words are read as they come.
    """
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = context.wrap_bio(incoming, outgoing, server_hostname=host)
    heard = bytearray()
    until = time.monotonic() + 2 * timeout_s
    try:
        with socket.create_connection((host, port), timeout=timeout_s) as plain:
            while len(heard) < MOST_HANDSHAKE and time.monotonic() < until:
                try:
                    session.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    plain.sendall(outgoing.read())
                    data = plain.recv(16384)
                    heard += data
                    incoming.write(data)
                    if not data:
                        incoming.write_eof()
    except OSError:
        # It hung up, or did not take what we offered: what it had said until then counts.
        pass
    kinds = list(_messages(bytes(heard)))
    return CERTIFICATE_REQUEST in kinds if kinds else None


def _messages(heard: bytes) -> Iterator[int]:
    """Types of the handshake messages of a server until it begins to encrypt (RFC 5246, sections 6.2 and 7.4)."""
    plain = bytearray()
    while len(heard) >= 5 and heard[0] == HANDSHAKE:
        length = int.from_bytes(heard[3:5], "big")
        plain += heard[5 : 5 + length]
        heard = heard[5 + length :]
    while len(plain) >= 4:
        yield plain[0]
        del plain[: 4 + int.from_bytes(plain[1:4], "big")]


def _words(error: OSError) -> str:
    return str(getattr(error, "reason", None) or error.strerror or error or type(error).__name__)[:200]
