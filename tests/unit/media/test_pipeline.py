"""Reading goes on from a seam after a restart, and cuts what would have been cut without it."""

import random
from pathlib import Path

import numpy as np
import pytest

from benchmarks import sounds
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


def in_noise(audio: bytes) -> bytes:
    """The same with a noise that swells beside both legs, in which the second listener is asked."""
    stereo = np.frombuffer(audio, dtype="<i2").reshape(-1, 2)
    noise = 32768 * sounds.swelling(len(stereo) / RATE + 0.1, 3)[: len(stereo), None]
    return (stereo + noise).clip(-32768, 32767).astype("<i2").tobytes()


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
            (cut.leg, cut.start_sample), (cut.leg, cut.start_sample, cut.end_sample, bytes(cut.pcm))
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


@pytest.mark.parametrize("line", ["quiet", "noisy"])
@pytest.mark.parametrize("seed", range(6))
def test_a_reader_killed_at_random_moments_cuts_the_same_utterances(
    seed: int, line: str, audio: bytes, tmp_path: Path
) -> None:
    audio = in_noise(audio) if line == "noisy" else audio
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
    found = reader.finish(BRIDGES)
    assert found == undisturbed(tmp_path, audio)
    legs = np.frombuffer(audio, dtype="<i2").reshape(-1, 2)
    for leg, start, end, pcm in found:
        assert pcm == legs[start:end, int(leg == "agent")].tobytes(), "cut out of the file, bit for bit"


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
    assert [(w.leg, w.start) for _, w in plain._windows] == [("caller", 0), ("agent", 30 * RATE)]
    cut_apart = [("caller", 0, 10 * RATE), ("caller", 10 * RATE, None), ("agent", 30 * RATE, None)]
    assert [(w.leg, w.start, w.end) for _, w in paused._windows] == cut_apart
    plain.close()
    paused.close()


MASKS = [(20 * US, 32 * US), (75 * US, 90 * US), (150 * US, None)]


def masked(path: Path, told_after: int = 0, *, restarts: bool = False) -> list[Cut]:
    """What is cut of a file that holds speech where it should have been masked.

    Args:
        told_after: seconds of the file by which the reader hears of a mask too late.
        restarts: the reader begins anew at each step.
    """
    whole = path.read_bytes()
    growing = path.with_name("growing.wav")
    stored: dict[tuple[str, int], Cut] = {}
    seams: dict[str, int] = {}
    reader: Pipeline | None = None
    for second in (*range(5, len(whole) // (4 * RATE), 5), -1):
        growing.write_bytes(whole if second < 0 else whole[: 44 + second * 4 * RATE])
        now = len(whole) // (4 * RATE) if second < 0 else second
        told = [(a, b) for a, b in MASKS if a // US + told_after < now]
        reader = reader or Pipeline(GrowingWav(growing), Media(), seams)
        while True:
            batch = reader.advance(BRIDGES, [], told, final=second < 0)
            for cut in batch.utterances:
                stored[cut.leg, cut.start_sample] = (
                    cut.leg,
                    cut.start_sample,
                    cut.end_sample,
                    bytes(cut.pcm),
                )
            seams |= batch.seams
            if second >= 0 or reader.is_done():
                break
        if restarts:
            reader.close()
            reader = None
    return sorted(stored.values())


def test_what_was_to_be_masked_is_not_read_even_where_it_leaked(audio: bytes, tmp_path: Path) -> None:
    path = tmp_path / "m.wav"
    path.write_bytes(header() + audio)
    found = masked(path)
    for _, start, end, _ in found:
        for a, b in MASKS:
            assert end <= a * RATE // US or (b is not None and start >= b * RATE // US)
    before = [cut for cut in undisturbed(tmp_path, audio) if cut[2] < 19 * RATE]
    assert before == [cut for cut in found if cut[2] < 19 * RATE]
    assert {leg for leg, start, _, _ in found if start >= 32 * RATE} == {"caller", "agent"}


def test_masks_give_the_same_utterances_to_a_reader_that_is_started_again(
    audio: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "m.wav"
    path.write_bytes(header() + audio)
    assert masked(path, restarts=True) == masked(path)


def test_until_it_is_due_nothing_ends_and_then_no_turn_is_late(audio: bytes, tmp_path: Path) -> None:
    """A reader that sleeps as long as it is told stores the same, as soon as one that never sleeps."""
    path, told = tmp_path / "d.wav", [(4 * US, None)]
    path.write_bytes(header())
    restless, patient = (Pipeline(GrowingWav(path), Media(), {}) for _ in range(2))
    found: list[list[tuple[int, NewUtterance]]] = [[], []]
    due, turns = 0.0, 0
    with path.open("ab", buffering=0) as out:
        for at in range(0, 60 * 50):
            out.write(audio[at * 1280 : (at + 1) * 1280])
            found[0] += [(at, cut) for cut in restless.advance(told, [], final=False).utterances]
            if at >= due:
                found[1] += [(at, cut) for cut in patient.advance(told, [], final=False).utterances]
                due, turns = at + patient.wait_s * 50, turns + 1
    assert found[1] == found[0]
    assert len(found[0]) > 10
    assert turns < 60 * 50 / 6
    restless.close()
    patient.close()


def test_tones_are_kept_as_what_they_are(tmp_path: Path) -> None:
    time = np.arange(10 * RATE) / RATE
    busy = 5000 * np.sin(2 * np.pi * 425 * time) * (time % 0.96 < 0.48)
    path = tmp_path / "t.wav"
    path.write_bytes(header(channels=1) + busy.astype("<i2").tobytes())
    reader = Pipeline(GrowingWav(path), Media(), {})
    cuts = reader.advance([], [], final=True).utterances
    assert {cut.no_speech for cut in cuts} == {"a telephone's tones"}
    reader.close()
