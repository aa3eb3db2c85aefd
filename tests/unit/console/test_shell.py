"""The shell's own tools: what stops a command, and where lines of former days are kept."""

import os
import signal
import stat
from pathlib import Path

import gevent
import pytest
from prompt_toolkit.history import FileHistory, InMemoryHistory

from fsctl.console.shell import HISTORY_BYTES, interruptible, open_history


def test_ctrl_c_stops_the_command_and_no_other_greenlet() -> None:
    told: list[str] = []

    def other() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        told.append("went on")

    before = signal.getsignal(signal.SIGINT)
    beside = gevent.spawn(other)
    with pytest.raises(KeyboardInterrupt), interruptible():
        gevent.sleep(10)
    beside.join()
    assert told == ["went on"]
    assert signal.getsignal(signal.SIGINT) is before


def test_a_history_is_its_owners_and_does_not_grow_for_ever(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "history"
    assert isinstance(open_history(path), FileHistory)
    path.write_bytes(b"\n# then\n+calls\n" * (HISTORY_BYTES // 10))
    path.chmod(0o644)
    kept = open_history(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert 0 < path.stat().st_size <= HISTORY_BYTES
    assert set(kept.load_history_strings()) == {"calls"}


def test_a_history_that_is_somebodys_link_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    assert isinstance(open_history(tmp_path / "link"), InMemoryHistory)
    assert "no history" in capsys.readouterr().err
    assert not (tmp_path / "elsewhere").exists()
