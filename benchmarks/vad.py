"""How much speech is found, and how much of what is no speech is taken for it?

On the same bytes: our utterances as they are decoded, plain webrtcvad (mode 3 with a hangover of 200 ms, mode 2
as it is), and Silero as faster-whisper ships it.

    python benchmarks/vad.py FOLDER [--speakers 2414,2609] [--noise FOLDER] [--alone S] [--rate 16000] [--quick]
        [--json]

FOLDER holds FLAC or WAV files of clean speech, one voice a file; the speaker is the name up to the first dash
(or, without a dash, the first underscore). Each speaker makes a leg: files with 1 to 9 s of silence after each.
With --alone each file is a leg: nobody has heard its noise before, and what is no speech is short.

* Noise is added to the wide band, so many dB below the speech (power while speaking, power of the noise), then
  all goes through a telephone: 300 to 3400 Hz, 8 kHz, mu-law, and to the recording's rate.
* The reference is the energy of the clean leg behind the same filter, in frames of 10 ms: speech is what is
  at most 35 dB below the 95th percentile of the frames over -60 dBFS, and gaps below 300 ms in it.
* found: speech within utterances, of all speech. false: no speech within utterances, of all that is no speech.
"""

import argparse
import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import noisy
import numpy as np
import numpy.typing as npt
import webrtcvad
from noisy import NARROW, WIDE, Noise, Wave
from sounds import resample

from fsctl.config import Media
from fsctl.media import voices
from fsctl.media.tones import is_tone

Pcm = npt.NDArray[np.int16]
Mask = npt.NDArray[np.bool_]
"""One a frame of 10 ms."""

