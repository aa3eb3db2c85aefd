"""What does it cost to cut live calls into utterances, and how soon are they there?

Two-leg recordings grow in a folder as FreeSWITCH writes them (16 kHz stereo, 20 ms at a time). One source after
the other, for a node has one, each in a process of its own and beside a process of the floor:

* floor: reads the bytes that are new five times a second, and does nothing with them;
* spool: the media reader as ``fsctl media`` runs it (voice detection, both legs, utterances stored in a real,
  embedded Postgres);
* websocket: the same audio in masked frames of 20 ms, as mod_audio_fork sends it: taken, written as recordings,
  and read from there as by the spool reader, all in one process.

    python benchmarks/media.py [--calls 250] [--seconds 60] [--rate 16000] [--noise DB] [--quick] [--json]

Cores are CPU seconds of the reading process a second, for 1000 calls (Postgres is not in them). What a process does
however few calls there are is multiplied with them: few calls look dear. Memory is what the process grew by since
before its first recording. Latency is from the last loud frame of an utterance (35 dB below its loudest, by energy)
to its commit, less what the writer of this benchmark was late with that frame; utterances cut for their length are
left out, and nothing is measured before the reader has been at work for some seconds.
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
NODE = "fs1"
SECRET = "of-a-benchmark-only"
GOAL_KB, SLACK_MS = 50.0, 250.0
WARM_S = 3.0
"""In which a reader finds the recordings, and then reads the first of them unmeasured."""
DEPTH = 0.018
"""35 dB, as a ratio."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--calls", type=int, default=250, help="recordings that grow (default 250)")
    parser.add_argument(
        "--seconds", type=float, default=60.0, help="measured time of each source (default 60)"
    )
    parser.add_argument("--rate", type=int, default=16000, help="samples a second: 8000 or 16000 (default)")
    parser.add_argument("--noise", type=float, help="noise on both legs, so many dB below their speech")
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
    found = {}
    for source in GOALS:
        with tempfile.TemporaryDirectory(prefix="fsctl-bench-", ignore_cleanup_errors=True) as name:
            Path(name).chmod(0o755)
            found[source] = measure(source, Path(name), options)
    report(found, options, as_json=options.json)


