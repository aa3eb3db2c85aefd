"""What a recording is accused of, and what it is not."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from fsctl.media import header, proof
from fsctl.sim import load_samples
from fsctl.store.keeping import Gap, KnownRecording

RATE = 16000
BEGAN = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
Audio = npt.NDArray[np.int16]


@pytest.fixture(scope="module")
def legs() -> Audio:
    """A minute of a conversation, a column a leg."""
    (sample,) = load_samples(["order-en"])
    return np.stack([sample.caller_audio, sample.agent_audio], axis=1)[: 50 * RATE]


def known(length_s: float, **more: Any) -> KnownRecording:
    """A call that was recorded for so long, and bridged for all of it."""
    given: dict[str, Any] = {
        "id": 1, "call_uuid": "c-1", "node": "fs1", "path": "/spool/c-1.wav", "source": "spool",
        "state": "cut", "started_at": BEGAN, "stopped_at": BEGAN + timedelta(seconds=length_s), "rate": RATE,
        "channels": 2, "bytes": None, "uri": None, "format": None, "sha256": None, "duration_ms": None,
        "findings": [], "error": None, "offered_at": BEGAN, "answered_at": BEGAN, "ended_at": None,
        "hangup_cause": "NORMAL_CLEARING", "consent": "given", "display_name": "", "told_bytes": None,
        "bridges": [(0.0, None)], "gaps": [], "utterances": [],
    }  # fmt: skip
    return KnownRecording(**(given | more))


def write(folder: Path, audio: Audio, *, closed: bool = True, more: bytes = b"") -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "c-1.wav"
    data = audio.astype("<i2").tobytes()
    channels = audio.shape[1]
    path.write_bytes(header.render(RATE, channels, len(data) if closed else 0) + data + more)
    return path


def codes(
    path: Path, facts: KnownRecording | None, siblings: Sequence[KnownRecording] = ()
) -> dict[str, str]:
    found = proof.judge(proof.listen(path), facts, siblings)
    return {finding.code: finding.severity for finding in found}


def test_a_good_recording_is_accused_of_nothing(legs: Audio, tmp_path: Path) -> None:
    path = write(tmp_path, legs)
    size = path.stat().st_size
    assert codes(path, known(50.02, told_bytes=size, utterances=[("caller", 0, 1000)])) == {}


def test_measurements(legs: Audio, tmp_path: Path) -> None:
    sound = proof.listen(write(tmp_path, legs))
    assert (sound.rate, sound.channels, sound.frames, sound.duration_s) == (RATE, 2, 50 * RATE, 50.0)
    assert sound.peak.shape == sound.rms.shape == (2, 500)
    cell = legs[100 * 1600 : 101 * 1600, 1].astype(float)
    assert sound.rms[1, 100] == pytest.approx(np.sqrt(np.mean(cell**2)), rel=1e-4)
    assert sound.peak[1, 100] == np.abs(cell).max()
    assert 0 <= sound.likeness < 0.3


def test_the_lowest_sample_is_the_loudest(tmp_path: Path) -> None:
    audio = np.full((RATE, 2), -32768, dtype=np.int16)
    assert proof.listen(write(tmp_path, audio)).peak.max() == 32768


@pytest.mark.parametrize("gain", [1.0, 0.97])
def test_one_mix_on_both_channels(gain: float, legs: Audio, tmp_path: Path) -> None:
    mix = (legs // 2).sum(axis=1)
    path = write(tmp_path, np.stack([mix, mix * gain], axis=1).astype(np.int16))
    assert codes(path, known(50)) == {"one-mix": "fault"}


def test_an_echo_is_not_one_mix(legs: Audio, tmp_path: Path) -> None:
    late = np.roll(legs[:, 0], RATE // 20) // 3
    path = write(tmp_path, np.stack([legs[:, 0], legs[:, 1] // 2 + late], axis=1))
    assert codes(path, known(50)) == {}


@pytest.mark.parametrize(("leg", "channel"), [("caller", 0), ("agent", 1)])
def test_a_leg_that_is_not_to_be_heard_while_bridged(
    leg: str, channel: int, legs: Audio, tmp_path: Path
) -> None:
    audio = legs.copy()
    audio[:, channel] = 3
    found = proof.judge(proof.listen(write(tmp_path, audio)), known(50))
    assert [(f.code, f.severity) for f in found] == [("leg-silent", "fault")]
    assert f"the {leg} is not to be heard in a bridge of 50 s" in found[0].text


def test_silence_before_the_bridge_is_nobodys_fault(legs: Audio, tmp_path: Path) -> None:
    audio = legs.copy()
    audio[: 20 * RATE, 1] = 0
    assert codes(write(tmp_path, audio), known(50, bridges=[(20.0, 50.0)])) == {}


def test_nothing_at_all(tmp_path: Path) -> None:
    path = write(tmp_path, np.zeros((20 * RATE, 2), dtype=np.int16))
    assert codes(path, known(20))["silent"] == "fault"
    assert codes(write(tmp_path, np.zeros((0, 2), dtype=np.int16)), known(20))["empty"] == "fault"


def test_a_length_that_is_not_the_clocks(legs: Audio, tmp_path: Path) -> None:
    path = write(tmp_path, legs)
    assert codes(path, known(48.6)) == {}
    assert codes(path, known(55))["length"] == "fault"
    assert codes(path, known(45))["length"] == "fault"
    again = [{"code": "open", "severity": "note", "text": ""}]
    assert codes(path, known(80, hangup_cause="SYSTEM_SHUTDOWN", findings=again))["length"] == "note"
    killed = write(tmp_path / "killed", legs, closed=False)
    assert codes(killed, known(80, hangup_cause="SYSTEM_SHUTDOWN"))["length"] == "note"
    assert codes(killed, known(47.2, hangup_cause="SYSTEM_SHUTDOWN"))["length"] == "note", "two seconds early"
    assert codes(killed, known(30, hangup_cause="SYSTEM_SHUTDOWN"))["length"] == "fault", (
        "longer than it can be"
    )
    lost = known(80, hangup_cause="LOST")
    assert codes(path, lost)["length"] == "note", "its end was found out when the switch came back"


def test_pauses_explain_a_short_file_and_are_told(legs: Audio, tmp_path: Path) -> None:
    gap = Gap(kind="pause", start_s=20.0, end_s=50.0, reason="payment")
    assert codes(write(tmp_path, legs), known(80, gaps=[gap])) == {"pause": "note"}


def test_a_mask_that_did_not_mask_is_found_out(legs: Audio, tmp_path: Path) -> None:
    gap = Gap(kind="mask", start_s=20.0, end_s=30.0, reason="payment")
    assert codes(write(tmp_path, legs), known(50, gaps=[gap])) == {"mask": "note", "not-masked": "fault"}
    masked = legs.copy()
    masked[20 * RATE : 30 * RATE] = 0
    assert codes(write(tmp_path, masked), known(50, gaps=[gap])) == {"mask": "note"}


def test_bytes_that_are_not_what_freeswitch_said(legs: Audio, tmp_path: Path) -> None:
    path = write(tmp_path, legs)
    assert codes(path, known(50, told_bytes=path.stat().st_size + 1280)) == {"size": "fault"}


def test_utterances_beyond_the_end(legs: Audio, tmp_path: Path) -> None:
    facts = known(50, utterances=[("caller", 0, 50 * RATE + 1)])
    assert codes(write(tmp_path, legs), facts) == {"beyond": "fault"}


def test_drift_against_the_clock(legs: Audio, tmp_path: Path) -> None:
    long = np.tile(legs, (12, 1))
    assert codes(write(tmp_path, long), known(601.0)) == {"drift": "note"}
    assert codes(write(tmp_path, long), known(600.3)) == {}


def test_legs_that_are_recorded_apart_and_walk_apart(legs: Audio, tmp_path: Path) -> None:
    long = np.tile(legs[:, :1], (6, 1))
    other = replace(known(300), id=2, path="/spool/c-1-agent.wav", duration_ms=299_000)
    assert codes(write(tmp_path, long), known(300), [other]) == {"legs-drift": "fault"}
    assert codes(write(tmp_path, long), known(300), [replace(other, duration_ms=299_900)]) == {}


def test_a_header_that_was_never_closed_is_a_note(legs: Audio, tmp_path: Path) -> None:
    path = write(tmp_path, legs, closed=False, more=b"\x01")
    assert codes(path, known(50)) == {"open": "note", "part": "note"}


def test_a_file_by_itself_is_judged_by_itself(legs: Audio, tmp_path: Path) -> None:
    assert codes(write(tmp_path, legs), None) == {}
