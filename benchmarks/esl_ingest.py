"""How fast, how fair and how large is the link under a burst of events?

Alternates in one run, on the same bytes: a raw socket (the floor), plain greenswitch, genesis, and our link
end to end (bytes -> decoded call event -> per-call lane). Each reader is a process of its own, so that memory is
its own. genesis pulls in a web server and more, so it lives in an environment of its own:

    python -m venv /tmp/genesis && /tmp/genesis/bin/pip install genesis
    python benchmarks/esl_ingest.py [--events 20000] [--rounds 3] [--quick] [--json]
                                    [--genesis /tmp/genesis/bin/python]

The events are those of a real queue call (tests/data/esl/call_queue_plain.bin and its JSON twin), repeated
with a uuid of its own for each call.
"""

import argparse
import asyncio
import contextlib
import json
import statistics
import subprocess
import sys
import time
from multiprocessing import Process
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent.parent / "tests" / "data" / "esl"
READERS = ("raw", "greenswitch", "genesis", "fsctl plain", "fsctl json")
UUIDS = (b"3f4d29d8-5523-4829-8d2d-bf61ce3cd0e3", b"3a5c5ccc-3b93-41e8-b56d-9ed8f34f9cf9")
GOAL_SPEEDUP, GOAL_FIRST_MS, GOAL_LATE_MS, GOAL_MB = 5.0, 10.0, 10.0, 64.0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--events", type=int, default=20000, help="events of one burst (default 20000)")
    parser.add_argument("--rounds", type=int, default=3, help="times each reader runs (default 3)")
    parser.add_argument("--quick", action="store_true", help="2000 events, one round")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--genesis", metavar="PYTHON", help="interpreter that has genesis; else it is left out"
    )
    parser.add_argument("--reader", choices=READERS, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.quick:
        options.events, options.rounds = 2000, 1
    if options.reader:
        print(json.dumps(read(options.reader, options.port, options.events)))
        return
    results = compare(options.events, options.rounds, options.genesis)
    report(results, options.events, as_json=options.json)


def compare(events: int, rounds: int, genesis: str | None) -> dict[str, list[dict[str, float]]]:
    """Run the readers in turn, so that what else the machine does falls on all of them."""
    bursts = {form: burst(form, events) for form in ("plain", "json")}
    pythons = dict.fromkeys(READERS, sys.executable)
    if genesis is None:
        print("genesis is left out: no --genesis", file=sys.stderr)
        del pythons["genesis"]
    else:
        pythons["genesis"] = genesis
    results: dict[str, list[dict[str, float]]] = {reader: [] for reader in pythons}
    for _ in range(rounds):
        for reader, python in pythons.items():
            data = bursts["json" if reader.endswith("json") else "plain"]
            results[reader].append(measure(python, reader, data, events))
    return results


def burst(form: str, events: int) -> bytes:
    """So many events, framed as FreeSWITCH frames them."""
    data = (DATA / f"call_queue_{form}.bin").read_bytes()
    frames, position = [], 0
    while position < len(data):
        head = data.index(b"\n\n", position) + 2
        length = next(
            (
                int(line[16:])
                for line in data[position:head].split(b"\n")
                if line.startswith(b"Content-Length: ")
            ),
            0,
        )
        if b"text/event-" in data[position:head]:
            frames.append(data[position : head + length])
        position = head + length
    out = bytearray()
    for index in range(events):
        call = index // len(frames)
        frame = frames[index % len(frames)]
        for uuid in UUIDS:
            frame = frame.replace(uuid, uuid[:-8] + b"%08x" % call)
        out += frame
    return bytes(out)


def measure(python: str, reader: str, data: bytes, events: int) -> dict[str, float]:
    """One reader, one burst: events a second, ms to the first, ms the hub was late, MB at most."""
    import socket

    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    server = Process(target=serve, args=(listener, data), daemon=True)
    server.start()
    listener.close()
    command = [python, __file__, "--reader", reader, "--port", str(port), "--events", str(events)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=True)
    server.join(10)
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def serve(listener: Any, data: bytes) -> None:
    """Greet, accept any password, and answer the subscription with the whole burst."""
    connection, _ = listener.accept()
    connection.sendall(b"Content-Type: auth/request\n\n")
    connection.recv(4096)
    connection.sendall(b"Content-Type: command/reply\nReply-Text: +OK accepted\n\n")
    connection.recv(4096)
    connection.sendall(b"Content-Type: command/reply\nReply-Text: +OK event listener enabled\n\n")
    with contextlib.suppress(ConnectionResetError):
        connection.sendall(data)
        connection.recv(4096)


def read(reader: str, port: int, events: int) -> dict[str, float]:
    """In the reader's own process."""
    if reader == "genesis":
        return asyncio.run(_genesis(port, events))
    from gevent import monkey

    monkey.patch_all()
    import gevent

    late = [0.0]

    def tick() -> None:
        while True:
            before = time.perf_counter()
            gevent.sleep(0.001)
            late[0] = max(late[0], time.perf_counter() - before - 0.001)

    import greenswitch  # noqa: F401  (imported before the clock starts, for each reader alike)

    from fsctl.esl import connection, decode, encode, lanes  # noqa: F401

    base_mb = _peak_mb()
    gevent.spawn(tick)
    gevent.sleep(0.05)
    late[0] = 0.0
    took, first = {"raw": _raw, "greenswitch": _greenswitch}.get(reader, _fsctl)(port, events)
    return {
        "events_per_s": events / took,
        "first_ms": first * 1000,
        "late_ms": late[0] * 1000,
        "burst_mb": _peak_mb() - base_mb,
    }


def _raw(port: int, events: int) -> tuple[float, float]:
    """Receive the bytes and count the frames' ends, no more."""
    from gevent import socket

    sock = socket.create_connection(("127.0.0.1", port))
    sock.recv(4096)
    sock.sendall(b"auth x\n\n")
    sock.recv(4096)
    begin = time.perf_counter()
    sock.sendall(b"event plain all\n\n")
    seen, first, tail = 0, 0.0, b""
    while seen < events:
        data = tail + sock.recv(262144)
        seen += data.count(b"\nEvent-Sequence: ")
        tail = data[-16:]
        first = first or time.perf_counter() - begin
    return time.perf_counter() - begin, first


def _greenswitch(port: int, events: int) -> tuple[float, float]:
    """greenswitch as its users run it: one handler for everything."""
    import gevent
    from greenswitch import InboundESL

    client, clock = InboundESL("127.0.0.1", port, "x"), _Clock(events)
    client.register_handle("*", lambda _event: clock.tick())
    client.connect()
    clock.begin()
    gevent.spawn(client.send, "events plain all")
    return clock.wait()


def _fsctl(port: int, events: int) -> tuple[float, float]:
    """Our connection, decoder and lanes; every event is decoded, those of calls go through a lane."""
    from fsctl.esl import decode, encode
    from fsctl.esl.connection import Connection
    from fsctl.esl.lanes import Lanes
    from fsctl.esl.messages import Event

    clock = _Clock(events)
    lanes = Lanes(lambda facts: [clock.tick() for _ in facts])
    origin = decode.Origin("bench", {"public": "whatsapp"})

    def on_event(event: Event) -> None:
        fact = decode.decode(event, origin)
        if fact is None:
            clock.tick()
        else:
            lanes.put(fact)

    connection = Connection("127.0.0.1", port, "x", on_event)
    connection.connect()
    clock.begin()
    connection.request(encode.Subscribe(), timeout_s=300)
    return clock.wait()


async def _genesis(port: int, events: int) -> dict[str, float]:
    """genesis as its users run it: asyncio, one handler for everything."""
    from genesis import Inbound

    left, first, late, done = events, 0.0, 0.0, asyncio.Event()

    async def tick() -> None:
        nonlocal late
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.001)
            late = max(late, time.perf_counter() - before - 0.001)

    def handle(_event: object) -> None:
        nonlocal left, first
        first = first or time.perf_counter() - began
        left -= 1
        if not left:
            done.set()

    client = Inbound("127.0.0.1", port, "x")
    client.on("*", handle)
    base_mb = _peak_mb()
    ticking = asyncio.create_task(tick())
    async with client:
        began = time.perf_counter()
        asking = asyncio.create_task(client.send("events plain ALL"))
        await asyncio.wait_for(done.wait(), 300)
        took = time.perf_counter() - began
    for task in (ticking, asking):
        task.cancel()
    return {
        "events_per_s": events / took,
        "first_ms": first * 1000,
        "late_ms": late * 1000,
        "burst_mb": _peak_mb() - base_mb,
    }


