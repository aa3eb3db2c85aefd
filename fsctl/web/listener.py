"""Where connections come in: gevent's server with our limits, and TLS with a certificate that may be renewed."""

import contextlib
import logging
import os
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gevent import socket
from gevent.pool import Pool
from gevent.pywsgi import WSGIServer
from gevent.ssl import PROTOCOL_TLS_SERVER, SSLContext

from fsctl.errors import ConfigError
from fsctl.web import problems
from fsctl.web.connection import Connection
from fsctl.web.limits import Counts, Crowd, Limits, Slow

log = logging.getLogger(__name__)

BACKLOG = 512
LOOK_S = 60.0
"""So often the files of the certificate are looked at: who renews it need not tell us."""


class Certificate:
    """A chain and its key, read again when they have changed."""

    def __init__(self, chain: Path, key: Path) -> None:
        """Raises ConfigError: they cannot be read, or do not belong together."""
        self._chain, self._key = chain, key
        try:
            self._stamp = self._stamps()
            self._context = self._load()
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"web: certificate {chain} with key {key}: {error}") from error
        self._looked_at = time.monotonic()

    def context(self) -> Any:
        """For the next connection. A new certificate that cannot be used is left, with a warning."""
        now = time.monotonic()
        if now - self._looked_at > LOOK_S:
            self._looked_at = now
            try:
                stamp = self._stamps()
                if stamp != self._stamp:
                    self._context, self._stamp = self._load(), stamp
                    log.info("certificate %s was renewed", self._chain)
            except (OSError, ssl.SSLError) as error:
                log.warning("certificate %s cannot be read again; the old one stays: %s", self._chain, error)
        return self._context

    def _stamps(self) -> tuple[tuple[int, int], ...]:
        return tuple((found.st_mtime_ns, found.st_ino) for found in map(os.stat, (self._chain, self._key)))

    def _load(self) -> Any:
        context = SSLContext(PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self._chain, self._key)
        return context


class Listener(WSGIServer):  # type: ignore[misc]
    """Takes connections, as many as there may be."""

    handler_class = Connection

    def __init__(
        self,
        host: str,
        port: int,
        application: Callable[..., Any],
        limits: Limits,
        counts: Counts,
        certificate: Certificate | None,
    ) -> None:
        """Raises OSError: the address cannot be used."""
        # SERVER_NAME: else the address would be looked up in the DNS.
        environ = {"SERVER_NAME": host, "wsgi.multithread": True}
        sock = _listen(host, port)
        super().__init__(sock, application, spawn=Pool(), log=None, error_log=log, environ=environ)
        self.limits, self.counts = limits, counts
        self.crowd = Crowd(limits, counts)
        self._certificate = certificate
        if certificate is not None:
            self.environ["wsgi.url_scheme"] = "https"

    def handle(self, sock: Any, address: Any) -> None:
        """One connection, in a greenlet of its own."""
        if not self.crowd.make_room(len(self.pool)):
            with contextlib.suppress(OSError):
                sock.sendall(problems.raw(503))
            return
        if self._certificate is not None:
            sock = self._certificate.context().wrap_socket(
                sock, server_side=True, do_handshake_on_connect=False
            )
        try:
            if self._certificate is None or self._shakes_hands(sock):
                super().handle(sock, address)
        finally:
            sock.close()

    def _shakes_hands(self, sock: Any) -> bool:
        try:
            with self.crowd.wait(self.limits.head_s):
                sock.do_handshake()
        except (OSError, Slow):
            self.counts.no_tls += 1
            return False
        return True


def _listen(host: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Head and body leave in two writes: without this the second waits 40 ms for the peer's acknowledgement.
        # Connections inherit it.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.bind((host, port))
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock
