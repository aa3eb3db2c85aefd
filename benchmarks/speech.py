"""Real speech with references as a telephone brings it, for the benchmarks of recognisers.

A folder holds audio and ``manifest.tsv``: a line a file, under a heading that names the columns, ``path`` and
``text`` among them (``language`` where it is not English). Without a folder: the conversations that ship.
"""

import csv
import itertools
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from vad import telephone

from fsctl.config import Media
from fsctl.media import voices
from fsctl.media.segmenter import Stretch
from fsctl.media.wave import RATE, Waveform, to_16k
from fsctl.sim.samples import load_samples

QUIET_S = 0.6
"""Before and after a file: its voice does not begin with the call."""


@dataclass(frozen=True)
class Sample:
    """A stretch of speech of one voice."""

    name: str
    voice: str
    text: str
    language: str
    wave: Waveform
    """300 to 3400 Hz, 8 kHz, mu-law, at 16 kHz again."""

    @property
    def seconds(self) -> float:
        """Its length."""
        return len(self.wave) / RATE


def read(folders: Sequence[Path], voices: set[str] | None = None) -> list[Sample]:
    """Every sample of the folders, or of those that ship; only of some voices if asked.

    Raises:
        SystemExit: there is none.
    """
    found = [sample for folder in folders for sample in _from_folder(folder)] if folders else list(_shipped())
    found = [sample for sample in found if voices is None or sample.voice in voices]
    if not found:
        raise SystemExit("no speech was found")
    return found


def _from_folder(folder: Path) -> Iterator[Sample]:
    with (folder / "manifest.tsv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            pcm, rate = soundfile.read(folder / row["path"], dtype="int16", always_2d=True)
            stem = Path(row["path"]).stem
            voice = stem.removeprefix("ls_").split("-" if "-" in stem else "_")[0]
            language = row.get("language") or "en"
            yield Sample(stem, voice, row["text"], language, _by_telephone(to_16k(pcm[:, 0], rate)))


def _shipped() -> Iterator[Sample]:
    for sample in load_samples(None):
        for leg, pcm in (("caller", sample.caller_audio), ("agent", sample.agent_audio)):
            for number, turn in enumerate(t for t in sample.turns if t.leg == leg):
                wave = to_16k(pcm[turn.start_ms * 16 : turn.end_ms * 16], RATE)
                voice = f"{sample.name}.{leg}"
                yield Sample(f"{voice}.{number}", voice, turn.text, sample.language, _by_telephone(wave))


def _by_telephone(wave: Waveform) -> Waveform:
    quiet = np.zeros(int(QUIET_S * RATE))
    whole = np.concatenate((quiet, wave.astype(np.float64) * 32768, quiet))
    whole = np.concatenate((whole, np.zeros(-len(whole) % RATE)))  # A prime length takes ten times as long.
    return (telephone(whole, RATE) / 32768).astype(np.float32)


def cuts(wave: Waveform) -> list[Stretch]:
    """What the media reader makes of a leg."""
    media = Media()
    pcm = np.clip(wave * 32768, -32768, 32767).astype(np.int16)
    found = voices.cut(
        pcm, RATE, vad_mode=media.vad_mode, hangover_ms=media.hangover_ms,
        min_ms=media.min_utterance_ms, max_ms=media.max_utterance_ms,
    )  # fmt: skip
    return [Stretch(start, end) for start, end in found]


def legs(samples: Sequence[Sample], seconds: float) -> list[Sample]:
    """The samples of each voice joined to legs of calls, about so long, with pauses in which the other speaks.

    A pause takes 0.4 to 8 s, short ones more often; it holds the voice's own background noise.
    """
    made = []
    for voice, group in itertools.groupby(sorted(samples, key=lambda s: s.voice), lambda s: s.voice):
        rng = np.random.default_rng(zlib.crc32(voice.encode()))
        parts: list[Sample] = []
        for sample in group:
            parts.append(sample)
            if sum(part.seconds for part in parts) >= seconds:
                made.append(_joined(parts, rng, len(made)))
                parts = []
        if parts:
            made.append(_joined(parts, rng, len(made)))
    return made


def _joined(parts: Sequence[Sample], rng: np.random.Generator, number: int) -> Sample:
    waves: list[Waveform] = []
    for part in parts:
        pause = int(RATE * np.exp(rng.uniform(np.log(0.4), np.log(8))))
        waves += [part.wave, (_background(part.wave) * rng.normal(0, 1, pause)).astype(np.float32)]
    text = " ".join(part.text for part in parts)
    return Sample(f"leg {number}", parts[0].voice, text, parts[0].language, np.concatenate(waves))


def _background(wave: Waveform) -> float:
    """Level of the quietest tenth of what is not digital silence."""
    frames = wave[: len(wave) // 320 * 320].reshape(-1, 320).std(axis=1)
    return float(np.percentile(frames[frames > 1e-4], 10)) if (frames > 1e-4).any() else 1e-4
