"""Fixtures for the simulated FreeSWITCH: a switch per test, and connections to it."""

from gevent import monkey

monkey.patch_all()

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fsctl.sim import Switch, SwitchOptions
from tests.unit.sim.wire import Client, Recorder

ROOT = Path(__file__).parents[3]

MakeSwitch = Callable[..., Switch]


@pytest.fixture
def make_switch(tmp_path: Path) -> Iterator[MakeSwitch]:
    """A running switch with the real dialplan; keywords are SwitchOptions."""
    made: list[Switch] = []

    def make(**options: Any) -> Switch:
        options.setdefault("dialplan", ROOT / "dialplan")
        options.setdefault("spool", tmp_path / "spool")
        options.setdefault("speed", 20)
        # No words before the recording: what a test measures begins sooner.
        options.setdefault("globals", {"fsctl_default_recording": "always"})
        switch = Switch(SwitchOptions(**options))
        switch.start()
        made.append(switch)
        return switch

    yield make
    for switch in made:
        switch.stop(notice=False)


@pytest.fixture
def connect() -> Iterator[Callable[..., Client]]:
    """Open a connection to a switch; keywords are the Client's."""
    clients: list[Client] = []

    def open_client(switch: Switch, **options: Any) -> Client:
        clients.append(Client(switch.port, **options))
        return clients[-1]

    yield open_client
    for client in clients:
        client.socket.close()


@pytest.fixture
def listen(connect: Callable[..., Client]) -> Callable[..., Recorder]:
    """Subscribe to everything (or to the given words) and read in the background."""

    def start(switch: Switch, words: str = "all") -> Recorder:
        client = connect(switch)
        assert client.command(f"event plain {words}").get("Reply-Text").startswith("+OK")
        return Recorder(client)

    return start
