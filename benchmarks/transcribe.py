"""How many words are wrong, what does it cost, and how long after the end of speech is the text there?

Telephone speech with references, one core, the same model and the same cuts (our segmenter's) for all, in turn on
every few utterances:

* live: faster-whisper's ``transcribe`` for each utterance as everybody calls it (beam 5), its batched pipeline,
  openai-whisper where its weights are named, and ours (in batches of four, as it comes from several calls).
* a streamer that decodes its growing buffer again each second and says what two decodings agree on, on legs joined
  from the samples with pauses in which the other speaks.
* after the call: such legs of two minutes; ``transcribe`` of the whole leg (beam 5), without and with its VAD
  filter, and our final pass as it is by default. Four goals: WER and CPU, beside each of the two.

    python benchmarks/transcribe.py [FOLDER ...] [--model base] [--models DIR] [--voices A,B] [--quick] [--json]

A FOLDER holds audio and ``manifest.tsv`` (benchmarks/speech.py); without one it is what ships with fsctl. CPU is
the process's, for a second of the samples; a delay is counted as if each had a core for itself.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # Before numpy: its part of the features would spin on other cores.

import argparse
import itertools
import json
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recognisers import Heard, Recognisers
from speech import Sample, cuts, legs, read

from fsctl.transcribe import models, wer
from fsctl.transcribe.engine import Speech

TOGETHER = 4
"""Utterances that end at about the same time."""
LEG_S = 120.0
STREAMED_S, QUICK_STREAMED_S, QUICK_S = 60.0, 15.0, 60.0
STREAMED, QUICK_STREAMED = 3, 1
"""Legs of about so long for the streamer: it takes minutes."""
GOAL_LIVE, GOAL_STREAM = 4.0, 40.0
OURS, THEIRS = "fsctl", "transcribe"


@dataclass
class Score:
    """All that one recogniser did."""

    errors: list[wer.Errors] = field(default_factory=list)
    cpu_s: float = 0.0
    audio_s: float = 0.0
    delays: list[float] = field(default_factory=list)

    def add(self, sample: Sample, heard: Sequence[Heard]) -> None:
        """Count a sample's utterances, or a leg."""
        self.errors.append(wer.compare(sample.text, " ".join(one.text for one in heard)))
        self.cpu_s += sum(one.cpu_s for one in heard)
        self.audio_s += sample.seconds
        self.delays += [one.delay_s for one in heard]

    def told(self) -> dict[str, Any]:
        """As numbers."""
        words = sum(one.words for one in self.errors)
        kinds = {
            "substitutions": sum(one.substitutions for one in self.errors),
            "deletions": sum(one.deletions for one in self.errors),
            "insertions": sum(one.insertions for one in self.errors),
        }
        delays = sorted(self.delays)
        return {
            "wer": 100 * sum(kinds.values()) / max(1, words),
            **kinds,
            "words": words,
            "cpu": self.cpu_s / max(0.001, self.audio_s),
            "delay_p50": statistics.median(delays) if delays else 0.0,
            "delay_p95": delays[int(0.95 * (len(delays) - 1))] if delays else 0.0,
        }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folders", type=Path, nargs="*", help="audio with a manifest.tsv")
    parser.add_argument("--model", default="base", help="name or folder (default base)")
    parser.add_argument("--models", type=Path, default=Path(".fsctl/models"), help="folder of fetched models")
    parser.add_argument("--voices", help="only these, separated by commas")
    parser.add_argument(
        "--openai", type=Path, help="weights (.pt) of openai-whisper, if it is to be compared"
    )
    parser.add_argument("--parts", default="live,stream,final", help="some of live,stream,final")
    parser.add_argument("--quick", action="store_true", help="a minute of samples")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    samples = read(options.folders, set(options.voices.split(",")) if options.voices else None)
    if options.model.endswith(".en"):
        samples = [sample for sample in samples if sample.language == "en"]
    recognisers = Recognisers(models.locate(options.model, options.models), options.openai)
    if options.quick:
        samples = some(samples, QUICK_S)
    parts, results = options.parts.split(","), dict[str, dict[str, Score]]()
    if "live" in parts:
        results["live"] = compare_live(samples, recognisers)
    if "stream" in parts:
        seconds, count = (QUICK_STREAMED_S, QUICK_STREAMED) if options.quick else (STREAMED_S, STREAMED)
        results["stream"] = compare_stream(legs(samples, seconds)[:count], recognisers)
    if "final" in parts:
        results["final"] = compare_final(legs(samples, LEG_S), recognisers)
    report({part: {n: s.told() for n, s in found.items()} for part, found in results.items()}, options)


def some(samples: Sequence[Sample], seconds: float) -> list[Sample]:
    """About so much, of as many voices as there are."""
    voices = [list(group) for _, group in itertools.groupby(samples, lambda sample: sample.voice)]
    found: list[Sample] = []
    for turn in itertools.zip_longest(*voices):
        for sample in turn:
            if sample and sum(one.seconds for one in found) < seconds:
                found.append(sample)
    return found


