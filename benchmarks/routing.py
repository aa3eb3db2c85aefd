"""How long does a call wait for its route, and does an agent know who calls when the phone rings?

The simulated switch, the controller and a watcher are processes of their own, as in production; between them are
real TCP and a real (embedded) Postgres that holds a history. The controller is what ``fsctl serve`` runs: link,
lanes, machine, store, and the reconciler beside it.

* routed: CHANNEL_CREATE (the switch's own clock) until ``uuid_setvar_multi`` is acknowledged. The dialplan's second
  of silence is the time there is.
* offered: ``agent-offering`` until a watcher (``fsctl agent watch``) holds the row.
* queues: facts that wait in the lanes and commands without an answer, sampled ten times a second; their slope.

    python benchmarks/routing.py [--seconds 60] [--history 20000] [--quick] [--json]

All of it shares one machine with the switch, which costs more than the controller: look at the load beside it.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

RATES = (1, 10, 30, 100)
GOAL_RATE, GROWTH_RATE = 30, 100
GOAL_ROUTED_MS, GOAL_OFFERED_MS, GOAL_SLOPE = 50.0, 100.0, 1.0
"""A slope of one: of some thousand facts a second, one more waits each second."""
PASSWORD = "only-for-the-benchmark"
QUEUE = "support@fsctl"
AGENTS = 120
"""Some more than are busy at the highest rate, each for less than a second a call."""
NUMBER = "15550100900"
HISTORY = """
insert into contact (display_name, language)
    select 'Contact ' || i, (array['en', 'es', 'pt', null])[1 + i % 4] from generate_series(1, 2000) i;
insert into alias (kind, value, contact_id) select 'wa_id', 15551000000 + id, id from contact;
insert into thread (contact_id, business_number) select id, '15550100900' from contact;
insert into message (thread_id, wamid, direction, body, sent_at)
    select id, 'w' || id, 'inbound', 'where is my order ' || id || '?', now() - interval '1 hour' from thread;
insert into call (uuid, node, channel, phase, offered_at, contact_id, thread_id, queue, agent,
                  queued_at, bridged_at, ended_at, disposition, fault)
    select 'k' || i, 'fs1', 'whatsapp', 'ended', at, 1 + i % 2000, 1 + i % 2000, 'support@fsctl', 'agent' || i % 99,
           at, case when i % 5 > 0 then at + interval '10 seconds' end, at + interval '120 seconds',
           'answered', 'nobody'
    from (select i, now() - i * interval '30 seconds' as at from generate_series(1, %(calls)s::integer) i) k;
analyze;
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--seconds",
        type=float,
        default=60.0,
        help="of calls at each rate (default 60: for the first few seconds queues fill at any rate)",
    )
    parser.add_argument(
        "--history", type=int, default=20000, help="calls that Postgres holds (default 20000)"
    )
    parser.add_argument("--rates", type=int, nargs="+", default=RATES, help="calls a second")
    parser.add_argument("--quick", action="store_true", help="4 seconds at each rate, a history of 2000")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--dsn", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        PARTS[options.part](options)
        return
    if options.quick:
        options.seconds, options.history = 4.0, 2000
    results = measure(options.rates, options.seconds, options.history)
    report(results, as_json=options.json)


# --- measuring ---------------------------------------------------------------------------------------------


class Part:
    """One of the processes: takes a line, answers with one JSON object."""

    def __init__(self, name: str, *arguments: str) -> None:
        command = [sys.executable, __file__, "--part", name, *arguments]
        self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.begun = self._answer()

    def ask(self, line: str) -> Any:
        """Send a line and wait for the answer."""
        assert self._child.stdin is not None
        self._child.stdin.write(line + "\n")
        self._child.stdin.flush()
        return self._answer()

    def end(self) -> None:
        """No more lines: the process ends."""
        assert self._child.stdin is not None
        self._child.stdin.close()
        self._child.wait(30)

    def _answer(self) -> Any:
        assert self._child.stdout is not None
        line = self._child.stdout.readline()
        if not line:
            raise SystemExit(f"a part of the benchmark ended: exit code {self._child.wait()}")
        return json.loads(line)