DEPTH_DB, GAP_MS = 35, 300
SNRS = (60, 20, 10, 5)
GOAL_FOUND, GOAL_FALSE, GOAL_SNRS = 97.0, 10.0, (60, 10)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="clean speech")
    parser.add_argument("--speakers", help="only these, separated by commas")
    parser.add_argument("--noise", type=Path, help="recorded noises (FLAC or WAV) instead of the made ones")
    parser.add_argument(
        "--alone",
        type=silence_s,
        metavar="S",
        help="each file a leg, with so many seconds of silence around it",
    )
    parser.add_argument("--rate", type=int, default=16000, help="of the recording (default 16000)")
    parser.add_argument("--quick", action="store_true", help="two speakers, 60 and 10 dB, three noises")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    speakers = set(options.speakers.split(",")) if options.speakers else None
    legs = noisy.read_legs(options.folder, speakers, options.alone)
    noises = noisy.recorded(options.noise) if options.noise else dict(noisy.NOISES)
    snrs = SNRS
    if options.quick:
        legs, snrs = dict(list(legs.items())[:: max(1, len(legs) // 2)]), GOAL_SNRS
        noises = dict(list(noises.items())[:3])
    shares = {snr: compare(legs, noises, snr, options.rate) for snr in snrs}
    report(shares, no_speech(options.rate), as_json=options.json)


def silence_s(text: str) -> float:
    """Seconds of it, as an option tells."""
    seconds = float(text)
    if not 0 <= seconds <= 60:
        raise argparse.ArgumentTypeError(f"{text} is not 0 to 60 seconds")
    return seconds


def levels(wave: Wave) -> Wave:
    """Of each 10 ms at 8 kHz, in dB."""
    count = NARROW // 100
    power = np.mean(np.square(wave[: len(wave) // count * count].reshape(-1, count)), axis=1)
    return 10 * np.log10(power + 1e-3)


def reference(clean: Wave) -> Mask:
    """What is speech in a clean leg behind the telephone's filter."""
    level = levels(clean)
    loud = np.percentile(level[level > 20 * np.log10(32768) - 60], 95)
    return closed(level > loud - DEPTH_DB, GAP_MS // 10)


def closed(mask: Mask, gap: int) -> Mask:
    """With what lies between two of its frames that are no further apart."""
    mask = mask.copy()
    spoken = np.flatnonzero(mask)
    for before, after in itertools.pairwise(spoken):
        if after - before <= gap:
            mask[before:after] = True
    return mask


# Those who listen


def ours(pcm: Pcm, rate: int) -> Mask:
    """Utterances, as the media reader cuts them."""
    media = Media()
    spans = voices.cut(
        pcm, rate, vad_mode=media.vad_mode, hangover_ms=media.hangover_ms,
        min_ms=media.min_utterance_ms, max_ms=media.max_utterance_ms,
    )  # fmt: skip
    return _mask(pcm, rate, [(start, end) for start, end in spans if not is_tone(pcm[start:end], rate)])


def _webrtcvad(mode: int, hangover_ms: int) -> Callable[[Pcm, int], Mask]:
    def listen(pcm: Pcm, rate: int) -> Mask:
        vad, size, spans = webrtcvad.Vad(mode), rate // 50, []
        for at in range(0, len(pcm) - size + 1, size):
            if vad.is_speech(pcm[at : at + size].tobytes(), rate):
                spans.append((at, at + size + rate * hangover_ms // 1000))
        return _mask(pcm, rate, spans)

    return listen


def _silero(pcm: Pcm, rate: int) -> Mask:
    from faster_whisper.vad import VadOptions, get_speech_timestamps

    wave = resample(pcm / 32768, rate, WIDE).astype(np.float32)
    spans = get_speech_timestamps(wave, VadOptions(), sampling_rate=WIDE)
    return _mask(pcm, rate, [(s["start"] * rate // WIDE, s["end"] * rate // WIDE) for s in spans])


def _mask(pcm: Pcm, rate: int, spans: list[tuple[int, int]]) -> Mask:
    mask = np.zeros(len(pcm) * 100 // rate, dtype=bool)
    for start, end in spans:
        mask[start * 100 // rate : end * 100 // rate] = True
    return mask


LISTENERS: Mapping[str, Callable[[Pcm, int], Mask]] = {
    "fsctl": ours,
    "mode 3 + 200 ms": _webrtcvad(3, 200),
    "mode 2": _webrtcvad(2, 0),
    "Silero": _silero,
}


@dataclass
class Share:
    """Frames of 10 ms."""

    found: int = 0
    speech: int = 0
    false: int = 0
    silence: int = 0

    def add(self, heard: Mask, truth: Mask) -> None:
        """Count a leg."""
        heard, truth = heard[: len(truth)], truth[: len(heard)]
        self.found += int((heard & truth).sum())
        self.speech += int(truth.sum())
        self.false += int((heard & ~truth).sum())
        self.silence += int((~truth).sum())

    @property
    def percent(self) -> tuple[float, float]:
        """Found of the speech, false of the rest."""
        return 100 * self.found / max(1, self.speech), 100 * self.false / max(1, self.silence)


Shares = dict[str, dict[str, Share]]
"""Noise -> listener -> its share."""


def compare(legs: Mapping[str, Wave], noises: Mapping[str, Noise], snr: int, rate: int) -> Shares:
    """Every listener on every leg in every noise at one level; "all" is without the babble."""
    shares: Shares = {name: {one: Share() for one in LISTENERS} for name in ("all", *noises, "babble")}
    for name, pcm, truth in _heard(legs, {**noises, "babble": noisy.babble(legs)}, snr, rate):
        for one, listen in LISTENERS.items():
            mask = listen(pcm, rate)
            shares[name][one].add(mask, truth)
            if name != "babble":
                shares["all"][one].add(mask, truth)
    return shares


def _heard(
    legs: Mapping[str, Wave], noises: Mapping[str, Noise], snr: int, rate: int
) -> Iterator[tuple[str, Pcm, Mask]]:
    for speaker, wave in legs.items():
        truth = reference(noisy.narrow(wave))
        for name, make in noises.items():
            noise = below(wave, truth, make(len(wave), noisy.seeded(f"{speaker} {name}")), snr)
            yield name, noisy.telephone(wave + noise, rate).astype(np.int16), truth


def below(wave: Wave, truth: Mask, noise: Wave, snr: float) -> Wave:
    """A noise so many dB below what a leg has of speech."""
    spoken = wave[: len(truth) * 160][np.repeat(truth, 160)[: len(wave)]]
    return (noise - noise.mean()) * (spoken.std() / noise.std() * 10 ** (-snr / 20))


def no_speech(rate: int) -> dict[str, float]:
    """Sounds that are none: the percentage of their time that becomes utterances."""
    count, rng = 60 * WIDE, noisy.seeded("none")
    time = np.arange(count) / WIDE
    second = np.sin(2 * np.pi * 440 * time)
    chords = [np.sin(2 * np.pi * hertz * time) for hertz in (262, 330, 392, 523, 659, 784)]
    notes = [np.abs(np.sin(np.pi * time * (0.9 + 0.13 * k))) ** 3 for k in range(6)]
    sounds = {
        "silence": np.zeros(count),
        "codec idle": rng.integers(-8, 9, count).astype(float),
        "white -40 dBFS": 328 * noisy.white(count, rng),
        "hum -30 dBFS": 1000 * (mains := noisy.hum(count, rng)) / mains.std(),
        "ringing": 5000 * second * (time % 5 < 1),
        "busy": 5000 * second * (time % 0.96 < 0.48),
        "key tones": 4000
        * (np.sin(2 * np.pi * 770 * time) + np.sin(2 * np.pi * 1336 * time))
        * (time % 1 < 0.1),
        "music": 1500 * sum((n * c for n, c in zip(notes, chords)), start=np.zeros(count)),
        "music over noise": 1500
        * sum((n * c for n, c in zip(notes, chords)), start=0.3 * noisy.pink(count, rng)),
    }
    return {
        name: 100 * float(ours(noisy.telephone(wave, rate).astype(np.int16), rate).mean())
        for name, wave in sounds.items()
    }


def report(shares: Mapping[int, Shares], none: Mapping[str, float], *, as_json: bool) -> None:
    """Tables of found/false, what is no speech, and the goals."""
    goals: list[dict[str, Any]] = []
    for snr in GOAL_SNRS:
        found, false = shares[snr]["all"]["fsctl"].percent
        goals.append(_goal(f"percent of speech found, {snr} dB", found, GOAL_FOUND, 1))
        goals.append(_goal(f"percent of no speech taken for it, {snr} dB", false, GOAL_FALSE, -1))
    if as_json:
        percents = {
            str(snr): {
                noise: {who: share.percent for who, share in row.items()} for noise, row in table.items()
            }
            for snr, table in shares.items()
        }
        print(json.dumps({"found_false": percents, "no_speech": none, "goals": goals}))
        return
    print("found/false in percent; all: every noise but babble")
    for snr, table in shares.items():
        print(f"\n{snr} dB{'':8}" + "".join(f"{who:>18}" for who in LISTENERS))
        for noise, row in table.items():
            cells = ("{:.1f}/{:.1f}".format(*share.percent) for share in row.values())
            print(f"{noise:14}" + "".join(f"{cell:>18}" for cell in cells))
    print("\nno speech, percent of its time in our utterances")
    for name, share in none.items():
        print(f"{name:20}{share:6.1f}")
    for goal in goals:
        print(
            f"{'met   ' if goal['met'] else 'MISSED'} {goal['name']}: {goal['measured']} (goal {goal['goal']})"
        )


def _goal(name: str, measured: float, goal: float, sign: int) -> dict[str, Any]:
    return {"name": name, "measured": round(measured, 1), "goal": goal, "met": measured * sign >= goal * sign}


if __name__ == "__main__":
    main()
