"""All processes of one machine, for acceptance tests: started, killed and started again one by one."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from fsctl.config import Media
from fsctl.console.link import is_well
from fsctl.esl.link import Address
from fsctl.media.pipeline import Pipeline
from fsctl.media.wav import GrowingWav
from fsctl.sim.samples import Sample
from fsctl.store import migrate
from fsctl.store.db import Database
from fsctl.store.embedded import Embedded
from fsctl.store.items import CallItem, ThreadView, read_thread
from fsctl.store.keeping import KnownRecording
from fsctl.store.links import Links
from fsctl.store.recordings import Recordings
from fsctl.store.threads import Threads
from fsctl.transcribe import wer
from tests.contract.live import free_port

SPEED = 4.0
PASSWORD = "only-for-tests"


class House:
    """Postgres and every process of ours, on a folder of their own."""

    def __init__(
        self,
        folder: Path,
        model_dir: Path,
        address: Address | None = None,
        spool: Path | None = None,
        processes: tuple[str, ...] = ("serve", "media", "transcribe"),
        calls: int = 1,
        speed: float = SPEED,
        behind_s: float = 0.0,
    ) -> None:
        """
        Args:
            address, spool: of a FreeSWITCH that runs already; without, the simulated one is started.
            calls, speed, behind_s: of the simulated one (see `fsctl simulate --help`).
        """
        self.folder = folder
        self._began = datetime.now(UTC) - timedelta(seconds=behind_s)
        self.server = Embedded(folder / "postgres")
        self.server.start()
        migrate.migrate(self.server.dsn)
        self.spool = spool or folder / "spool"
        self.spool.mkdir(exist_ok=True)
        there = address or Address("127.0.0.1", free_port(), PASSWORD)
        config = folder / "fsctl.toml"
        config.write_text(
            f'[[node]]\nname = "fs1"\nport = {there.port}\npassword_env = "ESL"\nspool = "{self.spool}"\n'
            '[transcribe]\nmodel = "tiny.en"\nlanguages = ["en"]\nthreads = 1\nlease_s = 3.0\n'
        )
        self._environment = {
            **os.environ,
            "ESL": there.password,
            "FSCTL_DATABASE_URL": self.server.dsn,
            "FSCTL_MODEL_DIR": str(model_dir),
        }
        self._commands = {name: ["--config", str(config), name] for name in ("serve", "media", "transcribe")}
        self._commands["standby"] = self._commands["serve"]
        self._commands["second transcribe"] = self._commands["transcribe"]
        self._commands["simulate"] = [
            "simulate", "--listen", f"127.0.0.1:{there.port}", "--password-env", "ESL", "--calls",
            str(calls), "--spool", str(self.spool), "--speed", str(speed),
            "--behind", str(behind_s),
        ]  # fmt: skip
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self.calls_placed = 1
        self.database = Database(self.server.dsn, process="test", size=2)
        self.database.open()
        for name in processes if address else ("simulate", *processes):
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

    def pid(self, name: str) -> int | None:
        """Of a process that runs."""
        child = self._children[name]
        return child.pid if child.poll() is None else None

    def start_again(self, name: str) -> None:
        """What a supervisor does."""
        self.calls_placed += name == "simulate"
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

    def until_ready(self, timeout_s: float = 30) -> None:
        """Wait until the controller has its link."""
        deadline = time.monotonic() + timeout_s
        while not is_well(Links(self.database).all()):
            assert time.monotonic() < deadline, self.logs()
            time.sleep(0.1)

    def call(self) -> CallItem | None:
        """The first call, once it is in its thread."""
        view = self.thread()
        # The ledger of a FreeSWITCH that runs already tells of the calls of those who had it before us.
        items = view.items if view else ()
        calls = [one for one in items if isinstance(one, CallItem) and one.call.offered_at >= self._began]
        assert len(calls) <= self.calls_placed
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


def require_archived(house: House, call_uuid: str) -> KnownRecording:
    """Wait until the call's recording is archived, and nothing is wrong with it."""
    deadline = time.monotonic() + 30
    while (known := Recordings(house.database, "fs1").of_call(call_uuid)[0]).state != "archived":
        assert time.monotonic() < deadline, (known, house.logs())
        time.sleep(0.2)
    assert [found for found in known.findings if found["severity"] == "fault"] == [], known.findings
    return known


def require_text_of(sample: Sample, call: CallItem) -> None:
    """Both legs read as they were said."""
    for leg in ("caller", "agent"):
        said = " ".join(turn.text for turn in sample.turns if turn.leg == leg)
        heard = " ".join(item.turn.text for item in call.turns if item.turn.leg == leg)
        errors = wer.compare(said, heard)
        assert errors.rate < 0.12, (leg, errors, said, heard)


def require_every_utterance_once(house: House, call_uuid: str) -> None:
    """What is stored is what a reader that was never killed cuts from the file: same samples, none twice."""
    with house.database.transaction("test") as transaction:
        (recording,) = transaction.rows("recordings.recordings_of_call", call_uuid=call_uuid)
        stored = transaction._connection.execute(
            "select leg, start_sample, end_sample from utterance where recording_id = %s"
            " order by leg, start_sample",
            (recording["id"],),
        ).fetchall()
        bridges = transaction._connection.execute(
            "select (extract(epoch from b.started_at - r.started_at) * 1000000)::bigint as s,"
            " (extract(epoch from b.ended_at - r.started_at) * 1000000)::bigint as e"
            " from bridge b join recording r using (call_uuid) where r.id = %s order by s",
            (recording["id"],),
        ).fetchall()
    reader = Pipeline(GrowingWav(Path(recording["uri"] or recording["path"])), Media(), {})
    spans = [(row["s"], row["e"]) for row in bridges]
    cut = []
    while True:
        cut += reader.advance(spans, [], final=True).utterances
        if reader.is_done():
            break
    reader.close()
    wanted = sorted((u.leg, u.start_sample, u.end_sample) for u in cut)
    found = [(row["leg"], row["start_sample"], row["end_sample"]) for row in stored]
    assert found == wanted, (recording, spans, set(found) ^ set(wanted))
    assert recording["id"] not in {live.id for live in Recordings(house.database, "fs1").live()}
