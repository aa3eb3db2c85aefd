"""``fsctl console`` as people and scripts run it: a process of its own, on a terminal or without one."""

import fcntl
import json
import os
import pty
import re
import signal
import stat
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from select import select

import pytest

from fsctl.store.db import Database
from tests.fix_switch import PASSWORD
from tests.integration.console_house import ConsoleHouse
from tests.integration.test_console import EVIL, talking

PATIENCE_S = 30.0
SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
"""What moves the cursor and chooses colours."""
NO_DATABASE = 'database_url = "host=127.0.0.1 port=1 dbname=none connect_timeout=2"\n'


@pytest.fixture
def config(console: ConsoleHouse, dsn: str, tmp_path: Path) -> Path:
    (tmp_path / "secret").write_text(PASSWORD)
    file = tmp_path / "fsctl.toml"
    file.write_text(
        f'database_url = "{dsn}"\n[[node]]\nname = "fs1"\nport = {console.switch.port}\n'
        f'password_file = "secret"\nspool = "{tmp_path}"\n'
    )
    return file


def run(config: Path, *arguments: str, given: str = "") -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "fsctl", "--config", str(config), "console", *arguments],
        input=given, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_one_command_is_run_and_its_exit_code_tells(console: ConsoleHouse, config: Path) -> None:
    uuid = talking(console)
    done = run(config, "-x", "calls")
    assert (done.returncode, done.stderr) == (0, "")
    assert uuid in done.stdout
    for wrong in ("nonsense", "call nothing", f"hangup {uuid}", "link", "calls where x=1"):
        done = run(config, "-x", wrong)
        assert (done.returncode, done.stderr) == (1, ""), wrong
        assert done.stdout.count("\n") == 1
    assert run(config, "-x", "transcribe").returncode == 0, "not the transcriber"


def test_lines_end_with_the_first_that_fails(console: ConsoleHouse, config: Path) -> None:
    uuid = talking(console)
    done = run(config, "--json", "-x", "calls", "-x", "use fs1")
    assert done.returncode == 0
    rows, end = json.JSONDecoder().raw_decode(done.stdout)
    assert rows[0]["uuid"] == uuid
    assert json.loads(done.stdout[end:]) == {"node": "fs1"}
    done = run(config, given="# a comment\n\nuse fs1\nnonsense\ncalls\n")
    assert (done.returncode, done.stdout.split("\n")[0]) == (1, "using fs1")
    assert uuid not in done.stdout


def test_a_command_that_cannot_be_read_is_json_too(config: Path) -> None:
    done = run(config, "--json", "-x", "nonsense")
    assert done.returncode == 1
    assert "no command is named" in json.loads(done.stdout)["error"]


def test_a_role_may_be_given_up(console: ConsoleHouse, config: Path) -> None:
    uuid = talking(console)
    done = run(config, "--role", "viewer", "-x", f"hangup {uuid} --yes")
    assert done.returncode == 1
    assert "is for operators" in done.stdout
    assert uuid in console.switch.channels


def test_without_a_database_or_a_node_it_says_so(console: ConsoleHouse, config: Path) -> None:
    uuid = talking(console)
    whole = config.read_text()
    config.write_text(whole.split("[[node]]")[0])
    done = run(config, "-x", f"hangup {uuid} --yes")
    assert (done.returncode, done.stdout.count("\n")) == (1, 1)
    assert "no [[node]] is named 'fs1'" in done.stdout
    config.write_text(NO_DATABASE)
    done = run(config, "-x", "calls")
    assert done.returncode == 1
    assert "Postgres cannot be reached" in done.stderr
    assert done.stderr.count("\n") == 1


class Terminal:
    """A person at ``fsctl console``."""

    def __init__(self, arguments: list[str], changes: Mapping[str, str]) -> None:
        self.pid, self.fd = pty.fork()
        if not self.pid:  # pragma: no cover - the child
            command = [sys.executable, "-m", "fsctl", *arguments]
            os.execve(sys.executable, command, {**os.environ, "TERM": "xterm", **changes})
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 160, 0, 0))
        self.raw = self.seen = ""

    def type(self, text: str) -> None:
        os.write(self.fd, text.encode())

    def expect(self, wanted: str) -> str:
        """Read until this (an expression) was shown; returns the text that came up to its end, and forgets it."""
        until = time.monotonic() + PATIENCE_S
        while not (found := re.search(wanted, self.seen)):
            assert time.monotonic() < until, f"never saw {wanted!r} in {self.seen!r}"
            if select([self.fd], [], [], 0.2)[0]:
                data = os.read(self.fd, 65536).decode()
                # prompt_toolkit asks where the cursor is, and waits for a terminal's answer.
                if "\x1b[6n" in data:
                    self.type("\x1b[1;1R")
                self.raw += data
                self.seen += SEQUENCE.sub("", data)
        passed, self.seen = self.seen[: found.end()], self.seen[found.end() :]
        return passed

    def ended(self) -> int:
        """Its exit code."""
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            try:
                if select([self.fd], [], [], 0.1)[0]:
                    self.raw += os.read(self.fd, 65536).decode(errors="replace")
            except OSError:
                pass
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.pid = 0
                return os.waitstatus_to_exitcode(status)
        raise AssertionError(f"it did not end: {self.raw!r}")

    def close(self) -> None:
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)


