"""The text of ``callcenter_config``: agent, tier and queue; list, get, set, add, del, count.

Errors are those of api_transcript; an unknown section or action prints nothing. Lists: callcenter_rows.py.
"""

from collections.abc import Callable

from fsctl.sim.callcenter import Callcenter
from fsctl.sim.callcenter_rows import OK, agent_list, member_list, queue_list, tier_list
from fsctl.sim.tables import STATES, STATUSES, TIER_STATES, Agent, Member, Tier

INVALID = "-ERR Invalid!\n"

#: The keys of ``agent set`` that are plain numbers.
NUMBERS = frozenset(
    {
        "max_no_answer",
        "wrap_up_time",
        "reject_delay_time",
        "busy_delay_time",
        "no_answer_delay_time",
        "ready_time",
    }
)

_SYNTAX = """
agent add [name] [type]
agent del [name]
agent reload [name]
agent set status [agent_name] [status]
agent set state [agent_name] [state]
agent set contact [agent_name] [contact]
agent set ready_time [agent_name] [wait till epoch]
agent set reject_delay_time [agent_name] [wait second]
agent set busy_delay_time [agent_name] [wait second]
agent set no_answer_delay_time [agent_name] [wait second]
agent get status [agent_name]
agent get state [agent_name]
agent get uuid [agent_name]
agent list [[agent_name]]
tier add [queue_name] [agent_name] [[level]] [[position]]
tier set state [queue_name] [agent_name] [state]
tier set level [queue_name] [agent_name] [level]
tier set position [queue_name] [agent_name] [position]
tier del [queue_name] [agent_name]
tier reload [queue_name] [agent_name]
tier list
queue load [queue_name]
queue unload [queue_name]
queue reload [queue_name]
queue list
queue list agents [queue_name] [status] [state]
queue list members [queue_name]
queue list tiers [queue_name]
queue count
queue count agents [queue_name] [status] [state]
queue count members [queue_name]
queue count tiers [queue_name]
"""
#: CC_CONFIG_API_SYNTAX, word for word (api_transcript).
USAGE = "-USAGE: \ncallcenter_config <target> <args>,\n" + " | \n".join(
    f"\tcallcenter_config {line}" for line in _SYNTAX.strip().split("\n")
)


def execute(center: Callcenter, words: list[str]) -> str:
    """Run one line, already split at blanks."""
    if not words:
        return f"{USAGE}\n"
    if len(words) < 2:
        return INVALID
    command = COMMANDS.get((words[0].lower(), words[1].lower()))
    return command(center, words[2:]) if command else ""


# Agents ---------------------------------------------------------------------------------------------------


def _agent_list(center: Callcenter, words: list[str]) -> str:
    if len(words) > 1:
        return INVALID
    return agent_list([one for one in center.agents.values() if not words or one.name == words[0]])


def _agent_add(center: Callcenter, words: list[str]) -> str:
    if len(words) < 2:
        return INVALID
    name, kind = words[:2]
    if name in center.agents:
        return "-ERR Agent already exist!\n"
    if kind not in ("callback", "uuid-standby"):
        return "-ERR Agent type invalid!\n"
    center.agents[name] = Agent(name, kind)
    added = [("CC-Agent", name), ("CC-Agent-Type", kind), ("CC-Action", "agent-add")]
    center.fire(added, "agent-add")
    return OK


def _agent_del(center: Callcenter, words: list[str]) -> str:
    """Says +OK for an agent that is not there; its tiers go with it."""
    if not words:
        return INVALID
    center.agents.pop(words[0], None)
    center.tiers = [tier for tier in center.tiers if tier.agent != words[0]]
    return OK


def _agent_get(center: Callcenter, words: list[str]) -> str:
    """Answers, and tells everybody with ``agent-KEY-get`` (source 970)."""
    if len(words) < 2:
        return INVALID
    key, name = words[0].lower(), words[1]
    agent = center.agents.get(name)
    if agent is None:
        return "-ERR Agent not found!\n"
    if key not in ("status", "state", "uuid"):
        return "-ERR Invalid Agent Update KEY!\n"
    value = str(getattr(agent, key))
    header = "CC-Agent-UUID" if key == "uuid" else f"CC-Agent-{key.capitalize()}"
    center.fire([("CC-Agent", name), ("CC-Action", f"agent-{key}-get"), (header, value)], "agent-get")
    return value


def _agent_set(center: Callcenter, words: list[str]) -> str:
    if len(words) < 3:
        return INVALID
    key, name, value = words[0].lower(), words[1], words[2]
    agent = center.agents.get(name)
    if agent is None:
        return "-ERR Agent not found!\n"
    if key == "status":
        if value not in STATUSES:
            return "-ERR Invalid Agent Status!\n"
        center.set_status(agent, value)
    elif key == "state":
        if value not in STATES:
            return "-ERR Invalid Agent State!\n"
        center.set_state(agent, value)
    elif key == "contact":
        center.set_contact(agent, value)
    elif key == "uuid":
        agent.uuid = value
    elif key == "type":
        if value not in ("callback", "uuid-standby"):
            return "-ERR Invalid Agent Type!\n"
        agent.type = value
    elif key == "state_if_waiting":
        return _set_if_waiting(center, agent, value)
    elif key in NUMBERS:
        setattr(agent, key, int(value) if value.lstrip("-").isdigit() else 0)
    else:
        return "-ERR Invalid Agent Update KEY!\n"
    return OK


