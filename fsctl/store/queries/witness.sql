-- Calls as Meta saw them.

-- name: saw
-- Whatever the order in which it is told, the row is the same. New names may be those of another thread: it is joined
-- with its call again.
insert into witness (wacid, business_number, direction, aliases, at, ended_at, status, duration_s, events)
values (%(wacid)s, %(business_number)s, %(direction)s, %(aliases)s, %(at)s, %(ended_at)s, %(status)s, %(duration_s)s,
        jsonb_build_object(%(event)s::text, %(data)s::jsonb))
on conflict (wacid) do update set
    business_number = greatest(witness.business_number, excluded.business_number),
    direction = greatest(witness.direction, excluded.direction),
    aliases = (select coalesce(jsonb_agg(name order by name), '[]') from (
                   select name from jsonb_array_elements(witness.aliases) name
                   union select name from jsonb_array_elements(excluded.aliases) name) names),
    at = least(witness.at, excluded.at),
    ended_at = least(witness.ended_at, excluded.ended_at),
    status = greatest(witness.status, excluded.status),
    duration_s = greatest(witness.duration_s, excluded.duration_s),
    events = witness.events || jsonb_build_object(
        %(event)s::text, least(witness.events -> %(event)s::text, excluded.events -> %(event)s::text)),
    call_uuid = case when witness.aliases @> excluded.aliases then witness.call_uuid end
returning aliases, business_number;

-- name: place
update witness set thread_id = %(thread_id)s where wacid = %(wacid)s and thread_id is distinct from %(thread_id)s;

-- name: joinable
-- Those whose call is here, and not yet joined with it. A wacid may come twice: the first call counts. Meta tells what it
-- has to tell within a week (Meta, "Webhooks": retries).
select w.wacid, w.aliases, w.at, w.thread_id, w.alarmed_at is not null as is_alarmed,
       c.uuid, c.aliases as call_aliases, c.thread_id as call_thread_id, c.to_number
from witness w
cross join lateral (
    select uuid, aliases, thread_id, to_number from call
    where wacid = w.wacid and thread_id is not null order by offered_at, uuid limit 1
) c
where w.call_uuid is null and w.seen_at > now() - interval '8 days'
order by w.seen_at limit 200
for update of w skip locked;

-- name: join
update witness set call_uuid = %(call_uuid)s, thread_id = %(thread_id)s, alarmed_at = null where wacid = %(wacid)s;

-- name: to_note
-- Both have told the end of it.
select w.wacid, w.status, w.duration_s, w.ended_at, w.events #> '{terminate,errors}' as errors,
       c.uuid, c.answered_at, c.ended_at as call_ended_at
from witness w join call c on c.uuid = w.call_uuid
where w.call_uuid is not null and w.noted_at is null and w.ended_at is not null and c.ended_at is not null
  and w.seen_at > now() - interval '8 days'
order by w.seen_at limit 200
for update of w skip locked;

-- name: noted
update witness set noted_at = now() where wacid = any(%(wacids)s);

-- name: tell
-- A line of the call's story.
insert into call_event (call_uuid, at, kind, key, data) values (%(call_uuid)s, %(at)s, 'witnessed', %(wacid)s, %(data)s)
on conflict (call_uuid, kind, at, key) do nothing;

-- name: overdue
-- Customers' calls that Meta saw so long ago, and none of our nodes has.
update witness w set alarmed_at = now()
where w.call_uuid is null and w.alarmed_at is null and w.direction = 'inbound'
  and w.seen_at between now() - interval '8 days' and now() - make_interval(secs => %(grace_s)s)
  and not exists (select from call c where c.wacid = w.wacid)
returning w.wacid, w.business_number, w.at, w.status, w.thread_id;

-- name: of_thread
select wacid, direction, at, ended_at, status, duration_s, events, call_uuid, alarmed_at
from witness where thread_id = %(thread_id)s order by at, wacid;
