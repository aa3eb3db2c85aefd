-- Agents' phones that ring, with what is known of the caller: for the agent's eyes.

-- name: wake
-- For agents' eyes; see store.db, Bell.
select pg_notify('fsctl_offer', '');

-- name: cursor
select coalesce(max(id), 0) as cursor from call_event;

-- name: news
-- Offers after a cursor that were not told yet, in order.
select e.id, e.at, e.call_uuid, e.data ->> 'agent' as agent, e.data ->> 'queue' as queue,
       c.node, c.thread_id, c.contact_id, coalesce(nullif(k.display_name, ''), c.display_name) as name,
       coalesce((select jsonb_agg(jsonb_build_array(a.kind, a.value) order by a.kind, a.value)
                 from alias a where a.contact_id = c.contact_id), c.aliases) as aliases,
       coalesce(c.language, k.language) as language, c.route_reason as reason,
       case when c.queued_at is not null then
           greatest(0, extract(epoch from e.at - c.queued_at))::float8 end as waited_s,
       m.direction as message_from, left(m.body, %(length)s) as message,
       c.phase = 'ringing' and c.agent = e.data ->> 'agent' as is_ringing
from call_event e
join call c on c.uuid = e.call_uuid
left join contact k on k.id = c.contact_id
left join lateral (
    select direction, body from message
    where thread_id = c.thread_id and body <> '' order by sent_at desc, id desc limit 1
) m on true
where e.kind = 'agent_offered' and e.id > %(cursor)s and e.id <> all(%(told)s::bigint[])
  and (%(agent)s::text is null or e.data ->> 'agent' = %(agent)s)
order by e.id;
