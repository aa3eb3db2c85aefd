-- What is to be sent to Meta, and what became of it.

-- name: add
-- Without a word on its end it lives a day from when it may be sent first.
insert into outbox (key, kind, thread_id, payload, why, not_before, expires_at)
select %(key)s, %(kind)s, %(thread_id)s, %(payload)s, %(why)s, begins, coalesce(%(expires_at)s, begins + interval '1 day')
from (select greatest(now(), %(not_before)s::timestamptz) as begins) b
on conflict (key) do nothing;

-- name: lock_claims
-- One claim at a time: each sees what the one before it took, so that no user and no number gets too much.
select pg_advisory_xact_lock(hashtextextended('fsctl outbox', 0));

-- name: claim
-- What is due, in order, within the limits of each user and each number. Nothing of a thread goes before what came
-- earlier and is due or was tried; what is planned for later holds nobody up.
with candidate as (
    select o.id, o.kind, o.thread_id, t.business_number
    from outbox o left join thread t on t.id = o.thread_id
    where o.state = 'pending' and o.kind = any(%(kinds)s::text[]) and o.not_before <= now() and o.expires_at > now()
      and (o.kind <> 'message'
           or not exists (select from outbox_pause p where p.number = t.business_number and p.until > now()))
    order by o.id limit 2000
), spent as (
    -- What is on its way may arrive at any moment until its answer is here: so no second ever has more.
    select t.business_number, count(*) as messages
    from outbox o join thread t on t.id = o.thread_id
    where o.kind = 'message' and (o.state = 'claimed' or o.tried_at > now() - interval '1 second')
    group by t.business_number
), due as (
    select c.id, c.kind, c.business_number,
           row_number() over (partition by c.kind, c.business_number order by c.id) as place
    from candidate c
    where not exists (
        select from outbox e
        where e.thread_id = c.thread_id and e.kind = c.kind and e.id <> c.id
          and (e.state = 'claimed'
               or (e.state = 'pending' and e.id < c.id and e.expires_at > now()
                   and (e.attempts > 0 or e.not_before <= now())))
    ) and not exists (
        select from outbox e
        where c.kind = 'message' and e.kind = 'message' and e.thread_id = c.thread_id and e.id <> c.id
          and e.tried_at > now() - make_interval(secs => %(pair_s)s)
    )
), chosen as (
    select o.id from outbox o
    where o.state = 'pending' and o.id in (
        select d.id from due d left join spent s on s.business_number = d.business_number
        where d.kind <> 'message' or d.place + coalesce(s.messages, 0) <= %(number_per_s)s
        order by d.id limit %(most)s
    )
    order by o.id for update skip locked
)
update outbox o
set state = 'claimed', attempts = o.attempts + 1, fence = o.fence + 1, worker = %(worker)s,
    claimed_at = clock_timestamp(), lease_until = clock_timestamp() + make_interval(secs => %(lease_s)s),
    form = case
        when o.kind <> 'message' then null
        when jsonb_typeof(o.payload -> 'message') = 'object' and w.is_open then 'message'
        when jsonb_typeof(o.payload -> 'template') = 'object' then 'template'
    end
from chosen c
cross join lateral (
    select exists (select from message m join outbox x on x.id = c.id
                   where m.thread_id = x.thread_id and m.direction = 'inbound'
                     and m.sent_at > now() - make_interval(secs => %(window_s)s))
        or exists (select from call k join outbox x on x.id = c.id
                   where k.thread_id = x.thread_id and k.channel = 'whatsapp'
                     and k.offered_at > now() - make_interval(secs => %(window_s)s))
        or exists (select from witness v join outbox x on x.id = c.id
                   where v.thread_id = x.thread_id and v.direction = 'inbound'
                     and v.at > now() - make_interval(secs => %(window_s)s)) as is_open
) w
where o.id = c.id
returning o.id;

