"""mod_callcenter, phones and keys in detail: what a simulated queue must have in common with a real one."""

import json
import sqlite3
import time
from collections.abc import Iterator
from typing import Any

import gevent
import pytest

from fsctl.call import events
from fsctl.esl import encode
from fsctl.esl.messages import Event
from fsctl.sim import CallPlan, QueueOptions, Ring, Transfer
from tests.contract.live import Live
from tests.contract.switches import (
    PATIENCE_S,
    Simulated,
    SwitchUnderTest,
    Watch,
    ask,
    commands,
    new_wacid,
)

SHORT = QueueOptions("short@fsctl", max_wait_time=2, discard_abandoned_after=2)
EMPTY = QueueOptions("empty@fsctl", max_wait_time_with_no_agent=1, max_wait_time_with_no_agent_time_reached=1)
QUEUE_XML = """<queue name="{name}"><param name="strategy" value="longest-idle-agent"/>
<param name="moh-sound" value="$${{fsctl_hold_music}}"/><param name="time-base-score" value="system"/>
<param name="max-wait-time" value="{wait}"/><param name="max-wait-time-with-no-agent" value="{alone}"/>
<param name="max-wait-time-with-no-agent-time-reached" value="{grace}"/>
<param name="discard-abandoned-after" value="{discard}"/></queue></queues>"""
SAID = "callcenter::info"
NO_ANSWER = (Ring("no_answer"),)
MORE = "DTMF CODEC CALL_SECURE PLAYBACK_START PLAYBACK_STOP CHANNEL_HANGUP CHANNEL_EXECUTE_COMPLETE CUSTOM"


def real(switch: SwitchUnderTest) -> Live:
    """The switch as the real one, which it is if it is not simulated."""
    assert isinstance(switch, Live)
    return switch


def add_queue(switch: SwitchUnderTest, options: QueueOptions) -> None:
    """A queue as after an edit of callcenter.conf.xml and ``reloadxml``; it is loaded when it is first used."""
    if isinstance(switch, Simulated):
        switch._switch.callcenter.add_queue(options)
        return
    path = real(switch).process.home / "freeswitch-conf" / "autoload_configs" / "callcenter.conf.xml"
    text = path.read_text()
    if options.name not in text:
        values = {
            "name": options.name,
            "wait": options.max_wait_time,
            "alone": options.max_wait_time_with_no_agent,
            "grace": options.max_wait_time_with_no_agent_time_reached,
            "discard": options.discard_abandoned_after,
        }
        path.write_text(text.replace("</queues>", QUEUE_XML.format(**values)))
    with commands(switch) as run:
        run("api reloadxml")


def strand_member(switch: SwitchUnderTest, queue: str, state: str) -> str:
    """A member whose caller has no channel; its uuid."""
    if isinstance(switch, Simulated):
        return switch._switch.strand_member(queue, state, "agent2")
    uuid, session, now = new_wacid(), new_wacid(), int(time.time())
    row = (queue, uuid, session, now, now, "agent2" if state != "Waiting" else "", state)
    with sqlite3.connect(real(switch).process.home / "db" / "callcenter.db", timeout=10) as db:
        db.execute(
            "INSERT INTO members (queue, instance_id, uuid, session_uuid, cid_number, cid_name, system_epoch,"
            " joined_epoch, serving_agent, serving_system, state)"
            " VALUES (?, 'single_box', ?, ?, '', '', ?, ?, ?, '', ?)",
            row,
        )
    db.close()
    return uuid


def set_phone(switch: SwitchUnderTest, agent: str, *, registered: bool) -> None:
    """Register or unregister an agent's phone, and wait until it is so."""
    if isinstance(switch, Simulated):
        (switch._switch.register if registered else switch._switch.unregister)(agent)
        return
    real(switch).far.ask(f"sofia profile phones {'' if registered else 'un'}register {agent}")
    with commands(switch) as run, gevent.Timeout(PATIENCE_S, AssertionError("the phone does not obey")):
        while ("error/" not in run(f"api sofia_contact agents/{agent}@fsctl")) is not registered:
            gevent.sleep(0.1)


