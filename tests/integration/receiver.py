"""A CRM's end of the wire: takes webhooks, checks each with the stock library, and fails as it is told to."""

import json
import socket as sockets
from collections import Counter
from collections.abc import Callable
from typing import Any

import gevent
from gevent import socket
from gevent.server import StreamServer
from standardwebhooks.webhooks import Webhook

Behave = Callable[[dict[str, Any]], int | str]
"""Event -> the status it is answered with, or ``hang``, ``cut``, ``half``, ``endless``."""


class Receiver:
    """One address that takes events."""

    def __init__(self, behave: Behave = lambda _event: 204, ssl: dict[str, Any] | None = None) -> None:
        self.behave = behave
        self.secret = ""
        self.taken: list[dict[str, Any]] = []
        """Events that it has, as they came, repeats too: answered with 2xx, or ``half``."""
        self.tries: Counter[str] = Counter()
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self._ssl = ssl or {}
        self._server = StreamServer(("127.0.0.1", 0), self._serve, **self._ssl)
        self._server.start()
        self.port: int = self._server.server_port

    @property
    def url(self) -> str:
        return f"{'https' if self._ssl else 'http'}://127.0.0.1:{self.port}/hooks?tenant=1"

    def kill(self) -> None:
        """It is away: nobody listens."""
        self._server.stop(timeout=0)

    def come_back(self) -> None:
        """It listens again, at the same address."""
        self._server = StreamServer(("127.0.0.1", self.port), self._serve, **self._ssl)
        self._server.start()

    def _serve(self, client: socket.socket, _address: object) -> None:
        with client:
            head, _, body = _until(client, b"\r\n\r\n").partition(b"\r\n\r\n")
            lines = head.decode().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
            while len(body) < int(headers["content-length"]):
                body += client.recv(65536)
            self.requests.append((headers, body))
            event = json.loads(body)
            if self.secret:
                Webhook(self.secret).verify(body, headers)
            assert headers["webhook-id"] == event["id"]
            self.tries[event["id"]] += 1
            self._answer(client, event, self.behave(event))

    def _answer(self, client: socket.socket, event: dict[str, Any], how: int | str) -> None:
        if how == "hang":
            gevent.sleep(60)
        elif how == "cut":
            # In the middle of an answer that would have said yes.
            client.sendall(b"HTTP/1.1 20")
            client.setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        elif how == "half":
            # It has the event, and is killed before it has said so.
            self.taken.append(event)
            client.sendall(b"HTTP/1.1 20")
            gevent.sleep(60)
        elif how == "endless":
            client.sendall(b"HTTP/1.1 500 No\r\nContent-Type: text/plain\r\n\r\n")
            while True:
                client.sendall(b"x" * 65536)
        elif isinstance(how, str):
            client.sendall(how.encode())
        else:
            if 200 <= how < 300:
                self.taken.append(event)
            client.sendall(f"HTTP/1.1 {how} Word\r\nContent-Length: 5\r\n\r\nsorry".encode())


def _until(client: socket.socket, mark: bytes) -> bytes:
    data = b""
    while mark not in data:
        more: bytes = client.recv(65536)
        if not more:
            raise OSError("the request ended")
        data += more
    return data