class _Clock:
    """Counts handled events."""

    def __init__(self, events: int) -> None:
        from gevent.event import Event

        self._left, self._first, self._done = events, 0.0, Event()

    def begin(self) -> None:
        self._began = time.perf_counter()

    def tick(self) -> None:
        self._first = self._first or time.perf_counter() - self._began
        self._left -= 1
        if self._left == 0:
            self._done.set()

    def wait(self) -> tuple[float, float]:
        if not self._done.wait(300):
            raise SystemExit(f"{self._left} events never came")
        return time.perf_counter() - self._began, self._first


def _peak_mb() -> float:
    """Most memory so far. Not ru_maxrss: that one begins with what the parent had when it forked."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


def report(results: dict[str, list[dict[str, float]]], events: int, *, as_json: bool) -> None:
    """A table of medians with the ratio to greenswitch, and the goals."""

    def median(reader: str, key: str) -> float:
        return statistics.median(result[key] for result in results[reader])

    base = median("greenswitch", "events_per_s")
    ours = "fsctl json"
    measured = [
        ("events/s against greenswitch", median(ours, "events_per_s") / base, GOAL_SPEEDUP, 1),
        ("ms to the first event", median(ours, "first_ms"), GOAL_FIRST_MS, -1),
        ("ms the hub was late", median(ours, "late_ms"), GOAL_LATE_MS, -1),
        ("MB for the burst", median(ours, "burst_mb"), GOAL_MB, -1),
    ]
    goals = [
        {"name": name, "measured": round(value, 2), "goal": goal, "met": value * sign >= goal * sign}
        for name, value, goal, sign in measured
    ]
    if as_json:
        print(json.dumps({"events": events, "results": results, "goals": goals}))
        return
    print(f"{events} events of a real queue call")
    print(f"{'reader':14}{'events/s':>12}{'ratio':>8}{'first ms':>10}{'late ms':>10}{'MB':>8}")
    for reader in results:
        speed = median(reader, "events_per_s")
        print(
            f"{reader:14}{speed:12,.0f}{speed / base:8.1f}{median(reader, 'first_ms'):10.1f}"
            f"{median(reader, 'late_ms'):10.1f}{median(reader, 'burst_mb'):8.0f}"
        )
    for goal in goals:
        verdict = "met   " if goal["met"] else "MISSED"
        print(f"{verdict} {goal['name']}: {goal['measured']} (goal {goal['goal']})")


if __name__ == "__main__":
    main()
