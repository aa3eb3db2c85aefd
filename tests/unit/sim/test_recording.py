"""A recording while it grows, and when it is closed."""

import itertools
import struct

import gevent
import numpy as np
import pytest
import soundfile

from fsctl.sim import CallPlan, Ring
from fsctl.sim.audio import Track, hold_music
from fsctl.sim.recording import parse_settings, wav_header

RATE = 16_000
ANSWER = (Ring("answer", 0.2),)


def is_name(name):
    return lambda event: event["Event-Name"] == name


def header_sizes(path):
    data = path.read_bytes()[:44]
    return struct.unpack("<I", data[4:8])[0], struct.unpack("<I", data[40:44])[0]


def recorded(switch, recorder, plan, tmp_path):
    """Place a call and return its recording as (left, right)."""
    uuid = switch.place_call(plan)
    assert switch.wait_idle(20)
    recorder.wait(1, is_name("RECORD_STOP"))
    audio, rate = soundfile.read(tmp_path / "spool" / f"{uuid}.wav", dtype="int16")
    assert rate == RATE
    return audio[:, 0], audio[:, 1]


def test_it_grows_by_one_frame_every_20_ms_behind_an_open_header(make_switch, listen, tmp_path):
    switch = make_switch(speed=1)
    recorder = listen(switch, "RECORD_START RECORD_STOP")
    uuid = switch.place_call(CallPlan(abandon_after_s=2.2))
    start = recorder.wait(3, is_name("RECORD_START"))
    path = tmp_path / "spool" / f"{uuid}.wav"
    assert start["Record-File-Path"] == str(path)
    sizes = []
    while header_sizes(path) == (8, 0):
        sizes.append(path.stat().st_size)
        gevent.sleep(0.004)
    steps = [later - earlier for earlier, later in itertools.pairwise(sizes) if later != earlier]
    assert sum(step == 1280 for step in steps) > 0.7 * len(steps) > 20
    stop = recorder.wait(3, is_name("RECORD_STOP"))
    size = path.stat().st_size
    assert header_sizes(path) == (size - 8, size - 44)
    assert int(stop["variable_record_file_size"]) == size
    # Counted at the leg's 48 kHz, not at the file's 16 kHz (switch_core_file.c 723).
    assert int(stop["variable_record_samples"]) == int(stop["variable_record_ms"]) * 48
    assert int(stop["variable_record_ms"]) == (size - 44) // 64


def test_speech_starts_on_both_sides_at_the_bridge_after_music(make_switch, listen, tmp_path):
    switch = make_switch(speed=4)
    recorder = listen(switch, "RECORD_START RECORD_STOP CHANNEL_BRIDGE")
    caller, agent = np.full(RATE, 1000, np.int16), np.full(RATE, -2000, np.int16)
    plan = CallPlan(caller_audio=caller, agent_audio=agent, rings=(Ring("answer", 1.0),), talk_s=1.2)
    left, right = recorded(switch, recorder, plan, tmp_path)
    (begin,) = np.nonzero(left == 1000)[0][:1]
    assert np.all(left[begin : begin + RATE] == 1000)
    assert np.all(right[begin : begin + RATE] == -2000)
    assert np.abs(left[:begin]).max() < 100
    assert np.abs(right[:begin]).max() > 1000
    bridge, start = recorder.wait(1, is_name("CHANNEL_BRIDGE")), recorder.wait(1, is_name("RECORD_START"))
    gap_s = (int(bridge["Event-Date-Timestamp"]) - int(start["Event-Date-Timestamp"])) / 1e6
    assert begin / RATE == pytest.approx(gap_s, abs=0.05)


def test_it_stops_just_before_hangup_complete(make_switch, listen):
    switch = make_switch()
    recorder = listen(switch, "RECORD_STOP MEDIA_BUG_STOP CHANNEL_CALLSTATE CHANNEL_HANGUP_COMPLETE")
    switch.place_call(CallPlan(abandon_after_s=3))
    recorder.wait(3, is_name("CHANNEL_HANGUP_COMPLETE"))
    names = [event["Event-Name"] for event in recorder.events if event["Call-Direction"] == "inbound"]
    assert names[-4:] == ["RECORD_STOP", "MEDIA_BUG_STOP", "CHANNEL_CALLSTATE", "CHANNEL_HANGUP_COMPLETE"]


