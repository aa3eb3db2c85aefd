-- mod_callcenter's agents and tiers as last read from the switch, and what we keep of them beside it.

-- name: write_agents
-- Make the node's agents these, a JSON array of rows; with all, others go.
with given as (
    select * from jsonb_to_recordset(%(rows)s) as r(
        name text, status text, state text, contact text, registered boolean, wrap_up_s integer,
        last_bridge_end timestamptz, ready_at timestamptz, status_since timestamptz)
), gone as (
    delete from agent where %(all)s and node = %(node)s and name not in (select name from given)
)
insert into agent (node, name, status, state, contact, registered, wrap_up_s, last_bridge_end, ready_at, status_since)
select %(node)s, given.* from given
on conflict (node, name) do update set
    status = excluded.status, state = excluded.state, contact = excluded.contact, registered = excluded.registered,
    wrap_up_s = excluded.wrap_up_s, last_bridge_end = excluded.last_bridge_end, ready_at = excluded.ready_at,
    status_since = excluded.status_since, updated_at = now();

-- name: write_tiers
with given as (
    select * from jsonb_to_recordset(%(rows)s) as r(
        queue text, agent text, level integer, position integer, state text)
), gone as (
    delete from tier where %(all)s and node = %(node)s and (queue, agent) not in (select queue, agent from given)
)
insert into tier (node, queue, agent, level, position, state)
select %(node)s, given.* from given
on conflict (node, queue, agent) do update set
    level = excluded.level, position = excluded.position, state = excluded.state;

-- name: kept
-- What mod_callcenter does not know of its agents.
select name, put_away_at, put_away_from, wrap_up_set_s, wrap_up_back_s from agent
where node = %(node)s and coalesce(extract(epoch from put_away_at), wrap_up_set_s, wrap_up_back_s) is not null;

-- name: put_away
update agent set put_away_at = %(at)s, put_away_from = %(status)s where node = %(node)s and name = %(agent)s;

-- name: set_wrap_up
-- The agent may not have been read yet: then the row is made, and filled by the next round.
insert into agent (node, name, status, state, wrap_up_set_s, wrap_up_back_s)
values (%(node)s, %(agent)s, '', '', %(set_s)s, %(back_s)s)
on conflict (node, name) do update
set wrap_up_set_s = excluded.wrap_up_set_s, wrap_up_back_s = excluded.wrap_up_back_s;

-- name: open_calls
-- The node's open calls, as little of them as a comparison needs.
select uuid, phase from call where node = %(node)s and ended_at is null;

-- name: list
-- Each agent with the queues, the call, and the seconds of wrap-up that are left.
select a.node, a.name, a.status, a.state, a.registered, a.wrap_up_s,
       coalesce((select array_agg(t.queue order by t.queue) from tier t where t.node = a.node and t.agent = a.name),
                '{}') as queues,
       k.uuid as call_uuid, k.display_name as caller, k.queue as call_queue, k.bridged_at as call_since,
       case when a.state = 'Waiting' and a.status like 'Available%%' then
           greatest(0, ceil(extract(epoch from a.last_bridge_end - now()) + a.wrap_up_s))::integer
       else 0 end as wrap_up_left_s,
       a.put_away_at is not null and a.put_away_at = a.status_since as is_put_away,
       extract(epoch from now() - a.updated_at)::real as age_s
from agent a
left join lateral (
    select uuid, display_name, queue, bridged_at from call
    where node = a.node and agent = a.name and phase = 'talking' order by bridged_at desc limit 1
) k on true
where %(node)s::text is null or a.node = %(node)s
order by a.node, a.name;