@contextmanager
def postgres(calls: int) -> Iterator[str]:
    """An embedded server with the schema and a history; gives its address."""
    import psycopg

    from fsctl.store import migrate
    from fsctl.store.embedded import Embedded

    with tempfile.TemporaryDirectory(prefix="fsctl-bench-", ignore_cleanup_errors=True) as name:
        # As root the server runs as another account, which must be able to enter.
        Path(name).chmod(0o755)
        server = Embedded(Path(name) / "pg")
        server.start()
        try:
            migrate.migrate(server.dsn)
            with psycopg.connect(server.dsn, autocommit=True) as connection:
                for statement in HISTORY.replace("%(calls)s", str(calls)).split(";")[:-1]:
                    connection.execute(statement.encode())
            yield server.dsn
        finally:
            server.stop()


def measure(rates: Sequence[int], seconds: float, history: int) -> list[dict[str, Any]]:
    """One run at each rate, on the same processes."""
    with postgres(history) as dsn:
        switch = Part("switch")
        controller = Part("controller", "--port", str(switch.begun["port"]), "--dsn", dsn)
        watcher = Part("watcher", "--dsn", dsn)
        try:
            switch.ask(json.dumps({"rate": 5, "count": 10}))  # Warm: pool, plans, imports.
            controller.ask("report")
            watcher.ask("report")
            _analyze(dsn)
            return [_run(rate, seconds, dsn, switch, controller, watcher) for rate in rates]
        finally:
            for part in (watcher, controller, switch):
                part.end()


def _analyze(dsn: str) -> None:
    """What autovacuum does within its first minute, for the agents and tiers that are new."""
    import psycopg

    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("analyze")


def _run(
    rate: int, seconds: float, dsn: str, switch: Part, controller: Part, watcher: Part
) -> dict[str, Any]:
    count = max(10, round(rate * seconds))
    print(f"{rate} calls a second, {count} calls", file=sys.stderr)
    placed = switch.ask(json.dumps({"rate": rate, "count": count}))
    acted, seen = controller.ask("report"), watcher.ask("report")
    created = _created(dsn, placed["uuids"])
    routed = [(at - created[uuid]) * 1000 for uuid, at in acted["routed"].items() if uuid in created]
    during = [row for row in acted["depths"] if placed["first"] <= row[0] <= placed["last"]]
    return {
        "rate": rate,
        "calls": count,
        "stored": len(created),
        "routed": _spread(routed),
        "offered": _spread([row[1] for row in seen["offered"]]),
        "depth_most": max((row[1] for row in during), default=0),
        "depth_slope": _slope(during),
        "placed_per_s": round(count / max(placed["last"] - placed["first"], 0.001), 1),
        "controller_cpu_ms": acted["cpu_s"] * 1000 / count,
        "switch_cpu_ms": placed["cpu_s"] * 1000 / count,
        "load": os.getloadavg()[0],
    }


def _created(dsn: str, uuids: Sequence[str]) -> dict[str, float]:
    import psycopg

    query = "select uuid, extract(epoch from offered_at)::float8 from call where uuid = any(%s)"
    with psycopg.connect(dsn) as connection:
        return dict(connection.execute(query, [list(uuids)]).fetchall())


def _spread(values: Sequence[float]) -> dict[str, float]:
    if not values:
        return {"n": 0, "p50": float("nan"), "p99": float("nan"), "max": float("nan")}
    ordered = sorted(values)
    p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    return {"n": len(ordered), "p50": statistics.median(ordered), "p99": p99, "max": ordered[-1]}


def _slope(rows: Sequence[Sequence[float]]) -> float:
    """Items a second, by least squares."""
    if len(rows) < 2:
        return 0.0
    return statistics.linear_regression([row[0] for row in rows], [row[1] for row in rows]).slope


