"""What does it cost to cut live calls into utterances, and how soon are they there?

Two-leg recordings grow in a folder as FreeSWITCH writes them (16 kHz stereo, 20 ms at a time). In one run, on
the same files at the same time, each in a process of its own:

* floor: reads the bytes that are new five times a second, and does nothing with them;
* spool: the media reader as ``fsctl media`` runs it (voice detection, both legs, utterances stored in a real,
  embedded Postgres);
* websocket: the same audio at the same time in masked frames of 20 ms, as mod_audio_fork sends it: taken, written
  as recordings, and read from there as by the spool reader, all in one process.

    python benchmarks/media.py [--calls 100] [--seconds 60] [--rate 16000] [--quick] [--json]

Cores are CPU seconds of the reading process a second, for 1000 calls (Postgres is not in them). Memory is what
the process grew by since before its first recording. Latency is from the last loud frame of an utterance (35 dB
below its loudest, by energy) to its commit, less what the writer of this benchmark was late with that frame;
utterances cut for their length are left out.
"""

import argparse
import base64
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fsctl.media import header
from fsctl.media.admission import sign

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

SCALE = 1000
GOALS = {"spool": 0.8, "websocket": 1.5}
"""Source -> cores for SCALE calls. To add a source: a line here, one in READERS, and what feeds it."""
NODES = {"spool": "fs1", "websocket": "fs2"}
SECRET = "of-a-benchmark-only"
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
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
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
    spools = {node: folder / node for node in NODES.values()}
    legs = conversations(options.rate, options.seconds + 4 * WARM_S)
    with database(folder / "postgres") as dsn, socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        server.close()
        for node, spool in spools.items():
            spool.mkdir()
            begin_calls(dsn, node, spool, options.calls, recorded=node == NODES["spool"])
        paths = [spools[NODES["spool"]] / f"fs1-{n}.wav" for n in range(options.calls)]
        files = [path.open("wb", buffering=0) for path in paths]
        for file in files:
            file.write(header.render(options.rate, 2, 0))
        readers = {name: subprocess.Popen(_command(name, dsn, spools, port, options), stdout=subprocess.PIPE,
                                          text=True) for name in READERS}  # fmt: skip
        forks = [open_fork(port, n) for n in range(options.calls)]
        feeds = [*(file.write for file in files), *(partial(send, fork) for fork in forks)]
        began = time.time()
        late = grow(feeds, legs, options.rate, readers)
        found = {name: json.loads(child.communicate()[0]) for name, child in readers.items()}
    for name, result in found.items():
        result["cores"] = result["cpu_s"] / options.seconds * SCALE / options.calls
        stored = result.pop("stored", [])
        result["latency_ms"] = latencies(stored, legs, options.rate, began, late) if name != "floor" else []
        result["late_ms"] = max(late) * 1000
    return found


def _command(
    name: str, dsn: str, spools: Mapping[str, Path], port: int, options: argparse.Namespace
) -> list[str]:
    given = {
        "reader": name, "dsn": dsn, "spool": spools[NODES.get(name, NODES["spool"])], "port": port,
        "calls": options.calls, "seconds": options.seconds, "rate": options.rate,
    }  # fmt: skip
    return [
        sys.executable,
        __file__,
        *(str(word) for key, one in given.items() for word in (f"--{key}", one)),
    ]


