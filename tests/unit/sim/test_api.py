"""Replies of the commands, against the transcript of a real switch, and on a live call."""

import ast
import json
import re
from pathlib import Path

import pytest

from fsctl.sim import AgentOptions, CallPlan, QueueOptions, Ring, TierOptions

TRANSCRIPT = (Path(__file__).parent / "data" / "api_transcript.txt").read_text()

#: Commands of the transcript whose replies hold what differs from run to run, or which are not modelled.
SKIPPED = re.compile(
    r"status|uptime|create_uuid|global_getvar$|sofia|eval|originate|uuid_bridge|uuid_audio|json|"
    r"callcenter_config queue list$"
)


def transcript():
    """(command line, Content-Length or Reply-Text, body) in the order in which they were sent."""
    found = re.findall(r"^>>> ((?:.|\n(?!headers=))*)\nheaders=(.*)\nbody=(.*)\n", TRANSCRIPT, re.M)
    for line, headers, body in found:
        yield line, ast.literal_eval(headers), ast.literal_eval(body).decode()


AUTO = "[leg_timeout=10]loopback/auto_agent/agents"


@pytest.fixture
def lab(make_switch):
    """The switch of the transcript, with its queues and agents."""
    switch = make_switch(
        queues=(QueueOptions("support@lab.local"), QueueOptions("auto@lab.local")),
        agents=(
            AgentOptions("agent1", "[leg_timeout=10]sofia/agents/agent1@127.0.0.1:5090"),
            AgentOptions(
                "auto1", "[leg_timeout=10]loopback/auto_agent/agents", wrap_up_time=1, no_answer_delay_time=0
            ),
        ),
        tiers=(TierOptions("support@lab.local", "agent1"), TierOptions("auto@lab.local", "auto1")),
        globals={"domain": "lab.local"},
    )
    agent, auto = switch.callcenter.agents.values()
    agent.last_bridge_start = agent.last_offered_call = 1795334306
    agent.last_bridge_end, agent.calls_answered, agent.talk_time = 1795334311, 1, 5
    agent.last_status_change = auto.last_status_change = 1795333867
    return switch


def test_the_transcript_of_a_real_switch_is_repeated(lab, connect):
    client = connect(lab)
    checked = 0
    for line, headers, body in transcript():
        if not line.startswith("api ") or SKIPPED.match(line.split("\n")[0].removeprefix("api ")):
            continue
        reply = client.command(line)
        assert (line, reply.body.decode()) == (line, body)
        assert dict(reply.headers) == headers
        checked += 1
    assert checked == 58


@pytest.mark.parametrize(
    "line",
    [
        "api",
        "bgapi",
        "nosuch",
        "event",
        "event plain",
        "event nonsense",
        "filter",
        "getvar x",
        "connect",
        "resume",
        "event plain CHANNEL_ANSWER CUSTOM callcenter::info",
        "filter Unique-ID abc",
        "filter delete Unique-ID abc",
        "nixevent CHANNEL_ANSWER",
        "myevents nosuch-uuid",
        "sendmsg",
        "linger",
        "nolinger",
        "log info",
        "nolog",
    ],
)
def test_other_commands_get_the_reply_of_the_transcript(line, lab, connect):
    expected = next(headers for found, headers, _ in transcript() if found == line)
    assert dict(connect(lab).command(line).headers) == expected


def test_the_list_of_queues_has_the_columns_and_values_of_the_transcript(lab, connect):
    lab.callcenter.queues["support@lab.local"].calls_answered = 1
    expected = next(body for line, _, body in transcript() if line == "api callcenter_config queue list")
    lines = connect(lab).api("callcenter_config queue list").split("\n")
    assert lines[:2] == expected.split("\n")[:2]
    assert lines[-2:] == ["+OK", ""]


def test_what_is_not_modelled_is_an_unknown_command(lab, connect):
    assert connect(lab).api("conference list") == "-ERR conference Command not found!\n"


