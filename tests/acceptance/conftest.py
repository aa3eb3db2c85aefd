"""The controller attached to a real switch, without the processes that need a model."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.house import House
from tests.contract.conftest import live  # noqa: F401  (the fixture, which skips where there is no FreeSWITCH)
from tests.contract.live import Live
from tests.contract.switches import quiet
from tests.fix_database import reachable_folder


@pytest.fixture
def house(live: Live) -> Iterator[House]:  # noqa: F811
    """The controller and Postgres, attached to the real switch, with nobody calling."""
    quiet(live)
    with reachable_folder() as folder:
        built = House(folder, Path(), live.address, live.spool, processes=("serve",))
        yield built
        built.close()
    quiet(live)
