-- Calls as people at the console look at them.

-- name: open
-- Calls that go on, the latest first.
select c.uuid, c.node, c.channel, c.phase, c.wacid, c.thread_id, c.to_number, c.queue, c.agent, c.language,
       coalesce(nullif(k.display_name, ''), c.display_name) as name, c.offered_at, c.queued_at, c.bridged_at, c.ended_at,
       c.disposition, c.fault, c.hangup_cause, c.encryption, c.consent, c.mos
from call c left join contact k on k.id = c.contact_id
where c.ended_at is null
  and (%(uuid)s::text is null or c.uuid = %(uuid)s::text)
  and (%(wacid)s::text is null or c.wacid = %(wacid)s::text)
  and (%(thread)s::bigint is null or c.thread_id = %(thread)s::bigint)
  and (%(node)s::text is null or c.node = %(node)s::text)
  and (%(queue)s::text is null or c.queue = %(queue)s::text)
  and (%(agent)s::text is null or c.agent = %(agent)s::text)
  and (%(phase)s::text is null or c.phase = %(phase)s::text)
  and (%(disposition)s::text is null or c.disposition = %(disposition)s::text)
order by c.offered_at desc limit %(most)s;

-- name: any
-- The same with those that have ended.
select c.uuid, c.node, c.channel, c.phase, c.wacid, c.thread_id, c.to_number, c.queue, c.agent, c.language,
       coalesce(nullif(k.display_name, ''), c.display_name) as name, c.offered_at, c.queued_at, c.bridged_at, c.ended_at,
       c.disposition, c.fault, c.hangup_cause, c.encryption, c.consent, c.mos
from call c left join contact k on k.id = c.contact_id
where (%(uuid)s::text is null or c.uuid = %(uuid)s::text)
  and (%(wacid)s::text is null or c.wacid = %(wacid)s::text)
  and (%(thread)s::bigint is null or c.thread_id = %(thread)s::bigint)
  and (%(node)s::text is null or c.node = %(node)s::text)
  and (%(queue)s::text is null or c.queue = %(queue)s::text)
  and (%(agent)s::text is null or c.agent = %(agent)s::text)
  and (%(phase)s::text is null or c.phase = %(phase)s::text)
  and (%(disposition)s::text is null or c.disposition = %(disposition)s::text)
order by c.offered_at desc limit %(most)s;

-- name: begins_so
-- Calls that go on and whose uuid begins with this.
select uuid from call where ended_at is null and starts_with(uuid, %(start)s) order by uuid limit 10;

-- name: open_uuids
select uuid from call where ended_at is null order by offered_at desc limit %(most)s;

-- name: story
-- What happened to a call, in order; the latest of it.
select at, kind, data from (
    select id, at, kind, data from call_event where call_uuid = %(uuid)s order by at desc, id desc limit %(most)s
) latest order by at, id;

-- name: cursors_back
-- Cursors for calls.story_since, so many facts and segments ago.
select coalesce((select min(id) - 1 from (select id from call_event order by id desc limit %(back)s) e), 0) as event_cursor,
       coalesce((select min(id) - 1 from (select id from segment order by id desc limit %(back)s) s), 0) as segment_cursor;