-- name: claimed
-- What a sender needs to know, in order.
select o.id, o.fence, o.key, o.kind, o.thread_id, o.payload, o.attempts, o.form,
       coalesce(t.business_number, '') as business_number, t.contact_id, k.opted_out_at,
       coalesce((select jsonb_agg(jsonb_build_array(a.kind, coalesce(a.said, a.value)) order by a.seen_at desc, a.kind, a.value)
                 from alias a where a.contact_id = t.contact_id and a.ended_at is null), '[]') as names
from outbox o
left join thread t on t.id = o.thread_id
left join contact k on k.id = t.contact_id
where o.id = any(%(ids)s::bigint[])
order by o.id;

-- name: sent
-- A webhook may have said so already, or that it failed; of an earlier try that counts no more.
update outbox
set state = 'sent', wamid = nullif(%(wamid)s, ''), told = -1, code = 0, reason = '', is_doubtful = false,
    lease_until = null, tried_at = clock_timestamp(), settled_at = clock_timestamp()
where id = %(id)s and fence = %(fence)s
  and (state in ('claimed', 'unsure') or (%(wamid)s <> '' and wamid is distinct from %(wamid)s));

-- name: again
update outbox o
set state = case when w.is_late then 'failed' else 'pending' end,
    settled_at = case when w.is_late then clock_timestamp() end,
    reason = %(reason)s || case when w.is_late then ', and it expires before it may be tried again' else '' end,
    not_before = w.until, code = %(code)s, lease_until = null, tried_at = clock_timestamp()
from (
    select id, until, until >= expires_at as is_late
    from (select id, expires_at, clock_timestamp() + make_interval(secs => %(after_s)s) as until
          from outbox where id = %(id)s) x
) w
where o.id = w.id and o.fence = %(fence)s and o.state in ('claimed', 'unsure');

-- name: pause
-- Nothing more from the number of this row for a while.
insert into outbox_pause (number, until, code, reason)
select t.business_number, clock_timestamp() + make_interval(secs => %(after_s)s), %(code)s, %(reason)s
from outbox o join thread t on t.id = o.thread_id where o.id = %(id)s
on conflict (number) do update
set until = greatest(outbox_pause.until, excluded.until), code = excluded.code, reason = excluded.reason;

-- name: failed
update outbox
set state = 'failed', code = %(code)s, reason = %(reason)s, lease_until = null, tried_at = clock_timestamp(),
    settled_at = clock_timestamp()
where id = %(id)s and fence = %(fence)s and state in ('claimed', 'unsure')
returning thread_id;

-- name: unsure
update outbox
set state = 'unsure', is_doubtful = true, reason = %(reason)s, lease_until = null, tried_at = clock_timestamp()
where id = %(id)s and fence = %(fence)s and state = 'claimed';

-- name: lapse
-- Claimed by one that is gone: before it sent it or after, nobody knows. What is no message may be said twice.
update outbox
set state = case kind when 'message' then 'unsure' else 'pending' end, is_doubtful = kind = 'message',
    tried_at = clock_timestamp(), lease_until = null,
    reason = 'its sender ' || worker || ' was gone before it told what came of it'
where state = 'claimed' and lease_until < now();

-- name: give_up
update outbox
set state = 'failed', settled_at = now(), reason = reason || ', and no webhook said since that it was sent'
where state = 'unsure' and tried_at < now() - make_interval(secs => %(unsure_for_s)s);

-- name: expire
update outbox
set state = 'failed', settled_at = now(),
    reason = case when attempts = 0 then 'expired before it was tried' else 'expired; at last: ' || reason end
where state = 'pending' and expires_at <= now();

-- name: fall_back
-- What failed and may yet be sent in another way: once, under a key of its own.
insert into outbox (key, kind, thread_id, payload, why, not_before, expires_at)
select o.key || ':' || %(suffix)s::text, o.kind, o.thread_id,
       case %(suffix)s::text when 'template' then o.payload || '{"message": null}' else o.payload end,
       o.why, now() + make_interval(secs => %(after_s)s), o.expires_at
