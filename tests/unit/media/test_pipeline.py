"""Reading goes on from a seam after a restart, and cuts what would have been cut without it."""

import random
from pathlib import Path

import numpy as np
import pytest

from fsctl.config import Media
from fsctl.media import pipeline
from fsctl.media.pipeline import Pipeline
from fsctl.media.wav import GrowingWav
from fsctl.sim import load_samples
from fsctl.store.recordings import NewUtterance
from tests.unit.media.test_wav import header

RATE = 16000
US = 1_000_000
BRIDGES = [(4 * US, 70 * US), (80 * US, None)]
Cut = tuple[str, int, int, bytes]


@pytest.fixture(scope="module")
def audio() -> bytes:
    """Three conversations after one another: three minutes, stereo."""
    samples = load_samples()
    left = np.concatenate([sample.caller_audio for sample in samples])
    right = np.concatenate([sample.agent_audio for sample in samples])
    return np.stack([left, right], axis=1).astype("<i2").tobytes()


class Reader:
    """A media reader that may be killed: what it stored is all that is left of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.stored: dict[tuple[str, int], Cut] = {}
        self.seams: dict[str, int] = {}
        self.twice = 0
        self._pipeline: Pipeline | None = None

    def advance(self, bridges: list[tuple[int, int | None]], *, final: bool = False) -> bool:
        """One turn; true when everything is read."""
        if self._pipeline is None:
            self._pipeline = Pipeline(GrowingWav(self.path), Media(), self.seams)
        batch = self._pipeline.advance(bridges, [], final=final)
        for cut in batch.utterances:
            self._store(cut)
        self.seams |= batch.seams
        return final and self._pipeline.is_done()

    def _store(self, cut: NewUtterance) -> None:
        self.twice += (cut.leg, cut.start_sample) in self.stored
        self.stored.setdefault(
            (cut.leg, cut.start_sample), (cut.leg, cut.start_sample, cut.end_sample, cut.pcm)
        )

    def kill(self) -> None:
        assert self._pipeline is not None
        self._pipeline.close()
        self._pipeline = None

    def finish(self, bridges: list[tuple[int, int | None]]) -> list[Cut]:
        for _ in range(200):
            if self.advance(bridges, final=True):
                return sorted(self.stored.values())
        raise AssertionError("never done")


def undisturbed(folder: Path, audio: bytes) -> list[Cut]:
    path = folder / "whole.wav"
    path.write_bytes(header() + audio)
    return Reader(path).finish(BRIDGES)


@pytest.mark.parametrize("seed", range(6))
def test_a_reader_killed_at_random_moments_cuts_the_same_utterances(
    seed: int, audio: bytes, tmp_path: Path
) -> None:
    rng = random.Random(seed)
    path = tmp_path / "grows.wav"
    reader = Reader(path)
    with path.open("wb") as out:
        out.write(header())
        written = 0
        while written < len(audio):
            step = rng.choice([333, 1280 * 5, 1280 * 50, 1280 * 400])
            out.write(audio[written : written + step])
            out.flush()
            written += step
            seen = written * US // (4 * RATE)
            lag = rng.randrange(0, 400_000)
            told = [
                (a, b if b is not None and b + lag < seen else None) for a, b in BRIDGES if a + lag < seen
            ]
            reader.advance(told)
            if rng.random() < 0.02:
                reader.kill()
    assert reader.finish(BRIDGES) == undisturbed(tmp_path, audio)


def test_only_what_follows_the_last_seam_is_read_again(audio: bytes, tmp_path: Path) -> None:
    path = tmp_path / "c.wav"
    path.write_bytes(header() + audio)
    reader = Reader(path)
    whole = reader.finish(BRIDGES)
    seams = dict(reader.seams)
    assert seams.keys() == {"caller:0", f"agent:{4 * RATE}", f"agent:{80 * RATE}"}
    assert min(seams["caller:0"], seams[f"agent:{80 * RATE}"]) > 100 * RATE
    assert seams[f"agent:{4 * RATE}"] == 70 * RATE, "a window that is read has its end for a seam"
    reader.kill()
    again = Reader(path)
    again.seams = seams
    rest = again.finish(BRIDGES)
    assert rest == [cut for cut in whole if cut[1] >= _seam_of(seams, cut)]
    assert len(rest) < len(whole) / 2


def _seam_of(seams: dict[str, int], cut: Cut) -> int:
    leg, start, *_ = cut
    if leg == "caller":
        return seams["caller:0"]
    return seams[f"agent:{(4 if start < 75 * RATE else 80) * RATE}"]


def test_the_cuts_do_not_depend_on_how_far_the_seams_are_apart_by_more_than_their_edges(
    audio: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A segmenter that begins anew hears what one that listened all along hears."""
    found = undisturbed(tmp_path, audio)
    monkeypatch.setattr(pipeline, "SEAM_S", 10_000.0)
    unbroken = undisturbed(tmp_path, audio)
    speech = sum(end - start for _, start, end, _ in found)
    assert speech == pytest.approx(sum(end - start for _, start, end, _ in unbroken), rel=0.02)


def test_a_pause_moves_the_bridge_in_the_file(audio: bytes, tmp_path: Path) -> None:
    path = tmp_path / "p.wav"
    path.write_bytes(header() + audio)
    plain = Pipeline(GrowingWav(path), Media(), {})
    paused = Pipeline(GrowingWav(path), Media(), {})
    plain.advance([(30 * US, None)], [], final=False)
    paused.advance([(50 * US, None)], [(10 * US, 30 * US)], final=False)
    assert [w.start for w in paused._windows] == [w.start for w in plain._windows] == [0, 30 * RATE]
    plain.close()
    paused.close()
