-- Times that customers chose, and what became of them.

-- name: asked_by
-- The missed call that a link names, its queue as the follow-up decided about it, and what is chosen already.
select c.uuid as call_uuid, c.thread_id, c.queue, c.to_number, c.offered_at, c.language as call_language,
       k.language, b.state, b.starts_at, b.ends_at
from call c
left join contact p on p.id = c.contact_id
left join contact k on k.id = coalesce(p.merged_into, p.id)
left join callback b on b.call_uuid = c.uuid
where c.uuid = %(call_uuid)s;

-- name: agents
-- Who serves a queue, as last read from any switch.
select count(distinct t.agent)::integer as agents from tier t where t.queue = %(queue)s;

-- name: taken
-- Callbacks by their start, without those of one thread: who changes a time leaves the other.
select starts_at, count(*)::integer as callbacks from callback
where queue = %(queue)s and state = 'booked' and starts_at >= %(since)s and thread_id <> %(thread_id)s
group by starts_at;

-- name: lock
-- Bookings of a queue one after the other: the last place of a time is given once.
select pg_advisory_xact_lock(hashtextextended('callback:' || %(queue)s, 0));

-- name: leave_others
-- A customer has one callback: choosing by another link leaves the time of the first.
update callback set state = 'cancelled', reason = 'another time was chosen', changed_at = %(at)s
where thread_id = %(thread_id)s and call_uuid <> %(call_uuid)s and state = 'booked';

-- name: book
insert into callback (call_uuid, thread_id, queue, starts_at, ends_at, language, since, score, booked_at, changed_at)
values (%(call_uuid)s, %(thread_id)s, %(queue)s, %(starts_at)s, %(ends_at)s, %(language)s, %(since)s, %(score)s,
        %(at)s, %(at)s)
on conflict (call_uuid) do update
set starts_at = excluded.starts_at, ends_at = excluded.ends_at, state = 'booked', reason = '',
    changed_at = excluded.changed_at
where callback.state in ('booked', 'cancelled');

-- name: cancel
update callback set state = 'cancelled', reason = 'by the customer', changed_at = %(at)s
where call_uuid = %(call_uuid)s and state = 'booked';

-- name: due
-- Whose time has come, and those whom we began to call: did they take it? Another process takes others.
select b.*, (
           select k.uuid from call k
           where k.thread_id = b.thread_id and k.offered_at > b.booked_at and k.cta_payload = b.payload
           limit 1) as taken_by
from callback b
where (b.state = 'booked' and b.starts_at <= %(now)s) or (b.state = 'calling' and b.changed_at < %(rung)s)
order by starts_at
limit %(most)s
for update of b skip locked;

-- name: settle
update callback set state = %(state)s, reason = %(reason)s, payload = coalesce(%(payload)s, payload),
                    outbox_key = %(outbox_key)s, changed_at = %(at)s
where id = %(id)s;

-- name: names
-- The contact's, the newest first.
select a.kind, a.value from thread t join alias a on a.contact_id = t.contact_id
where t.id = %(thread_id)s and a.ended_at is null
order by a.seen_at desc, a.kind;

-- name: of_thread
select * from callback where thread_id = %(thread_id)s order by booked_at;

-- name: call_of
select * from call where uuid = %(call_uuid)s;
