"""Does silence, noise or music become text, and is any of what is really said taken away?

Through our own path: the segmenter of ``fsctl media``, the engine, the guard with its second opinion.

* Nothing said: every sound of ``benchmarks/sounds.py``, ``--minutes`` in all, over a telephone and in
  wide band. A word that would be stored is a fault. ``cut`` is live text, ``windows`` the same cuts as the final
  pass packs them. ``forced`` and ``forced windows`` give the engine what no segmenter made, the latter all of a
  sound at once: the guard alone.
* Really said: each FLAC or WAV of FOLDER over a telephone, with noise
  5 dB below the speech. Of all time in utterances that hold speech (half of the file's own level, at least)
  the share that the guard takes away.

    python benchmarks/guard.py FOLDER [--models FOLDER] [--model base] [--minutes 30] [--quick] [--json]
"""

import argparse
import itertools
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import sounds
from sounds import RATE, Pcm, Wave

from fsctl.config import Config, Media
from fsctl.media import silero, voices, windows
from fsctl.media.wave import to_16k
from fsctl.transcribe import engine
from fsctl.transcribe.engine import Engine, Speech
from fsctl.transcribe.guard import Guard

SNR_DB = 5.0
GOAL_WORDS, GOAL_SUPPRESSED = 0, 2.0
SPEECH_SHARE = 0.5
"""An utterance holds speech when it is at least so loud as its file on average, without the noise."""
QUIET = ("cut", "windows", "forced", "forced windows")
"""Ways in which sounds without speech reach the engine."""
FORCED_S = (0.8, 2.0, 5.0, 11.0)
BATCH = 4


@dataclass
class Tally:
    """What came of one kind of audio."""

    seconds: float = 0.0
    utterances: int = 0
    speech: int = 0
    """Of them, those in which somebody speaks."""
    speech_s: float = 0.0
    taken: int = 0
    """Of these, those of which the guard took all text away."""
    taken_s: float = 0.0
    words: int = 0
    stored: list[str] = field(default_factory=list)
    rules: Counter[str] = field(default_factory=Counter)
    cpu_s: float = 0.0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="clean speech")
    parser.add_argument("--models", type=Path, default=Config().models, help="folder of models")
    parser.add_argument("--model", action="append", help="base, tiny.en, ... (default: both)")
    parser.add_argument("--minutes", type=float, default=30.0, help="of sounds without speech (default 30)")
    parser.add_argument("--files", type=int, default=0, help="of speech (default: all)")
    parser.add_argument("--quick", action="store_true", help="tiny.en, 8 minutes, 12 files")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    if options.quick:
        options.model, options.minutes, options.files = options.model or ["tiny.en"], 8.0, 12
    results = []
    for name in options.model or ["base", "tiny.en"]:
        loaded = load(name, options.models)
        results.append({"model": name, **measure(loaded, options)})
    report(results, as_json=options.json)


def load(name: str, models: Path) -> Engine:
    """The engine with one thread."""
    folder = engine.locate("whisper", name, models)
    languages = ("en", "es", "pt", "hi")
    return engine.load(
        "whisper", engine.EngineOptions(model_dir=folder, languages=languages, device="cpu", threads=1)
    )


# --- measuring ---------------------------------------------------------------------------------------------