def rows(switch: SwitchUnderTest, what: str) -> list[dict[str, str]]:
    """A list of callcenter_config."""
    with commands(switch) as run:
        lines = run(f"api callcenter_config {what}").splitlines()
    assert lines.pop() == "+OK"
    return [dict(zip(lines[0].split("|"), line.split("|"), strict=True)) for line in lines[1:]]


def row(switch: SwitchUnderTest, what: str, **known: str) -> dict[str, str]:
    """The only row with these values."""
    found = [one for one in rows(switch, what) if known.items() <= one.items()]
    assert len(found) == 1, found
    return found[0]


def eventually(switch: SwitchUnderTest, what: str, state: str, **known: str) -> dict[str, str]:
    """The only row with these values, once it has this state."""
    with gevent.Timeout(PATIENCE_S, AssertionError(f"{what} {known} is never {state}")):
        while (found := row(switch, what, **known))["state"] != state:
            gevent.sleep(0.05)
    return found


@pytest.fixture
def watch(switch: SwitchUnderTest) -> Iterator[Watch]:
    """A subscriber of more than fsctl needs."""
    one = Watch(switch.address, encode.Subscribe().render().replace("CUSTOM", MORE, 1))
    yield one
    one.connection.close()


def place(switch: SwitchUnderTest, watch: Watch, **options: Any) -> str:
    """A call that gets to its queue without words; its uuid."""
    plan = CallPlan(headers=(("x-wa-meta-wacid", new_wacid()),), **options)
    switch.place_call(plan)
    uuid = watch.offered(plan).uuid
    watch.connection.must(encode.SetVariables(uuid, (("fsctl_recording", "never"),)))
    return uuid


def command(watch: Watch, line: str) -> str:
    """What FreeSWITCH answers to an api command."""
    return ask(watch.connection, f"api {line}")


def send(watch: Watch, uuid: str, *steps: str) -> None:
    """From the queue on, let the call execute these applications instead of its path."""
    watch.fact(events.MemberJoined, uuid)
    assert command(watch, f"uuid_transfer {uuid} 'm:^:{'^'.join(steps)}' inline") == "+OK\n"


def since(watch: Watch, uuid: str, name: str, **wanted: str) -> Event:
    """The first event of that name about a channel with these headers (``_`` for ``-``), once it is there."""
    headers = {key.replace("_", "-"): value for key, value in wanted.items()}

    def found() -> Event | None:
        return next((one for one in watch.events if _fits(one, name, uuid, headers)), None)

    return watch.until(found, f"{name} {headers}")


def _fits(event: Event, name: str, uuid: str, headers: dict[str, str]) -> bool:
    about = event.get("Unique-ID") or event.get("CC-Member-Session-UUID")
    return (
        event.name == name
        and about == uuid
        and all(event.get(key) == value for key, value in headers.items())
    )


def names(watch: Watch, uuid: str, *kinds: str) -> list[str]:
    """Events of these kinds about a channel, in order; applications, keys and queue actions with what they say."""
    said = []
    for event in watch.events:
        if event.name in kinds and _fits(event, event.name, uuid, {}):
            more = event.get("CC-Action") or event.get("DTMF-Digit") or event.get("Playback-Status") or ""
            said.append(f"{event.name} {more}".strip())
    return said


# --- leaving a queue without an agent --------------------------------------------------------------------------


def test_only_an_exit_key_leaves_the_queue(switch: SwitchUnderTest, watch: Watch) -> None:
    uuid = place(switch, watch, rings=NO_ANSWER, keys=((4.0, "5"), (5.0, "*")))
    send(watch, uuid, "set:cc_exit_keys=*#", "callcenter:sales@fsctl", "park")
    left = since(watch, uuid, SAID, CC_Action="member-queue-end", CC_Queue="sales@fsctl")
    assert (left.get("CC-Cause"), left.get("CC-Cancel-Reason")) == ("Cancel", "EXIT_WITH_KEY")
    assert left.get("variable_cc_exit_key") == "*"
    done = since(watch, uuid, "CHANNEL_EXECUTE_COMPLETE", Application_Data="sales@fsctl")
    assert (done.get("variable_cc_cause"), done.get("variable_cc_cancel_reason")) == (
        "cancel",
        "EXIT_WITH_KEY",
    )
    story = names(watch, uuid, "DTMF", "PLAYBACK_STOP", SAID)
    begin = story.index("DTMF 5")
    assert story[begin : begin + 4] == [
        "DTMF 5", "DTMF *", "PLAYBACK_STOP break", f"{SAID} member-queue-end",
    ]  # fmt: skip
    key = since(watch, uuid, "DTMF", DTMF_Digit="*")
    assert (key.get("DTMF-Source"), key.get("variable_cc_queue")) == ("RTP", None)
    assert (
        since(watch, uuid, SAID, CC_Action="bridge-agent-fail").get("CC-Hangup-Cause") == "ORIGINATOR_CANCEL"
    )


def test_max_wait_time_ends_the_wait_and_the_next_queue_knows_how_long_it_was(
    switch: SwitchUnderTest, watch: Watch
) -> None:
    add_queue(switch, SHORT)
    uuid = place(switch, watch, rings=NO_ANSWER)
    send(watch, uuid, "set:cc_base_score=100", "callcenter:short@fsctl", "callcenter:sales@fsctl", "park")
    left = since(watch, uuid, SAID, CC_Action="member-queue-end", CC_Queue="short@fsctl")
    assert (left.get("CC-Cause"), left.get("CC-Cancel-Reason")) == ("Cancel", "TIMEOUT")
    waited = int(left.get("CC-Member-Leaving-Time") or 0) - int(left.get("CC-Member-Joined-Time") or 0)
    assert waited in (2, 3)
    assert (
        since(watch, uuid, "PLAYBACK_STOP", Playback_Status="break").get("variable_cc_queue") == "short@fsctl"
    )
    since(watch, uuid, SAID, CC_Action="member-queue-start", CC_Queue="sales@fsctl")
    abandoned = row(switch, "queue list members", queue="short@fsctl")
    assert (abandoned["state"], abandoned["session_uuid"]) == ("Abandoned", "")
    member = row(switch, "queue list members", session_uuid=uuid)
    since_answer = int(member["joined_epoch"]) - int(member["system_epoch"])
    assert (int(member["base_score"]), since_answer >= 2) == (100 + since_answer, True)


def test_max_wait_time_waits_for_the_phone_that_rings(switch: SwitchUnderTest, watch: Watch) -> None:
    add_queue(switch, SHORT)
    command(watch, "callcenter_config tier add short@fsctl agent2")
    command(watch, "callcenter_config agent set contact agent2 [leg_timeout=4]user/agent2@fsctl")
    uuid = place(switch, watch, rings=NO_ANSWER)
    command(watch, "callcenter_config agent set ready_time agent2 0")
    send(watch, uuid, "callcenter:short@fsctl", "park")
    left = since(watch, uuid, SAID, CC_Action="member-queue-end", CC_Queue="short@fsctl")
    command(watch, "callcenter_config tier del short@fsctl agent2")
    assert left.get("CC-Cancel-Reason") == "TIMEOUT"
    waited = int(left.get("CC-Member-Leaving-Time") or 0) - int(left.get("CC-Member-Joined-Time") or 0)
    assert waited in (4, 5)
    failed = since(watch, uuid, SAID, CC_Action="bridge-agent-fail", CC_Queue="short@fsctl")
    assert failed.get("CC-Hangup-Cause") == "NO_ANSWER"
    assert watch.events.index(failed) < watch.events.index(left)


def test_a_queue_without_agents_lets_go_after_its_own_time(switch: SwitchUnderTest, watch: Watch) -> None:
    add_queue(switch, EMPTY)
    uuid = place(switch, watch, rings=NO_ANSWER)
    send(watch, uuid, "callcenter:empty@fsctl", "park")
    left = since(watch, uuid, SAID, CC_Action="member-queue-end", CC_Queue="empty@fsctl")
    assert (left.get("CC-Cause"), left.get("CC-Cancel-Reason")) == ("Cancel", "NO_AGENT_TIMEOUT")
    waited = int(left.get("CC-Member-Leaving-Time") or 0) - int(left.get("CC-Member-Joined-Time") or 0)
    assert waited in (2, 3)


def test_agents_on_a_break_are_agents_and_those_logged_out_are_none(
    switch: SwitchUnderTest, watch: Watch
) -> None:
    add_queue(switch, EMPTY)
    command(watch, "callcenter_config tier add empty@fsctl agent3")
    command(watch, "callcenter_config agent set status agent3 'On Break'")
    uuid = place(switch, watch, rings=NO_ANSWER)
    send(watch, uuid, "callcenter:empty@fsctl", "park")
    since(watch, uuid, SAID, CC_Action="member-queue-start", CC_Queue="empty@fsctl")
    gevent.sleep(4.0)
    still = row(switch, "queue list members", queue="empty@fsctl", session_uuid=uuid)["state"]
    command(watch, "callcenter_config agent set status agent3 'Logged Out'")
    left = since(watch, uuid, SAID, CC_Action="member-queue-end", CC_Queue="empty@fsctl")
    command(watch, "callcenter_config tier del empty@fsctl agent3")
    assert (still, left.get("CC-Cancel-Reason")) == ("Waiting", "NO_AGENT_TIMEOUT")


def test_an_unknown_queue_is_passed_by_at_once(switch: SwitchUnderTest, watch: Watch) -> None:
    uuid = place(switch, watch, rings=NO_ANSWER)
    send(watch, uuid, "unset:cc_cancel_reason", "callcenter:nosuch@fsctl", "set:after=1", "park")
    done = since(watch, uuid, "CHANNEL_EXECUTE_COMPLETE", Application_Data="nosuch@fsctl")
    assert (done.get("Application-Response"), done.get("variable_cc_cancel_reason")) == ("_none_", None)
    assert done.get("variable_cc_queue") == "support@fsctl"
    since(watch, uuid, "CHANNEL_EXECUTE_COMPLETE", Application_Data="after=1")


# --- keys ------------------------------------------------------------------------------------------------------

ASK = "play_and_get_digits:1 1 {tries} 1000 # {prompt} silence_stream://200 chosen [12] 1000"
LONG = "tone_stream://%(4000,100,440)"
BRIEF = "tone_stream://%(200,100,440)"


def answered(watch: Watch, uuid: str) -> Event:
    """play_and_get_digits has come to its end."""
    return since(watch, uuid, "CHANNEL_EXECUTE_COMPLETE", Application="play_and_get_digits")


def test_a_key_ends_the_prompt_and_is_the_answer(switch: SwitchUnderTest, watch: Watch) -> None:
    uuid = place(switch, watch, rings=NO_ANSWER, keys=((4.0, "2"),))
    send(watch, uuid, ASK.format(tries=1, prompt=LONG), "park")
    done = answered(watch, uuid)
    assert (done.get("variable_chosen"), done.get("variable_read_result")) == ("2", "success")
    stopped = since(watch, uuid, "PLAYBACK_STOP", Playback_File_Path=LONG)
    assert stopped.get("Playback-Status") == "break"
    assert stopped.get("Playback-File-Type") == "tone_stream"


def test_a_wrong_key_leads_to_another_try_and_no_key_to_none(switch: SwitchUnderTest, watch: Watch) -> None:
    uuid = place(switch, watch, rings=NO_ANSWER, keys=((4.0, "7"),))
    send(watch, uuid, ASK.format(tries=2, prompt=LONG), "park")
    done = answered(watch, uuid)
    assert (done.get("variable_chosen"), done.get("variable_chosen_invalid")) == (None, "7")
    assert done.get("variable_read_result") == "failure"
    assert names(watch, uuid, "DTMF", "PLAYBACK_STOP")[-5:] == [
        "DTMF 7", "PLAYBACK_STOP break", "PLAYBACK_STOP done", "PLAYBACK_STOP done", "PLAYBACK_STOP done",
    ]  # fmt: skip


