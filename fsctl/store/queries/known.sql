-- What routing may know of a caller and of the queues.

-- name: caller
-- The contact of the first alias that is known, or the one with this id; how many of the aliases are known, and of how
-- many contacts they are; its
-- thread with this number if it has one, its last chat messages with the newest first, the agent who spoke with it
-- last, and whether that agent could take a call on this node now.
with named as (
    -- Arrays behind a select, of which Postgres cannot see the length: else it plans anew for each, which takes five
    -- times as long as running it (EXPLAIN: 0.47 and 0.09 ms).
    select a.contact_id, u.place
    from unnest((select %(kinds)s::text[]), (select %(values)s::text[])) with ordinality as u(kind, value, place)
    cross join lateral (
        select contact_id from alias
        where portfolio = %(portfolio)s and kind = u.kind and value = u.value
          and ended_at is null and seen_at <= coalesce(%(at)s::timestamptz, 'infinity')
        limit 1
    ) a
)
select c.id as contact_id, c.display_name as name, c.language, n.aliases, n.contacts, (
           select t.id from thread t
           where t.contact_id = c.id and t.business_number = %(business_number)s) as thread_id,
       c.vip, array(select m.id from contact m where m.merged_into = c.id order by m.id) as former_ids, array(
           select left(m.body, %(length)s) from message m join thread t on t.id = m.thread_id
           where t.contact_id = c.id and m.direction = 'inbound' and m.body <> ''
             and m.sent_at > now() - make_interval(days => %(days)s)
           order by m.sent_at desc limit %(most)s) as messages,
       k.queue as last_queue, k.agent as last_agent, k.bridged_at as last_agent_at,
       coalesce(a.status like 'Available%%' and a.state = 'Waiting' and a.registered is not false
                and coalesce(a.last_bridge_end + make_interval(secs => a.wrap_up_s) <= now(), true)
                and coalesce(a.ready_at <= now(), true)
                and a.updated_at > now() - interval '1 minute', false) as last_agent_is_free
from contact c
cross join (select count(*) as aliases, count(distinct contact_id) as contacts from named) n
left join lateral (
    select queue, agent, bridged_at from call
    where contact_id = c.id and bridged_at is not null order by bridged_at desc limit 1
) k on true
left join agent a on a.node = %(node)s and a.name = k.agent
where c.id = coalesce(%(contact_id)s::bigint, (select contact_id from named order by place limit 1));

-- name: loads
-- Waiting as our calls say (at once), agents as last read from the switch (seconds ago; none when that is long
-- ago: no number is better than a wrong one), handling time from history.
select q.name as queue,
       coalesce(w.waiting, 0)::integer as waiting,
       case when f.fresh then q.agents_staffed else 0 end as agents_staffed,
       case when f.fresh then q.agents_ready else 0 end as agents_ready, h.handling_s
from queue q
cross join lateral (select q.updated_at > now() - interval '1 minute' as fresh) f
left join (
    select queue, count(*) as waiting from call
    where node = %(node)s and ended_at is null and phase in ('queued', 'ringing') group by queue
) w on w.queue = q.name
left join lateral (
    select avg(extract(epoch from c.ended_at - c.bridged_at))::float8 + coalesce((
               select avg(a.wrap_up_s) from tier t join agent a on a.node = t.node and a.name = t.agent
               where t.node = q.node and t.queue = q.name), 0)::float8 as handling_s
    from (
        select bridged_at, ended_at from call
        where queue = q.name and queued_at is not null and bridged_at is not null and ended_at is not null
        order by queued_at desc limit %(history)s
    ) c
    having count(*) > 0
) h on true
where q.node = %(node)s;
