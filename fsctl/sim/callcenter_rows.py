"""Agents, tiers, queues and members as ``callcenter_config`` lists them: a line each, columns parted by ``|``.

Columns and their order are those of api_transcript; nothing is escaped. A list has a header line only if there are
rows, and ``+OK`` at its end. Called by callcenter_config.py.
"""

from collections.abc import Sequence

from fsctl.sim.tables import Agent, Member, Queue, Tier

OK = "+OK\n"
AGENT_COLUMNS = (
    "name|instance_id|uuid|type|contact|status|state|max_no_answer|wrap_up_time|reject_delay_time|busy_delay_time|"
    "no_answer_delay_time|last_bridge_start|last_bridge_end|last_offered_call|last_status_change|no_answer_count|"
    "calls_answered|talk_time|ready_time|external_calls_count"
)
MEMBER_COLUMNS = (
    "queue|instance_id|uuid|session_uuid|cid_number|cid_name|system_epoch|joined_epoch|rejoined_epoch|bridge_epoch|"
    "abandoned_epoch|base_score|skill_score|serving_agent|serving_system|state|score"
)
TIER_COLUMNS = "queue|agent|state|level|position"
QUEUE_COLUMNS = (
    "name|strategy|moh_sound|time_base_score|tier_rules_apply|tier_rule_wait_second|tier_rule_wait_multiply_level|"
    "tier_rule_no_agent_no_wait|discard_abandoned_after|abandoned_resume_allowed|max_wait_time|"
    "max_wait_time_with_no_agent|max_wait_time_with_no_agent_time_reached|record_template|calls_answered|"
    "calls_abandoned|ring_progressively_delay|skip_agents_with_external_calls|agent_no_answer_status"
)


def agent_list(agents: Sequence[Agent]) -> str:
    """``agent list``, ``queue list agents``."""
    return _list(AGENT_COLUMNS, [_agent_row(agent) for agent in agents])


def tier_list(tiers: Sequence[Tier]) -> str:
    """``tier list``, ``queue list tiers``."""
    return _list(TIER_COLUMNS, [_tier_row(tier) for tier in tiers])


def member_list(members: Sequence[Member], now: int) -> str:
    """``queue list members``. Args: now: epoch seconds, for the score."""
    return _list(MEMBER_COLUMNS, [_member_row(member, now) for member in members])


def queue_list(queues: Sequence[Queue]) -> str:
    """``queue list``: the header line stands there even without queues."""
    rows = [_queue_row(queue) for queue in queues]
    return _list(QUEUE_COLUMNS, rows) if rows else f"{QUEUE_COLUMNS}\n{OK}"


def _list(columns: str, rows: Sequence[Sequence[object]]) -> str:
    lines = ["|".join(str(value) for value in row) + "\n" for row in rows]
    return (columns + "\n" if rows else "") + "".join(lines) + OK


def _agent_row(agent: Agent) -> list[object]:
    return [
        agent.name,
        "single_box",
        agent.uuid,
        agent.type,
        agent.contact,
        agent.status,
        agent.state,
        agent.max_no_answer,
        agent.wrap_up_time,
        agent.reject_delay_time,
        agent.busy_delay_time,
        agent.no_answer_delay_time,
        agent.last_bridge_start,
        agent.last_bridge_end,
        agent.last_offered_call,
        agent.last_status_change,
        agent.no_answer_count,
        agent.calls_answered,
        agent.talk_time,
        agent.ready_time,
        0,
    ]


def _tier_row(tier: Tier) -> list[object]:
    return [tier.queue, tier.agent, tier.state, tier.level, tier.position]


def _queue_row(queue: Queue) -> list[object]:
    options = queue.options
    return [
        *(options.name, options.strategy, options.moh_sound, options.time_base_score),
        *("false", 0, "false", "true"),
        *(
            options.discard_abandoned_after,
            "false",
            options.max_wait_time,
            options.max_wait_time_with_no_agent,
            options.max_wait_time_with_no_agent_time_reached,
            "",
        ),
        *(queue.calls_answered, queue.calls_abandoned, 0, "true", "On Break"),
    ]


def _member_row(member: Member, now: int) -> list[object]:
    return [
        *(member.queue, "single_box", member.uuid, member.session_uuid, member.cid_number, member.cid_name),
        *(member.system_epoch, member.joined_epoch, 0, member.bridge_epoch, member.abandoned_epoch),
        *(member.base_score, 0, member.serving_agent, member.serving_system, member.state),
        member.score(now),
    ]
