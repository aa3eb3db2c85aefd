"""A stretch that is not to be recorded: masked or paused, by a command or the dialplan, and told by the switch."""

from datetime import datetime
from itertools import pairwise
from pathlib import Path

import gevent
import numpy as np
import pytest

from fsctl.call import events
from fsctl.esl import decode, encode
from fsctl.sim import CallPlan, Ring
from tests.contract.switches import PATIENCE_S, SwitchUnderTest, Watch, ask, attach, commands, dump, new_wacid
from tests.contract.test_recording import RATE, stereo

TALK_S = 9.0
GAP_S = 1.2


def now(switch: SwitchUnderTest, uuid: str) -> datetime:
    """The switch's clock, as `fsctl recording mask` asks for it."""
    connection = attach(switch.address)
    at = decode.moment(dump(connection, uuid))
    connection.close()
    assert at is not None
    return at


@pytest.fixture
def talking(switch: SwitchUnderTest, watch: Watch) -> events.RecordingStarted:
    """A call in which both hum until its end, heard of as the link hears of it."""
    for header, value in encode.FILTERS:
        assert ask(watch.connection, encode.Filter(header, value).render()).startswith("+OK filter added")
    hum = (8000 * np.sin(2 * np.pi * 440 * np.arange(int(RATE * TALK_S)) / RATE)).astype(np.int16)
    plan = CallPlan(
        headers=(("x-wa-meta-wacid", new_wacid()),),
        rings=(Ring("answer", 0.5),),
        caller_audio=hum,
        agent_audio=hum,
        talk_s=TALK_S,
    )
    switch.place_call(plan)
    started = watch.fact(events.RecordingStarted, watch.offered(plan).uuid)
    watch.fact(events.LegsBridged, started.uuid)
    grow(Path(started.path), 1.0)
    return started


def grow(path: Path, seconds: float) -> None:
    """Wait until so much more was recorded."""
    wanted = path.stat().st_size + int(seconds * RATE) * 4
    with gevent.Timeout(PATIENCE_S, AssertionError("does not grow")):
        while path.stat().st_size < wanted:
            gevent.sleep(0.01)


def silences(path: Path) -> list[float]:
    """How long each stretch without a single sound on either leg lasted while both hummed, in seconds."""
    legs = stereo(path)
    sounding = np.flatnonzero((np.abs(legs) > 1000).all(axis=1))
    return [(b - a) / RATE for a, b in pairwise(sounding.tolist()) if b - a > RATE // 4]


def test_a_mask_is_silence_in_the_file_and_a_fact(
    switch: SwitchUnderTest, watch: Watch, talking: events.RecordingStarted
) -> None:
    uuid, path = talking.uuid, Path(talking.path)
    before = now(switch, uuid)
    with commands(switch) as run:
        assert run(encode.MaskRecording(uuid, talking.path, masked=True).render()) == "+OK Success\n"
        grow(path, GAP_S)
        assert run(encode.MaskRecording(uuid, talking.path, masked=False).render()) == "+OK Success\n"
        after = now(switch, uuid)
        refused = run(encode.MaskRecording(uuid, "/no/such.wav", masked=True).render())
        assert refused == "-ERR Cannot mask recording session!\n"
    began = watch.fact(events.GapBegan, uuid)
    ended = watch.fact(events.GapEnded, uuid)
    assert (began.kind, began.path, ended.path) == ("mask", talking.path, talking.path)
    assert talking.at < before <= began.at < ended.at <= after
    watch.fact(events.RecordingStopped, uuid)
    (silent_s,) = silences(path)
    assert silent_s == pytest.approx((ended.at - began.at).total_seconds(), abs=0.15)


def test_what_the_dialplan_masks_is_a_fact_with_the_reason_that_it_gives(
    switch: SwitchUnderTest, watch: Watch, talking: events.RecordingStarted
) -> None:
    uuid, path = talking.uuid, talking.path
    steps = f"set:fsctl_mask_reason=card number^record_session_mask:{path}^sleep:1200"
    with commands(switch) as run:
        run(f"api uuid_transfer {uuid} 'm:^:{steps}^record_session_unmask:{path}^sleep:500^hangup' inline")
    began = watch.fact(events.GapBegan, uuid)
    ended = watch.fact(events.GapEnded, uuid)
    assert (began.kind, began.reason, began.path) == ("mask", "card number", path)
    assert 1.0 < (ended.at - began.at).total_seconds() < 1.5
    watch.fact(events.RecordingStopped, uuid)
    first, last = (int(((one.at - talking.at).total_seconds()) * RATE) for one in (began, ended))
    border = RATE // 5
    assert not stereo(Path(path))[first + border : last - border].any()


def test_a_paused_file_does_not_grow(
    switch: SwitchUnderTest, watch: Watch, talking: events.RecordingStarted
) -> None:
    uuid, path = talking.uuid, Path(talking.path)
    with commands(switch) as run:
        assert run(f"api uuid_record {uuid} pause {path}") == "+OK Success\n"
        gevent.sleep(0.1)
        before = path.stat().st_size
        gevent.sleep(0.4)
        assert path.stat().st_size == before
        assert run(f"api uuid_record {uuid} resume {path}") == "+OK Success\n"
        grow(path, 0.2)
    assert watch.fact(events.GapBegan, uuid).kind == "pause"
    assert watch.fact(events.GapEnded, uuid).kind == "pause"


def test_other_applications_and_commands_are_not_sent_to_us(
    switch: SwitchUnderTest, watch: Watch, talking: events.RecordingStarted
) -> None:
    with commands(switch) as run:
        run(f"api uuid_exists {talking.uuid}")
        run(encode.MaskRecording(talking.uuid, talking.path, masked=True).render())
    watch.fact(events.GapBegan, talking.uuid)
    after = [event for event in watch.events if event.name in ("API", "CHANNEL_EXECUTE")]
    assert [event.get("API-Command") for event in after if event.name == "API"] == ["uuid_record"]
    assert not [event for event in after if event.name == "CHANNEL_EXECUTE"]
    assert {"CHANNEL_BRIDGE", "RECORD_START", "callcenter::info"} <= {event.name for event in watch.events}