def compare_live(samples: Sequence[Sample], recognisers: Recognisers) -> dict[str, Score]:
    """Everybody on the same utterances, a few at a time, each first in its turn."""
    utterances = [(sample, speech) for sample in samples for speech in spoken(sample)]
    names = list(recognisers.live)
    heard: dict[str, dict[str, list[Heard]]] = {name: {s.name: [] for s in samples} for name in names}
    for turn, block in enumerate(chunks(utterances, TOGETHER)):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            found = recognisers.live[name]([speech for _, speech in block])
            for (sample, _), one in zip(block, found):
                heard[name][sample.name].append(one)
        progress("live", (turn + 1) * TOGETHER, len(utterances))
    scores = {name: Score() for name in names}
    for name, score in scores.items():
        for sample in samples:
            score.add(sample, heard[name][sample.name])
    return scores


def chunks(items: Sequence[Any], size: int) -> list[Sequence[Any]]:
    """So many at a time."""
    return [items[at : at + size] for at in range(0, len(items), size)]


def spoken(sample: Sample) -> list[Speech]:
    """Its utterances."""
    return [Speech(sample.wave[cut.start : cut.end], sample.language) for cut in cuts(sample.wave)]


def compare_stream(found: Sequence[Sample], recognisers: Recognisers) -> dict[str, Score]:
    """The streamer, and ours on the same legs."""
    scores = {"streamer": Score(), OURS: Score()}
    for count, leg in enumerate(found):
        scores["streamer"].add(leg, [recognisers.stream(leg)])
        ours = [recognisers.live[OURS](block) for block in chunks(spoken(leg), TOGETHER)]
        scores[OURS].add(leg, [one for block in ours for one in block])
        progress("stream", count + 1, len(found))
    return scores


def compare_final(found: Sequence[Sample], recognisers: Recognisers) -> dict[str, Score]:
    """Everybody on the same legs, each first in its turn."""
    scores = {name: Score() for name in recognisers.whole}
    for count, leg in enumerate(found):
        names = list(recognisers.whole)
        for name in names[count % len(names) :] + names[: count % len(names)]:
            scores[name].add(leg, [recognisers.whole[name](leg)])
        progress("final", count + 1, len(found))
    return scores


def progress(part: str, done: int, total: int) -> None:
    """For who waits."""
    print(f"\r{part} {min(done, total)}/{total} ", end="", file=sys.stderr, flush=True)


def goals_of(results: dict[str, dict[str, dict[str, Any]]]) -> list[dict[str, Any]]:
    """What was promised."""
    goals = []

    def promise(name: str, measured: float, goal: float, *, at_least: bool) -> None:
        met = measured >= goal if at_least else measured <= goal
        goals.append({"name": name, "measured": round(measured, 3), "goal": round(goal, 3), "met": met})

    if live := results.get("live"):
        gain = live[THEIRS]["cpu"] / live[OURS]["cpu"]
        promise("live: times less CPU than transcribe", gain, GOAL_LIVE, at_least=True)
        promise("live: WER, percent", live[OURS]["wer"], live[THEIRS]["wer"], at_least=False)
    if stream := results.get("stream"):
        gain = stream["streamer"]["cpu"] / stream[OURS]["cpu"]
        promise("live: times less CPU than the streamer", gain, GOAL_STREAM, at_least=True)
    if final := results.get("final"):
        ours = final["fsctl, final"]
        asked = itertools.product(
            ("transcribe, leg", "transcribe, leg, VAD"), (("wer", "WER %"), ("cpu", "CPU s/s"))
        )
        for number, (theirs, (key, what)) in enumerate(asked, 1):
            name = f'final {number} of 4: our {what}, no more than that of "{theirs}"'
            promise(name, ours[key], final[theirs][key], at_least=False)
    return goals


def report(results: dict[str, dict[str, dict[str, Any]]], options: argparse.Namespace) -> None:
    """Tables and the goals."""
    print(file=sys.stderr)
    goals, load = goals_of(results), os.getloadavg()[0]
    if options.json:
        print(json.dumps({"model": options.model, "load": load, "results": results, "goals": goals}))
        return
    print(f"{options.model}, int8, one core of {os.cpu_count()}, load {load:.1f}")
    for part, found in results.items():
        print(f"\n{part:22}{'WER %':>8}{'S/D/I':>16}{'CPU s/s':>10}{'gain':>7}{'p50 s':>8}{'p95 s':>8}")
        first = next(iter(found.values()))["cpu"]
        for name, row in found.items():
            kinds = f"{row['substitutions']}/{row['deletions']}/{row['insertions']}"
            print(
                f"{name:22}{row['wer']:8.2f}{kinds:>16}{row['cpu']:10.4f}{first / row['cpu']:7.1f}"
                f"{row['delay_p50']:8.2f}{row['delay_p95']:8.2f}"
            )
    for goal in goals:
        print(
            f"{'met   ' if goal['met'] else 'MISSED'} {goal['name']}: {goal['measured']} (goal {goal['goal']})"
        )


if __name__ == "__main__":
    main()
