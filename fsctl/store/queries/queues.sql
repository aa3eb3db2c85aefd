-- The load of queues as last read from the switch, and how their calls went.

-- name: write_queues
-- Make the node's queues these, a JSON array of rows; with all, others go.
with given as (
    select * from jsonb_to_recordset(%(rows)s) as r(
        name text, waiting integer, longest_since timestamptz, agents_staffed integer, agents_ready integer)
), gone as (
    delete from queue where %(all)s and node = %(node)s and name not in (select name from given)
)
insert into queue (node, name, waiting, longest_since, agents_staffed, agents_ready)
select %(node)s, given.* from given
on conflict (node, name) do update set
    waiting = excluded.waiting, longest_since = excluded.longest_since, agents_staffed = excluded.agents_staffed,
    agents_ready = excluded.agents_ready, updated_at = now();

-- name: list
-- Every queue as last read.
select node, name, waiting, agents_staffed, agents_ready,
       extract(epoch from now() - longest_since)::real as longest_s,
       extract(epoch from now() - updated_at)::real as age_s
from queue
where %(node)s::text is null or node = %(node)s
order by node, name;

-- name: results
-- Calls that joined each queue since a moment and are decided. A caller who left without an agent counts as
-- abandoned, whether by hanging up, by the key or by the queue's own limit.
select node, queue,
       count(*) filter (where bridged_at is not null) as answered,
       count(*) filter (where bridged_at is not null and waited_s <= within_s) as answered_in_time,
       count(*) filter (where bridged_at is null) as abandoned,
       count(*) filter (where bridged_at is null and waited_s > within_s) as abandoned_late
from (
    select node, queue, bridged_at, coalesce(answer_within_s, %(answer_within_s)s) as within_s,
           extract(epoch from coalesce(bridged_at, ended_at) - queued_at) as waited_s
    from call
    where queued_at >= %(since)s and queue is not null
      and (bridged_at is not null or disposition in ('abandoned', 'timed_out', 'continued_in_chat'))
) decided
group by node, queue;

-- name: names
select name from queue where node = %(node)s order by name;
