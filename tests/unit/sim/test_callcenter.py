"""Queues, agents and members: who is offered whom, and what happens when nobody takes the call."""

import gevent
import pytest

from fsctl.sim import AgentOptions, CallPlan, QueueOptions, Ring, TierOptions

QUEUE = "support@fsctl"
ANSWER = (Ring("answer", 0.2),)


def one_agent(make_switch, **options):
    agent = AgentOptions("agent1", "[leg_timeout=5]sofia/agents/agent1@127.0.0.1", **options)
    return make_switch(queues=(QueueOptions(QUEUE),), agents=(agent,), tiers=(TierOptions(QUEUE, "agent1"),))


def actions(recorder):
    return [event["CC-Action"] for event in recorder.events if "CC-Action" in event]


def is_action(name):
    return lambda event: event.get("CC-Action") == name


def test_a_second_call_waits_for_the_only_agent_and_for_the_wrap_up(make_switch, listen):
    switch = one_agent(make_switch, wrap_up_time=3)
    recorder = listen(switch, "CUSTOM callcenter::info")
    for start in (0.0, 0.5):
        switch.place_call(CallPlan(rings=ANSWER, talk_s=1.0, start_after_s=start))
    assert switch.wait_idle(10)
    recorder.wait(1, lambda _: actions(recorder).count("member-queue-end") == 2)
    ends = [
        event for event in recorder.events if event["CC-Action"] in ("bridge-agent-end", "bridge-agent-start")
    ]
    assert [event["CC-Action"].rsplit("-", 1)[1] for event in ends] == ["start", "end", "start", "end"]
    ended, started = int(ends[1]["CC-Bridge-Terminated-Time"]), int(ends[2]["CC-Agent-Called-Time"])
    assert started - ended > 3
    assert all(end["CC-Hangup-Cause"] == "SUCCESS" for end in ends if "CC-Hangup-Cause" in end)


def test_the_agent_who_has_been_idle_longest_is_offered_the_call(make_switch, listen):
    switch = make_switch()
    for number, agent in enumerate(switch.callcenter.agents.values()):
        agent.last_bridge_end = (20, 10, 30)[number]
    recorder = listen(switch, "CUSTOM callcenter::info")
    switch.place_call(CallPlan(rings=ANSWER, talk_s=0.2))
    assert recorder.wait(3, is_action("agent-offering"))["CC-Agent"] == "agent2"


def test_a_rejected_call_is_offered_again_after_the_busy_delay(make_switch, listen):
    switch = one_agent(make_switch, busy_delay_time=4)
    recorder = listen(switch, "CUSTOM callcenter::info")
    switch.place_call(CallPlan(rings=(Ring("reject", 0.2), *ANSWER), talk_s=0.2))
    assert switch.wait_idle(10)
    fail = recorder.wait(1, is_action("bridge-agent-fail"))
    assert fail["CC-Hangup-Cause"] == "USER_BUSY"
    start = recorder.wait(1, is_action("bridge-agent-start"))
    assert int(start["CC-Agent-Called-Time"]) - int(fail["CC-Agent-Aborted-Time"]) >= 4


def test_an_agent_who_never_answers_is_sent_on_a_break(make_switch, listen, connect):
    switch = one_agent(make_switch, max_no_answer=2, no_answer_delay_time=1)
    recorder = listen(switch, "CUSTOM callcenter::info")
    switch.place_call(CallPlan(rings=(Ring("no_answer"),), abandon_after_s=30))
    gone = recorder.wait(5, is_action("agent-max-no-answer"))
    assert gone["CC-Agent-No-Answer-Count"] == "2"
    assert recorder.wait(1, is_action("agent-status-change"))["CC-Agent-Status"] == "On Break"
    found = actions(recorder)
    assert found.count("bridge-agent-fail") <= 2
    assert connect(switch).api("callcenter_config agent get status agent1") == "On Break"
    fails = [event for event in recorder.events if event["CC-Action"] == "bridge-agent-fail"]
    assert {event["CC-Hangup-Cause"] for event in fails} == {"ALLOTTED_TIMEOUT"}


def test_a_member_without_agents_waits_and_leaves_at_max_wait_time(make_switch, listen):
    switch = make_switch(queues=(QueueOptions(QUEUE, max_wait_time=3),), agents=(), tiers=())
    recorder = listen(switch, "all")
    switch.place_call(CallPlan())
    end = recorder.wait(5, is_action("member-queue-end"))
    assert (end["CC-Cause"], end["CC-Cancel-Reason"]) == ("Cancel", "TIMEOUT")
    assert 3 <= int(end["CC-Member-Leaving-Time"]) - int(end["CC-Member-Joined-Time"]) <= 4
    assert (
        recorder.wait(2, lambda event: event["Event-Name"] == "CHANNEL_HANGUP")["Hangup-Cause"]
        == "NORMAL_CLEARING"
    )


def test_an_abandoned_member_stays_in_the_table_without_a_session(make_switch, connect):
    switch = make_switch(agents=(), tiers=())
    uuid = switch.place_call(CallPlan(abandon_after_s=3))
    assert switch.wait_idle(5)
    client = connect(switch)
    header, row, end, _ = client.api(f"callcenter_config queue list members {QUEUE}").split("\n")
    member = dict(zip(header.split("|"), row.split("|")))
    assert end == "+OK"
    assert (member["state"], member["session_uuid"]) == ("Abandoned", "")
    assert uuid not in row


