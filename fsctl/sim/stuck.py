"""The states in which mod_callcenter is known to get stuck, brought about on purpose, and its way out.

No event tells of any of them: that is what makes them stuck. The way out is the one that FreeSWITCH has,
``reload mod_callcenter``. It refuses as long as a caller is in a queue, and it hangs up every caller who was
connected by a queue and still talks (measured; switch_loadable_module.c hangs up whoever runs an application
that goes).
"""

from typing import TYPE_CHECKING

from fsctl.sim.channel import Channel
from fsctl.sim.tables import STATES, Member

if TYPE_CHECKING:
    from fsctl.sim.callcenter import Callcenter

#: How often an unload looks whether mod_callcenter's threads have ended.
POLL_S = 0.02
CALLER = "+15550100199"
IN_USE = "-ERR unloading module [Module in use.]\n-ERR loading module [Module already loaded]\n"
RELOADED = "+OK module unloaded\n+OK module loaded\n"


def strand_member(center: "Callcenter", queue: str, state: str, agent: str) -> str:
    """A row in ``members`` whose caller has no channel (any more); returns the member's uuid."""
    if queue not in center.queues:
        raise ValueError(f"there is no queue {queue}; there are {sorted(center.queues)}")
    switch, now = center.switch, center.now()
    gone = Channel(switch.bus, switch.new_uuid(), "", "inbound")
    gone.hangup_cause = "LOSE_RACE"
    member = Member(queue, switch.new_uuid(), gone, CALLER, CALLER, now, now, 0, gone.uuid, state)
    if state in ("Trying", "Answered"):
        member.serving_agent, member.serving_system = agent, "single_box"
    if state == "Answered":
        member.bridge_epoch = now
    center.members.append(member)
    return member.uuid


def strand_agent(center: "Callcenter", agent: str, state: str) -> None:
    """An agent in a state that only a call justifies, without one."""
    if state not in STATES:
        raise ValueError(f"agents have no state {state!r}; they have {STATES}")
    center.agents[agent].state = state


def _waits(center: "Callcenter", member: Member) -> bool:
    there = member.channel.uuid in center.switch.channels
    return there and member.state in ("Waiting", "Trying") and member.agent_channel is None


def reload(center: "Callcenter") -> str:
    """Unload and load the module (load_config, 1598: "Reset a unclean shutdown"), or the refusal.

    Agents and tiers are as in callcenter.conf.xml again, and wait; every member counts as abandoned.
    """
    switch = center.switch
    if any(_waits(center, member) for member in center.members):
        return IN_USE
    for channel in tuple(switch.channels.values()):
        if channel.variables.get("current_application") == "callcenter":
            channel.hangup("MANAGER_REQUEST")
    while switch.offers:
        switch.clock.sleep(POLL_S)
    for agent in center.agents.values():
        agent.state, agent.uuid = "Waiting", ""
    for tier in center.tiers:
        tier.state = "Ready"
    for member in center.members:
        member.state, member.session_uuid = "Abandoned", ""
        member.abandoned_epoch = member.abandoned_epoch or member.joined_epoch
    for queue in center.queues.values():
        queue.calls_answered = queue.calls_abandoned = 0
        queue.last_agent_exist = queue.last_agent_exist_check = 0
    center.apply_configuration()
    center.dispatching = True
    return RELOADED
