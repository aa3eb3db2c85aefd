-- What was decided about missed calls.

-- name: lock
-- One decides at a time, of all processes: two calls of one customer must not make two messages.
select pg_try_advisory_xact_lock(%(key)s) as is_ours;

-- name: due
-- Calls of which nothing is decided: those that were missed, and those whose line is bad while they go on.
select c.* from call c
where ((c.ended_at > %(since)s and (c.disposition <> 'answered' or c.fault = 'network'))
       or (c.ended_at is null and c.mos < %(mos)s))
  and not exists (select from followup f where f.call_uuid = c.uuid)
order by c.ended_at nulls first
limit %(most)s;

-- name: chat
-- What the decision about a call looks at, besides the call.
select k.language, k.opted_out_at is not null as opted_out,
       exists (select from followup f where f.wacid = c.wacid and f.outcome = 'message') as told_of_call,
       (select max(f.decided_at) from followup f
        where f.thread_id = c.thread_id and f.outcome = 'message') as told_at,
       (select max(a.bridged_at) from call a
        where a.contact_id = c.contact_id and a.bridged_at is not null) as answered_at,
       exists (select from call o
               where o.thread_id = c.thread_id and o.uuid <> c.uuid and o.ended_at is null
                 and o.offered_at > c.offered_at) as calls_now,
       exists (select from callback b
               where b.thread_id = c.thread_id and b.state in ('booked', 'calling')) as has_callback
from call c
left join contact p on p.id = c.contact_id
left join contact k on k.id = coalesce(p.merged_into, p.id)
where c.uuid = %(uuid)s;

-- name: record
insert into followup (call_uuid, thread_id, wacid, kind, outcome, reason, offer, outbox_key, decided_at)
values (%(call_uuid)s, %(thread_id)s, %(wacid)s, %(kind)s, %(outcome)s, %(reason)s, %(offer)s, %(outbox_key)s,
        %(decided_at)s)
on conflict (call_uuid) do nothing;

-- name: of_thread
select * from followup where thread_id = %(thread_id)s order by decided_at;
