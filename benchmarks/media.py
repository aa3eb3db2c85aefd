"""What does it cost to cut live calls into utterances, and how soon are they there?

Two-leg recordings grow in a folder as FreeSWITCH writes them (16 kHz stereo, 20 ms at a time). In one run, on
the same files at the same time, each in a process of its own:

* floor: reads the bytes that are new five times a second, and does nothing with them;
* spool: the media reader as ``fsctl media`` runs it (voice detection, both legs, utterances stored in a real,
  embedded Postgres).

    python benchmarks/media.py [--calls 100] [--seconds 60] [--rate 16000] [--quick] [--json]

Cores are CPU seconds of the reading process a second, for 1000 calls (Postgres is not in them). Memory is what
the process grew by since before its first recording. Latency is from the last loud frame of an utterance (35 dB
below its loudest, by energy) to its commit; utterances cut for their length are left out.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

SCALE = 1000
GOALS = {"spool": 0.8}
"""Source -> cores for SCALE calls. To add a source: a line here, one in READERS, and what feeds it."""
GOAL_KB, SLACK_MS = 50.0, 250.0
WARM_S = 3.0
DEPTH = 0.018
"""35 dB, as a ratio."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--calls", type=int, default=100, help="recordings that grow (default 100)")
    parser.add_argument("--seconds", type=float, default=60.0, help="measured time (default 60)")
    parser.add_argument("--rate", type=int, default=16000, help="samples a second: 8000 or 16000 (default)")
    parser.add_argument("--quick", action="store_true", help="20 calls for 15 s")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--reader", choices=("floor", *GOALS), help=argparse.SUPPRESS)
    parser.add_argument("--dsn", help=argparse.SUPPRESS)
    parser.add_argument("--spool", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.quick:
        options.calls, options.seconds = 20, 15.0
    if options.reader:
        print(json.dumps(READERS[options.reader](options)))
        return
    with tempfile.TemporaryDirectory(prefix="fsctl-bench-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        report(measure(Path(name), options), options, as_json=options.json)


def measure(folder: Path, options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Let the recordings grow and every reader read them."""
    spool = folder / "spool"
    spool.mkdir()
    legs = conversations(options.rate, options.seconds + 4 * WARM_S)
    with database(folder / "postgres") as dsn:
        begin_calls(dsn, spool, options.calls)
        command = [
            sys.executable,
            __file__,
            "--dsn",
            dsn,
            "--spool",
            str(spool),
            "--calls",
            str(options.calls),
        ]
        command += ["--seconds", str(options.seconds), "--rate", str(options.rate), "--reader"]
        files = [(spool / f"c-{n}.wav").open("wb", buffering=0) for n in range(options.calls)]
        readers = {
            name: subprocess.Popen([*command, name], stdout=subprocess.PIPE, text=True) for name in READERS
        }
        began = time.time()
        late_ms = grow(files, legs, options.rate, readers)
        found = {name: json.loads(child.communicate()[0]) for name, child in readers.items()}
    for name, result in found.items():
        result["cores"] = result["cpu_s"] / options.seconds * SCALE / options.calls
        stored = result.pop("stored", [])
        result["latency_ms"] = latencies(stored, legs, options.rate, began) if name != "floor" else []
        result["late_ms"] = late_ms
    return found


def conversations(rate: int, seconds: float) -> list["npt.NDArray[np.int16]"]:
    """The package's conversations as stereo, long enough, each begun at several places."""
    import numpy as np

    from fsctl.sim import load_samples

    found = []
    for sample in load_samples():
        legs = np.stack([sample.caller_audio, sample.agent_audio], axis=1)[:: 16000 // rate]
        for turn in range(4):
            found.append(np.resize(np.roll(legs, -turn * len(legs) // 4, axis=0), (int(seconds * rate), 2)))
    return found


@contextmanager
def database(folder: Path) -> Iterator[str]:
    """An embedded Postgres with the schema."""
    from fsctl.store import migrate
    from fsctl.store.embedded import Embedded

    server = Embedded(folder)
    server.start()
    try:
        migrate.migrate(server.dsn)
        yield server.dsn
    finally:
        server.stop()


def begin_calls(dsn: str, spool: Path, count: int) -> None:
    """What the controller would have stored: calls that talk, with an agent bridged from the beginning."""
    from datetime import UTC, datetime

    from fsctl.call import commands
    from fsctl.call.state import Call, Phase
    from fsctl.store.calls import Calls
    from fsctl.store.db import Database

    store = Database(dsn, process="bench", size=1)
    store.open()
    at = datetime.now(UTC)
    for n in range(count):
        uuid = f"c-{n}"
        call = Call(uuid=uuid, node="fs1", channel="whatsapp", phase=Phase.TALKING, offered_at=at)
        path = str(spool / f"{uuid}.wav")
        Calls(store).apply(uuid, [
            commands.SaveCall(uuid=uuid, call=call),
            commands.OpenRecording(uuid=uuid, at=at, node="fs1", path=path),
            commands.OpenBridge(uuid=uuid, at=at, agent="a", agent_uuid=f"a-{n}"),
        ])  # fmt: skip
    store.close()


def grow(
    files: list[Any],
    legs: list["npt.NDArray[np.int16]"],
    rate: int,
    readers: Mapping[str, "subprocess.Popen[str]"],
) -> float:
    """Write 20 ms to each file every 20 ms until every reader has ended; the worst delay in ms."""
    from fsctl.sim.recording import wav_header

    data = [audio.astype("<i2").tobytes() for audio in legs]
    step, header, late = rate // 50 * 4, wav_header(rate, 2, None), 0.0
    for file in files:
        file.write(header)
    began, at = time.time(), 0
    while any(child.poll() is None for child in readers.values()) and at < len(data[0]):
        for n, file in enumerate(files):
            file.write(data[n % len(data)][at : at + step])
        at += step
        ahead = began + at / step / 50 - time.time()
        late = max(late, -ahead)
        time.sleep(max(0.0, ahead))
    for file in files:
        file.close()
    return late * 1000


def latencies(
    stored: list[tuple[int, int, int, int, float]],
    legs: list["npt.NDArray[np.int16]"],
    rate: int,
    began: float,
) -> list[float]:
    """From the last loud frame of each utterance to its commit, in ms."""
    import numpy as np

    from fsctl.config import Media

    longest = Media().max_utterance_ms * rate // 1000
    found, size = [], rate // 100
    for call, leg, start, end, at in stored:
        audio = legs[call % len(legs)][start:end, leg].astype(float)
        frames = np.sqrt(np.mean(np.square(audio[: len(audio) // size * size].reshape(-1, size)), axis=1))
        if end - start < longest // 2:
            last = int(np.flatnonzero(frames > frames.max() * DEPTH)[-1]) + 1
            found.append((at - began - (start + last * size) / rate) * 1000)
    return found


def _read_floor(options: argparse.Namespace) -> dict[str, Any]:
    """The bytes, and nothing else."""
    before = _memory_kb()
    files = [os.open(options.spool / f"c-{n}.wav", os.O_RDONLY) for n in range(options.calls)]

    def tick() -> None:
        for file in files:
            while len(os.read(file, 65536)) == 65536:
                pass

    return _timed(tick, time.sleep, 0.2, options.seconds) | {"kb": (_memory_kb() - before) / options.calls}


def _read_spool(options: argparse.Namespace) -> dict[str, Any]:
    """The media reader, each commit timed."""
    from gevent import monkey

    monkey.patch_all()
    import gevent

    from fsctl.config import Media, Node
    from fsctl.media import spool
    from fsctl.store.db import Database
    from fsctl.store.recordings import Recordings

    stored: list[tuple[int, int, int, int, float]] = []

    class Timed(Recordings):
        """Notes when utterances are in Postgres."""

        def add_utterances(self, recording: Any, cuts: Any, *more: Any) -> int:
            """As it is, and the clock."""
            added = super().add_utterances(recording, cuts, *more)
            call, at = int(recording.call_uuid.removeprefix("c-")), time.time()
            stored.extend((call, int(c.leg == "agent"), c.start_sample, c.end_sample, at) for c in cuts)
            return added

    database = Database(options.dsn, process="media", size=4)
    database.open()
    recordings = Timed(database, "fs1")
    recordings.live()
    reader = spool.Spool(Node(name="fs1", spool=options.spool), Media(), recordings)
    before = _memory_kb()
    found = _timed(reader.tick, gevent.sleep, spool.TICK_S, options.seconds)
    return found | {"kb": (_memory_kb() - before) / options.calls, "stored": stored}


def _timed(
    tick: Callable[[], None], sleep: Callable[[float], None], pause_s: float, seconds: float
) -> dict[str, Any]:
    """Rounds for so long, CPU counted after a while in which files are opened."""
    warm, cpu = time.monotonic() + WARM_S, None
    while cpu is None or time.monotonic() < warm + seconds:
        tick()
        if cpu is None and time.monotonic() >= warm:
            cpu = time.process_time()
        sleep(pause_s)
    return {"cpu_s": time.process_time() - cpu}


def _memory_kb() -> int:
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])


READERS: Mapping[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "floor": _read_floor,
    "spool": _read_spool,
}


def report(found: Mapping[str, dict[str, Any]], options: argparse.Namespace, *, as_json: bool) -> None:
    """A table and the goals."""
    from fsctl.config import Media

    goals: list[dict[str, Any]] = []
    load = os.getloadavg()[0]
    for source, cores in GOALS.items():
        result = found[source]
        p95 = statistics.quantiles(result["latency_ms"], n=20)[-1]
        for name, value, goal in (
            (f"{source}: cores for {SCALE} calls", result["cores"], cores),
            (f"{source}: KB a call", result["kb"], GOAL_KB),
            (f"{source}: ms from end of speech to stored, p95", p95, Media().hangover_ms + SLACK_MS),
        ):
            goals.append({"name": name, "measured": round(value, 2), "goal": goal, "met": value <= goal})
    if as_json:
        print(json.dumps({"calls": options.calls, "load": load, "results": found, "goals": goals}))
        return
    print(
        f"{options.calls} calls, {options.rate} Hz, {options.seconds:.0f} s, load {load:.1f} of {os.cpu_count()}"
    )
    heads = ("cores/1000", "over floor", "KB a call", "p50 ms", "p95 ms", "stored")
    print(f"{'reader':10}" + "".join(f"{head:>12}" for head in heads))
    for name, result in found.items():
        times = result["latency_ms"]
        shown = " " * 24
        if times:
            shown = f"{statistics.median(times):12.0f}{statistics.quantiles(times, n=20)[-1]:12.0f}"
        ratio = result["cores"] / found["floor"]["cores"]
        print(f"{name:10}{result['cores']:12.2f}{ratio:12.1f}{result['kb']:12.0f}{shown}{len(times):12}")
    print(f"the writer was {found['floor']['late_ms']:.0f} ms late at worst")
    for goal in goals:
        print(
            f"{'met   ' if goal['met'] else 'MISSED'} {goal['name']}: {goal['measured']} (goal {goal['goal']})"
        )


if __name__ == "__main__":
    main()