def measure(source: str, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Let the recordings grow, and one source and the floor read them."""
    spools = {name: folder / name for name in GOALS}
    legs = conversations(options)
    with database(folder / "postgres") as dsn, socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        server.close()
        for spool in spools.values():
            spool.mkdir()
        begin_calls(dsn, spools[source], options.calls, recorded=source == "spool")
        files = [(spools["spool"] / f"{NODE}-{n}.wav").open("wb", buffering=0) for n in range(options.calls)]
        for file in files:
            file.write(header.render(options.rate, 2, 0))
        where = {"floor": spools["spool"], source: spools[source]}
        readers = {name: subprocess.Popen(_command(name, dsn, spool, port, options), stdout=subprocess.PIPE,
                                          text=True) for name, spool in where.items()}  # fmt: skip
        forks = [open_fork(port, n) for n in range(options.calls)] if source == "websocket" else []
        for reader in readers.values():
            assert reader.stdout is not None
            reader.stdout.readline()
        feeds = [*(file.write for file in files), *(partial(send, fork) for fork in forks)]
        began = time.time()
        late = grow(feeds, legs, options, readers)
        floor, found = (json.loads(readers[name].communicate()[0]) for name in where)
    stored = found.pop("stored")
    scale = SCALE / options.calls / options.seconds
    found |= {"cores": found["cpu_s"] * scale, "floor": floor["cpu_s"] * scale, "late_ms": max(late) * 1000}
    return found | {"latency_ms": latencies(stored, legs, options.rate, began, late)}


def _command(name: str, dsn: str, spool: Path, port: int, options: argparse.Namespace) -> list[str]:
    given = {
        "reader": name, "dsn": dsn, "spool": spool, "port": port,
        "calls": options.calls, "seconds": options.seconds, "rate": options.rate,
    }  # fmt: skip
    return [
        sys.executable,
        __file__,
        *(str(word) for key, one in given.items() for word in (f"--{key}", one)),
    ]


def open_fork(port: int, number: int) -> socket.socket:
    """A connection as mod_audio_fork makes it, when the reader listens."""
    path = sign(SECRET, f"{NODE}-{number}", int(time.time()) + 60)
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


def send(fork: socket.socket, data: memoryview) -> None:
    """One binary frame; its mask is zero, which costs the reader as much as any other."""
    fork.sendall(b"\x82\xfe" + len(data).to_bytes(2, "big") + bytes(4) + data)


def conversations(options: argparse.Namespace) -> list["npt.NDArray[np.int16]"]:
    """The package's conversations as stereo, again and again; each call begins somewhere else, as calls do."""
    import numpy as np

    from fsctl.sim import load_samples

    stereo = [
        np.stack([one.caller_audio, one.agent_audio], axis=1)[:: 16000 // options.rate]
        for one in load_samples()
    ]
    if options.noise is not None:
        stereo = [noisy(audio, options.noise) for audio in stereo]
    calls, size = options.calls, int((options.seconds + 4 * WARM_S) * options.rate)
    turns = [np.resize(audio.astype("<i2"), (len(audio) + size, 2)) for audio in stereo]
    found = []
    for call in range(calls):
        begin = call * len(stereo[call % len(stereo)]) // calls
        found.append(turns[call % len(stereo)][begin : begin + size])
    return found


def noisy(audio: "npt.NDArray[np.int16]", below_db: float) -> "npt.NDArray[np.int16]":
    """White noise on each leg, so many dB below the power that the leg has while it speaks."""
    import numpy as np

    spoken = [leg[np.abs(leg) > 100].astype(float).std() for leg in audio.T]
    noise = np.random.default_rng(0).normal(0, np.array(spoken) * 10 ** (-below_db / 20), audio.shape)
    return (audio + noise).clip(-32768, 32767).astype(np.int16)


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


def begin_calls(dsn: str, spool: Path, count: int, *, recorded: bool) -> None:
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
        uuid = f"{NODE}-{n}"
        call = Call(uuid=uuid, node=NODE, channel="whatsapp", phase=Phase.TALKING, offered_at=at)
        path = str(spool / f"{uuid}.wav")
        opened = [commands.OpenRecording(uuid=uuid, at=at, node=NODE, path=path)] if recorded else []
        Calls(store).apply([
            commands.SaveCall(uuid=uuid, call=call),
            *opened,
            commands.OpenBridge(uuid=uuid, at=at, agent="a", agent_uuid=f"a-{n}"),
        ])  # fmt: skip
    store.close()


def grow(
    feeds: list[Callable[[memoryview], Any]],
    legs: list["npt.NDArray[np.int16]"],
    options: argparse.Namespace,
    readers: Mapping[str, "subprocess.Popen[str]"],
) -> list[float]:
    """Give each feed 20 ms every 20 ms until every reader has ended; by how many seconds each step was late."""
    data = [memoryview(audio).cast("B") for audio in legs]
    step, late, gone = options.rate // 50 * 4, list[float](), set[int]()
    began, at, calls = time.time(), 0, options.calls
    while any(child.poll() is None for child in readers.values()) and at < len(data[0]):
        late.append(max(0.0, time.time() - began - at / step / 50))
        for n, feed in enumerate(feeds):
            try:
                if n not in gone:
                    feed(data[n % calls][at : at + step])
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
        audio = legs[call][start:end, leg].astype(float)
        frames = np.sqrt(np.mean(np.square(audio[: len(audio) // size * size].reshape(-1, size)), axis=1))
        if end - start < longest // 2:
            last = int(np.flatnonzero(frames > frames.max() * DEPTH)[-1]) + 1
            spoken = start + last * size
            found.append((at - began - late[(spoken - 1) * 50 // rate] - spoken / rate) * 1000)
    return found


def _read_floor(options: argparse.Namespace) -> dict[str, Any]:
    """The bytes, and nothing else."""
    files = [os.open(options.spool / f"{NODE}-{n}.wav", os.O_RDONLY) for n in range(options.calls)]

    def read(seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for file in files:
                while len(os.read(file, 65536)) == 65536:
                    pass
            time.sleep(0.2)

    print("ready", flush=True)
    while os.fstat(files[0]).st_size == len(header.render(options.rate, 2, 0)):
        time.sleep(0.1)
    read(WARM_S)
    return {"cpu_s": _cpu_s(read, options.seconds)}


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
    from fsctl.media import memory, silero, spool
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

    database = Database(options.dsn, process="media")
    database.open()
    session = Database(options.dsn, process="media cuts", one_session=True)
    node = Node(name=NODE, spool=options.spool)
    recordings, cuts = Recordings(database, node.name), Timed(session, node.name)
    recordings.live()
    memory.keep_large_blocks_apart()
    silero.prepare()
    before = _memory_kb()
    if source == "websocket":
        settings = Websocket(listen=f"127.0.0.1:{options.port}", secret=SECRET, rate=options.rate)
        gevent.spawn(Forks(node, settings, recordings, Alarms(database, node.name)).run)
    gevent.spawn(spool.Spool(node, Media(), cuts).run)
    gevent.sleep(WARM_S)
    print("ready", flush=True)
    gevent.sleep(WARM_S)
    stored.clear()
    cpu_s = _cpu_s(gevent.sleep, options.seconds)
    return {"cpu_s": cpu_s, "kb": (_memory_kb() - before) / options.calls, "stored": stored}


def _cpu_s(work: Callable[[float], None], seconds: float) -> float:
    """What so long costs."""
    before = time.process_time()
    work(seconds)
    return time.process_time() - before


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
    heads = ("cores/1000", "its floor", "KB a call", "p50 ms", "p95 ms", "stored", "writer late")
    print(f"{'source':10}" + "".join(f"{head:>12}" for head in heads))
    for name, result in found.items():
        times = result["latency_ms"]
        print(
            f"{name:10}{result['cores']:12.2f}{result['floor']:12.3f}{result['kb']:12.0f}"
            f"{statistics.median(times):12.0f}{statistics.quantiles(times, n=20)[-1]:12.0f}"
            f"{len(times):12}{result['late_ms']:9.0f} ms"
        )
    for goal in goals:
        print(
            f"{'met   ' if goal['met'] else 'MISSED'} {goal['name']}: {goal['measured']} (goal {goal['goal']})"
        )


if __name__ == "__main__":
    main()
