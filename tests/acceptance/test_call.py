"""A call with real speech, process by process as in production, from ESL event to text in the thread.

Each process is killed in mid-call with SIGKILL and started again; the thread must be the same as without.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fsctl.config import Media
from fsctl.media.fork import Fork
from fsctl.media.wav import GrowingWav
from fsctl.sim.samples import Sample, load_samples
from fsctl.store import migrate
from fsctl.store.db import Database
from fsctl.store.embedded import Embedded
from fsctl.store.items import CallItem, ThreadView, read_thread
from fsctl.store.recordings import Recordings
from fsctl.store.threads import Threads
from fsctl.transcribe import wer
from tests.fix_database import reachable_folder

SPEED = 4.0
PASSWORD = "only-for-tests"


class House:
    """All processes of one machine, on a folder of their own."""

    def __init__(self, folder: Path, model_dir: Path) -> None:
        self.folder = folder
        self.server = Embedded(folder / "postgres")
        self.server.start()
        migrate.migrate(self.server.dsn)
        self.spool = folder / "spool"
        self.spool.mkdir()
        self._port = _free_port()
        config = folder / "fsctl.toml"
        config.write_text(
            f'[[node]]\nname = "fs1"\nport = {self._port}\npassword_env = "ESL"\nspool = "{self.spool}"\n'
            '[transcribe]\nmodel = "tiny.en"\nlanguages = ["en"]\nthreads = 1\nlease_s = 3.0\n'
        )
        self._environment = {
            **os.environ,
            "ESL": PASSWORD,
            "FSCTL_DATABASE_URL": self.server.dsn,
            "FSCTL_MODEL_DIR": str(model_dir),
        }
        self._commands = {name: ["--config", str(config), name] for name in ("serve", "media", "transcribe")}
        self._commands["simulate"] = [
            "simulate", "--listen", f"127.0.0.1:{self._port}", "--password-env", "ESL", "--calls", "1",
            "--spool", str(self.spool), "--speed", str(SPEED), "--seed", "7",
        ]  # fmt: skip
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self.database = Database(self.server.dsn, process="test", size=2)
        self.database.open()
        for name in ("simulate", "serve", "media", "transcribe"):
            self.start(name)

    def start(self, name: str) -> None:
        """Start one process."""
        with (self.folder / f"{name}.log").open("ab") as log:
            self._children[name] = subprocess.Popen(
                [sys.executable, "-m", "fsctl", *self._commands[name]],
                env=self._environment,
                stdout=log,
                stderr=log,
            )

    def kill(self, name: str) -> None:
        """SIGKILL, and be sure of it."""
        if name == "postgres":
            pid = self.server.pid()
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            return
        self._children[name].kill()
        self._children[name].wait(10)

    def start_again(self, name: str) -> None:
        """What a supervisor does."""
        if name == "postgres":
            self.server.start()
        else:
            self.start(name)

    def close(self) -> None:
        """End everything."""
        self.database.close()
        for child in self._children.values():
            child.terminate()
        for child in self._children.values():
            child.wait(15)
        self.server.stop()

    def logs(self) -> str:
        """What they all said, for a failed test."""
        return "\n".join(f"--- {p.stem}\n{p.read_text()[-3000:]}" for p in self.folder.glob("*.log"))

    def thread(self) -> ThreadView | None:
        """The thread, once there is one."""
        found = Threads(self.database).find("")
        return read_thread(self.database, found[0]) if found else None

    def call(self) -> CallItem | None:
        """The call, once it is in its thread."""
        view = self.thread()
        calls = [item for item in view.items if isinstance(item, CallItem)] if view else []
        assert len(calls) <= 1
        return calls[0] if calls else None

    def until(self, wanted: Callable[[CallItem], bool], what: str, timeout_s: float = 90) -> CallItem:
        """Wait until the call is so."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            call = self.call()
            if call is not None and wanted(call):
                return call
            time.sleep(0.1)
        raise AssertionError(f"never {what}\n{self.logs()}")

    def whole(self) -> CallItem:
        """Wait until the call has ended and every utterance is text."""
        return self.until(lambda c: c.call.ended_at is not None and c.progress.is_whole, "whole")


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def house(model_dir: Path) -> Iterator[House]:
    """Everything running, with one call of a minute about to come, four times faster."""
    with reachable_folder() as folder:
        built = House(folder, model_dir)
        yield built
        built.close()