def measure(loaded: Engine, options: argparse.Namespace) -> dict[str, Any]:
    """All of one model."""
    guard = Guard(silero.voice)
    each_s = options.minutes * 60 / len(sounds.SOUNDS) / 2
    found = {kind: Tally() for kind in (*QUIET, "speech")}
    for seed, (name, make) in enumerate(sounds.SOUNDS.items()):
        print(f"{name}, {seed + 1} of {len(sounds.SOUNDS)} sounds", file=sys.stderr)
        for line in (sounds.telephone, sounds.wide):
            pcm = line(make(each_s, seed))
            spans = cuts(pcm)
            some = list(itertools.islice(_forced(len(pcm)), 2 if options.quick else 4))
            for kind, speeches in zip(
                QUIET, (utterances(pcm, spans), packed(pcm, spans), utterances(pcm, some),
                        packed(pcm, [(0, len(pcm))]))
            ):  # fmt: skip
                found[kind].seconds += each_s
                decode(loaded, guard, [(speech, False) for speech in speeches], found[kind], name)
    paths = sorted(p for p in options.folder.iterdir() if p.suffix in (".flac", ".wav"))
    if not paths:
        raise SystemExit(f"{options.folder}: no speech")
    for seed, path in enumerate(paths[:: max(1, len(paths) // options.files) if options.files else 1]):
        print(path.name, file=sys.stderr)
        clean, pcm = noisy(path, seed)
        loud = _level(clean, 0, len(clean), active=True)
        spans = cuts(pcm)
        speaks = [_level(clean, a, b) >= SPEECH_SHARE * loud for a, b in spans]
        found["speech"].seconds += len(pcm) / RATE
        decode(loaded, guard, list(zip(utterances(pcm, spans), speaks)), found["speech"], path.stem)
    return {kind: _plain(tally) for kind, tally in found.items()}


def cuts(pcm: Pcm) -> list[tuple[int, int]]:
    """As the media reader cuts."""
    media = Media()
    return voices.cut(
        pcm, RATE, vad_mode=media.vad_mode, hangover_ms=media.hangover_ms,
        min_ms=media.min_utterance_ms, max_ms=media.max_utterance_ms,
    )  # fmt: skip


def _forced(length: int) -> Iterator[tuple[int, int]]:
    at = 0
    for seconds in FORCED_S:
        size = int(seconds * RATE)
        if at + size > length:
            return
        yield at, at + size
        at += size


def noisy(path: Path, seed: int) -> tuple[Wave, Pcm]:
    """A file with silence round it, and the same over a telephone with noise: white, pink or swelling in turn."""
    wave, rate = soundfile.read(path, dtype="float64", always_2d=True)
    clean = sounds.resample(wave.mean(axis=1), rate, RATE)
    clean = np.concatenate((np.zeros(RATE // 2), clean, np.zeros(RATE)))
    make = (sounds.noise(0, -30), sounds.noise(-0.5, -30), sounds.swelling)[seed % 3]
    noise = make(len(clean) / RATE + 0.1, seed)[: len(clean)]
    loud = _level(clean, 0, len(clean), active=True)
    noise *= loud / float(np.sqrt(np.mean(noise**2))) * 10 ** (-SNR_DB / 20)
    return clean, sounds.telephone(clean + noise)


def _level(wave: Wave, start: int, end: int, *, active: bool = False) -> float:
    part = wave[start:end]
    part = part[np.abs(part) > 1e-4] if active else part
    return float(np.sqrt(np.mean(part**2))) if len(part) else 0.0


def utterances(pcm: Pcm, spans: Sequence[tuple[int, int]]) -> list[Speech]:
    """As they are decoded live."""
    return [Speech(to_16k(pcm[a:b], RATE), None) for a, b in spans]


def packed(pcm: Pcm, spans: Sequence[tuple[int, int]]) -> list[Speech]:
    """As they are decoded in the final pass."""
    stretches = [windows.Stretch(number, a, b) for number, (a, b) in enumerate(spans)]
    found = []
    for one in windows.pack(stretches, RATE):
        wave = to_16k(np.concatenate([pcm[a:b] for a, b in one.pieces]), RATE)
        places = windows.Places(one.pieces, RATE)
        pauses = places.pauses_s(spans[id] for id in one.ids)
        found.append(Speech(wave, None, timestamps=True, pauses=pauses, seams=places.seams_s))
    return found


def decode(
    loaded: Engine, guard: Guard, found: Sequence[tuple[Speech, bool]], tally: Tally, name: str
) -> None:
    """Count what is left of them. Args: found: each with whether somebody speaks."""
    for at in range(0, len(found), BATCH):
        batch = found[at : at + BATCH]
        began = time.process_time()
        heard = loaded.decode([speech for speech, _ in batch])
        rules = [
            [guard(text, speech) for text in texts] for (speech, _), texts in zip(batch, heard, strict=True)
        ]
        tally.cpu_s += time.process_time() - began
        for (speech, speaks), texts, of_texts in zip(batch, heard, rules, strict=True):
            kept = [text.text for text, rule in zip(texts, of_texts, strict=True) if rule is None]
            tally.utterances += 1
            tally.rules.update(rule for rule in of_texts if rule)
            tally.words += sum(len(text.split()) for text in kept)
            if speaks:
                tally.speech += 1
                tally.speech_s += speech.seconds
                tally.taken += bool(texts) and not kept
                tally.taken_s += speech.seconds if texts and not kept else 0.0
            else:
                tally.stored += [f"{name}: {text}" for text in kept]


def _plain(tally: Tally) -> dict[str, Any]:
    return {**vars(tally), "rules": dict(tally.rules)}


# --- telling -----------------------------------------------------------------------------------------------


def goals_of(results: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What was promised."""
    found: list[tuple[str, float, float]] = []
    for one in results:
        model, speech = one["model"], one["speech"]
        for kind in QUIET:
            stored = len(one[kind]["stored"])
            found.append((f"{model}: texts stored where nobody speaks, {kind}", stored, GOAL_WORDS))
        share = 100 * speech["taken_s"] / max(1e-9, speech["speech_s"])
        found.append((f"{model}: % of real speech at 5 dB suppressed", share, GOAL_SUPPRESSED))
    return [
        {
            "name": name,
            "measured": round(value, 2),
            "goal": goal,
            "met": value <= goal if goal == 0 else value < goal,
        }
        for name, value, goal in found
    ]


def report(results: Sequence[dict[str, Any]], *, as_json: bool) -> None:
    """A table, and the goals."""
    goals = goals_of(results)
    if as_json:
        print(json.dumps({"results": results, "goals": goals}, ensure_ascii=False))
        return
    print("model    audio           minutes  decoded  with speech  taken  words  cpu s  rules")
    for one in results:
        for kind in (*QUIET, "speech"):
            tally = one[kind]
            print(
                f"{one['model']:8} {kind:14} {tally['seconds'] / 60:8.1f} {tally['utterances']:8}"
                f" {tally['speech']:12} {tally['taken']:6} {tally['words']:6} {tally['cpu_s']:6.0f}"
                f"  {tally['rules']}"
            )
            for text in tally["stored"][:10] if kind != "speech" else ():
                print(f"         stored: {text}")
    for goal in goals:
        print(
            f"{'met   ' if goal['met'] else 'MISSED'} {goal['name']}: {goal['measured']} (goal {goal['goal']})"
        )


if __name__ == "__main__":
    main()