@pytest.fixture
def sit(config: Path, tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    """Sits somebody down; environment variables may be given."""
    sitting: list[Terminal] = []

    def begin(*more: str, **changes: str) -> Terminal:
        arguments = ["--config", str(config), "console", "--history", str(tmp_path / "history"), *more]
        one = Terminal(arguments, changes)
        sitting.append(one)
        return one

    yield begin
    for one in sitting:
        one.close()


PROMPT = "fsctl all>"


def test_somebody_types_completes_and_leaves(
    console: ConsoleHouse, sit: Callable[..., Terminal], tmp_path: Path
) -> None:
    uuid = talking(console)
    console.round()
    terminal = sit()
    terminal.expect(PROMPT)
    terminal.type("calls\r")
    terminal.expect(uuid)
    terminal.type(f"hangup {uuid[:6]}\t")
    # The screen is drawn where it changed: what was there already is not drawn again.
    terminal.expect(uuid[-20:])
    terminal.type("\r")
    terminal.expect(re.escape(f"End call {uuid}? [y/N]"))
    terminal.type("n\r")
    terminal.expect("nothing was done")
    terminal.type("agent agent1 sta\t")
    terminal.expect("tus")
    terminal.type("\x03")
    terminal.type("use fs1\r")
    terminal.expect("fsctl fs1>")
    terminal.type("\x04")
    assert terminal.ended() == 0
    history = tmp_path / "history"
    assert stat.S_IMODE(history.stat().st_mode) == 0o600
    assert "+use fs1" in history.read_text()


def test_what_happens_is_told_beside_the_prompt(console: ConsoleHouse, sit: Callable[..., Terminal]) -> None:
    terminal = sit()
    terminal.expect(PROMPT)
    terminal.type("half a li")
    terminal.expect("half a li")
    time.sleep(1)
    talking(console, display_name=EVIL)
    shown = terminal.expect("offered")
    assert "Ann" not in shown
    assert "A\\x1b[2J\\u202enn\\x0a" in shown
    assert "\u202e" not in shown
    terminal.type("\x03")
    terminal.type("live off\r")
    terminal.expect("live off")
    terminal.type("live nonsense\r")
    terminal.expect("chooses")
    terminal.type("exit\r")
    assert terminal.ended() == 0


def test_a_watch_goes_on_until_it_is_stopped(console: ConsoleHouse, sit: Callable[..., Terminal]) -> None:
    uuid = talking(console)
    terminal = sit()
    terminal.expect(PROMPT)
    terminal.type("calls --watch\r")
    terminal.expect(uuid)
    terminal.expect(uuid)
    terminal.type("\x03")
    terminal.expect(PROMPT)
    terminal.type("tail --watch\r")
    terminal.expect("talking|agent")
    console.ok(f"hangup {uuid} --yes")
    terminal.expect("ended")
    terminal.type("\x03")
    terminal.expect(PROMPT)
    terminal.type("\x04")
    assert terminal.ended() == 0


def test_a_database_that_went_away_and_came_back_is_no_end(
    console: ConsoleHouse, sit: Callable[..., Terminal], database: Database
) -> None:
    terminal = sit()
    terminal.expect(PROMPT)
    time.sleep(1)
    with database.transaction("test") as transaction:
        cut = transaction._connection.execute(
            b"select pg_terminate_backend(pid) from pg_stat_activity"
            b" where datname = current_database() and pid <> pg_backend_pid()"
        )
        assert cut.rowcount > 1
    terminal.type("use fs1\r")
    terminal.expect("using fs1")
    time.sleep(3)
    talking(console)
    terminal.expect("offered")
    terminal.type("exit\r")
    assert terminal.ended() == 0


def test_whoever_leaves_a_question_says_no(console: ConsoleHouse, sit: Callable[..., Terminal]) -> None:
    uuid = talking(console)
    terminal = sit()
    terminal.expect(PROMPT)
    terminal.type(f"hangup {uuid}\r")
    terminal.expect(r"\[y/N\]")
    terminal.type("\x03")
    terminal.expect("nothing was done")
    terminal.expect(PROMPT)
    terminal.type("\x04")
    assert terminal.ended() == 0
    assert uuid in console.switch.channels


def test_without_colours_there_are_none(console: ConsoleHouse, sit: Callable[..., Terminal]) -> None:
    uuid = talking(console)
    terminal = sit("-x", "call nothing", NO_COLOR="1")
    assert terminal.ended() == 1
    assert "\x1b[31m" not in terminal.raw
    terminal = sit("-x", "call nothing")
    assert terminal.ended() == 1
    assert "\x1b[31m" in terminal.raw
    assert uuid


def test_a_history_that_cannot_be_kept_is_said(config: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    terminal = Terminal(["--config", str(config), "console", "--history", str(tmp_path / "link")], {})
    terminal.expect("no history")
    terminal.expect(PROMPT)
    terminal.type("\x04")
    assert terminal.ended() == 0
    assert not (tmp_path / "elsewhere").exists()
    terminal.close()
