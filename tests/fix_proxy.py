"""A TCP proxy that can be stopped: what stands between us and a server may break at any byte."""

from collections.abc import Callable, Iterator

import gevent
import pytest
from gevent import socket
from gevent.event import Event
from gevent.server import StreamServer


class Proxy:
    """Forwards to a target; ``cut`` breaks every connection, ``refuse`` accepts no more."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._server = StreamServer(("127.0.0.1", 0), self._accept)
        self._server.start()
        self.port: int = self._server.server_port
        self.limit: int | None = None
        """Bytes from the server after which the connection breaks, wherever that is."""
        self.flowing = Event()
        """Cleared: connections stand open and nothing passes, as when a machine vanishes."""
        self.flowing.set()

    def cut(self) -> None:
        """Break every connection, without a word."""
        for pair in self._pairs:
            for end in pair:
                end.close()
        self._pairs.clear()

    def refuse(self) -> None:
        """Break every connection and take no more."""
        self._server.stop()
        self.cut()

    def accept(self) -> None:
        """Take connections again, on the same port."""
        self._server = StreamServer(("127.0.0.1", self.port), self._accept)
        self._server.start()

    def close(self) -> None:
        """The end."""
        self.refuse()

    def _accept(self, client: socket.socket, _address: object) -> None:
        try:
            server = socket.create_connection(self._target, timeout=5)
        except OSError:
            client.close()
            return
        server.settimeout(None)
        self._pairs.append((client, server))
        up = gevent.spawn(_pump, client, server, self.flowing, lambda _size: None)
        _pump(server, client, self.flowing, self._count)
        up.kill()
        client.close()
        server.close()

    def _count(self, size: int) -> None:
        if self.limit is not None:
            self.limit -= size
            if self.limit <= 0:
                self.limit = None
                raise OSError("cut here")


def _pump(source: socket.socket, sink: socket.socket, flowing: Event, passed: Callable[[int], None]) -> None:
    try:
        while data := source.recv(4096):
            flowing.wait()
            sink.sendall(data)
            passed(len(data))
    except OSError:
        pass


@pytest.fixture
def proxy() -> Iterator[Callable[[tuple[str, int]], Proxy]]:
    """Makes proxies before (host, port)."""
    made: list[Proxy] = []

    def make(target: tuple[str, int]) -> Proxy:
        made.append(Proxy(target))
        return made[-1]

    yield make
    for one in made:
        one.close()