@pytest.fixture(scope="module")
def sample() -> Sample:
    """The conversation that the one call holds: the first of the samples."""
    return load_samples()[0]


def require_text_of(sample: Sample, call: CallItem) -> None:
    """Both legs read as they were said."""
    for leg in ("caller", "agent"):
        said = " ".join(turn.text for turn in sample.turns if turn.leg == leg)
        heard = " ".join(item.turn.text for item in call.turns if item.turn.leg == leg)
        errors = wer.compare(said, heard)
        assert errors.rate < 0.12, (leg, errors, said, heard)


def require_every_utterance_once(house: House, call: CallItem) -> None:
    """What is stored is what a reader that was never killed cuts from the file: same samples, none twice."""
    with house.database.transaction("test") as transaction:
        (recording,) = transaction.rows("recordings.recordings_of_call", call_uuid=call.call.uuid)
        stored = transaction._connection.execute(
            "select leg, start_sample, end_sample from utterance order by leg, start_sample"
        ).fetchall()
        bridges = transaction._connection.execute(
            "select (extract(epoch from b.started_at - r.started_at) * 1000000)::bigint as s,"
            " (extract(epoch from b.ended_at - r.started_at) * 1000000)::bigint as e"
            " from bridge b join recording r using (call_uuid)"
        ).fetchall()
    fork = Fork(GrowingWav(Path(recording["path"])), Media())
    windows = fork.windows([(row["s"], row["e"]) for row in bridges])
    cut = []
    while not fork.is_done(windows):
        cut += fork.advance(windows, final=True)
    fork.close()
    assert [(u.leg, u.start, u.end) for u in sorted(cut, key=lambda u: (u.leg, u.start))] == [
        (row["leg"], row["start_sample"], row["end_sample"]) for row in stored
    ]
    assert Recordings(house.database, "fs1").live() == []


def test_a_call_ends_as_text_in_its_thread(house: House, sample: Sample) -> None:
    call = house.whole()
    require_text_of(sample, call)
    require_every_utterance_once(house, call)
    assert [item.turn.leg for item in call.turns] == [turn.leg for turn in sample.turns]
    for item, turn in zip(call.turns, sample.turns):
        assert call.call.bridged_at is not None
        begin_ms = (item.at - call.call.bridged_at).total_seconds() * 1000
        assert abs(begin_ms - turn.start_ms) < 600
    shown = subprocess.run(
        [
            sys.executable,
            "-m",
            "fsctl",
            *house._commands["serve"][:2],
            "thread",
            "show",
            sample.wa_id,
            "--json",
        ],
        env=house._environment,
        capture_output=True,
        check=True,
    )
    items = json.loads(shown.stdout)["items"]
    assert items[-1]["transcript"]["turns"][0]["text"] == call.turns[0].turn.text


MOMENTS = {
    "serve, while the agent's phone rings": ("serve", lambda c: c.call.phase.value == "ringing"),
    "serve, while they talk": ("serve", lambda c: len(c.turns) >= 3),
    "media, while they talk": ("media", lambda c: len(c.turns) >= 3),
    "transcribe, while they talk": ("transcribe", lambda c: len(c.turns) >= 3),
    "postgres, while they talk": ("postgres", lambda c: len(c.turns) >= 3),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_process_killed_in_mid_call_leaves_the_same_thread(
    moment: str, house: House, sample: Sample
) -> None:
    name, then = MOMENTS[moment]
    house.until(then, moment)
    house.kill(name)
    time.sleep(1.0)
    house.start_again(name)
    call = house.whole()
    require_text_of(sample, call)
    require_every_utterance_once(house, call)


def test_a_freeswitch_killed_in_mid_call_leaves_what_was_said_until_then(house: House) -> None:
    house.until(lambda c: len(c.turns) >= 4, "talking")
    house.kill("simulate")
    house.start_again("simulate")
    call = house.until(lambda c: c.call.hangup_cause == "LOST" and c.progress.is_whole, "found lost")
    assert len(call.turns) >= 4
    assert call.progress.failed == 0
