"""The ESL server of fsctl: listens, lets in who may, and tells them what happens. See docs/console-server.md.

Knows how many there may be and who they are; one client is a Peer (peer.py) with a Session (verbs.py) and a Desk
(desk.py). Started by ``fsctl serve``; nobody waits for it.
"""

import errno
import hashlib
import hmac
import ipaddress
import logging
from dataclasses import replace
from typing import Any

import gevent
from gevent import socket
from gevent.pool import Pool
from gevent.server import StreamServer

from fsctl.config_console import Console, User
from fsctl.console.commands import House, Who
from fsctl.console.counts import Counts
from fsctl.console.desk import Desk
from fsctl.console.feed import LOOK_S, SUBCLASSES, Teller
from fsctl.console.peer import Peer
from fsctl.console.scribe import Scribe
from fsctl.console.verbs import Session
from fsctl.errors import ConfigError
from fsctl.eventsocket.event import Event
from fsctl.store.audit import Entry

log = logging.getLogger(__name__)

MOST_CLIENTS = 32
MOST_STRANGERS = 8
"""Connections that have not logged in, besides."""
BACKLOG = 64
STANDBY_S = 1.0

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Server:
    """Serves every client until it is stopped."""

    def __init__(self, settings: Console, house: House) -> None:
        """Args: house: what commands may use; each client gets a copy, since ``use`` changes it."""
        self.counts = Counts()
        self._settings = settings
        self._house = house
        self._networks = settings.networks
        self._scribe = Scribe(house.database)
        self._peers: dict[Peer, Session | None] = {}
        self._greenlets = Pool()
        self._listener: StreamServer | None = None
        self._telling: gevent.Greenlet | None = None
        self._standing_by: gevent.Greenlet | None = None
        self._teller = Teller(house.database, self._is_heard, self._tell)

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        assert self._listener is not None
        host, port = self._listener.address[:2]
        return str(host), int(port)

    @property
    def clients(self) -> int:
        """Those who have logged in."""
        return sum(session is not None for session in self._peers.values())

    def numbers(self) -> Counts:
        """The counts as they are now."""
        return replace(self.counts, clients=self.clients)

    def start(self) -> None:
        """Listen, in the background. Where another ``fsctl serve`` of this machine listens, take over from it.

        Raises:
            ConfigError: the address cannot be used.
        """
        if not self._listens():
            log.info("%s: another console listens; standing by", self._settings.listen)
            self._standing_by = gevent.spawn(self._stand_by)

    def _stand_by(self) -> None:
        while not self._listens():
            gevent.sleep(STANDBY_S)

    def _listens(self) -> bool:
        host, port = self._settings.address
        try:
            listening = _listen(host, port)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise ConfigError(f"console.listen: {self._settings.listen}: {error}") from error
        self._listener = StreamServer(listening, self._take, spawn=self._greenlets)
        self._listener.start()
        self._telling = gevent.spawn(self._teller.run)
        log.info("the console listens at %s:%s", *self.address)
        return True

    def stop(self) -> None:
        """Say good-bye to everybody and end."""
        if self._standing_by is not None:
            self._standing_by.kill()
        if self._listener is not None:
            self._listener.close()
        self._teller.stop()
        gevent.joinall([gevent.spawn(peer.leave, "fsctl stops.\n") for peer in list(self._peers)], timeout=2)
        # Who is in the midst of writing something down is let finish: killed there, the connection is spoilt.
        self._greenlets.join(timeout=2)
        self._greenlets.kill(timeout=2)
        if self._telling is not None:
            self._telling.join(timeout=2 * LOOK_S)
            self._telling.kill()

    # --- one client --------------------------------------------------------------------------------------

    def _take(self, connection: Any, address: tuple[Any, ...]) -> None:
        """One connection, in a greenlet of its own."""
        self.counts.taken += 1
        origin = str(address[0])
        why = self._why_not(origin)
        if why:
            self.counts.turned_away += 1
            log.warning("a console from %s is turned away: %s", origin, why)
            _turn_away(connection, why)
            return
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _keep_alive(connection)
        peer = Peer(connection, origin, lambda name, word: self._log_in(name, word, origin), self._open)
        self._peers[peer] = None
        try:
            peer.run()
        finally:
            del self._peers[peer]
            self.counts.dropped += bool(peer.why)
            if peer.who is not None:
                self._write_down(peer.who.user, "console.logout", origin, peer.why)

    def _why_not(self, origin: str) -> str:
        found = ipaddress.ip_address(origin.partition("%")[0])
        known = getattr(found, "ipv4_mapped", None) or found
        if not known.is_loopback and not any(known in network for network in self._networks):
            return "Access Denied, go away."
        strangers = len(self._peers) - self.clients
        if self.clients >= MOST_CLIENTS or strangers >= MOST_STRANGERS:
            return "Too many consoles."
        return ""

    def _log_in(self, name: str, password: str, origin: str) -> Who | None:
        user = known(self._settings.users, name, password)
        if user is None or self.clients >= MOST_CLIENTS:
            self.counts.refused += 1
            self._write_down(name[:80] or "?", "console.login", origin, "refused")
            return None
        self._write_down(user.name, "console.login", origin, "done")
        return Who(user.name, user.role)

    def _open(self, peer: Peer, who: Who) -> Session:
        desk = Desk(who, replace(self._house), self._scribe, peer.address, self.counts)
        session = self._peers[peer] = Session(peer, desk)
        return session

    def _write_down(self, who: str, action: str, origin: str, result: str) -> None:
        self._scribe.write(Entry(who=who, action=action, subject=origin, result=result))

    # --- events of ours ----------------------------------------------------------------------------------

    def _is_heard(self) -> bool:
        return any(
            session is not None and any(session.subscription.hears("CUSTOM", one) for one in SUBCLASSES)
            for session in self._peers.values()
        )

    def _tell(self, event: Event) -> None:
        for session in list(self._peers.values()):
            if session is not None:
                session.tell(event)


def known(users: tuple[User, ...], name: str, password: str) -> User | None:
    """Who says so, or nobody.

    Args:
        name: empty where the client gives none; then the password, which is one user's only, says who it is.
    """
    given = _digest(password)
    found = None
    for user in users:
        # Each is compared, so that the time tells nothing.
        fits = hmac.compare_digest(given, _digest(user.password))
        if fits and name in ("", user.name):
            found = user
    return found


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()


def _turn_away(connection: Any, why: str) -> None:
    body = f"{why}\n".encode()
    try:
        with gevent.Timeout(1, False):
            connection.sendall(
                b"Content-Type: text/rude-rejection\nContent-Length: %d\n\n%b" % (len(body), body)
            )
    except OSError:
        pass
    connection.close()


def _keep_alive(connection: Any) -> None:
    """A console that vanished without a word is noticed within some minutes."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 20), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, option):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


def _listen(host: str, port: int) -> Any:
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock
