"""A simulated FreeSWITCH for tests, fast."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fsctl.config import share_dir
from fsctl.sim import Switch, SwitchOptions

PASSWORD = "only-for-tests"


@pytest.fixture
def make_switch(tmp_path: Path) -> Iterator[Callable[..., Switch]]:
    """Makes simulated switches; options of SwitchOptions may be given."""
    made: list[Switch] = []

    def make(**options: Any) -> Switch:
        spool = tmp_path / "spool"
        spool.mkdir(exist_ok=True)
        given: dict[str, Any] = {
            "dialplan": share_dir("dialplan"),
            "spool": spool,
            "password": PASSWORD,
            "speed": 10.0,
        }
        switch = Switch(SwitchOptions(**(given | options)))
        switch.start()
        made.append(switch)
        return switch

    yield make
    for switch in made:
        switch.stop(notice=False)