# --- the parts, each in a process of its own ----------------------------------------------------------------


def _patch() -> Callable[[], Iterator[str]]:
    """gevent first; gives a reader of the lines that the parent sends."""
    from gevent import monkey

    monkey.patch_all()
    from gevent.fileobject import FileObjectThread

    def lines() -> Iterator[str]:
        # A thread waits for the line, so that the hub does not.
        yield from FileObjectThread(sys.stdin.buffer, "rt")

    return lines


def _say(values: Any) -> None:
    print(json.dumps(values), flush=True)


def switch_part(_options: argparse.Namespace) -> None:
    """The simulated switch, with enough agents."""
    lines = _patch()
    import gevent

    from fsctl import collector
    from fsctl.config import share_dir
    from fsctl.sim import AgentOptions, CallPlan, QueueOptions, Ring, Switch, SwitchOptions, TierOptions

    names = [f"agent{number}" for number in range(AGENTS)]
    with tempfile.TemporaryDirectory(prefix="fsctl-bench-") as spool:
        switch = Switch(
            SwitchOptions(
                dialplan=share_dir("dialplan"),
                spool=Path(spool),
                password=PASSWORD,
                queues=(QueueOptions(QUEUE),),
                agents=tuple(
                    AgentOptions(name, f"[leg_timeout=20]user/{name}@fsctl", wrap_up_time=0) for name in names
                ),
                tiers=tuple(TierOptions(QUEUE, name, 1, place) for place, name in enumerate(names, 1)),
            )
        )
        switch.start()
        collector.calm()
        _say({"port": switch.port})
        number = 0
        for line in lines():
            asked, cpu, plans = json.loads(line), time.process_time(), []
            for _ in range(asked["count"]):
                number += 1
                # Every other caller has written to us before.
                user = (
                    f"+{15551000000 + number // 2 % 2000 + 1}" if number % 2 else f"+1555{2000000 + number}"
                )
                plans.append(
                    CallPlan(
                        from_user=user, display_name="Ann", to_number=f"+{NUMBER}", rings=(Ring("answer", 0.2),),
                        talk_s=0.5,
                    )
                )  # fmt: skip
            first = time.time()
            uuids = switch.place_calls(plans, per_second=asked["rate"])
            last = first + asked["count"] / asked["rate"]
            gevent.sleep(last - time.time())
            used = time.process_time() - cpu
            switch.wait_idle(120)
            gevent.sleep(0.5)
            _say({"uuids": uuids, "first": first, "last": last, "cpu_s": used})


def controller_part(options: argparse.Namespace) -> None:
    """What ``fsctl serve`` runs for a node, with a watch on what it sends and what waits in it."""
    lines = _patch()
    import gevent

    from fsctl import app, collector
    from fsctl.call.policy import Number, Policy, Queue, Rule
    from fsctl.config import Config, Node
    from fsctl.controller import Controller
    from fsctl.esl import encode
    from fsctl.esl.connection import Reply
    from fsctl.esl.decode import Origin
    from fsctl.esl.link import Address, Link
    from fsctl.store.calls import Calls
    from fsctl.store.db import Database

    # Unrecorded: what the simulated switch would write is no work of the controller.
    policy = Policy(
        numbers={NUMBER: Number(queue=QUEUE, language="en")},
        queues={QUEUE: Queue(recording="never", announce_wait=False)},
        rules=(Rule(name="vip", vip=True, score=1000), Rule(name="sip", channel="sip", queue="sip@fsctl")),
    )
    node = Node(name="fs1", port=options.port, password=PASSWORD)
    config = Config(nodes=(node,), policy=policy, database_url=options.dsn)
    database = Database(options.dsn, process="bench")
    database.open()
    link = Link(Address(node.host, node.port, node.password), Origin(node.name, node.contexts))
    routed: dict[str, float] = {}
    depths: list[tuple[float, int]] = []

    def request(command: encode.Request) -> Reply:
        reply = link.request(command)
        if isinstance(command, encode.SetVariables):
            routed[command.channel_uuid] = time.time()
        return reply

    def sample() -> None:
        while True:
            status = link.status()
            depths.append((time.time(), status.waiting + status.in_flight))
            gevent.sleep(0.1)

    link.listener = Controller(Calls(database), policy, request)
    link.start()
    if not link.ready.wait(10):
        raise SystemExit("the controller never got ready")
    reconciler = app.reconciler(config, node, database, link)
    reconciler.round()
    reconciler.start()
    gevent.spawn(sample)
    collector.calm()
    cpu = time.process_time()
    _say({})
    for _ in lines():
        _say({"routed": routed, "depths": depths, "cpu_s": time.process_time() - cpu})
        routed.clear()
        depths.clear()
        cpu = time.process_time()