def test_a_break_while_the_phone_rings_stops_it_and_the_member_waits_on(make_switch, listen, connect):
    switch = one_agent(make_switch)
    recorder = listen(switch, "CUSTOM callcenter::info")
    switch.place_call(CallPlan(rings=(Ring("answer", 4), *ANSWER), talk_s=0.2))
    recorder.wait(3, is_action("agent-offering"))
    client = connect(switch)
    assert client.api("callcenter_config agent set status agent1 'On Break'") == "+OK\n"
    assert recorder.wait(2, is_action("bridge-agent-fail"))["CC-Hangup-Cause"] == "ORIGINATOR_CANCEL"
    assert client.api("callcenter_config agent get state agent1") == "Waiting"
    client.api("callcenter_config agent set status agent1 Available")
    recorder.wait(3, is_action("bridge-agent-start"))
    assert switch.wait_idle(5)


def test_a_caller_who_goes_just_as_the_agent_answers_costs_the_agent_the_call(make_switch, listen):
    switch = one_agent(make_switch)
    recorder = listen(switch)
    uuid = switch.place_call(CallPlan(rings=ANSWER))
    recorder.wait(3, is_action("agent-offering"))
    while not switch.channels[uuid].get("cc_agent_found"):
        gevent.sleep(0)
    switch.channels[uuid].hangup("NORMAL_CLEARING", remote=True)
    assert switch.wait_idle(5)
    end = recorder.wait(1, is_action("bridge-agent-end"))
    assert end["CC-Agent-Bridged"] == "false"
    member = recorder.wait(1, is_action("member-queue-end"))
    assert (member["CC-Cause"], member["CC-Cancel-Reason"]) == ("Cancel", "NONE")
    assert switch.callcenter.agents["agent1"].state == "Waiting"


def test_callers_may_go_at_any_moment_and_nothing_is_left_behind(make_switch):
    moments = range(1000, 1700, 10)
    agents = tuple(AgentOptions(f"a{ms}", f"[leg_timeout=5]sofia/agents/a{ms}@127.0.0.1") for ms in moments)
    tiers = tuple(TierOptions(QUEUE, agent.name) for agent in agents)
    switch = make_switch(speed=4, queues=(QueueOptions(QUEUE),), agents=agents, tiers=tiers)
    ring = (Ring("answer", 0.1),)
    plans = [CallPlan(rings=ring, abandon_after_s=ms / 1000, talk_s=0.1) for ms in moments]
    switch.place_calls(plans, per_second=1000)
    assert switch.wait_idle(5)
    gevent.sleep(0.05)
    assert not switch.channels
    assert not switch.offers
    assert not switch.recorder.running
    assert {agent.state for agent in switch.callcenter.agents.values()} == {"Waiting"}


def test_a_transfer_out_of_the_queue_is_a_break_out(make_switch, listen, connect):
    switch = make_switch(agents=(), tiers=())
    recorder = listen(switch)
    uuid = switch.place_call(CallPlan())
    recorder.wait(3, is_action("member-queue-start"))
    assert connect(switch).api(f"uuid_transfer {uuid} park inline") == "+OK\n"
    end = recorder.wait(2, is_action("member-queue-end"))
    assert (end["CC-Cancel-Reason"], end["Answer-State"]) == ("BREAK_OUT", "answered")
    recorder.wait(2, lambda event: event["Event-Name"] == "CHANNEL_PARK")
    connect(switch).api("hupall")
    assert switch.wait_idle(5)


def test_asking_for_an_agents_state_tells_everybody(make_switch, listen, connect):
    switch = one_agent(make_switch)
    recorder = listen(switch, "CUSTOM callcenter::info")
    connect(switch).api("callcenter_config agent get state agent1")
    event = recorder.wait(1, is_action("agent-state-get"))
    assert (event["CC-Agent"], event["CC-Agent-State"]) == ("agent1", "Waiting")


def test_another_strategy_is_refused_when_the_queue_is_made(make_switch):
    with pytest.raises(ValueError, match="ring-all"):
        make_switch(queues=(QueueOptions(QUEUE, strategy="ring-all"),))


def test_exported_variables_reach_the_agents_leg_and_sip_headers_do_not(make_switch, listen):
    switch = one_agent(make_switch)
    recorder = listen(switch, "CHANNEL_CREATE")
    plan = CallPlan(rings=ANSWER, talk_s=0.2, headers=(("x-wa-meta-wacid", "wacid.X="),))
    uuid = switch.place_call(plan)
    create = recorder.wait(2, lambda event: event["Unique-ID"] == uuid)
    assert create["variable_sip_h_x-wa-meta-wacid"] == "wacid.X="
    assert create["variable_sip_call_id"] == "outgoing:wacid.X="
    switch.channels[uuid].set("fsctl_note", "hello")
    switch.channels[uuid].set("cc_export_vars", "fsctl_note")
    leg = recorder.wait(3, lambda event: event["Call-Direction"] == "outbound")
    assert leg["variable_fsctl_note"] == "hello"
    assert not any(name.startswith("variable_sip_h_") for name in leg)
