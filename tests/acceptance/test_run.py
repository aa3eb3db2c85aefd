"""``fsctl run``: the newcomer's command, whole, and what it leaves behind when it is stopped."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fsctl.store.embedded import Embedded
from tests.fix_database import reachable_folder


@pytest.fixture
def environment(model_dir: Path) -> Iterator[dict[str, str]]:
    """A data folder of its own, and the small model."""
    with reachable_folder() as folder:
        yield {
            **os.environ,
            "FSCTL_DATA_DIR": str(folder / "data"),
            "FSCTL_MODEL": "tiny.en",
            "FSCTL_MODEL_DIR": str(model_dir),
            "PYTHONUNBUFFERED": "1",
        }
        Embedded(folder / "data" / "postgres").stop()


def start(environment: dict[str, str], *arguments: str, cwd: Path | None = None) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "fsctl", "run", *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=cwd or Path(environment["FSCTL_DATA_DIR"]).parent,
    )


def left_behind(environment: dict[str, str]) -> list[str]:
    """Command lines of processes of ours; Postgres may stay, the next start adopts it."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if environment["FSCTL_DATA_DIR"].encode() in (entry / "environ").read_bytes():
                found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return [line for line in found if "-m fsctl" in line]


def gone(environment: dict[str, str], timeout_s: float = 15) -> bool:
    deadline = time.monotonic() + timeout_s
    while left_behind(environment) and time.monotonic() < deadline:
        time.sleep(0.1)
    return not left_behind(environment)


WAY = (
    "← came by an ad: Coffee machines",
    "David Miller: Hi, my coffee machine",
    "☎ WhatsApp call, abandoned",
    "↪ went on in the chat with a call button",
    "us: We missed your call.",
    "☎ WhatsApp call, answered",
    "place kept: score",
    "caller:",
    "★ sale 129.00 EUR",
)
"""What stands in the thread of the customer who was missed and came back, in this order."""


def test_once_ends_by_itself_with_every_sample_call_in_its_thread(environment: dict[str, str]) -> None:
    # At the speed of time: faster, the simulated FreeSWITCH has another clock than the chat.
    process = start(environment, "--once")
    told, _ = process.communicate(timeout=300)
    assert process.returncode == 0, told
    for word in ("offered", "queued", "ringing", "agent", "caller:", "ended", "☎ WhatsApp call, answered"):
        assert word in told, word
    assert told.count("word error rate") == 6
    thread = told[told.index("David Miller (bsuid") :]
    places = [thread.index(line) for line in WAY]
    assert places == sorted(places), thread
    assert gone(environment)


def test_ctrl_c_stops_everything_that_was_started(environment: dict[str, str]) -> None:
    process = start(environment)
    assert process.stdout is not None
    for line in process.stdout:
        if "offered" in line:
            break
    second = start(environment)
    said, _ = second.communicate(timeout=30)
    assert second.returncode == 1
    assert "another `fsctl run`" in said
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=30)
    assert process.returncode == 0, rest
    assert "starting it again" not in rest
    assert gone(environment)
    assert not Embedded(Path(environment["FSCTL_DATA_DIR"]) / "postgres").is_running()


def test_when_it_is_killed_its_processes_end_too_and_the_next_start_goes_on(
    environment: dict[str, str],
) -> None:
    process = start(environment)
    assert process.stdout is not None
    for line in process.stdout:
        if "queued" in line:
            break
    process.kill()
    process.communicate(timeout=10)
    assert gone(environment)
    again = start(environment, "--once", "--speed", "6")
    told, _ = again.communicate(timeout=240)
    assert again.returncode == 0, told
    assert "was running" in told


def test_a_freeswitch_that_is_not_there_is_told(environment: dict[str, str]) -> None:
    folder = Path(environment["FSCTL_DATA_DIR"]).parent
    (folder / "spool").mkdir()
    (folder / "fsctl.toml").write_text(
        '[[node]]\nname = "fs1"\nport = 1\npassword_env = "ESL"\nspool = "spool"\n'
    )
    process = start(environment | {"ESL": "x"}, "--config", "fsctl.toml")
    assert process.stdout is not None
    told = ""
    for line in process.stdout:
        told += line
        if "Connection refused" in line:
            break
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 0
    assert "serve: fs1: FreeSWITCH at 127.0.0.1:1: [Errno 111] Connection refused" in told


def test_once_with_a_real_freeswitch_is_refused(environment: dict[str, str]) -> None:
    folder = Path(environment["FSCTL_DATA_DIR"]).parent
    (folder / "fsctl.toml").write_text('[[node]]\nname = "fs1"\npassword_env = "ESL"\n')
    process = start(environment | {"ESL": "x"}, "--once", "--config", "fsctl.toml")
    told, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert told.startswith("fsctl: --once")


def test_a_data_folder_that_cannot_be_made_is_one_sentence(environment: dict[str, str]) -> None:
    blocked = Path(environment["FSCTL_DATA_DIR"]).parent / "file"
    blocked.write_text("")
    process = start(environment | {"FSCTL_DATA_DIR": str(blocked / "data")}, cwd=blocked.parent)
    told, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert told == f"fsctl: Not a directory: {blocked / 'data'}\n"
