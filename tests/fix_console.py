"""A console of ours before simulated switches, and clients that know nothing but bytes."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import gevent
import pytest

from fsctl import app
from fsctl.config import Config, Node
from fsctl.config_console import Console, User
from fsctl.console.commands import House, Switch
from fsctl.console.server import Server
from fsctl.esl.link import Address
from fsctl.store.db import Database
from tests.fix_switch import PASSWORD
from tests.unit.sim.wire import Client

USERS = (
    User(name="ann@example.com", role="admin", password="ann-has-a-secret"),
    User(name="otto@example.com", role="operator", password="otto-has-a-secret"),
    User(name="vera@example.com", role="viewer", password="vera-has-a-secret"),
)

MakeConsole = Callable[..., Server]
LogIn = Callable[..., Client]
Meet = Callable[[int], Client]


@pytest.fixture
def make_console(database: Database) -> Iterator[MakeConsole]:
    """Makes consoles before nodes at these ports, or addresses: fs1, fs2 and so on; keywords are Console's."""
    made: list[Server] = []

    def make(*places: int | Address, **settings: Any) -> Server:
        found = [Address("127.0.0.1", one, PASSWORD) if isinstance(one, int) else one for one in places]
        nodes = tuple(
            Node(name=f"fs{n}", host=one.host, port=one.port, password=one.password)
            for n, one in enumerate(found, 1)
        )
        config = Config(nodes=nodes, console=Console(listen="127.0.0.1:0", users=USERS, **settings))

        def connect(name: str) -> AbstractContextManager[Switch]:
            return app.commands(config.node(name))

        server = Server(config.console, House(config, database, connect))
        server.start()
        made.append(server)
        return server

    yield make
    for server in made:
        server.stop()


@pytest.fixture
def meet() -> Iterator[Meet]:
    """Connects to a port, and says nothing."""
    clients: list[Client] = []

    def connect(port: int) -> Client:
        clients.append(Client(port, password=None))
        return clients[-1]

    yield connect
    for client in clients:
        client.socket.close()


@pytest.fixture
def log_in(meet: Meet) -> LogIn:
    """Logs in at a console as the user whose name begins so."""

    def as_user(server: Server, name: str = "ann") -> Client:
        user = next(one for one in USERS if one.name.startswith(name))
        client = meet(server.address[1])
        assert client.read().get("Content-Type") == "auth/request"
        reply = client.command(f"userauth {user.name}:{user.password}")
        assert reply.get("Reply-Text") == "+OK accepted"
        return client

    return as_user


def until(so: Callable[[], object], what: str, timeout_s: float = 10) -> None:
    """Wait until something is so."""
    with gevent.Timeout(timeout_s, AssertionError(f"never {what}")):
        while not so():
            gevent.sleep(0.02)
