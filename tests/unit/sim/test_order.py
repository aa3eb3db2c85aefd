"""The order of events of a queue call equals the captured order, leg by leg and state by state."""

import itertools

import pytest

from fsctl.sim import AgentOptions, CallPlan, QueueOptions, Ring, TierOptions
from tests.unit.sim.wire import captured

IGNORED = {"HEARTBEAT", "RE_SCHEDULE", "PRESENCE_IN"}

#: The dialplan of the machine on which the captures were taken.
LAB = """<include><context name="public"><extension name="lab">
<condition field="destination_number" expression="^7000$">
<action application="set" data="rtp_secure_media=mandatory" inline="true"/>
<action application="answer"/><action application="callcenter" data="support@lab.local"/>
</condition></extension></context></include>"""

PLANS = {
    "call_queue_plain": CallPlan(to_number="7000", rings=(Ring("answer", 0.02),), talk_s=4),
    "cc_abandon": CallPlan(to_number="7000", rings=(Ring("no_answer"),), abandon_after_s=3),
    "cc_agent_no_answer": CallPlan(to_number="7000", rings=(Ring("no_answer"),), abandon_after_s=14),
    "cc_agent_hangs_up": CallPlan(
        to_number="7000", rings=(Ring("answer", 0.02),), talk_s=2, hangs_up="agent"
    ),
}


def rows(events):
    """(event, action with its value, leg, state, answer state) of each event that counts."""
    for event in events:
        if event["Event-Name"] not in IGNORED | {"SHUTDOWN"}:
            leg = event.get("Unique-ID", "")[:8]
            action = event.get("CC-Action", "") + event.get("CC-Agent-State", "") + event.get("CC-Count", "")
            yield (
                event["Event-Name"],
                action,
                leg,
                event.get("Channel-State", ""),
                event.get("Answer-State", ""),
            )


def settle(found):
    """Legs become A and B; the two races between the captures at the bridge are decided one way."""
    legs, out, bridging = {"": ""}, [], False
    for event, action, leg, state, answer in found:
        if leg not in legs:
            legs[leg] = "AB"[len(legs) - 1]
        bridging = bridging or state == "CS_SOFT_EXECUTE"
        if not (bridging and state == "CS_CONSUME_MEDIA" and event == "CHANNEL_STATE"):
            out.append((event, action, legs[leg], state, answer))
    joined = [row[0] for row in out].index("CHANNEL_BRIDGE") if bridging else None
    if joined is not None:
        out[joined + 2 : joined + 4] = sorted(out[joined + 2 : joined + 4])
    return out


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", PLANS)
def test_the_order_of_events_is_the_captured_one(name, seed, make_switch, listen, tmp_path):
    (tmp_path / "lab.xml").write_text(LAB)
    agent = AgentOptions("agent1", "[leg_timeout=10]sofia/agents/agent1@127.0.0.1:5090")
    switch = make_switch(
        dialplan=tmp_path,
        context="public",
        seed=seed,
        queues=(QueueOptions("support@lab.local"),),
        agents=(agent,),
        tiers=(TierOptions("support@lab.local", "agent1"),),
    )
    real = [frame.event() for frame in captured(name) if frame.is_event]
    recorder = listen(switch)
    switch.place_call(PLANS[name])
    assert switch.wait_idle(10)
    recorder.wait(
        1, lambda event: event.get("Channel-State") == "CS_DESTROY" and event["Call-Direction"] == "inbound"
    )
    assert settle(rows(recorder.events)) == settle(rows(real))


def test_bridge_agent_start_comes_about_40_ms_before_the_bridge(make_switch, listen):
    switch = make_switch(speed=2)
    recorder = listen(switch)
    switch.place_call(CallPlan(rings=(Ring("answer", 0.1),), talk_s=0.2))
    bridge = recorder.wait(5, lambda event: event["Event-Name"] == "CHANNEL_BRIDGE")
    start = recorder.wait(1, lambda event: event.get("CC-Action") == "bridge-agent-start")
    gap_us = int(bridge["Event-Date-Timestamp"]) - int(start["Event-Date-Timestamp"])
    assert 30_000 < gap_us < 200_000


def test_sequence_numbers_have_no_gap_under_all(make_switch, listen):
    switch = make_switch()
    recorder = listen(switch)
    switch.place_call(CallPlan(rings=(Ring("answer", 0.1),), talk_s=0.2))
    assert switch.wait_idle(10)
    recorder.wait(
        1, lambda event: event.get("Channel-State") == "CS_DESTROY" and event["Call-Direction"] == "inbound"
    )
    numbers = [int(event["Event-Sequence"]) for event in recorder.events]
    gaps = {later - earlier for earlier, later in itertools.pairwise(numbers)}
    # REQUEST_PARAMS of the agent's leg takes a number and is never sent (call_queue_plain, 1007).
    assert gaps == {1, 2}
    assert sum(later - earlier == 2 for earlier, later in itertools.pairwise(numbers)) == 1