@pytest.fixture
def call(make_switch, connect):
    """A call that two people talk on until somebody ends it: switch, client, uuid."""
    switch = make_switch()
    client = connect(switch)
    client.command("event plain CHANNEL_BRIDGE")
    uuid = switch.place_call(CallPlan(display_name="Ana", rings=(Ring("answer", 0.1),), hangs_up="nobody"))
    assert client.read().event()["Unique-ID"] == uuid
    return switch, client, uuid


def test_a_bridged_call_is_two_channels_and_one_call(call):
    _, client, uuid = call
    channels = json.loads(client.api("show channels as json"))
    assert channels["row_count"] == 2
    caller = channels["rows"][0]
    assert list(caller)[:5] == ["uuid", "direction", "created", "created_epoch", "name"]
    assert len(caller) == 38
    assert caller["uuid"] == uuid
    assert caller["secure"] == "srtp:sdes:AES_CM_128_HMAC_SHA1_80"
    assert caller["read_codec"] == "opus"
    calls = json.loads(client.api("show calls as json"))
    assert calls["row_count"] == 1
    assert calls["rows"][0]["b_uuid"] == channels["rows"][1]["uuid"]
    assert client.api("show channels count") == "\n2 total.\n"
    assert client.api("show channels").startswith("uuid,direction,created,")


def test_variables_are_set_and_read_whatever_their_case(call):
    _, client, uuid = call
    assert client.api(f"uuid_setvar {uuid} myvar hello") == "+OK\n"
    assert client.api(f"uuid_getvar {uuid} MYVAR") == "hello"
    assert client.api(f"uuid_setvar_multi {uuid} a=1;b=two words") == "+OK\n"
    assert client.api(f"uuid_getvar {uuid} b") == "two words"
    assert client.api(f"uuid_getvar {uuid} nothing") == "_undef_"
    assert client.api(f"uuid_getvar {uuid} SIP_H_X-WA-META-WACID").startswith("wacid.")


def test_a_dump_holds_the_keys_that_must_not_leak(call):
    _, client, uuid = call
    data = json.loads(client.api(f"uuid_dump {uuid} json"))
    assert data["Event-Name"] == "CHANNEL_DATA"
    assert "inline:" in data["variable_rtp_last_audio_local_crypto_key"]
    assert "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" in data["variable_switch_r_sdp"]
    assert data["variable_sip_call_id"] == "outgoing:" + data["variable_sip_h_x-wa-meta-wacid"]
    assert f"Unique-ID: {uuid}\n" in client.api(f"uuid_dump {uuid}")


def test_a_kill_says_hangup_before_its_own_api_event(call, listen):
    switch, _, uuid = call
    recorder = listen(switch)
    recorder.client.send(f"api uuid_kill {uuid} USER_BUSY\n\n")
    done = recorder.wait(
        2, lambda event: event["Event-Name"] == "CHANNEL_HANGUP_COMPLETE" and event["Unique-ID"] == uuid
    )
    assert done["Hangup-Cause"] == "USER_BUSY"
    assert done["variable_hangup_cause_q850"] == "17"
    names = [event["Event-Name"] for event in recorder.events]
    assert names.index("CHANNEL_HANGUP") < names.index("API")
    assert switch.wait_idle(5)


def test_a_transfer_takes_the_caller_away_from_the_agent(call, listen):
    switch, client, uuid = call
    recorder = listen(switch)
    assert client.api(f"uuid_transfer {uuid} 'answer,park' inline") == "+OK\n"
    recorder.wait(2, lambda event: event["Event-Name"] == "CHANNEL_PARK")
    end = recorder.wait(2, lambda event: event.get("CC-Action") == "member-queue-end")
    assert (end["CC-Cause"], end["Answer-State"]) == ("Terminated", "answered")
    assert json.loads(client.api("show channels as json"))["row_count"] == 1
    client.api(f"uuid_kill {uuid}")
    assert switch.wait_idle(5)
