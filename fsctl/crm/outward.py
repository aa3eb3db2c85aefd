"""Requests to addresses that somebody else named: bounded in time and size, and never into our own network.

The name is resolved here, each of its addresses is looked at, and the connection goes to one of those: a name that
means another address a moment later changes nothing. No redirect is followed, no proxy of the environment is used,
no connection is kept. Needs gevent: one deadline for all of a request is its time-out.
"""

import ipaddress
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

import gevent
import urllib3
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError

from fsctl.errors import BadInput

CONNECT_S = 5.0
TOTAL_S = 20.0
"""For name, connection, TLS, request and answer together: Standard Webhooks advises 15 to 30."""
MOST_TEXT = 300
"""Bytes kept of an answer that says no, for people."""
MOST_URL = 2000
MOST_ADDRESSES = 3
"""Tried one after the other while no connection is made."""
_GLOBAL_V6 = ipaddress.ip_network("2000::/3")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")

Resolve = Callable[..., list[tuple[Any, ...]]]
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True)
class Answer:
    """What came of a request."""

    status: int | None
    """None: there was no answer; ``error`` says why."""
    error: str = ""
    retry_after_s: float | None = None

    @property
    def is_ok(self) -> bool:
        """Whether the receiver has it."""
        return self.status is not None and 200 <= self.status < 300


class Forbidden(Exception):
    """An address that nothing may be sent to."""


class Outward:
    """Sends requests out."""

    def __init__(
        self,
        *,
        allow_private: bool = False,
        total_s: float = TOTAL_S,
        authorities: Path | None = None,
        resolve: Resolve = socket.getaddrinfo,
    ) -> None:
        """Args: allow_private: ``[crm] allow_private``; authorities: PEM file instead of the machine's own."""
        self._allow_private = allow_private
        self._total_s = total_s
        self._authorities = str(authorities) if authorities else None
        self._resolve = resolve

    def check(self, url: str) -> str:
        """The address as it is kept.

        Raises:
            BadInput: it can never be sent to: its form, or where it leads.
        """
        try:
            parts = self._parts(url)
            self._addresses(parts)
        except Forbidden as error:
            raise BadInput(f"{url[:MOST_URL]}: {error}") from error
        except OSError:
            pass  # A name that means nothing now may mean something later.
        return url

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Send a request; never raises for what the other side does."""
        deadline = gevent.Timeout(self._total_s)
        try:
            with deadline:
                return self._post(self._parts(url), headers, body)
        except gevent.Timeout as fired:
            if fired is not deadline:
                raise
            return Answer(None, f"no answer within {self._total_s:g} s")
        except Forbidden as error:
            return Answer(None, str(error))
        except (HTTPError, OSError, ValueError) as error:
            return Answer(None, f"{type(error).__name__}: {error}"[:MOST_TEXT])

    def _post(self, parts: SplitResult, headers: Mapping[str, str], body: bytes) -> Answer:
        addresses = self._addresses(parts)[:MOST_ADDRESSES]
        for left, address in zip(range(len(addresses) - 1, -1, -1), addresses):
            pool = self._pool(parts, address)
            try:
                return _asked(pool, parts, headers, body)
            except (NewConnectionError, ConnectTimeoutError):
                if not left:
                    raise
            finally:
                pool.close()
        raise OSError(f"{parts.hostname} has no address")

    def _pool(self, parts: SplitResult, address: str) -> urllib3.HTTPConnectionPool:
        timeout = urllib3.Timeout(connect=CONNECT_S, read=self._total_s)
        if parts.scheme == "http":
            return urllib3.HTTPConnectionPool(address, parts.port or 80, timeout=timeout, retries=False)
        return urllib3.HTTPSConnectionPool(
            address, parts.port or 443, timeout=timeout, retries=False, ca_certs=self._authorities,
            server_hostname=parts.hostname, assert_hostname=parts.hostname,
        )  # fmt: skip

    def _parts(self, url: str) -> SplitResult:
        """Raises Forbidden."""
        try:
            parts = urlsplit(url)
            _ = parts.port
        except ValueError as error:
            raise Forbidden(f"no address: {error}") from error
        schemes = ("https", "http") if self._allow_private else ("https",)
        if len(url) > MOST_URL or not url.isascii() or any(one <= " " or one == "\x7f" for one in url):
            raise Forbidden(f"an address of at most {MOST_URL} printable ASCII characters is expected")
        if parts.scheme not in schemes or not parts.hostname:
            raise Forbidden("an address such as https://crm.example.com/hooks is expected")
        if parts.username is not None or parts.fragment:
            raise Forbidden("no user name and no #fragment is expected")
        return parts

    def _addresses(self, parts: SplitResult) -> list[str]:
        """All that the name means now. Raises OSError: nothing; Forbidden: one of them is not public."""
        port = parts.port or (443 if parts.scheme == "https" else 80)
        found = self._resolve(parts.hostname, port, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(one[4][0]) for one in found))
        for address in addresses:
            if not self._allow_private and not is_public(address):
                raise Forbidden(f"{parts.hostname} is {address}, which is not a public address: not sent to")
        return addresses


def is_public(address: str) -> bool:
    """Whether an address is of the Internet: not private, loopback, link-local or reserved, nor one of those inside
    of an IPv6 address (RFC 4291 2.5.5, RFC 3056, RFC 4380, RFC 6052)."""
    found: Address = ipaddress.ip_address(address.split("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inner = _inner(found)
        if inner is not None:
            return is_public(str(inner))
        if found not in _GLOBAL_V6:
            return False
    return found.is_global and not found.is_multicast and not found.is_reserved


def _inner(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None)


def _asked(
    pool: urllib3.HTTPConnectionPool, parts: SplitResult, headers: Mapping[str, str], body: bytes
) -> Answer:
    target = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
    response = pool.urlopen(
        "POST",
        target,
        body=body,
        headers={**headers, "Host": parts.netloc},
        redirect=False,
        preload_content=False,
    )
    try:
        if 200 <= response.status < 300:
            return Answer(response.status)
        return Answer(response.status, _said(response), _seconds(response.headers.get("Retry-After")))
    finally:
        # What else it has to say is not read.
        response.close()


def _said(response: urllib3.BaseHTTPResponse) -> str:
    try:
        text = response.read1(MOST_TEXT).decode("utf-8", "replace")
    except (HTTPError, OSError):
        text = ""
    return " ".join(text.replace("\x00", " ").split())


def _seconds(text: str | None) -> float | None:
    return float(text) if text and text.isascii() and text.isdigit() and len(text) < 7 else None
