"""A client that knows nothing but ESL framing, and a reader of captured bytes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import gevent
from gevent.socket import create_connection

CAPTURES = Path(__file__).parents[2] / "data" / "esl"


@dataclass
class Frame:
    """A message: its outer header in order, and its body."""

    headers: list[tuple[str, str]]
    body: bytes

    def get(self, name: str) -> str:
        return dict(self.headers).get(name, "")

    @property
    def is_event(self) -> bool:
        return self.get("Content-Type").startswith("text/event")

    def event(self) -> dict[str, str]:
        """The first value of each header of a plain event, decoded."""
        head, _, body = self.body.decode().partition("\n\n")
        event: dict[str, str] = {"_body": body}
        for line in head.split("\n"):
            name, _, value = line.partition(": ")
            event.setdefault(name, unquote(value))
        return event


def _headers(head: bytes) -> list[tuple[str, str]]:
    parts = (line.partition(": ") for line in head.decode().split("\n") if line)
    return [(name, value) for name, _, value in parts]


class Client:
    """A blocking ESL client that knows nothing but framing."""

    def __init__(self, port: int, *, password: str | None = "ClueCon") -> None:
        self.socket = create_connection(("127.0.0.1", port), timeout=5)
        self.buffer = b""
        self.raw = b""
        self.closed = False
        if password is not None:
            assert self.read().get("Content-Type") == "auth/request"
            assert self.command(f"auth {password}").get("Reply-Text") == "+OK accepted"

    def fill(self) -> bool:
        data = self.socket.recv(65536)
        self.buffer += data
        self.raw += data
        self.closed = not data
        return bool(data)

    def read(self) -> Frame:
        while b"\n\n" not in self.buffer:
            if not self.fill():
                raise EOFError
        head, _, self.buffer = self.buffer.partition(b"\n\n")
        headers = _headers(head)
        length = int(dict(headers).get("Content-Length", 0))
        while len(self.buffer) < length:
            if not self.fill():
                raise EOFError
        body, self.buffer = self.buffer[:length], self.buffer[length:]
        return Frame(headers, body)

    def send(self, text: str) -> None:
        self.socket.sendall(text.encode())

    def command(self, text: str) -> Frame:
        """Send a command and read its reply, past events that come in between."""
        self.send(text + "\n\n")
        while (frame := self.read()).get("Content-Type").startswith("text/event"):
            pass
        return frame

    def api(self, text: str) -> str:
        return self.command(f"api {text}").body.decode()

    def to_end(self) -> bytes:
        while self.fill():
            pass
        return self.raw


class Recorder:
    """Reads all events of a connection in the background."""

    def __init__(self, client: Client) -> None:
        self.events: list[dict[str, str]] = []
        self.client = client
        self._greenlet = gevent.spawn(self._run)

    def _run(self) -> None:
        try:
            while True:
                frame = self.client.read()
                if frame.get("Content-Type") == "text/event-plain":
                    self.events.append(frame.event())
        except (OSError, EOFError):
            return

    def wait(self, seconds: float, found: Callable[[dict[str, str]], bool]) -> dict[str, str]:
        """The first event that fits, waited for so many wall seconds."""
        with gevent.Timeout(seconds, AssertionError("no such event")):
            while True:
                for event in self.events:
                    if found(event):
                        return event
                gevent.sleep(0.005)


def captured(name: str) -> Iterator[Frame]:
    """The messages of a capture."""
    data = (CAPTURES / f"{name}.bin").read_bytes()
    while data:
        head, _, data = data.partition(b"\n\n")
        headers = _headers(head)
        length = int(dict(headers).get("Content-Length", 0))
        yield Frame(headers, data[:length])
        data = data[length:]
