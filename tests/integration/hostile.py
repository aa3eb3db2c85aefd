"""A scripted Event Socket server that does what a healthy FreeSWITCH never does.

A script is a list of steps, run for each client that connects::

    with Hostile(*LOGIN, read(), say(api(b"whole")[:-2]), close) as server:
        ...  # it breaks off in the reply to the first command

When the script is done the server falls silent: it keeps the connection and reads no more. As a program it
is a process of its own, for tests that measure how long a client keeps its hub::

    python -m tests.integration.hostile 20000     # prints its port; each client gets so many events
"""

import socket as stdlib_socket
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

from gevent import socket
from gevent.event import Event as Flag
from gevent.server import StreamServer

GREETING = b"Content-Type: auth/request\n\n"
ACCEPTED = b"Content-Type: command/reply\nReply-Text: +OK accepted\n\n"


class Peer:
    """One client, as the server sees it."""

    def __init__(self, sock: socket.socket, commands: list[str]) -> None:
        self.sock = sock
        self._commands = commands
        self._buffer = b""

    def command(self) -> str | None:
        """The next command without its blank line; None when the client is gone."""
        while b"\n\n" not in self._buffer:
            data = self.sock.recv(1 << 20)
            if not data:
                return None
            self._buffer += data
        raw, _, self._buffer = self._buffer.partition(b"\n\n")
        self._commands.append(raw.decode())
        return self._commands[-1]


Step = Callable[[Peer], None]


class Hostile:
    """Listens on a port of its own and plays its script to everyone who connects."""

    def __init__(self, *script: Step) -> None:
        self.commands: list[str] = []
        """Everything that clients have said, in order."""
        self.busy = 0
        """Clients whose script is not done; with ``answer``, those that have not gone."""
        self._script = script
        self._open: list[socket.socket] = []
        self._server = StreamServer(("127.0.0.1", 0), self._play)
        self._server.start()
        self.port: int = self._server.server_port

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: type | None, _error: BaseException | None, _at: TracebackType | None) -> None:
        self._server.stop(timeout=0)
        for sock in self._open:
            sock.close()

    def _play(self, sock: socket.socket, _address: object) -> None:
        self._open.append(sock)
        peer = Peer(sock, self.commands)
        self.busy += 1
        with suppress(OSError):
            for step in self._script:
                step(peer)
        self.busy -= 1
        Flag().wait()  # Were this to return, gevent would close the connection.


def say(data: bytes) -> Step:
    """Say this, whatever it is."""
    return lambda peer: peer.sock.sendall(data)


def read(count: int = 1) -> Step:
    """Wait for so many commands."""

    def step(peer: Peer) -> None:
        for _ in range(count):
            peer.command()

    return step


def pause(flag: Flag) -> Step:
    """Neither read nor write until the test says so."""
    return lambda _peer: flag.wait()


def answer(reply: Callable[[str], bytes]) -> Step:
    """Answer every command until the client goes."""

    def step(peer: Peer) -> None:
        while (command := peer.command()) is not None:
            peer.sock.sendall(reply(command))

    return step


def each(*scripts: tuple[Step, ...]) -> Step:
    """A script of his own for the first client, the second, and so on."""
    left = iter(scripts)

    def step(peer: Peer) -> None:
        for one in next(left):
            one(peer)

    return step


def close(peer: Peer) -> None:
    """End the connection as a process that exits does."""
    peer.sock.close()


def reset(peer: Peer) -> None:
    """End the connection as a machine that lost its state does."""
    peer.sock.setsockopt(stdlib_socket.SOL_SOCKET, stdlib_socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.sock.close()


LOGIN: tuple[Step, ...] = (say(GREETING), read(), say(ACCEPTED))


def api(body: bytes) -> bytes:
    """The reply to an ``api`` command."""
    return b"Content-Type: api/response\nContent-Length: %d\n\n%s" % (len(body), body)


def event(body: bytes, kind: str = "plain") -> bytes:
    """An event around its headers (and the body that it may have)."""
    return b"Content-Length: %d\nContent-Type: text/event-%s\n\n%s" % (len(body), kind.encode(), body)


def headers(**values: str) -> bytes:
    """The inside of a plain event; ``_`` in a name stands for ``-``."""
    return (
        b"".join(b"%s: %s\n" % (k.replace("_", "-").encode(), v.encode()) for k, v in values.items()) + b"\n"
    )


def burst(count: int) -> bytes:
    """So many events of the size of real ones: 95 headers, 4 KB; then the reply to one command."""
    filler = "".join(f"variable_number_{index}: value%20{index:024}\n" for index in range(93))
    one = event(f"Event-Name: CHANNEL_CREATE\nUnique-ID: u\n{filler}\n".encode())
    return one * count + api(b"done")


def flood(what: str) -> bytes:
    """A lot of something, and the reply to one command."""
    if what == "newlines":
        return b"\n" * 8_000_000 + api(b"done")
    if what == "body":
        return b"Content-Type: log/data\nContent-Length: 16000000\n\n" + b"x" * 16_000_000 + api(b"done")
    return burst(int(what))


def main() -> None:
    """Serve until killed. No gevent here: nothing of this process may slow the client."""
    listener = stdlib_socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    data = flood(sys.argv[1])
    while True:
        client, _ = listener.accept()
        with client, suppress(OSError):
            client.sendall(GREETING)
            client.recv(4096)
            client.sendall(ACCEPTED)
            client.recv(4096)
            client.sendall(data)
            client.recv(4096)


if __name__ == "__main__":
    main()
