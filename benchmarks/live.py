"""How many calls can one small machine transcribe while they last?

Simulated calls with real speech (two parties, the samples of the demo, turned round so that no two calls speak in
step) at growing numbers. The whole system works on the cores that there are: simulated FreeSWITCH, Postgres,
`fsctl serve`, `fsctl media` and one transcriber. Measured is the time from the end of speech (the last loud 20 ms,
35 dB below the loudest, by energy) to the moment at which another connection sees the segment's row. In one run:

* ours: `fsctl transcribe`;
* usual: the same worker, which calls faster-whisper as everybody does: `WhisperModel.transcribe`, one utterance at
  a time, with its own defaults, on all cores.

    python benchmarks/live.py [--model base] [--calls 8 12 16 20 24] [--seconds 45] [--quick] [--json]

A number of calls is carried when 95 of 100 utterances have their text within 2 s and none was shed or left over.
The goal is 20 calls with base, 40 with tiny.en. Decoding after the calls (the final pass) is off: it waits while
calls go on, and here all go on to the end.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

GOALS = {"base": 20, "tiny.en": 40}
WITHIN_S = 2.0
QUEUE = "support@fsctl"
NUMBER = "15550100900"
PASSWORD = "only-for-benchmarks"
SAMPLES = ("order-en", "billing-en")
WARM_S = 12.0
"""From the first call to the first measured end of speech: all are bridged by then."""
DRAIN_S = 15.0
"""So long a text may come after the measured time, before it counts as left over."""
DEPTH = 0.018
"""35 dB, as a ratio."""
WAYS = ("ours", "usual")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", default="base", help="as `fsctl models` knows it (default base)")
    parser.add_argument("--calls", type=int, nargs="+", help="numbers of calls, one after the other")
    parser.add_argument("--seconds", type=float, default=45.0, help="measured time of each (default 45)")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS), help="default: both")
    parser.add_argument(
        "--threads", type=int, default=0, help="of the transcriber (default: as many as cores)"
    )
    parser.add_argument("--workers", type=int, default=1, help="transcribers (default 1)")
    parser.add_argument("--batch", type=int, default=4, help="decoded together by each thread (default 4)")
    parser.add_argument("--quick", action="store_true", help="3 and 6 calls, 15 s each")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--part", choices=("switch", "usual"), help=argparse.SUPPRESS)
    parser.add_argument("--config", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--spool", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        PARTS[options.part](options)
        return
    # Ended by a signal we still end our processes.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    goal = GOALS.get(options.model, 20)
    if options.quick:
        options.calls, options.seconds = options.calls or [3, 6], 15.0
    calls = options.calls or [goal * share // 20 for share in (4, 8, 12, 16, 20, 24, 28)]
    results = [row for way in options.ways for row in measure(way, calls, options)]
    report(results, options.model, as_json=options.json)


# --- measuring ---------------------------------------------------------------------------------------------


def measure(way: str, calls: Sequence[int], options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Growing numbers of calls on one system, until two in a row are too many."""
    missed = 0
    with system(way, options) as house:
        for count in sorted(calls):
            row = house.run(count, options.seconds) | {"way": way, "model": options.model}
            print(f"{way}: {told(row)}", file=sys.stderr)
            yield row
            missed = 0 if is_carried(row) else missed + 1
            if missed == 2:
                return