def watcher_part(options: argparse.Namespace) -> None:
    """What ``fsctl agent watch`` does, with a clock instead of a screen."""
    lines = _patch()
    import gevent

    from fsctl.console.offers import follow
    from fsctl.store.db import Database, Wakeup
    from fsctl.store.offers import CHANNEL, Offers

    database = Database(options.dsn, process="bench watcher")
    database.open()
    offered: list[tuple[str, float]] = []

    def watch() -> None:
        for offer in follow(Offers(database), Wakeup(options.dsn, [CHANNEL])):
            offered.append((offer.call_uuid, (time.time() - offer.at.timestamp()) * 1000))

    gevent.spawn(watch)
    gevent.sleep(0.5)
    _say({})
    for _ in lines():
        _say({"offered": offered})
        offered.clear()


PARTS: dict[str, Callable[[argparse.Namespace], None]] = {
    "switch": switch_part,
    "controller": controller_part,
    "watcher": watcher_part,
}


# --- telling -----------------------------------------------------------------------------------------------


def goals_of(results: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What was promised, for the rates that were measured."""
    by_rate = {result["rate"]: result for result in results}
    measured: list[tuple[str, float, float]] = []
    if found := by_rate.get(GOAL_RATE):
        measured.append((f"routed, p99 ms at {GOAL_RATE}/s", found["routed"]["p99"], GOAL_ROUTED_MS))
        measured.append((f"offered, p99 ms at {GOAL_RATE}/s", found["offered"]["p99"], GOAL_OFFERED_MS))
    if found := by_rate.get(GROWTH_RATE):
        measured.append((f"queues grow, a second at {GROWTH_RATE}/s", found["depth_slope"], GOAL_SLOPE))
        measured.append((f"calls not stored at {GROWTH_RATE}/s", found["calls"] - found["stored"], 0))
    return [
        {"name": name, "measured": round(value, 2), "goal": goal, "met": value <= goal}
        for name, value, goal in measured
    ]


def report(results: Sequence[dict[str, Any]], *, as_json: bool) -> None:
    """A table, and the goals."""
    goals = goals_of(results)
    if as_json:
        print(json.dumps({"results": results, "goals": goals}))
        return
    print("            routed, ms               offered, ms              queues        cpu ms a call")
    print(
        "calls/s     p50     p99     max      p50     p99     max      most  slope/s     controller switch load"
    )
    for one in results:
        routed, offered = (
            "".join(f"{one[name][key]:8.1f}" for key in ("p50", "p99", "max"))
            for name in ("routed", "offered")
        )
        print(
            f"{one['rate']:7}{routed} {offered} {one['depth_most']:9}{one['depth_slope']:9.2f}"
            f"{one['controller_cpu_ms']:13.1f}{one['switch_cpu_ms']:7.1f}{one['load']:6.1f}"
        )
    for goal in goals:
        print(
            f"{'met   ' if goal['met'] else 'MISSED'} {goal['name']}: {goal['measured']} (goal {goal['goal']})"
        )


if __name__ == "__main__":
    main()
