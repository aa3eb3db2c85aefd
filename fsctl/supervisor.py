"""Children: started, started again when they die, and stopped together; what they warn of is shown.

Knows processes and their logs; refuses to know what they do. Called by run.py, and app_media.py for its recorder.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import gevent

from fsctl import logs
from fsctl.backoff import Backoff
from fsctl.terminal import Printer, escape

STOP_S = 10.0
"""A process gets so long to end by itself."""
CONFIG_EXIT = 2
"""A process that ends so says that its settings are wrong: starting it again would not help."""


@dataclass
class Process:
    """One child: its command, and the process that runs it now."""

    name: str
    arguments: list[str]
    log_file: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    child: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        """Start it; its output goes to its log."""
        with self.log_file.open("ab") as output:
            self.child = subprocess.Popen(
                [sys.executable, "-m", "fsctl", *self.arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **self.environment},
                # Ctrl-C is for us alone; we end the children, in order.
                process_group=0,
                preexec_fn=die_with_parent,
            )

    def last_words(self) -> str:
        """The end of its log, for a message."""
        lines = self.log_file.read_text(errors="replace").strip().splitlines()
        return logs.read(lines[-1])[1] or lines[-1] if lines else "(it said nothing)"


class Supervisor:
    """Starts processes, starts those again that die, and stops all of them."""

    def __init__(self, printer: Printer) -> None:
        self._printer = printer
        self._processes: list[Process] = []
        self._greenlets: list[gevent.Greenlet] = []
        self._stopping = False
        self.failed: str | None = None
        """Why there is no point in going on."""

    def start(self, process: Process) -> None:
        """Start a process and look after it."""
        process.start()
        self._processes.append(process)
        self._greenlets += [gevent.spawn(self._attend, process), gevent.spawn(self._listen, process)]

    def stop(self) -> None:
        """End them all, the last started first."""
        self._stopping = True
        gevent.killall(self._greenlets)
        for process in reversed(self._processes):
            if process.child is not None and process.child.poll() is None:
                process.child.terminate()
        deadline = time.monotonic() + STOP_S
        for process in self._processes:
            if process.child is not None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.child.wait(max(0.1, deadline - time.monotonic()))
                if process.child.poll() is None:
                    process.child.kill()
                    process.child.wait()

    def _attend(self, process: Process) -> None:
        backoff = Backoff(first_s=0.3, most_s=30.0)
        while not self._stopping:
            assert process.child is not None
            began = time.monotonic()
            code = process.child.wait()
            if self._stopping:
                return
            if code == CONFIG_EXIT:
                self.failed = f"{process.name}: {process.last_words()}"
                return
            if time.monotonic() - began > 60:
                backoff.reset()
            self._printer.line(
                self._printer.style(f"{process.name} ended ({_reason(code)}); starting it again", "red")
                + f"\n  its log says: {process.last_words()}"
            )
            gevent.sleep(backoff.next_s())
            process.start()

    def _listen(self, process: Process) -> None:
        """Show what a process warns of, each sentence once in a row; all the rest is for its log."""
        last = ""
        with process.log_file.open("rb") as lines:
            lines.seek(0, os.SEEK_END)
            while True:
                line = lines.readline().decode(errors="replace").rstrip()
                if not line:
                    gevent.sleep(0.3)
                    continue
                level, text = logs.read(line)
                if level in ("WARNING", "ERROR", "CRITICAL") and text != last:
                    last = text
                    self._printer.line(self._printer.style(f"{process.name}: {escape(text)}", "yellow"))


def die_with_parent() -> None:
    """In the child, before it becomes itself: end when we are killed, lest something runs twice next time."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def _reason(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit {code}"