from outbox o
where o.state = 'failed' and o.kind = 'message' and o.code = any(%(codes)s::integer[])
  and o.settled_at > now() - interval '1 day' and o.expires_at > now() + make_interval(secs => %(after_s)s)
  and case %(suffix)s::text
      when 'template' then o.form = 'message' and jsonb_typeof(o.payload -> 'template') = 'object'
      else o.told = %(failed_rank)s and right(o.key, 6) <> ':again' end
  and not exists (select from outbox e where e.key = o.key || ':' || %(suffix)s::text)
on conflict (key) do nothing;

-- name: confirm
-- What webhooks say, one row a message; a status that is not further than the last one changes nothing.
update outbox o
set told = c.rank, wamid = c.wamid, is_doubtful = false, lease_until = null,
    state = case when c.rank = %(failed_rank)s then 'failed' else 'sent' end,
    code = case when c.rank = %(failed_rank)s then c.code else 0 end,
    reason = case when c.rank = %(failed_rank)s then c.reason else '' end,
    settled_at = coalesce(o.settled_at, now()), tried_at = coalesce(o.tried_at, now())
from jsonb_to_recordset(%(told)s) as c(key text, wamid text, rank integer, code integer, reason text)
where (o.wamid = c.wamid or (o.wamid is null and o.key = c.key))
  and c.rank > o.told and o.kind = 'message'
  -- Planned anew by a person: what became of an earlier try is no word on this one.
  and not (o.state = 'pending' and c.rank = %(failed_rank)s)
returning o.id, o.thread_id, o.payload, o.form, o.wamid, coalesce(o.claimed_at, now()) as sent_at, o.code,
          (select t.business_number from thread t where t.id = o.thread_id) as business_number;

-- name: ours
select count(*) as messages from jsonb_to_recordset(%(told)s) as c(key text, wamid text)
where exists (select from outbox o where o.wamid = c.wamid) or exists (select from outbox o where o.key = c.key);

-- name: contact_of
select contact_id from thread where id = %(thread_id)s;

-- name: list
-- The latest, the oldest of them first.
select * from (
    select o.id, o.key, o.kind, o.state, o.thread_id, coalesce(t.business_number, '') as business_number,
           coalesce(k.display_name, '') as name, o.why, o.form, o.attempts, o.code, o.reason, o.is_doubtful, o.wamid, s.status,
           o.created_at, o.not_before, o.expires_at, o.claimed_at, o.tried_at, o.settled_at, o.worker, o.payload
    from outbox o left join thread t on t.id = o.thread_id left join contact k on k.id = t.contact_id
    left join lateral (
        select status from message_status where wamid = o.wamid order by rank desc, at desc, status limit 1
    ) s on true
    where (%(state)s::text is null or o.state = %(state)s::text)
      and (%(thread_id)s::bigint is null or o.thread_id = %(thread_id)s::bigint)
      and (%(key)s::text is null or o.key = %(key)s::text or o.id::text = %(key)s::text)
    order by o.id desc limit %(most)s
) latest
order by id;

-- name: retry
-- By a person: as if it had never been tried, but for the count.
update outbox
set state = 'pending', not_before = now(), expires_at = greatest(expires_at, now() + interval '1 day'), wamid = null,
    told = -1, code = 0, is_doubtful = false, settled_at = null
where id = %(id)s and state = %(state)s;

-- name: cancel
update outbox set state = 'cancelled', settled_at = now(), reason = %(reason)s where id = %(id)s and state = 'pending';

-- name: standing
-- Until when the user's last message or call keeps the service window open; null: nothing opened it.
select k.opted_out_at, w.at + make_interval(secs => %(window_s)s) as window_until
from thread t
join contact k on k.id = t.contact_id
cross join lateral (
    select max(at) as at from (
        select max(sent_at) as at from message where thread_id = t.id and direction = 'inbound'
        union all
        select max(offered_at) from call where thread_id = t.id and channel = 'whatsapp'
        union all
        select max(at) from witness where thread_id = t.id and direction = 'inbound'
    ) x
) w
where t.id = %(thread_id)s;
