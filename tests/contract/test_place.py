"""A caller who comes back by our button has the place that it had: mod_callcenter serves it in that order."""

from datetime import UTC, datetime, timedelta

import pytest

from fsctl.call import events, followup, machine, payload
from fsctl.call.commands import SetVariables
from fsctl.call.events import CallOffered, ContactFound
from fsctl.call.policy import Policy, Queue
from fsctl.call.state import Call
from fsctl.esl import encode
from fsctl.sim import CallPlan, Ring
from tests.contract.switches import SwitchUnderTest, Watch, commands, new_wacid

QUEUE = "support@fsctl"
POLICY = Policy(payload_secrets=(b"a secret of ours, long enough",), queues={QUEUE: Queue(recording="never")})


def arrive(
    switch: SwitchUnderTest, watch: Watch, contact_id: int, *, cta: str = "", gives_up: bool = False
) -> Call:
    """A call that joins the queue, steered as the controller does it."""
    headers = (("x-wa-meta-wacid", new_wacid()), *((("x-wa-meta-cta-payload", cta),) if cta else ()))
    plan = CallPlan(
        headers=headers, rings=(Ring("answer", 0.3),), talk_s=2.0, abandon_after_s=8.0 if gives_up else None
    )
    switch.place_call(plan)
    offered: CallOffered = watch.offered(plan)
    call, _ = machine.step(None, offered, POLICY)
    found = ContactFound(
        uuid=offered.uuid, at=offered.at, contact_id=contact_id, thread_id=contact_id, name="", language=None
    )
    call, wanted = machine.step(call, found, POLICY)
    assert call is not None
    for command in wanted:
        if isinstance(command, SetVariables):
            watch.connection.must(encode.SetVariables(call.uuid, command.variables))
    joined = watch.fact(events.MemberJoined, offered.uuid)
    assert joined.queue == QUEUE
    for fact in watch.of(offered.uuid)[1:]:
        call, _ = machine.step(call, fact, POLICY)
    assert call is not None
    return call


@pytest.mark.parametrize("by_button", [True, False])
def test_who_comes_back_is_served_before_who_joined_after_the_first_joining(
    switch: SwitchUnderTest, watch: Watch, by_button: bool
) -> None:
    with commands(switch) as run:
        for agent in ("agent1", "agent2", "agent3"):
            run(f"api callcenter_config agent set status {agent} 'On Break'")
        missed = arrive(switch, watch, 7, gives_up=True)
        watch.fact(events.LegHungUp, missed.uuid, leg="caller")
        other = arrive(switch, watch, 8)
        ticket = followup.ticket(missed, POLICY, datetime.now(UTC) + timedelta(days=1))
        button = payload.sign(ticket, POLICY.payload_secrets[0])
        back = arrive(switch, watch, 7, cta=button if by_button else "")
        assert (back.score is not None) is by_button
        run("api callcenter_config agent set status agent1 Available")
        first = watch.until(
            lambda: next((one for one in watch.facts if isinstance(one, events.AgentBridged)), None),
            "an agent",
        )
    assert first.uuid == (back.uuid if by_button else other.uuid)