def open_fork(port: int, number: int) -> socket.socket:
    """A connection as mod_audio_fork makes it, when the reader listens."""
    path = sign(SECRET, f"{NODES['websocket']}-{number}", int(time.time()) + 60)
    deadline = time.monotonic() + 20
    while True:
        try:
            sock = socket.create_connection(("127.0.0.1", port))
            break
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    key = base64.b64encode(os.urandom(16)).decode()
    sock.sendall(
        f"GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    answer = sock.recv(4096)
    if not answer.startswith(b"HTTP/1.1 101"):
        raise SystemExit(f"the websocket is refused: {answer[:80]!r}")
    return sock


def send(fork: socket.socket, data: bytes) -> None:
    """One binary frame; its mask is zero, which costs the reader as much as any other."""
    fork.sendall(b"\x82\xfe" + len(data).to_bytes(2, "big") + bytes(4) + data)


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


def begin_calls(dsn: str, node: str, spool: Path, count: int, *, recorded: bool) -> None:
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
        uuid = f"{node}-{n}"
        call = Call(uuid=uuid, node=node, channel="whatsapp", phase=Phase.TALKING, offered_at=at)
        path = str(spool / f"{uuid}.wav")
        opened = [commands.OpenRecording(uuid=uuid, at=at, node=node, path=path)] if recorded else []
        Calls(store).apply([
            commands.SaveCall(uuid=uuid, call=call),
            *opened,
            commands.OpenBridge(uuid=uuid, at=at, agent="a", agent_uuid=f"a-{n}"),
        ])  # fmt: skip
    store.close()


def grow(
    feeds: list[Callable[[bytes], Any]],
    legs: list["npt.NDArray[np.int16]"],
    rate: int,
    readers: Mapping[str, "subprocess.Popen[str]"],
) -> list[float]:
    """Give each feed 20 ms every 20 ms until every reader has ended; by how many seconds each step was late."""
    data = [audio.astype("<i2").tobytes() for audio in legs]
    step, late, gone = rate // 50 * 4, list[float](), set[int]()
    began, at, calls = time.time(), 0, len(feeds) // len(NODES)
    while any(child.poll() is None for child in readers.values()) and at < len(data[0]):
        late.append(max(0.0, time.time() - began - at / step / 50))
        for n, feed in enumerate(feeds):
            try:
                if n not in gone:
                    feed(data[n % calls % len(data)][at : at + step])
            except (BrokenPipeError, ConnectionResetError):
                gone.add(n)  # its reader has measured enough
        at += step
        time.sleep(max(0.0, began + at / step / 50 - time.time()))
    return late


def latencies(
    stored: list[tuple[int, int, int, int, float]],
    legs: list["npt.NDArray[np.int16]"],
    rate: int,
    began: float,
    late: list[float],
) -> list[float]:
    """From the last loud frame of each utterance, as it was written, to its commit, in ms."""
    import numpy as np

    from fsctl.config import Media

    longest = Media().max_utterance_ms * rate // 1000
    found, size = [], rate // 100
    for call, leg, start, end, at in stored:
        audio = legs[call % len(legs)][start:end, leg].astype(float)
        frames = np.sqrt(np.mean(np.square(audio[: len(audio) // size * size].reshape(-1, size)), axis=1))
        if end - start < longest // 2:
            last = int(np.flatnonzero(frames > frames.max() * DEPTH)[-1]) + 1
            spoken = start + last * size
            found.append((at - began - late[(spoken - 1) * 50 // rate] - spoken / rate) * 1000)
    return found


def _read_floor(options: argparse.Namespace) -> dict[str, Any]:
    """The bytes, and nothing else."""
    before = _memory_kb()
    files = [os.open(options.spool / f"{NODES['spool']}-{n}.wav", os.O_RDONLY) for n in range(options.calls)]

    def tick() -> None:
        for file in files:
            while len(os.read(file, 65536)) == 65536:
                pass

    return _timed(tick, time.sleep, 0.2, options.seconds) | {"kb": (_memory_kb() - before) / options.calls}


def _read_spool(options: argparse.Namespace) -> dict[str, Any]:
    """The media reader, each commit timed."""
    return _read_live(options, "spool")


def _read_websocket(options: argparse.Namespace) -> dict[str, Any]:
    """The same, and the websocket source that writes what it reads."""
    return _read_live(options, "websocket")


def _read_live(options: argparse.Namespace, source: str) -> dict[str, Any]:
    from gevent import monkey

    monkey.patch_all()
    import gevent

    from fsctl.config import Media, Node, Websocket
    from fsctl.media import spool
    from fsctl.media.websocket import Forks
    from fsctl.store.alarms import Alarms
    from fsctl.store.db import Database
    from fsctl.store.recordings import Recordings

    stored: list[tuple[int, int, int, int, float]] = []

    class Timed(Recordings):
        """Notes when utterances are in Postgres."""

        def store(self, cuts: Any) -> int:
            """As it is, and the clock."""
            added, at = super().store(cuts), time.time()
            for batch in cuts:
                call = int(batch.recording.call_uuid.rpartition("-")[2])
                stored.extend(
                    (call, int(c.leg == "agent"), c.start_sample, c.end_sample, at) for c in batch.utterances
                )
            return added

    database = Database(options.dsn, process="media", size=4)
    database.open()
    node = Node(name=NODES[source], spool=options.spool)
    recordings = Timed(database, node.name)
    recordings.live()
    before = _memory_kb()
    if source == "websocket":
        settings = Websocket(listen=f"127.0.0.1:{options.port}", secret=SECRET, rate=options.rate)
        gevent.spawn(Forks(node, settings, recordings, Alarms(database, node.name)).run)
    reader = spool.Spool(node, Media(), recordings)
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
    "websocket": _read_websocket,
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
