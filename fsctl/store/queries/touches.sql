-- Touches: where customers came from. First and last are by time; of two at the same moment the key decides, so that
-- the order in which they were stored never does.

-- name: record
insert into touch (key, thread_id, at, source, trusted, call_uuid, wamid, campaign, source_id, ctwa_clid, headline, url, data)
values (%(key)s, %(thread_id)s, %(at)s, %(source)s, %(trusted)s, %(call_uuid)s, %(wamid)s, %(campaign)s, %(source_id)s,
        %(ctwa_clid)s, %(headline)s, %(url)s, %(data)s)
on conflict (key) do nothing;

-- name: of_thread
select * from touch where thread_id = %(thread_id)s order by at, key;

-- name: ends_of_thread
-- The first touch and the last, in one row where they are the same one.
(select * from touch where thread_id = %(thread_id)s order by at, key limit 1)
union
(select * from touch where thread_id = %(thread_id)s order by at desc, key desc limit 1)
order by at, key;

-- name: ends_of_call
-- The same of all that brought the caller until this call: what its thread had by then, and what the call itself tells.
with seen as (
    select t.* from call c join touch t on t.thread_id = c.thread_id
    where c.uuid = %(call_uuid)s and (t.at <= c.offered_at or t.call_uuid = c.uuid)
)
(select * from seen order by at, key limit 1)
union
(select * from seen order by at desc, key desc limit 1)
order by at, key;

-- name: take_calls
-- Calls whose own touches are still to be taken, marked as taken: whoever is quicker has them.
with next as (
    select uuid from call
    where touched_at is null and thread_id is not null
      and (cta_payload is not null or deeplink_payload is not null or request_params <> '{}')
    order by offered_at limit %(most)s for update skip locked
)
update call c set touched_at = now() from next where c.uuid = next.uuid
returning c.uuid, c.channel, c.thread_id, c.offered_at, c.cta_payload, c.deeplink_payload, c.request_params;

-- name: click
-- The last click on an ad until a moment, as Meta's Conversions API wants it.
select ctwa_clid from touch
where thread_id = %(thread_id)s and ctwa_clid <> '' and trusted and (at <= %(at)s or call_uuid = %(call_uuid)s)
order by at desc, key desc limit 1;
