"""A leg is read in windows: the caller always, the agent only while bridged."""

from pathlib import Path

import numpy as np
import pytest

from fsctl.config import Media
from fsctl.media.fork import Fork, Utterance
from fsctl.media.wav import GrowingWav
from fsctl.sim import load_samples
from tests.unit.media.test_wav import GROWTH, grow, header, sizes

RATE = 16000
BRIDGE_S = 4


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """4 s of speech-like hold music on the right, then a conversation."""
    (sample,) = load_samples(["order-en"])
    music = load_samples(["billing-en"])[0].agent_audio[: BRIDGE_S * RATE]
    left = np.concatenate([np.zeros(BRIDGE_S * RATE, dtype=np.int16), sample.caller_audio])
    right = np.concatenate([music, sample.agent_audio])
    path = tmp_path_factory.mktemp("fork") / "c-1.wav"
    path.write_bytes(header() + np.stack([left, right], axis=1).astype("<i2").tobytes())
    return path


def cuts(path: Path, bridges: list[tuple[int, int | None]]) -> list[Utterance]:
    fork = Fork(GrowingWav(path), Media())
    windows = fork.windows(bridges)
    found: list[Utterance] = []
    for _ in range(100):
        found += fork.advance(windows, fork.wav.frames, final=True)
        if fork.is_done(windows):
            break
    fork.close()
    return found


BRIDGED: list[tuple[int, int | None]] = [(BRIDGE_S * 1_000_000, None)]


def test_hold_music_is_not_an_agents_speech(recording: Path) -> None:
    found = cuts(recording, BRIDGED)
    assert [u for u in found if u.leg == "caller"]
    assert min(u.start for u in found if u.leg == "agent") >= BRIDGE_S * RATE
    assert not [u for u in cuts(recording, []) if u.leg == "agent"]


def test_a_bridge_that_becomes_known_late_gives_the_same_utterances(recording: Path) -> None:
    fork = Fork(GrowingWav(recording), Media())
    found = list(fork.advance(fork.windows([]), fork.wav.frames, final=False))
    windows = fork.windows(BRIDGED)
    while not fork.is_done(windows):
        found += fork.advance(windows, fork.wav.frames, final=True)
    fork.close()
    assert sorted(found, key=lambda u: (u.leg, u.start)) == sorted(
        cuts(recording, BRIDGED), key=lambda u: (u.leg, u.start)
    )


def test_nothing_is_heard_after_the_bridge_ended(recording: Path) -> None:
    end = (BRIDGE_S + 20) * 1_000_000
    found = [u for u in cuts(recording, [(BRIDGE_S * 1_000_000, end)]) if u.leg == "agent"]
    assert found
    assert max(u.end for u in found) <= (BRIDGE_S + 20) * RATE


def test_an_utterance_can_be_cut_out_of_the_file_again_bit_for_bit(recording: Path) -> None:
    wav = GrowingWav(recording)
    for u in cuts(recording, BRIDGED):
        again = wav.read(0 if u.leg == "caller" else 1, u.start, u.end)
        assert np.array_equal(again, u.samples)
        assert len(again) == u.end - u.start
    wav.close()


def test_a_growing_file_gives_the_same_utterances_as_the_whole_one(recording: Path, tmp_path: Path) -> None:
    whole = recording.read_bytes()
    path = tmp_path / "grows.wav"
    path.write_bytes(whole[:44])
    fork = Fork(GrowingWav(path), Media())
    windows = fork.windows(BRIDGED)
    found: list[Utterance] = []
    with path.open("ab") as out:
        for begin in range(44, len(whole), 77_777):
            out.write(whole[begin : begin + 77_777])
            out.flush()
            found += fork.advance(windows, fork.wav.frames, final=False)
    found += fork.advance(windows, fork.wav.frames, final=True)
    fork.close()
    assert sorted(found, key=lambda u: (u.leg, u.start)) == sorted(
        cuts(recording, BRIDGED), key=lambda u: (u.leg, u.start)
    )


@pytest.mark.parametrize("trace", GROWTH, ids=lambda path: path.stem)
def test_a_file_that_grows_as_a_real_one_did_gives_the_same_utterances(
    trace: Path, recording: Path, tmp_path: Path
) -> None:
    spoken = recording.read_bytes()[44 + BRIDGE_S * RATE * 4 :]
    whole = (header() + spoken)[: sizes(trace)[-1]]
    (tmp_path / "whole.wav").write_bytes(whole)
    path = tmp_path / "grows.wav"
    fork: Fork | None = None
    found: list[Utterance] = []
    for _ in grow(path, whole, trace):
        fork = fork or Fork(GrowingWav(path), Media())
        found += fork.advance(fork.windows([(0, None)]), fork.wav.frames, final=False)
    assert fork is not None
    found += fork.advance(fork.windows([(0, None)]), fork.wav.frames, final=True)
    fork.close()
    expected = cuts(tmp_path / "whole.wav", [(0, None)])
    assert expected
    assert sorted(found, key=lambda u: (u.leg, u.start)) == sorted(expected, key=lambda u: (u.leg, u.start))


def test_a_mono_recording_is_the_caller(tmp_path: Path) -> None:
    path = tmp_path / "mono.wav"
    path.write_bytes(header(channels=1) + load_samples(["order-en"])[0].caller_audio.astype("<i2").tobytes())
    assert {u.leg for u in cuts(path, BRIDGED)} == {"caller"}