def test_a_prompt_that_is_missing_is_no_time_to_answer(switch: SwitchUnderTest, watch: Watch) -> None:
    uuid = place(switch, watch, rings=NO_ANSWER)
    send(watch, uuid, "playback:/nonexistent.wav", ASK.format(tries=1, prompt="/nonexistent.wav"), "park")
    played = since(
        watch, uuid, "CHANNEL_EXECUTE_COMPLETE", Application="playback", Application_Data="/nonexistent.wav"
    )
    assert played.get("Application-Response") == "FILE NOT FOUND"
    done = answered(watch, uuid)
    assert (done.get("variable_chosen"), done.get("variable_read_result")) == (None, None)
    paths = [event.get("Playback-File-Path") for event in watch.events if event.name == "PLAYBACK_START"]
    assert paths[-1] == "silence_stream://200"
    assert "/nonexistent.wav" not in paths


def test_playback_forgets_keys_and_sleep_leaves_them(switch: SwitchUnderTest, watch: Watch) -> None:
    uuid = place(switch, watch, rings=NO_ANSWER, keys=((4.0, "1"), (9.0, "2")))
    steps = (f"playback:{LONG}", "sleep:9000", ASK.format(tries=1, prompt=BRIEF), "park")
    send(watch, uuid, *steps)
    slept = since(watch, uuid, "CHANNEL_EXECUTE_COMPLETE", Application="sleep")
    done = answered(watch, uuid)
    assert done.get("variable_chosen") == "2"
    story = names(watch, uuid, "DTMF", "CHANNEL_EXECUTE_COMPLETE")
    assert story[story.index("DTMF 1") :].index("DTMF 2") > 1
    assert watch.events.index(slept) < watch.events.index(since(watch, uuid, "DTMF", DTMF_Digit="2"))


# --- agents and their phones -----------------------------------------------------------------------------------


def test_an_agent_has_no_other_queue_while_one_offers(switch: SwitchUnderTest, watch: Watch) -> None:
    uuid = place(switch, watch, rings=NO_ANSWER)
    agent = watch.fact(events.AgentOffered, uuid).agent
    mine = {one["queue"]: one["state"] for one in rows(switch, "tier list") if one["agent"] == agent}
    assert (mine["support@fsctl"], mine["sales@fsctl"]) == ("Offering", "Standby")
    command(watch, f"uuid_kill {uuid}")
    eventually(switch, "tier list", "Ready", agent=agent, queue="sales@fsctl")
    eventually(switch, "tier list", "Ready", agent=agent, queue="support@fsctl")


def test_a_phone_that_is_not_registered_is_no_phone(switch: SwitchUnderTest, watch: Watch) -> None:
    for agent in ("agent2", "agent3"):
        command(watch, f"callcenter_config agent set status {agent} 'Logged Out'")
    set_phone(switch, "agent1", registered=False)
    try:
        uuid = place(switch, watch, rings=NO_ANSWER)
        failed = since(watch, uuid, SAID, CC_Action="bridge-agent-fail")
        assert failed.get("CC-Hangup-Cause") == "USER_NOT_REGISTERED"
        # Its own thread says so and then writes the row.
        ready = eventually(switch, "agent list", "Waiting", name="agent1")
        assert int(ready["ready_time"]) - int(failed.get("CC-Agent-Aborted-Time") or 0) in (5, 6)
        assert (ready["no_answer_count"], ready["status"]) == ("0", "Available")
        shown = json.loads(command(watch, "show registrations as json"))
        assert "agent1" not in [one["reg_user"] for one in shown.get("rows", [])]
    finally:
        set_phone(switch, "agent1", registered=True)


