"""Does the webhook receiver answer in time under load, and is anything lost that it answered with 200?

The server (receiver, journal, importer, and the intake that makes messages of posts, in one hub as in
``fsctl serve``) and Meta are processes of their own; between them real TCP, below a real (embedded) Postgres.
Meta sends by the clock, not when the last answer has come: a slow answer makes those behind it late, which counts.

* single: 1000 posts a second with an update each; Postgres is stopped in the middle.
* many: the same number of updates, a hundred a post.
* killed: as single, and the server is killed (SIGKILL) and started again; Meta sends again what was not answered.

At the end each post that was answered with 200 must stand in the inbox, once. Beside it: how long the inbox and the
messages took to follow, the server's CPU (until the end of the load, and in all), how busy the machine was, and how
late the server's hub was at worst (calls share it).

    python benchmarks/webhook.py [--seconds 60] [--outage 20] [--no-intake] [--quick] [--json]
"""

import argparse
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fsctl.store.embedded import Embedded

UPDATES_PER_S = 1000
MANY = 100
KILLS = 3
CUSTOMERS = 5000
CLIENTS = 64
SECRET = "only-for-the-benchmark"
GOAL_P50_MS, GOAL_P99_MS = 250.0, 500.0
GOAL_RATE = 0.99
"""Share of the updates that were to be answered by then."""
FOLLOW_S = 120.0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="of load in each round (default 60)")
    parser.add_argument("--outage", type=float, default=20.0, help="seconds without Postgres (default 20)")
    parser.add_argument("--rounds", nargs="+", choices=ROUNDS, default=list(ROUNDS))
    parser.add_argument("--no-intake", action="store_true", help="only into the inbox")
    parser.add_argument("--quick", action="store_true", help="8 seconds a round, 2 of them without Postgres")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--dsn", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        PARTS[options.part](options)
        return
    if options.quick:
        options.seconds, options.outage = 8.0, 2.0
    report([measure(name, options) for name in options.rounds], as_json=options.json)


# --- measuring ---------------------------------------------------------------------------------------------


class Part:
    """One of the processes: takes a line, answers with one JSON object."""

    def __init__(self, name: str, *arguments: str) -> None:
        command = [sys.executable, __file__, "--part", name, *arguments]
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.begun = self.answer()

    def tell(self, values: Any) -> None:
        """Send a line."""
        assert self.child.stdin is not None
        self.child.stdin.write(json.dumps(values) + "\n")
        self.child.stdin.flush()

    def answer(self) -> Any:
        """Wait for one."""
        assert self.child.stdout is not None
        line = self.child.stdout.readline()
        if not line:
            raise SystemExit(f"a part of the benchmark ended: exit code {self.child.wait()}")
        return json.loads(line)

    def end(self) -> None:
        """No more lines: the process ends."""
        assert self.child.stdin is not None
        self.child.stdin.close()
        self.child.wait(30)


@contextmanager
def postgres() -> Iterator["tuple[Embedded, Path]"]:
    """An embedded server with the schema; and a folder for the journal."""
    from fsctl.store import migrate
    from fsctl.store.embedded import Embedded

    with tempfile.TemporaryDirectory(prefix="fsctl-bench-", ignore_cleanup_errors=True) as name:
        # As root the server runs as another account, which must be able to enter.
        Path(name).chmod(0o755)
        server = Embedded(Path(name) / "pg")
        server.start()
        try:
            migrate.migrate(server.dsn)
            yield server, Path(name) / "journal"
        finally:
            server.stop()


