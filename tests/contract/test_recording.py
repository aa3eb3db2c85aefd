"""The fork: a recording that grows while the call lasts."""

import struct
from itertools import pairwise
from pathlib import Path

import gevent
import numpy as np
import pytest
from numpy.typing import NDArray

from fsctl.call import events
from fsctl.sim import CallPlan, Ring
from tests.contract.switches import PATIENCE_S, SwitchUnderTest, Watch, new_wacid

RATE = 16_000
TALK_S = 3.0


def tone(frequency: float) -> NDArray[np.int16]:
    """A sine as long as the talk."""
    time = np.arange(int(RATE * TALK_S)) / RATE
    return (8000 * np.sin(2 * np.pi * frequency * time)).astype(np.int16)


def pitch(samples: NDArray[np.int16]) -> float:
    """The strongest frequency of a second."""
    spectrum = np.abs(np.fft.rfft(samples.astype(float) * np.hanning(len(samples))))
    return float(np.argmax(spectrum)) * RATE / len(samples)


def stereo(path: Path) -> NDArray[np.int16]:
    """The samples of a recording: a row a moment, left and right."""
    data = path.read_bytes()[44:]
    return np.frombuffer(data[: len(data) // 4 * 4], dtype="<i2").reshape(-1, 2)


@pytest.fixture
def recorded(switch: SwitchUnderTest, watch: Watch) -> events.RecordingStarted:
    """The start of a recording: the caller will hum 440 Hz, the agent 880 Hz."""
    plan = CallPlan(
        headers=(("x-wa-meta-wacid", new_wacid()),),
        rings=(Ring("answer", 0.5),),
        caller_audio=tone(440),
        agent_audio=tone(880),
        talk_s=TALK_S,
    )
    switch.place_call(plan)
    return watch.fact(events.RecordingStarted, watch.offered(plan).uuid)


def sizes(path: Path, steps: int) -> list[int]:
    """The next sizes of a file that grows."""
    found = [path.stat().st_size]
    with gevent.Timeout(PATIENCE_S, AssertionError(f"does not grow: {found}")):
        while len(found) <= steps:
            gevent.sleep(0.005)
            size = path.stat().st_size
            if size != found[-1]:
                found.append(size)
    return found


def test_the_file_has_the_name_of_the_call_and_lies_in_the_spool(
    switch: SwitchUnderTest, recorded: events.RecordingStarted
) -> None:
    assert Path(recorded.path) == switch.spool / f"{recorded.uuid}.wav"
    assert Path(recorded.path).is_file()


def test_it_grows_in_small_steps_under_a_header_that_is_not_final(
    watch: Watch, recorded: events.RecordingStarted
) -> None:
    watch.fact(events.LegsBridged, recorded.uuid)
    seen = sizes(Path(recorded.path), 10)
    assert max(after - before for before, after in pairwise(seen)) < 16_000, "more than a quarter second"
    header = Path(recorded.path).read_bytes()[:44]
    riff, form = struct.unpack("<4sI4s", header[:12]), struct.unpack("<4sIHHIIHH", header[12:36])
    assert riff == (b"RIFF", 8, b"WAVE")
    assert form == (b"fmt ", 16, 1, 2, RATE, 4 * RATE, 4, 16)
    assert struct.unpack("<4sI", header[36:]) == (b"data", 0)


def test_it_is_closed_with_its_true_sizes_before_the_channel_is_gone(
    watch: Watch, recorded: events.RecordingStarted
) -> None:
    stopped = watch.fact(events.RecordingStopped, recorded.uuid)
    data = Path(recorded.path).read_bytes()
    assert struct.unpack("<I", data[4:8]) == (len(data) - 8,)
    assert struct.unpack("<I", data[40:44]) == (len(data) - 44,)
    assert (stopped.path, stopped.size_bytes) == (recorded.path, len(data))
    assert stopped.duration_ms == (len(data) - 44) // (4 * RATE // 1000)


def test_the_caller_is_left_and_what_the_caller_hears_is_right(
    watch: Watch, recorded: events.RecordingStarted
) -> None:
    watch.fact(events.RecordingStopped, recorded.uuid)
    last = stereo(Path(recorded.path))[-int(1.5 * RATE) : -int(0.5 * RATE)]
    assert pitch(last[:, 0]) == pytest.approx(440, abs=3)
    assert pitch(last[:, 1]) == pytest.approx(880, abs=3)
    for channel, other in ((0, 880), (1, 440)):
        spectrum = np.abs(np.fft.rfft(last[:, channel].astype(float) * np.hanning(len(last))))
        assert spectrum[other] < spectrum.max() / 30, "the other side is heard too"