def test_registrations_are_rows(watch: Watch) -> None:
    shown = json.loads(command(watch, "show registrations as json"))
    one = next(found for found in shown["rows"] if found["reg_user"] == "agent1")
    assert list(one) == [
        "reg_user", "realm", "token", "url", "expires", "network_ip", "network_port", "network_proto",
        "hostname", "metadata",
    ]  # fmt: skip
    assert (one["realm"], one["network_proto"], one["url"].startswith("sofia/agents/sip:")) == (
        "fsctl",
        "udp",
        True,
    )
    assert command(watch, "show registrations count") == f"\n{shown['row_count']} total.\n"
    assert command(watch, "sofia_contact agents/nobody@fsctl") == "error/user_not_registered"


def test_an_agents_phone_sends_the_caller_elsewhere(switch: SwitchUnderTest, watch: Watch) -> None:
    uuid = place(switch, watch, rings=(Ring("answer", 0.3),), transfer=Transfer(1.0, "sales"), talk_s=1.0)
    first = watch.fact(events.AgentBridged, uuid)
    joined = since(watch, uuid, SAID, CC_Action="member-queue-start", CC_Queue="sales@fsctl")
    assert (joined.get("Caller-Destination-Number"), joined.get("Caller-Context")) == (
        "sales",
        "fsctl-transfer",
    )
    assert (joined.get("Caller-RDNIS") or "").lstrip("+") == "15550100900"
    ended = since(watch, first.agent_uuid, "CHANNEL_HANGUP")
    assert ended.get("Hangup-Cause") == "NORMAL_CLEARING"
    assert ended.get("variable_transfer_disposition") == "recv_replace"
    assert ended.get("variable_transfer_destination") == "blind:sales"
    assert ended.get("variable_endpoint_disposition") == "BLIND_TRANSFER"
    left = since(watch, uuid, SAID, CC_Action="member-queue-end", CC_Queue="support@fsctl")
    assert left.get("CC-Cause") == "Terminated"
    unbridged = since(watch, uuid, "CHANNEL_UNBRIDGE")
    assert (unbridged.get("variable_sip_refer_to") or "").startswith("<sip:sales@")
    assert watch.events.index(unbridged) < watch.events.index(left)


# --- what gets stuck, and what FreeSWITCH has for it -----------------------------------------------------------


def test_an_agent_left_in_a_state_is_not_offered_until_it_waits(
    switch: SwitchUnderTest, watch: Watch
) -> None:
    states = {"agent1": "In a queue call", "agent2": "Receiving", "agent3": "Reserved"}
    for agent, state in states.items():
        assert command(watch, f"callcenter_config agent set state {agent} '{state}'") == "+OK\n"
    uuid = place(switch, watch, rings=NO_ANSWER)
    watch.fact(events.MemberJoined, uuid)
    gevent.sleep(1.0)
    assert not [fact for fact in watch.of(uuid) if isinstance(fact, events.AgentOffered)]
    for agent in states:
        assert command(watch, f"callcenter_config agent set state {agent} Waiting") == "+OK\n"
    watch.fact(events.AgentOffered, uuid)


def test_a_waiting_member_without_a_channel_costs_one_offer_of_which_nobody_hears(
    switch: SwitchUnderTest, watch: Watch
) -> None:
    add_queue(switch, SHORT)
    command(watch, "callcenter_config tier add short@fsctl agent1")
    member = strand_member(switch, "short@fsctl", "Waiting")
    gone = eventually(switch, "queue list members", "Abandoned", uuid=member)
    assert (gone["session_uuid"], gone["serving_agent"]) == ("", "agent1")
    eventually(switch, "agent list", "Waiting", name="agent1")
    offered: list[str | None] = []
    with gevent.Timeout(PATIENCE_S, AssertionError("the agent's states are not told")):
        while len(offered) < 2:
            gevent.sleep(0.05)
            offered = [event.get("CC-Action") for event in watch.events if event.get("CC-Agent") == "agent1"]
    assert offered[-2:] == ["agent-state-change", "agent-state-change"]
    with gevent.Timeout(PATIENCE_S, AssertionError("an abandoned member stays for ever")):
        while member in command(watch, "callcenter_config queue list members"):
            gevent.sleep(0.1)
    command(watch, "callcenter_config tier del short@fsctl agent1")