@contextmanager
def system(way: str, options: argparse.Namespace) -> Iterator["House"]:
    """Every process, on a folder of their own."""
    from fsctl.config import Config
    from fsctl.store import migrate
    from fsctl.store.embedded import Embedded

    with tempfile.TemporaryDirectory(prefix="fsctl-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        # As root Postgres runs as another account, which must be able to enter.
        folder.chmod(0o755)
        server = Embedded(folder / "pg")
        server.start()
        migrate.migrate(server.dsn)
        house = House(folder, server.dsn, way, options, Config().models)
        try:
            yield house
        finally:
            house.close()
            server.stop()


class House:
    """The processes, and what is seen of them from outside."""

    def __init__(self, folder: Path, dsn: str, way: str, options: argparse.Namespace, models: Path) -> None:
        import psycopg

        self._folder = folder
        spool = folder / "spool"
        spool.mkdir()
        self._environment = {**os.environ, "FSCTL_DATABASE_URL": dsn, "FSCTL_ESL_PASSWORD": PASSWORD}
        self._environment.setdefault("FSCTL_MODEL_DIR", str(models.absolute()))
        config = folder / "fsctl.toml"
        self._switch = self._start(
            "switch", [__file__, "--part", "switch", "--spool", str(spool)], piped=True
        )
        threads = options.threads or os.cpu_count() or 1
        config.write_text(
            f'data_dir = "{folder}"\n[[node]]\nname = "fs1"\nport = {self._answer()["port"]}\n'
            f'password_env = "FSCTL_ESL_PASSWORD"\nspool = "{spool}"\n[number.{NUMBER}]\nlanguage = "en"\n'
            f'[transcribe]\nmodel = "{options.model}"\nlanguages = ["en"]\nthreads = {threads}\n'
            f"batch = {options.batch}\n"
            'final_model = "off"\n'
        )
        ours = ["-m", "fsctl", "--config", str(config)]
        self._children = {name: self._start(name, [*ours, name]) for name in ("serve", "media")}
        transcriber = [*ours, "transcribe"]
        if way == "usual":
            transcriber = [__file__, "--part", "usual", "--config", str(config)]
        workers = ["transcribe", *(f"transcribe {number}" for number in range(2, options.workers + 1))]
        self._children |= {name: self._start(name, transcriber) for name in workers}
        self._children["switch"] = self._switch
        self._connection = psycopg.connect(dsn, autocommit=True)
        self._seen: dict[int, float] = {}
        """Utterance -> when its text was there for another to see."""
        self._cursor = 0
        self._until(lambda: all("is loaded" in self._log(name) for name in workers), 120)

    def run(self, count: int, seconds: float) -> dict[str, Any]:
        """So many calls at once, measured for so long."""
        self._tell({"calls": count, "talk_s": WARM_S + seconds + 5})
        begin = self._answer()["first"] + WARM_S
        cpu: dict[str, float] = {}
        while time.time() < begin + seconds:
            self._look()
            if not cpu and time.time() >= begin:
                cpu = self._cpu()
        used = {name: round((value - cpu[name]) / seconds, 3) for name, value in self._cpu().items()}
        spoken = self._spoken(begin, begin + seconds)
        self._until(lambda: self._look() >= set(spoken), DRAIN_S)
        self._answer()  # The calls are over.
        delays = sorted(self._seen[id] - self._ended(*spoken[id]) for id in spoken if id in self._seen)
        shed = sum(id not in self._seen for id in spoken)
        self._until(self._is_idle, 120)
        return {"calls": count, "utterances": len(spoken), "left": shed, **_spread(delays), "cores": used}

    def close(self) -> None:
        """End everything."""
        self._connection.close()
        for child in self._children.values():
            child.terminate()
        for child in self._children.values():
            child.wait(20)

    def _look(self) -> set[int]:
        """Take note of the text that is there now."""
        time.sleep(0.02)
        rows = self._connection.execute("select id, utterance_id from segment where id > %s", [self._cursor])
        now = time.time()
        for id, utterance_id in rows:
            self._cursor = max(self._cursor, id)
            self._seen.setdefault(utterance_id, now)
        return set(self._seen)

    def _spoken(self, begin: float, end: float) -> dict[int, tuple[str, int, int, int, float]]:
        """Utterances that ended meanwhile: file, channel, first sample, last, and when the recording began."""
        time.sleep(1.0)
        rows = self._connection.execute(
            "select u.id, r.path, u.leg, u.start_sample, u.end_sample, extract(epoch from r.started_at)::float8"
            " from utterance u join recording r on r.id = u.recording_id"
            " where extract(epoch from r.started_at) + u.end_sample::float8 / u.rate between %s and %s",
            [begin, end],
        )
        return {id: (path, int(leg == "agent"), a, b, began) for id, path, leg, a, b, began in rows}

    def _ended(self, path: str, channel: int, first: int, last: int, began: float) -> float:
        """When its last loud frame ended."""
        import numpy as np

        from fsctl.media import codec

        there = Path(path)
        if not there.exists():
            there = next((self._folder / "archive").rglob(there.name))
        frames = codec.cut(there, channel, first, last).astype(np.float64)
        frames = frames[: len(frames) // 320 * 320].reshape(-1, 320)
        loud = np.sqrt((frames**2).mean(axis=1))
        over = np.flatnonzero(loud > loud.max() * DEPTH)
        return began + (first + (int(over[-1]) + 1) * 320) / 16000

    def _is_idle(self) -> bool:
        query = "select count(*) from utterance where state in ('pending', 'claimed', 'shed')"
        row = self._connection.execute(query).fetchone()
        time.sleep(0.2)
        return row is not None and row[0] == 0

    def _cpu(self) -> dict[str, float]:
        """Seconds of processor time of each process so far; of Postgres, all of its processes."""
        return {name: _used(child.pid) for name, child in self._children.items()}

    def _start(self, name: str, arguments: Sequence[str], *, piped: bool = False) -> "subprocess.Popen[str]":
        pipe = subprocess.PIPE if piped else None
        with (self._folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, *arguments], stdin=pipe, stdout=pipe or log, stderr=log, text=True,
                env=self._environment,
            )  # fmt: skip

    def _log(self, name: str) -> str:
        return (self._folder / f"{name}.log").read_text(errors="replace")

    def _tell(self, values: Any) -> None:
        assert self._switch.stdin is not None
        self._switch.stdin.write(json.dumps(values) + "\n")
        self._switch.stdin.flush()

    def _answer(self) -> Any:
        assert self._switch.stdout is not None
        line = self._switch.stdout.readline()
        if not line:
            raise SystemExit(f"the switch ended:\n{self._log('switch')[-2000:]}")
        return json.loads(line)

    def _until(self, done: Callable[[], bool], patience_s: float) -> None:
        deadline = time.time() + patience_s
        while not done() and time.time() < deadline:
            time.sleep(0.05)


def _used(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _spread(delays: Sequence[float]) -> dict[str, float]:
    if not delays:
        return {"p50": float("nan"), "p95": float("nan"), "max": float("nan")}
    p95 = delays[min(len(delays) - 1, int(len(delays) * 0.95))]
    return {"p50": round(statistics.median(delays), 2), "p95": round(p95, 2), "max": round(delays[-1], 2)}


# --- the parts, each in a process of its own ----------------------------------------------------------------


def switch_part(options: argparse.Namespace) -> None:
    """The simulated switch, with as many agents as calls."""
    from gevent import monkey

    monkey.patch_all()
    import numpy as np
    from gevent.fileobject import FileObjectThread

    from fsctl.config import share_dir
    from fsctl.sim import (
        AgentOptions,
        CallPlan,
        QueueOptions,
        Ring,
        Switch,
        SwitchOptions,
        TierOptions,
        load_samples,
    )

    names = [f"agent{number}" for number in range(200)]
    switch = Switch(
        SwitchOptions(
            dialplan=share_dir("dialplan"),
            spool=options.spool,
            password=PASSWORD,
            queues=(QueueOptions(QUEUE),),
            agents=tuple(
                AgentOptions(name, f"[leg_timeout=20]user/{name}@fsctl", wrap_up_time=0) for name in names
            ),
            tiers=tuple(TierOptions(QUEUE, name, 1, place) for place, name in enumerate(names, 1)),
        )
    )
    switch.start()
    print(json.dumps({"port": switch.port}), flush=True)
    samples = load_samples(SAMPLES)
    number = 0
    for line in FileObjectThread(sys.stdin.buffer, "rt"):
        asked, plans = json.loads(line), []
        for index in range(asked["calls"]):
            number += 1
            sample = samples[index % len(samples)]
            turn, length = (
                int(len(sample.caller_audio) * index / asked["calls"]),
                int(asked["talk_s"] * 16000),
            )
            plans.append(
                CallPlan(
                    from_user=f"+{15552000000 + number}", display_name="Ann", to_number=f"+{NUMBER}",
                    caller_audio=np.resize(np.roll(sample.caller_audio, -turn), length),
                    agent_audio=np.resize(np.roll(sample.agent_audio, -turn), length),
                    rings=(Ring("answer", 0.5),),
                )
            )  # fmt: skip
        while not switch.has_subscriber():
            time.sleep(0.1)
        first = time.time()
        switch.place_calls(plans, per_second=max(4.0, asked["calls"] / 5))
        print(json.dumps({"first": first + 5.0}), flush=True)
        switch.wait_idle(asked["talk_s"] + 60)
        print(json.dumps({}), flush=True)


def usual_part(options: argparse.Namespace) -> None:
    """Our worker around faster-whisper as it is usually called."""
    import logging

    from faster_whisper import WhisperModel

    from fsctl import app, config
    from fsctl.store.db import Wakeup
    from fsctl.store.utterances import Utterances
    from fsctl.transcribe import guard, models
    from fsctl.transcribe.batch import Policy
    from fsctl.transcribe.engine import BEAM, Speech, Text
    from fsctl.transcribe.worker import Worker

    class Usual:
        name = "faster-whisper"

        def __init__(self, folder: Path, threads: int) -> None:
            self._model = WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=threads)

        def decode(self, batch: Sequence[Speech], *, beam: int = BEAM) -> list[list[Text]]:  # noqa: ARG002
            return [self._one(speech) for speech in batch]

        def _one(self, speech: Speech) -> list[Text]:
            segments, _ = self._model.transcribe(speech.wave, language=speech.language)
            return [
                Text(
                    start_s=one.start, end_s=one.end, text=one.text.strip(), language=speech.language or "en",
                    logprob=one.avg_logprob, no_speech=one.no_speech_prob,
                )
                for one in segments
            ]  # fmt: skip

    logging.basicConfig(level=logging.INFO)
    settings = config.load(options.config)
    engine = Usual(models.locate(settings.transcribe.model, settings.models), settings.transcribe.threads)
    logging.info("model %s is loaded", engine.name)
    with app.database(settings, "transcribe") as database:
        wakeup = Wakeup(database.dsn, ["fsctl_utterance"])
        policy = Policy(batch=1, shed_after_s=settings.transcribe.shed_after_s)
        worker = Worker(Utterances(database), engine, wakeup, guard.Guard(), policy, lease_s=60)
        app.on_signal(worker.stop)
        worker.run(time.sleep)


PARTS: dict[str, Callable[[argparse.Namespace], None]] = {"switch": switch_part, "usual": usual_part}


# --- telling -----------------------------------------------------------------------------------------------


def is_carried(row: dict[str, Any]) -> bool:
    """Whether so many calls had their text in time."""
    return bool(row["utterances"] and row["left"] == 0 and row["p95"] <= WITHIN_S)


def most(results: Sequence[dict[str, Any]], way: str) -> int:
    """The most calls that were carried."""
    return max((row["calls"] for row in results if row["way"] == way and is_carried(row)), default=0)


def told(row: dict[str, Any]) -> str:
    """One measurement in words."""
    cores = ", ".join(f"{name} {used:.2f}" for name, used in row["cores"].items())
    return (
        f"{row['calls']:3} calls, {row['utterances']:4} utterances: "
        f"p50 {row['p50']:.2f} s, p95 {row['p95']:.2f} s, most {row['max']:.2f} s, "
        f"{row['left']} without text; cores: {cores}; load {os.getloadavg()[0]:.1f}"
    )


def report(results: Sequence[dict[str, Any]], model: str, *, as_json: bool) -> None:
    """The most calls of each way, and the goal."""
    carried = {way: most(results, way) for way in {row["way"] for row in results}}
    goal = GOALS.get(model)
    goals = [
        {"name": f"calls with {model}, p95 within {WITHIN_S:.0f} s", "measured": carried["ours"], "goal": goal,
         "met": carried["ours"] >= goal}
    ] if goal and "ours" in carried else []  # fmt: skip
    if as_json:
        print(json.dumps({"results": results, "carried": carried, "goals": goals}))
        return
    for row in results:
        print(f"{row['way']:6}{told(row)}")
    for way, count in carried.items():
        print(f"{way}: {count} calls at once")
    for one in goals:
        print(f"{'met   ' if one['met'] else 'MISSED'} {one['name']}: {one['measured']} (goal {one['goal']})")


if __name__ == "__main__":
    main()