@pytest.fixture
def bridged(make_switch, connect):
    switch = make_switch(speed=4)
    client = connect(switch)
    client.command("event plain CHANNEL_BRIDGE")
    uuid = switch.place_call(
        CallPlan(caller_audio=np.full(RATE * 60, 500, np.int16), rings=ANSWER, hangs_up="nobody")
    )
    client.read()
    return switch, client, uuid


def test_pause_stops_growth_and_mask_writes_silence(bridged, tmp_path):
    switch, client, uuid = bridged
    path = tmp_path / "spool" / f"{uuid}.wav"
    assert client.api(f"uuid_record {uuid} pause {path}") == "+OK Success\n"
    size = path.stat().st_size
    gevent.sleep(0.1)
    assert path.stat().st_size == size
    assert client.api(f"uuid_record {uuid} resume {path}") == "+OK Success\n"
    assert client.api(f"uuid_record {uuid} mask {path}") == "+OK Success\n"
    gevent.sleep(0.1)
    assert client.api(f"uuid_record {uuid} unmask {path}") == "+OK Success\n"
    gevent.sleep(0.1)
    assert client.api(f"uuid_record {uuid} stop {path}") == "+OK Success\n"
    left = soundfile.read(path, dtype="int16")[0][:, 0]
    speech = left[np.argmax(left == 500) :]
    assert set(np.unique(speech)) == {0, 500}
    assert (speech == 0).sum() >= 0.05 * 4 * RATE
    client.api(f"uuid_kill {uuid}")
    assert switch.wait_idle(5)


def test_a_second_recording_has_its_own_settings_and_tells_them(bridged, tmp_path, listen):
    switch, client, uuid = bridged
    recorder = listen(switch, "RECORD_START RECORD_STOP")
    path = tmp_path / "deep" / "mono.wav"
    settings = "{RECORD_STEREO=false,record_sample_rate=8000,enable_file_write_buffering=true}"
    assert client.api(f"uuid_record {uuid} start {path} 0 {settings}") == "+OK Success\n"
    assert client.api(f"uuid_record {uuid} start {path}") == "+OK Success\n"
    start = recorder.wait(1, is_name("RECORD_START"))
    assert start["Recording-Variable-record_sample_rate"] == "8000"
    gevent.sleep(0.1)
    assert path.stat().st_size == 44
    assert client.api(f"uuid_record {uuid} stop all") == "+OK Success\n"
    info = soundfile.info(str(path))
    assert (info.samplerate, info.channels) == (8000, 1)
    assert client.api(f"uuid_record {uuid} stop {path}") == "-ERR Cannot stop record session!\n"
    assert client.api(f"uuid_record {uuid} start {tmp_path}/x.nosuch") == "-ERR Cannot record session!\n"


def test_a_killed_switch_leaves_the_header_open(make_switch, listen, tmp_path):
    switch = make_switch(speed=4)
    recorder = listen(switch, "CHANNEL_BRIDGE")
    uuid = switch.place_call(CallPlan(rings=ANSWER, hangs_up="nobody"))
    recorder.wait(3, is_name("CHANNEL_BRIDGE"))
    switch.stop(notice=False)
    path = tmp_path / "spool" / f"{uuid}.wav"
    assert path.stat().st_size > 1324
    assert header_sizes(path) == (8, 0)


def test_a_track_changes_at_the_exact_sample():
    track = Track()
    track.play(5, np.arange(1, 4, dtype=np.int16), loop=True)
    track.play(10, np.full(2, 9, np.int16))
    assert track.block(3, 14).tolist() == [0, 0, 1, 2, 3, 1, 2, 9, 9, 0, 0]


def test_hold_music_is_music_not_noise():
    music = hold_music().astype(float)
    spectrum = np.abs(np.fft.rfft(music[:RATE]))
    assert np.sort(spectrum)[-20:].sum() > 0.2 * spectrum.sum()
    assert 500 < np.abs(music).max() < 20_000


def test_the_header_is_that_of_a_file_that_still_grows():
    assert wav_header(RATE, 2, None)[:8] == b"RIFF\x08\x00\x00\x00"
    assert wav_header(RATE, 2, None)[-8:] == b"data\x00\x00\x00\x00"
    assert len(wav_header(RATE, 2, 1280)) == 44
    assert parse_settings("{a=1,b=x}") == {"a": "1", "b": "x"}
    assert parse_settings("+60") == {}
