"""One suite, two switches: the simulated one always, the real one where there is one."""

from gevent import monkey

monkey.patch_all()

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fsctl.console.server import Server
from fsctl.esl import encode
from fsctl.sim import Switch
from tests.contract.live import Live
from tests.contract.switches import Simulated, SwitchUnderTest, Watch, quiet
from tests.fix_console import MakeConsole

SPEED = 5.0
"""The simulator's: a call of six seconds takes a good one."""


def _binary() -> Path | None:
    name = os.environ.get("FSCTL_TEST_FREESWITCH") or shutil.which("freeswitch")
    return Path(name) if name else None


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A real FreeSWITCH and the far side of its calls, started once."""
    binary = _binary()
    if binary is None:
        pytest.skip("no FreeSWITCH: set FSCTL_TEST_FREESWITCH to its binary, or put it on the PATH")
    switch = Live(binary, tmp_path_factory.mktemp("live"))
    try:
        switch.start()
        yield switch
    finally:
        switch.stop()


@pytest.fixture(params=["simulated", pytest.param("freeswitch", marks=pytest.mark.live)])
def switch(request: pytest.FixtureRequest, make_switch: Callable[..., Switch]) -> Iterator[SwitchUnderTest]:
    """The switch under test, with nobody calling and every agent free."""
    if request.param == "simulated":
        yield Simulated(make_switch(speed=SPEED))
        return
    live: Live = request.getfixturevalue("live")
    quiet(live)
    yield live
    quiet(live)


@pytest.fixture
def watch(switch: SwitchUnderTest) -> Iterator[Watch]:
    """A subscriber of what fsctl subscribes to."""
    one = Watch(switch.address)
    yield one
    one.connection.close()


@pytest.fixture
def heard(switch: SwitchUnderTest) -> Iterator[Watch]:
    """A subscriber that sees what is played, too."""
    one = Watch(switch.address, encode.Subscribe().render().replace(" CUSTOM", " PLAYBACK_START CUSTOM"))
    yield one
    one.connection.close()


@pytest.fixture
def console(switch: SwitchUnderTest, make_console: MakeConsole) -> Server:
    """A console before the switch under test."""
    return make_console(switch.address)