def measure(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """One round on a fresh database."""
    updates = MANY if name == "many" else 1
    with postgres() as (server, folder):
        arguments = ["--dsn", server.dsn, "--folder", str(folder), *["--no-intake"] * options.no_intake]
        receiver = Part("serve", *arguments)
        port = str(receiver.begun["port"])
        meta = Part("meta", "--port", port)
        meta.tell({"seconds": options.seconds, "rate": UPDATES_PER_S / updates, "updates": updates})
        meta.answer()
        if name == "killed":
            for _ in range(KILLS):
                time.sleep(options.seconds / (KILLS + 1))
                receiver.child.send_signal(signal.SIGKILL)
                receiver.child.wait()
                receiver = Part("serve", *arguments, "--port", port)
        else:
            outage(server, options.seconds, options.outage)
        answered = meta.answer()
        ended = time.monotonic()
        meta.end()
        receiver.tell("report")
        under_load = {"load_cpu_s": receiver.answer()["cpu_s"], "machine_load": round(os.getloadavg()[0], 1)}
        counts = follow(server.dsn, answered["posts"], ended, options.no_intake)
        receiver.tell("report")
        served = receiver.answer()
        receiver.end()
    return {"round": name, "updates_a_post": updates, **answered, **under_load, **counts, **served}


def outage(server: "Embedded", seconds: float, outage_s: float) -> None:
    """Stop Postgres in the middle of the load."""
    time.sleep((seconds - outage_s) / 2)
    server.stop()
    time.sleep(outage_s)
    server.start()


def follow(dsn: str, posts: int, since: float, no_intake: bool) -> dict[str, Any]:
    """Wait until the inbox has them, and until all are processed; how many are missing, and how long it took."""
    import psycopg

    query = "select count(*), count(*) filter (where state = 'waiting') from inbox"
    in_inbox_s = processed_s = None
    stored = waiting = 0
    with psycopg.connect(dsn, autocommit=True) as connection:
        while time.monotonic() < since + FOLLOW_S and processed_s is None:
            stored, waiting = connection.execute(query).fetchone() or (0, 0)
            took_s = round(time.monotonic() - since, 1)
            if stored >= posts and in_inbox_s is None:
                in_inbox_s = took_s
            if in_inbox_s is not None and (no_intake or not waiting):
                processed_s = took_s
            time.sleep(0.2)
        messages, failed = connection.execute(
            "select (select count(*) from message), (select count(*) from inbox where state = 'failed')"
        ).fetchone() or (0, 0)
    return {
        "lost": posts - stored,
        "in_inbox_s": in_inbox_s,
        "processed_s": None if no_intake else processed_s,
        "waiting": waiting,
        "messages": messages,
        "failed": failed,
    }


# --- the parts, each in a process of its own ----------------------------------------------------------------


def _patch() -> Callable[[], Iterator[Any]]:
    """gevent first; gives a reader of the lines that the parent sends."""
    from gevent import monkey

    monkey.patch_all()
    from gevent.fileobject import FileObjectThread

    def lines() -> Iterator[Any]:
        # A thread waits for the line, so that the hub does not.
        for line in FileObjectThread(sys.stdin.buffer, "rt"):
            yield json.loads(line)

    return lines


def _say(values: Any) -> None:
    print(json.dumps(values), flush=True)


def serve_part(options: argparse.Namespace) -> None:
    """What ``fsctl serve`` runs of it."""
    lines = _patch()
    import gevent

    from fsctl import collector
    from fsctl.call.policy import Policy
    from fsctl.config_chat import WhatsApp
    from fsctl.store.alarms import Alarms
    from fsctl.store.db import Database
    from fsctl.store.inbox import Inbox
    from fsctl.web.server import Server
    from fsctl.whatsapp.importer import Importer
    from fsctl.whatsapp.intake import Intake
    from fsctl.whatsapp.journal import Journal
    from fsctl.whatsapp.receiver import Receiver

    database = Database(options.dsn, process="serve")
    database.open()
    journal, inbox = Journal(options.folder), Inbox(database)
    receiver = Receiver(WhatsApp(app_secret=SECRET), journal)
    server = Server(f"127.0.0.1:{options.port}", receiver.routes())
    server.start()
    gevent.spawn(Importer(journal, inbox, Alarms(database, "fs1")).run)
    if not options.no_intake:
        gevent.spawn(Intake(database, inbox, Policy()).run)
    late: list[float] = []

    def tick() -> None:
        while True:
            began = time.monotonic()
            gevent.sleep(0.01)
            late.append((time.monotonic() - began - 0.01) * 1000)

    gevent.spawn(tick)
    collector.calm()
    _say({"port": server.address[1]})
    for _ in lines():
        used = resource.getrusage(resource.RUSAGE_SELF)
        _say(
            {
                "cpu_s": round(used.ru_utime + used.ru_stime, 1),
                "late_p99_ms": _rank(late, 0.99),
                "late_max_ms": round(max(late), 1),
                "counts": vars(receiver.counts),
            }
        )


def meta_part(options: argparse.Namespace) -> None:
    """Sends by the clock, and again what was not answered with 200."""
    lines = _patch()
    import gevent

    _say({})
    for load in lines():
        requests = [
            _request(number, load["updates"]) for number in range(int(load["seconds"] * load["rate"]))
        ]
        _say({})
        numbers = iter(range(len(requests)))
        began = time.monotonic() + 0.1
        waits: list[float] = []
        again: list[int] = []

        def send(
            load: Any = load, requests: Any = requests, numbers: Any = numbers, began: float = began,
            waits: Any = waits, again: Any = again,
        ) -> None:  # fmt: skip
            client = _Client(options.port)
            for number in numbers:
                due = began + number / load["rate"]
                gevent.sleep(max(0.0, due - time.monotonic()))
                while not client.post(requests[number]):
                    again.append(number)
                    gevent.sleep(0.2)
                waits.append((time.monotonic() - due) * 1000)

        gevent.joinall([gevent.spawn(send) for _ in range(CLIENTS)], raise_error=True)
        took_s = time.monotonic() - began
        _say(
            {
                "posts": len(waits),
                "updates_per_s": round(len(waits) * load["updates"] / took_s, 1),
                "p50_ms": _rank(waits, 0.5),
                "p99_ms": _rank(waits, 0.99),
                "max_ms": round(max(waits), 1),
                "sent_again": len(again),
            }
        )


class _Client:
    """A connection that is kept."""

    def __init__(self, port: int) -> None:
        from gevent import socket

        self._connect = lambda: socket.create_connection(("127.0.0.1", port), timeout=20)
        self._sock: Any = None

    def post(self, request: bytes) -> bool:
        """Whether it was answered with 200."""
        try:
            self._sock = self._sock or self._connect()
            self._sock.sendall(request)
            answer = self._sock.recv(4096)
            while answer and b"\r\n\r\n" not in answer:
                answer += self._sock.recv(4096)
        except OSError:
            answer = b""
        if not answer.startswith(b"HTTP/1.1 200 "):
            self._sock = None
            return False
        return True


def _request(number: int, updates: int) -> bytes:
    """Whole, so that sending it costs next to nothing."""
    from fsctl.whatsapp import signature
    from fsctl.whatsapp.receiver import PATH

    body = _body(number, updates)
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: calls.example.com\r\nContent-Type: application/json\r\n"
        f"User-Agent: facebookexternalua\r\n{signature.HEADER}: {signature.sign(SECRET, body)}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _body(number: int, updates: int) -> bytes:
    """Text messages as Meta sends them, each of its own customer and time."""
    changes = [_change(number * updates + one) for one in range(updates)]
    entry = {"id": "102290129340398", "changes": changes}
    return json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()


def _change(number: int) -> dict[str, Any]:
    who = f"1555{random.Random(number).randrange(CUSTOMERS):07}"
    message = {
        "from": who,
        "id": f"wamid.HBgLMTU1NTc3Nzc3NzcVAgASGBQzQTdBN{number:012}",
        "timestamp": str(int(time.time())),
        "text": {"body": f"Where is my order {number}? It should have come yesterday, and nobody answers."},
        "type": "text",
    }
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "15550100900", "phone_number_id": "106540352242922"},
        "contacts": [{"profile": {"name": f"Customer {who}"}, "wa_id": who}],
        "messages": [message],
    }
    return {"value": value, "field": "messages"}