@pytest.mark.parametrize("state", ["Trying", "Answered"])
def test_any_other_member_without_a_channel_stays_until_the_module_is_loaded_again(
    switch: SwitchUnderTest, watch: Watch, state: str
) -> None:
    add_queue(switch, SHORT)
    member = strand_member(switch, "short@fsctl", state)
    for line in (
        "agent set state agent2 Waiting",
        "agent set status agent2 'On Break'",
        "queue count members x",
    ):
        command(watch, f"callcenter_config {line}")
    gevent.sleep(3.0)
    assert row(switch, "queue list members", uuid=member)["state"] == state
    uuid = place(switch, watch, rings=NO_ANSWER)
    watch.fact(events.MemberJoined, uuid)
    refused = command(watch, "reload mod_callcenter")
    assert refused.splitlines()[1:] == [
        "-ERR unloading module [Module in use.]", "-ERR loading module [Module already loaded]",
    ]  # fmt: skip
    command(watch, f"uuid_kill {uuid}")
    watch.whole(uuid)
    with gevent.Timeout(PATIENCE_S, AssertionError("the channel stays")):
        while "row_count" in (found := command(watch, "show channels as json")) and '"uuid"' in found:
            gevent.sleep(0.05)
    loaded = command(watch, "reload mod_callcenter")
    assert loaded.splitlines()[1:] == ["+OK module unloaded", "+OK module loaded"]
    with gevent.Timeout(PATIENCE_S, AssertionError("the member stays")):
        while member in command(watch, "callcenter_config queue list members"):
            gevent.sleep(0.1)
    agent = row(switch, "agent list", name="agent2")
    assert (agent["status"], agent["state"], agent["wrap_up_time"]) == ("Available", "Waiting", "2")


def test_loading_the_module_again_hangs_up_who_talks(switch: SwitchUnderTest, watch: Watch) -> None:
    uuid = place(switch, watch, rings=(Ring("answer", 0.3),), hangs_up="nobody")
    watch.fact(events.LegsBridged, uuid)
    gevent.sleep(0.5)
    assert command(watch, "reload mod_callcenter").endswith("+OK module unloaded\n+OK module loaded\n")
    end = since(watch, uuid, "CHANNEL_HANGUP_COMPLETE")
    assert end.get("Hangup-Cause") == "MANAGER_REQUEST"
    assert watch.fact(events.MemberLeft, uuid).cause == "Terminated"
    assert uuid not in command(watch, "callcenter_config queue list members support@fsctl")


# --- media -----------------------------------------------------------------------------------------------------


def test_media_are_measured_at_the_end_and_when_asked_for(switch: SwitchUnderTest, watch: Watch) -> None:
    uuid = place(switch, watch, rings=NO_ANSWER)
    watch.fact(events.MemberJoined, uuid)
    assert "variable_rtp_audio_in_mos" not in command(watch, f"uuid_dump {uuid} json")
    assert command(watch, f"uuid_set_media_stats {uuid}") == "+OK:\n"
    during = json.loads(command(watch, f"uuid_dump {uuid} json"))
    assert float(during["variable_rtp_audio_in_mos"]) > 4
    assert command(watch, "uuid_set_media_stats nosuch") == "-ERR No such channel nosuch!\n"
    assert command(watch, "uuid_set_media_stats") == "-USAGE: <uuid>\n"
    gevent.sleep(0.5)
    command(watch, f"uuid_kill {uuid}")
    end = since(watch, uuid, "CHANNEL_HANGUP_COMPLETE")
    packets = int(end.get("variable_rtp_audio_in_packet_count") or 0)
    assert packets > int(during["variable_rtp_audio_in_packet_count"]) > 0
    named = {name for name, _ in end.fields.items() if name.startswith("variable_rtp_audio_in_")}
    assert named == {name for name in during if name.startswith("variable_rtp_audio_in_")}