def _set_if_waiting(center: Callcenter, agent: Agent, state: str) -> str:
    """``agent set state_if_waiting``: for who is free; another agent counts as not found."""
    if state not in STATES:
        return "-ERR Invalid Agent State!\n"
    if agent.state != "Waiting" or agent.status not in ("Available", "Available (On Demand)"):
        return "-ERR Agent not found!\n"
    center.set_state(agent, state)
    return OK


def _agent_reload(center: Callcenter, words: list[str]) -> str:
    """As in callcenter.conf.xml again, status too. Says +OK for an agent that is not there."""
    if not words:
        return INVALID
    center.apply_configuration(words[0])
    return OK


# Tiers ----------------------------------------------------------------------------------------------------


def _find_tier(center: Callcenter, queue: str, agent: str) -> Tier | None:
    return next((tier for tier in center.tiers if (tier.queue, tier.agent) == (queue, agent)), None)


def _tier_list(center: Callcenter, _words: list[str]) -> str:
    return tier_list(sorted(center.tiers, key=lambda one: (one.level, one.position)))


def _tier_add(center: Callcenter, words: list[str]) -> str:
    if len(words) < 2:
        return INVALID
    queue, agent = words[:2]
    level, position = ([int(word) if word.isdigit() else 1 for word in words[2:4]] + [1, 1])[:2]
    if queue not in center.queues:
        return "-ERR Queue not found!\n"
    if agent not in center.agents:
        return "-ERR Agent not found!\n"
    if _find_tier(center, queue, agent):
        return "-ERR Tier already exist!\n"
    center.tiers.append(Tier(queue, agent, "Ready", level, position))
    return OK


def _tier_del(center: Callcenter, words: list[str]) -> str:
    """Says +OK for a tier that is not there."""
    if len(words) < 2:
        return INVALID
    center.tiers = [tier for tier in center.tiers if [tier.queue, tier.agent] != words[:2]]
    return OK


def _tier_set(center: Callcenter, words: list[str]) -> str:
    if len(words) < 4:
        return INVALID
    key, queue, agent, value = words[0].lower(), words[1], words[2], words[3]
    tier = _find_tier(center, queue, agent)
    if tier is None:
        return "-ERR Unknown Error!\n"
    if key == "state":
        if value not in TIER_STATES:
            return "-ERR Invalid Tier State!\n"
        tier.state = value
    elif key in ("level", "position"):
        setattr(tier, key, int(value) if value.isdigit() else 0)
    else:
        return "-ERR Invalid Tier Update KEY!\n"
    return OK


def _tier_reload(_center: Callcenter, words: list[str]) -> str:
    """Tiers that exist stay as they are."""
    return OK if words else INVALID


# Queues ---------------------------------------------------------------------------------------------------


def _agents_of(center: Callcenter, words: list[str]) -> list[Agent]:
    queue, status, state = ([*words, "", "", ""])[:3]
    names = [tier.agent for tier in center.tiers if tier.queue == queue]
    agents = [center.agents[name] for name in names if name in center.agents]
    return [
        one for one in agents if (not status or one.status == status) and (not state or one.state == state)
    ]


def _members_of(center: Callcenter, words: list[str]) -> list[Member]:
    members = [member for member in center.members if not words or member.queue == words[0]]
    return sorted(members, key=lambda member: -member.score(center.now()))


def _tiers_of(center: Callcenter, words: list[str]) -> list[Tier]:
    return [tier for tier in center.tiers if words and tier.queue == words[0]]


def _queue_list(center: Callcenter, words: list[str]) -> str:
    what, rest = (words[0].lower(), words[1:]) if words else ("", [])
    if not what:
        return queue_list(list(center.queues.values()))
    if what == "agents":
        return agent_list(_agents_of(center, rest))
    if what == "members":
        return member_list(_members_of(center, rest), center.now())
    if what == "tiers":
        return tier_list(_tiers_of(center, rest))
    return INVALID


def _queue_count(center: Callcenter, words: list[str]) -> str:
    """Of an unknown queue too: 0."""
    if not words:
        return f"{len(center.queues)}\n"
    what, rest = words[0].lower(), words[1:]
    if what == "agents":
        return f"{len(_agents_of(center, rest))}\n"
    if what == "members":
        return f"{len(_members_of(center, rest))}\n"
    if what == "tiers":
        return f"{len(_tiers_of(center, rest))}\n"
    return INVALID


def _queue_load(center: Callcenter, words: list[str]) -> str:
    if not words:
        return INVALID
    return OK if words[0] in center.queues else "-ERR Invalid Queue not found!\n"


def _queue_reload(center: Callcenter, words: list[str]) -> str:
    """Writes every agent of callcenter.conf.xml over, as a load does: each has the status of the file again."""
    reply = _queue_load(center, words)
    if reply == OK:
        center.apply_configuration()
    return reply


def _queue_unload(_center: Callcenter, words: list[str]) -> str:
    """Says +OK always; a queue of callcenter.conf.xml is back when somebody names it (get_queue)."""
    return OK if words else INVALID


COMMANDS: dict[tuple[str, str], Callable[[Callcenter, list[str]], str]] = {
    ("agent", "add"): _agent_add,
    ("agent", "del"): _agent_del,
    ("agent", "get"): _agent_get,
    ("agent", "list"): _agent_list,
    ("agent", "reload"): _agent_reload,
    ("agent", "set"): _agent_set,
    ("tier", "add"): _tier_add,
    ("tier", "del"): _tier_del,
    ("tier", "list"): _tier_list,
    ("tier", "reload"): _tier_reload,
    ("tier", "set"): _tier_set,
    ("queue", "count"): _queue_count,
    ("queue", "list"): _queue_list,
    ("queue", "load"): _queue_load,
    ("queue", "reload"): _queue_reload,
    ("queue", "unload"): _queue_unload,
}
