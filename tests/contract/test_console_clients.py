"""The clients that people have work with our console: fs_cli, greenswitch, genesis; before either FreeSWITCH."""

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import gevent
import pytest
from gevent.event import AsyncResult
from greenswitch import InboundESL

from fsctl.console.server import Server
from fsctl.store.audit import Audit
from fsctl.store.db import Database
from tests.fix_console import until

ANN, SECRET = "ann@example.com", "ann-has-a-secret"


@pytest.fixture
def fs_cli() -> str:
    """The real one: on the PATH, or beside the FreeSWITCH of the live tests."""
    beside = Path(os.environ.get("FSCTL_TEST_FREESWITCH", "freeswitch")).with_name("fs_cli")
    found = str(beside) if beside.is_absolute() and beside.exists() else shutil.which("fs_cli")
    if found is None:
        pytest.skip(
            "no fs_cli: it is built with FreeSWITCH; set FSCTL_TEST_FREESWITCH, or put it on the PATH"
        )
    return found


def command_of(fs_cli: str, console: Server, user: str = ANN, password: str = SECRET) -> list[str]:
    host, port = console.address
    return [fs_cli, "-H", host, "-P", str(port), "-u", user, "-p", password]


def execute(fs_cli: str, console: Server, line: str, user: str = ANN, password: str = SECRET) -> str:
    """What fs_cli -x prints; the console runs in this process, so it is waited for without standing still."""
    command = [*command_of(fs_cli, console, user, password), "-x", line]
    child = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
    )
    with gevent.Timeout(20, AssertionError("fs_cli does not end")):
        while child.poll() is None:
            gevent.sleep(0.02)
    assert child.stdout is not None
    return child.stdout.read().decode()


def test_fs_cli_runs_one_command(fs_cli: str, console: Server, database: Database) -> None:
    assert "is ready" in execute(fs_cli, console, "status")
    assert "choose the FreeSWITCH" in execute(fs_cli, console, "fsctl help")
    assert "-ERR" in execute(fs_cli, console, "fsctl nonsense")
    both = execute(fs_cli, console, "fsctl help use ;; status")
    assert "role: viewer" in both
    assert "is ready" in both
    told = [(one.who, one.action, one.subject) for one in Audit(database).entries()]
    assert (ANN, "console.api", "status") in told
    assert (ANN, "console.help", "fsctl help") in told


def test_fs_cli_is_told_what_its_user_may_not(fs_cli: str, console: Server) -> None:
    said = execute(fs_cli, console, "reloadxml", "vera@example.com", "vera-has-a-secret")
    assert "permission denied" in said
    assert "Error Connecting" in execute(fs_cli, console, "status", ANN, "a-wrong-password")


class Terminal:
    """fs_cli at a terminal."""

    def __init__(self, command: list[str]) -> None:
        self.screen = ""
        pid, self.master = pty.fork()
        if pid == 0:
            os.environ.update(TERM="vt100", HOME="/nonexistent")
            os.execv(command[0], command)
        self.pid = pid

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def see(self, pattern: str, timeout_s: float = 15) -> None:
        """Wait until something stands on the screen that was not seen before; forgets what came up to it."""
        end = time.monotonic() + timeout_s
        while (found := re.search(pattern, self.screen)) is None:
            assert time.monotonic() < end, f"never {pattern!r}; there is: {self.screen[-800:]!r}"
            gevent.sleep(0.02)
            if select.select([self.master], [], [], 0)[0]:
                self.screen += os.read(self.master, 65536).decode("utf-8", "replace")
        self.screen = self.screen[found.end() :]

    def close(self) -> None:
        os.close(self.master)
        end = time.monotonic() + 5
        while os.waitpid(self.pid, os.WNOHANG) == (0, 0):
            if time.monotonic() > end:
                os.kill(self.pid, 9)
            gevent.sleep(0.02)


def test_fs_cli_at_a_terminal_completes_subscribes_and_leaves(fs_cli: str, console: Server) -> None:
    terminal = Terminal(command_of(fs_cli, console))
    try:
        terminal.see("freeswitch@")
        terminal.type("fsctl qu\t")
        terminal.see("fsctl queues")
        terminal.type("\n")
        terminal.see("queue")
        terminal.type("fsctl \t")
        terminal.see(r"\[ +calls\]")
        terminal.type("help use\n")
        terminal.see("role: viewer")
        terminal.type("/event plain BACKGROUND_JOB HEARTBEAT\n")
        terminal.see("event listener enabled plain")
        terminal.type("/nolog\n")
        terminal.see("no longer logging")
        terminal.type("/exit\n")
        until(lambda: console.clients == 0, "left")
    finally:
        terminal.close()


@pytest.mark.parametrize("password", [SECRET, f"{ANN}:{SECRET}"])
def test_greenswitch_logs_in_by_the_password_alone(console: Server, password: str) -> None:
    host, port = console.address
    client = InboundESL(host, port, password)
    client.connect()
    jobs: AsyncResult = AsyncResult()
    client.register_handle("BACKGROUND_JOB", jobs.set)
    try:
        assert "is ready" in client.send("api status").data
        assert "choose the FreeSWITCH" in client.send("api fsctl help").data
        client.send("event plain BACKGROUND_JOB")
        job = client.send("bgapi fsctl help use").headers["Job-UUID"]
        told = jobs.get(timeout=10)
        assert told.headers["Job-UUID"] == job
        # It takes what stands in a body for headers.
        assert told.headers["role"] == "viewer"
    finally:
        client.stop()


GENESIS = """
import asyncio, sys
from genesis import Inbound

async def main(host, port, password):
    async with Inbound(host, int(port), password) as client:
        heard = asyncio.get_running_loop().create_future()

        async def hear(event):
            if not heard.done():
                heard.set_result(dict(event))

        client.on("BACKGROUND_JOB", hear)
        status = await client.send("api status")
        assert "is ready" in str(status.body), status
        ours = await client.send("api fsctl help use")
        assert "role: viewer" in str(ours.body), ours
        await client.send("events plain BACKGROUND_JOB")
        await client.send("bgapi fsctl help")
        event = await asyncio.wait_for(heard, 10)
        assert event["Event-Name"] == "BACKGROUND_JOB", event
        print("works")

asyncio.run(main(*sys.argv[1:]))
"""


def test_genesis_logs_in_asks_and_listens(console: Server) -> None:
    python = os.environ.get("FSCTL_TEST_GENESIS", sys.executable)
    if subprocess.run([python, "-c", "import genesis"], capture_output=True, check=False).returncode:
        pytest.skip("no genesis in this Python: set FSCTL_TEST_GENESIS to one that has it")
    host, port = console.address
    child = subprocess.Popen(
        [python, "-c", GENESIS, host, str(port), SECRET], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    with gevent.Timeout(30, AssertionError("genesis does not end")):
        while child.poll() is None:
            gevent.sleep(0.05)
    assert child.stdout is not None
    assert "works" in child.stdout.read().decode()
