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
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile
import webrtcvad

from fsctl.config import Media
from fsctl.media import voices
from fsctl.media.tones import is_tone

Wave = npt.NDArray[np.float64]
Pcm = npt.NDArray[np.int16]
Mask = npt.NDArray[np.bool_]
"""One a frame of 10 ms."""

WIDE, NARROW = 16000, 8000
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
        "--alone", type=float, metavar="S", help="each file a leg, with so many seconds of silence around it"
    )
    parser.add_argument("--rate", type=int, default=16000, help="of the recording (default 16000)")
    parser.add_argument("--quick", action="store_true", help="two speakers, 60 and 10 dB, three noises")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    speakers = set(options.speakers.split(",")) if options.speakers else None
    legs = read_legs(options.folder, speakers, options.alone)
    noises = recorded(options.noise) if options.noise else dict(NOISES)
    snrs = SNRS
    if options.quick:
        legs, snrs = dict(list(legs.items())[:: max(1, len(legs) // 2)]), GOAL_SNRS
        noises = dict(list(noises.items())[:3])
    shares = {snr: compare(legs, noises, snr, options.rate) for snr in snrs}
    report(shares, no_speech(options.rate), as_json=options.json)


def read_legs(folder: Path, speakers: set[str] | None, alone_s: float | None = None) -> dict[str, Wave]:
    """Each speaker's files with silence between them, 16 kHz; or each file with so much around it."""
    files: dict[str, list[Path]] = {}
    for path in sorted(p for p in folder.iterdir() if p.suffix in (".flac", ".wav")):
        speaker = path.stem.split("-" if "-" in path.stem else "_")[0].removeprefix("ls_")
        if speakers is None or speaker in speakers:
            files.setdefault(path.stem if alone_s is not None else speaker, []).append(path)
    if not files:
        raise SystemExit(f"{folder}: no speech")
    return {name: _leg(name, paths, alone_s) for name, paths in files.items()}


def _leg(name: str, paths: list[Path], alone_s: float | None) -> Wave:
    rng = _random(name)
    parts = [np.zeros(int(WIDE * (1 if alone_s is None else alone_s)))]
    for path in paths:
        after_s = rng.uniform(1, 9) if alone_s is None else alone_s
        parts += [_read(path), np.zeros(int(WIDE * after_s))]
    leg = np.concatenate(parts)
    # Whole seconds: a Fourier transform of a prime length takes ten times as long.
    return np.concatenate((leg, np.zeros(-len(leg) % WIDE)))


def _read(path: Path) -> Wave:
    wave, rate = soundfile.read(path, dtype="float64", always_2d=True)
    return _resample(wave.mean(axis=1) * 32768, rate, WIDE)


def _resample(wave: Wave, rate: int, to: int) -> Wave:
    """By the Fourier transform."""
    count = round(len(wave) * to / rate)
    spectrum = np.zeros(count // 2 + 1, dtype=complex)
    have = np.fft.rfft(wave)[: len(spectrum)]
    spectrum[: len(have)] = have
    return np.fft.irfft(spectrum, count) * (count / max(1, len(wave)))


# Noises


def _shaped(count: int, rng: np.random.Generator, slope: float) -> Wave:
    """Noise whose amplitude follows a power of the frequency."""
    spectrum = np.fft.rfft(rng.normal(0, 1, count))
    hertz = np.fft.rfftfreq(count, 1 / WIDE)
    return np.fft.irfft(np.where(hertz > 60, spectrum * np.maximum(hertz, 60) ** slope, 0), count)


def _white(count: int, rng: np.random.Generator) -> Wave:
    return rng.normal(0, 1, count)


def _pink(count: int, rng: np.random.Generator) -> Wave:
    return _shaped(count, rng, -0.5)


def _car(count: int, rng: np.random.Generator) -> Wave:
    """A rumble, and the wind."""
    return _shaped(count, rng, -1.0) * 60 + 0.05 * rng.normal(0, 1, count)


def _hum(count: int, rng: np.random.Generator) -> Wave:
    """Mains with its harmonics."""
    time = np.arange(count) / WIDE
    tones = (np.sin(2 * np.pi * 50 * k * time + k) / k**0.5 for k in range(1, 30))
    return sum(tones, start=0.3 * rng.normal(0, 1, count))


def _street(count: int, rng: np.random.Generator) -> Wave:
    """Pink noise that swells and falls as cars pass."""
    at = np.arange(0, count / WIDE + 2, 1.5)
    swell = np.interp(np.arange(count) / WIDE, at, rng.normal(0, 0.7, len(at)))
    return _pink(count, rng) * np.exp(1.15 * swell)


def _office(count: int, rng: np.random.Generator) -> Wave:
    """Pink noise and the keys of a keyboard, 2.5 a second."""
    wave = _pink(count, rng)
    wave /= wave.std()
    click = np.exp(-np.arange(480) / 100)
    for at in rng.integers(0, count - 800, int(count / WIDE * 2.5)):
        wave[at : at + 480] += rng.normal(0, 4, 480) * click
    return wave


Noise = Callable[[int, np.random.Generator], Wave]
NOISES: Mapping[str, Noise] = {
    "white": _white, "street": _street, "office": _office, "pink": _pink, "car": _car, "hum": _hum,
}  # fmt: skip


def recorded(folder: Path) -> dict[str, Noise]:
    """Each file of a folder, repeated as long as it takes."""
    waves = {p.stem: _read(p) for p in sorted(folder.iterdir()) if p.suffix in (".flac", ".wav")}
    return {name: lambda count, _rng, w=wave: np.resize(w, count) for name, wave in waves.items()}


def babble(legs: Mapping[str, Wave]) -> Noise:
    """All the speakers of the folder at once, each from somewhere."""

    def noise(count: int, rng: np.random.Generator) -> Wave:
        voices = [wave[np.abs(wave) > 0] for wave in legs.values()]
        mixed = np.zeros(count)
        for _ in range(8):
            voice = voices[rng.integers(len(voices))]
            mixed += np.resize(np.roll(voice / voice.std(), -rng.integers(len(voice))), count)
        return mixed

    return noise


# The telephone


def telephone(wave: Wave, rate: int) -> Wave:
    """300 to 3400 Hz, 8 kHz, mu-law, at the recording's rate."""
    return np.clip(_resample(_mu_law(narrow(wave)), NARROW, rate), -32768, 32767)


def narrow(wave: Wave) -> Wave:
    """300 to 3400 Hz at 8 kHz, nothing more."""
    spectrum = np.fft.rfft(wave)
    hertz = np.fft.rfftfreq(len(wave), 1 / WIDE)
    edges = np.clip((hertz - 200) / 100, 0, 1) * np.clip((3600 - hertz) / 200, 0, 1)
    return _resample(np.fft.irfft(spectrum * edges, len(wave)), WIDE, NARROW)


def _mu_law(wave: Wave) -> Wave:
    """To 8 bits and back (ITU-T G.711)."""
    biased = np.minimum(np.abs(wave), 32635) + 132
    step = 2.0 ** (np.clip(np.floor(np.log2(biased)) - 7, 0, 7) + 3)
    return np.sign(wave) * (np.floor(biased / step) * step + step / 2 - 132)


def reference(clean: Wave) -> Mask:
    """What is speech in a clean leg behind the telephone's filter."""
    count = NARROW // 100
    power = np.mean(np.square(clean[: len(clean) // count * count].reshape(-1, count)), axis=1)
    level = 10 * np.log10(power + 1e-3)
    loud = np.percentile(level[level > 20 * np.log10(32768) - 60], 95)
    return _closed(level > loud - DEPTH_DB, GAP_MS // 10)


def _closed(mask: Mask, gap: int) -> Mask:
    mask = mask.copy()
    spoken = np.flatnonzero(mask)
    for before, after in itertools.pairwise(spoken):
        if after - before <= gap:
            mask[before:after] = True
    return mask


# Those who listen


def _ours(pcm: Pcm, rate: int) -> Mask:
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

    wave = _resample(pcm / 32768, rate, WIDE).astype(np.float32)
    spans = get_speech_timestamps(wave, VadOptions(), sampling_rate=WIDE)
    return _mask(pcm, rate, [(s["start"] * rate // WIDE, s["end"] * rate // WIDE) for s in spans])


def _mask(pcm: Pcm, rate: int, spans: list[tuple[int, int]]) -> Mask:
    mask = np.zeros(len(pcm) * 100 // rate, dtype=bool)
    for start, end in spans:
        mask[start * 100 // rate : end * 100 // rate] = True
    return mask


LISTENERS: Mapping[str, Callable[[Pcm, int], Mask]] = {
    "fsctl": _ours,
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
    for name, pcm, truth in _heard(legs, {**noises, "babble": babble(legs)}, snr, rate):
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
        truth = reference(narrow(wave))
        spoken = wave[: len(truth) * 160][np.repeat(truth, 160)[: len(wave)]]
        for name, make in noises.items():
            noise = make(len(wave), _random(f"{speaker} {name}"))
            noise = (noise - noise.mean()) * (spoken.std() / noise.std() * 10 ** (-snr / 20))
            yield name, telephone(wave + noise, rate).astype(np.int16), truth


def no_speech(rate: int) -> dict[str, float]:
    """Sounds that are none: the percentage of their time that becomes utterances."""
    count, rng = 60 * WIDE, _random("none")
    time = np.arange(count) / WIDE
    second = np.sin(2 * np.pi * 440 * time)
    chords = [np.sin(2 * np.pi * hertz * time) for hertz in (262, 330, 392, 523, 659, 784)]
    notes = [np.abs(np.sin(np.pi * time * (0.9 + 0.13 * k))) ** 3 for k in range(6)]
    sounds = {
        "silence": np.zeros(count),
        "codec idle": rng.integers(-8, 9, count).astype(float),
        "white -40 dBFS": 328 * _white(count, rng),
        "hum -30 dBFS": 1000 * (hum := _hum(count, rng)) / hum.std(),
        "ringing": 5000 * second * (time % 5 < 1),
        "busy": 5000 * second * (time % 0.96 < 0.48),
        "key tones": 4000
        * (np.sin(2 * np.pi * 770 * time) + np.sin(2 * np.pi * 1336 * time))
        * (time % 1 < 0.1),
        "music": 1500 * sum((n * c for n, c in zip(notes, chords)), start=np.zeros(count)),
        "music over noise": 1500 * sum((n * c for n, c in zip(notes, chords)), start=0.3 * _pink(count, rng)),
    }
    return {
        name: 100 * float(_ours(telephone(wave, rate).astype(np.int16), rate).mean())
        for name, wave in sounds.items()
    }


def _random(name: str) -> np.random.Generator:
    """The same for the same name in every run."""
    return np.random.default_rng(zlib.crc32(name.encode()))


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