def _rank(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))], 1)


ROUNDS = ("single", "many", "killed")
PARTS = {"serve": serve_part, "meta": meta_part}


# --- the report --------------------------------------------------------------------------------------------


def goals_of(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What was promised."""
    goals: list[dict[str, Any]] = []

    def goal(name: str, measured: float, most: float, is_met: bool) -> None:
        goals.append({"name": name, "measured": measured, "goal": most, "met": is_met})

    for one in results:
        name = one["round"]
        goal(f"{name}: posts answered with 200 and lost", one["lost"], 0, one["lost"] == 0)
        goal(f"{name}: posts that could not be processed", one["failed"], 0, one["failed"] == 0)
        if name != "killed":
            rate = one["updates_per_s"]
            goal(f"{name}: updates/s", rate, UPDATES_PER_S, rate >= GOAL_RATE * UPDATES_PER_S)
            goal(f"{name}: median ms of the answer", one["p50_ms"], GOAL_P50_MS, one["p50_ms"] < GOAL_P50_MS)
            goal(f"{name}: p99 ms of the answer", one["p99_ms"], GOAL_P99_MS, one["p99_ms"] < GOAL_P99_MS)
    return goals


def report(results: list[dict[str, Any]], *, as_json: bool) -> None:
    """A table, and the goals."""
    goals = goals_of(results)
    if as_json:
        print(json.dumps({"results": results, "goals": goals}))
        return
    keys = (
        "posts",
        "updates_per_s",
        "p50_ms",
        "p99_ms",
        "max_ms",
        "load_cpu_s",
        "machine_load",
        "sent_again",
        "lost",
        "in_inbox_s",
    )
    keys += ("processed_s", "waiting", "messages", "failed", "cpu_s", "late_p99_ms", "late_max_ms")
    for key in ("round", *keys):
        print(f"{key:16}" + "".join(f"{one[key]!s:>12}" for one in results))
    for one in goals:
        verdict = "met   " if one["met"] else "MISSED"
        print(f"{verdict} {one['name']}: {one['measured']} (goal {one['goal']})")


if __name__ == "__main__":
    main()
