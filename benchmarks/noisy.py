"""Clean speech, noises, and the telephone that carries both: what ``vad.py`` and ``ear.py`` listen to."""

import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
from sounds import resample

Wave = npt.NDArray[np.float64]
WIDE, NARROW = 16000, 8000


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
    rng = seeded(name)
    parts = [np.zeros(int(WIDE * (1 if alone_s is None else alone_s)))]
    for path in paths:
        after_s = rng.uniform(1, 9) if alone_s is None else alone_s
        parts += [_read(path), np.zeros(int(WIDE * after_s))]
    leg = np.concatenate(parts)
    # Whole seconds: a Fourier transform of a prime length takes ten times as long.
    return np.concatenate((leg, np.zeros(-len(leg) % WIDE)))


def _read(path: Path) -> Wave:
    wave, rate = soundfile.read(path, dtype="float64", always_2d=True)
    return resample(wave.mean(axis=1) * 32768, rate, WIDE)


def seeded(name: str) -> np.random.Generator:
    """The same for the same name in every run."""
    return np.random.default_rng(zlib.crc32(name.encode()))


# Noises


def _shaped(count: int, rng: np.random.Generator, slope: float) -> Wave:
    """Noise whose amplitude follows a power of the frequency."""
    spectrum = np.fft.rfft(rng.normal(0, 1, count))
    hertz = np.fft.rfftfreq(count, 1 / WIDE)
    return np.fft.irfft(np.where(hertz > 60, spectrum * np.maximum(hertz, 60) ** slope, 0), count)


def white(count: int, rng: np.random.Generator) -> Wave:
    """Every frequency alike."""
    return rng.normal(0, 1, count)


def pink(count: int, rng: np.random.Generator) -> Wave:
    """As much in each octave."""
    return _shaped(count, rng, -0.5)


def car(count: int, rng: np.random.Generator) -> Wave:
    """A rumble, and the wind."""
    return _shaped(count, rng, -1.0) * 60 + 0.05 * rng.normal(0, 1, count)


def hum(count: int, rng: np.random.Generator) -> Wave:
    """Mains with its harmonics."""
    time = np.arange(count) / WIDE
    tones = (np.sin(2 * np.pi * 50 * k * time + k) / k**0.5 for k in range(1, 30))
    return sum(tones, start=0.3 * rng.normal(0, 1, count))


def street(count: int, rng: np.random.Generator) -> Wave:
    """Pink noise that swells and falls as cars pass."""
    at = np.arange(0, count / WIDE + 2, 1.5)
    swell = np.interp(np.arange(count) / WIDE, at, rng.normal(0, 0.7, len(at)))
    return pink(count, rng) * np.exp(1.15 * swell)


def office(count: int, rng: np.random.Generator) -> Wave:
    """Pink noise and the keys of a keyboard, 2.5 a second."""
    wave = pink(count, rng)
    wave /= wave.std()
    click = np.exp(-np.arange(480) / 100)
    for at in rng.integers(0, count - 800, int(count / WIDE * 2.5)):
        wave[at : at + 480] += rng.normal(0, 4, 480) * click
    return wave


Noise = Callable[[int, np.random.Generator], Wave]
NOISES: Mapping[str, Noise] = {
    "white": white, "street": street, "office": office, "pink": pink, "car": car, "hum": hum,
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
    return np.clip(resample(_mu_law(narrow(wave)), NARROW, rate), -32768, 32767)


def narrow(wave: Wave) -> Wave:
    """300 to 3400 Hz at 8 kHz, nothing more."""
    spectrum = np.fft.rfft(wave)
    hertz = np.fft.rfftfreq(len(wave), 1 / WIDE)
    edges = np.clip((hertz - 200) / 100, 0, 1) * np.clip((3600 - hertz) / 200, 0, 1)
    return resample(np.fft.irfft(spectrum * edges, len(wave)), WIDE, NARROW)


def _mu_law(wave: Wave) -> Wave:
    """To 8 bits and back (ITU-T G.711)."""
    biased = np.minimum(np.abs(wave), 32635) + 132
    step = 2.0 ** (np.clip(np.floor(np.log2(biased)) - 7, 0, 7) + 3)
    return np.sign(wave) * (np.floor(biased / step) * step + step / 2 - 132)
