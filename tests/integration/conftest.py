"""What several of these tests begin with."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fsctl.sim import Switch
from fsctl.store.db import Database
from tests.integration.authority import Authority
from tests.integration.console_house import ConsoleHouse
from tests.integration.sending import House, house


@pytest.fixture
def console(make_switch: Callable[..., Switch], database: Database, tmp_path: Path) -> Iterator[ConsoleHouse]:
    """Commands before a simulated switch."""
    one = ConsoleHouse(make_switch(speed=30.0), database, tmp_path)
    yield one
    one.served.detach()


@pytest.fixture
def made(database: Database) -> Iterator[House]:
    """A fake Graph, and messages for it."""
    with house(database) as found:
        yield found


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Signs certificates that some trust."""
    return Authority(tmp_path_factory.mktemp("authority"))
