"""States that only a fault brings about: hooks of the switch, and what the commands say of them."""

import json

import pytest

from fsctl.sim import CallPlan, Quality, Ring, api, callcenter_config


def is_name(name):
    return lambda event: event["Event-Name"] == name


def members(switch):
    lines = callcenter_config.execute(switch.callcenter, ["queue", "list", "members"]).splitlines()[:-1]
    return [dict(zip(lines[0].split("|"), line.split("|"), strict=True)) for line in lines[1:]]


@pytest.mark.parametrize(
    ("state", "agent", "bridged"),
    [("Waiting", "", False), ("Trying", "agent2", False), ("Answered", "agent2", True)],
)
def test_a_stranded_member_looks_like_any_other(make_switch, state, agent, bridged):
    switch = make_switch(agents=())
    uuid = switch.strand_member("support@fsctl", state, "agent2")
    (row,) = members(switch)
    assert (row["uuid"], row["state"], row["serving_agent"]) == (uuid, state, agent)
    assert (row["bridge_epoch"] != "0") is bridged
    assert row["session_uuid"] not in switch.channels


def test_a_stranded_member_needs_a_queue(make_switch):
    with pytest.raises(ValueError, match="no queue nosuch"):
        make_switch().strand_member("nosuch")


def test_a_stranded_agent_says_nothing_and_is_offered_nobody(make_switch, listen):
    switch = make_switch()
    for agent, state in (("agent1", "Receiving"), ("agent2", "Reserved"), ("agent3", "In a queue call")):
        switch.strand_agent(agent, state)
    recorder = listen(switch)
    switch.place_call(CallPlan(abandon_after_s=8))
    recorder.wait(5, is_name("CHANNEL_HANGUP_COMPLETE"))
    actions = {event.get("CC-Action") for event in recorder.events}
    assert "member-queue-start" in actions
    assert not {"agent-offering", "agent-state-change"} & actions


def test_without_a_dispatcher_callers_wait_and_a_reload_starts_it(make_switch, listen):
    switch = make_switch()
    switch.stop_dispatcher()
    recorder = listen(switch)
    switch.place_call(CallPlan(abandon_after_s=8))
    recorder.wait(5, is_name("CHANNEL_HANGUP_COMPLETE"))
    assert "agent-offering" not in {event.get("CC-Action") for event in recorder.events}
    assert api.execute(switch, "reload mod_callcenter").endswith("+OK module loaded\n")
    switch.place_call(CallPlan(rings=(Ring("answer", 0.1),), talk_s=0.5))
    recorder.wait(5, is_name("CHANNEL_BRIDGE"))


def test_a_phone_that_unregisters_is_gone_from_the_rows_and_cannot_be_rung(make_switch, listen):
    switch = make_switch()
    recorder = listen(switch)
    switch.unregister("agent1")
    rows = json.loads(api.execute(switch, "show registrations as json"))["rows"]
    assert [row["reg_user"] for row in rows] == ["agent3", "agent2"]
    switch.place_call(CallPlan(rings=(Ring("answer", 0.1),), talk_s=0.5))
    failed = recorder.wait(5, lambda event: event.get("CC-Action") == "bridge-agent-fail")
    assert (failed["CC-Agent"], failed["CC-Hangup-Cause"]) == ("agent1", "USER_NOT_REGISTERED")
    switch.register("agent1")
    assert api.execute(switch, "sofia_contact agents/agent1@fsctl").startswith("sofia/agents/sip:agent1@")


def test_quality_is_what_the_plan_says_of_each_leg(make_switch, listen):
    switch = make_switch()
    recorder = listen(switch)
    bad = Quality(mos=2.7, lost=20, loss_rate=6.5, jitter_max_variance=480.25, flaws=40, percentage=71.5)
    uuid = switch.place_call(CallPlan(rings=(Ring("answer", 0.1),), talk_s=2.0, quality=bad))
    recorder.wait(
        5, lambda event: event["Event-Name"] == "CHANNEL_HANGUP_COMPLETE" and event["Unique-ID"] == uuid
    )
    ends = [event for event in recorder.events if event["Event-Name"] == "CHANNEL_HANGUP_COMPLETE"]
    mine = {event["Unique-ID"] == uuid: event for event in ends}
    assert mine[True]["variable_rtp_audio_in_mos"] == "2.70"
    assert mine[True]["variable_rtp_audio_in_jitter_loss_rate"] == "6.50"
    assert mine[True]["variable_rtp_audio_in_jitter_max_variance"] == "480.25"
    out, came = (int(mine[True][f"variable_rtp_audio_{way}_packet_count"]) for way in ("out", "in"))
    assert out - came == 20
    assert mine[False]["variable_rtp_audio_in_mos"] == "4.50"


PLAIN = """<include><context name="whatsapp"><extension name="a"><condition>
<action application="set" data="rtp_secure_media=mandatory:AES_CM_128_HMAC_SHA1_80"/>
<action application="answer"/><action application="sleep" data="500"/>
</condition></extension></context></include>"""


@pytest.mark.parametrize("crypto", [True, False])
def test_crypto_that_is_demanded_and_not_offered_fails_the_answer(make_switch, listen, tmp_path, crypto):
    (tmp_path / "a.xml").write_text(PLAIN)
    switch = make_switch(dialplan=tmp_path)
    recorder = listen(switch)
    switch.place_call(CallPlan(crypto=crypto))
    end = recorder.wait(5, is_name("CHANNEL_HANGUP_COMPLETE"))
    names = [event["Event-Name"] for event in recorder.events]
    assert end["Hangup-Cause"] == ("NORMAL_CLEARING" if crypto else "INCOMPATIBLE_DESTINATION")
    assert ("CODEC" in names, "CALL_SECURE" in names, "CHANNEL_ANSWER" in names) == (crypto, crypto, crypto)
    if not crypto:
        assert end["variable_sip_hangup_disposition"] == "send_refuse"
        assert end["variable_endpoint_disposition"] == "CODEC NEGOTIATION ERROR"


def test_an_ordinary_call_comes_without_what_is_metas_own(make_switch, listen):
    switch = make_switch()
    recorder = listen(switch)
    switch.place_call(CallPlan(kind="sip", rings=(Ring("answer", 0.1),), talk_s=0.5))
    call = recorder.wait(5, is_name("CHANNEL_CREATE"))
    assert (call["Caller-Context"], call["variable_sip_via_protocol"]) == ("fsctl-sip", "udp")
    assert not [name for name in call if "wa-meta" in name.lower() or "X-FB" in name]
    answered = recorder.wait(5, is_name("CHANNEL_ANSWER"))
    assert "variable_rtp_secure_media_negotiated" not in answered
    recorder.wait(5, is_name("CHANNEL_HANGUP_COMPLETE"))
