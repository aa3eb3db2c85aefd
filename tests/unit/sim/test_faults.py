"""What goes wrong on demand: cut connections, killed listeners, a stopped and restarted switch."""

import gevent
import pytest

from fsctl.sim import CallPlan, Ring, api


def test_dropped_listeners_see_the_end_without_a_word(make_switch, connect):
    switch = make_switch()
    client = connect(switch)
    switch.drop_listeners()
    client.raw = b""
    assert client.to_end() == b""
    assert connect(switch).api("module_exists mod_callcenter") == "true"


def test_a_clean_stop_tells_shutdown_and_ends_with_a_notice(make_switch, listen):
    switch = make_switch()
    recorder = listen(switch)
    uuid = switch.place_call(CallPlan(rings=(Ring("answer", 0.1),), hangs_up="nobody"))
    recorder.wait(3, lambda event: event["Event-Name"] == "CHANNEL_BRIDGE")
    switch.stop()
    gevent.sleep(0.05)
    names = [event["Event-Name"] for event in recorder.events]
    after = names[names.index("SHUTDOWN") :]
    assert "CHANNEL_HANGUP" in after
    hangups = [event for event in recorder.events if event["Event-Name"] == "CHANNEL_HANGUP_COMPLETE"]
    assert {event["Hangup-Cause"] for event in hangups if event["Unique-ID"] == uuid} == {"SYSTEM_SHUTDOWN"}
    notice = b"Content-Type: text/disconnect-notice\nContent-Length: 31\n\nThe system is being shut down.\n"
    assert recorder.client.raw.endswith(notice)


def test_a_restart_keeps_the_port_and_forgets_the_rest(make_switch, connect):
    switch = make_switch()
    port, core = switch.port, switch.bus.core_uuid
    client = connect(switch)
    client.api("callcenter_config agent set status agent1 'On Break'")
    switch.place_call(CallPlan(rings=(Ring("no_answer"),)))
    switch.stop(notice=False)
    switch.start()
    assert switch.port == port
    assert switch.bus.core_uuid != core
    client = connect(switch)
    assert client.api("show channels as json") == '{"row_count": 0}\n'
    assert client.api("callcenter_config agent get status agent1") == "Available"


def test_a_reader_that_is_too_slow_loses_events_and_is_killed(make_switch, connect):
    switch = make_switch(listener_queue=50)
    client = connect(switch)
    client.command("event plain HEARTBEAT")
    for _ in range(50 + 501):
        switch.bus.fire("HEARTBEAT", [("Event-Info", "System Ready")])
    assert client.to_end().endswith(b"killed listener because of lost events\n")


def test_a_reader_that_does_not_read_at_all_is_killed_and_others_are_not(make_switch, connect):
    switch = make_switch(listener_queue=50)
    slow, other = connect(switch), connect(switch)
    slow.command("event plain HEARTBEAT")
    for _ in range(1200):
        switch.bus.fire("HEARTBEAT", [("Event-Info", "x" * 20_000)])
        gevent.sleep(0)
    with gevent.Timeout(10):
        while len(switch.bus.subscribers) > 1:
            gevent.sleep(0.01)
    assert other.api("module_exists mod_callcenter") == "true"


@pytest.mark.parametrize("torn", [False, True])
def test_a_killed_listener_gets_a_notice_perhaps_in_place_of_a_body(make_switch, connect, torn):
    switch = make_switch()
    client = connect(switch)
    client.command("event plain HEARTBEAT")
    client.raw = b""
    switch.kill_listener(torn=torn)
    data = client.to_end()
    assert data.endswith(b"killed listener because of lost events\n")
    assert data.startswith(b"Content-Length: " if torn else b"Content-Type: text/disconnect-notice")


def test_a_dialplan_with_an_unknown_application_is_refused_at_the_start(make_switch, tmp_path):
    (tmp_path / "a.xml").write_text(
        '<include><context name="whatsapp"><extension name="a"><condition>'
        '<action application="nosuch" data="x"/></condition></extension></context></include>'
    )
    with pytest.raises(ValueError, match=r"a\.xml, extension 'a': .*the application 'nosuch'"):
        make_switch(dialplan=tmp_path)


def test_an_unknown_application_hangs_up_as_freeswitch_does(make_switch, listen):
    switch = make_switch()
    recorder = listen(switch)
    uuid = switch.place_call(CallPlan())
    recorder.wait(5, lambda event: event["Event-Name"] == "CHANNEL_ANSWER")
    assert api.execute(switch, f"uuid_transfer {uuid} nosuch:x inline") == "+OK\n"
    end = recorder.wait(5, lambda event: event["Event-Name"] == "CHANNEL_HANGUP_COMPLETE")
    assert end["Hangup-Cause"] == "DESTINATION_OUT_OF_ORDER"


def test_the_same_seed_gives_the_same_calls_and_another_seed_others(make_switch):
    uuids = [make_switch(seed=seed).place_call(CallPlan()) for seed in (7, 7, 8)]
    assert uuids[0] == uuids[1] != uuids[2]


def test_a_heartbeat_comes_every_20_seconds(make_switch, listen):
    recorder = listen(make_switch(speed=100), "HEARTBEAT RE_SCHEDULE")
    recorder.wait(2, lambda _: len(recorder.events) >= 4)
    beats = [event for event in recorder.events if event["Event-Name"] == "HEARTBEAT"]
    gap_us = int(beats[1]["Event-Date-Timestamp"]) - int(beats[0]["Event-Date-Timestamp"])
    assert gap_us == pytest.approx(20e6, rel=0.1)
