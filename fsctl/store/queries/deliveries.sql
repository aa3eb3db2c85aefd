-- Endpoints and what is sent to them. An endpoint reads the events by a cursor of its own, as anybody does; what it wants
-- becomes deliveries. Of one lane at one endpoint the next is not tried before the one in front is settled.

-- name: hasten
-- This transaction does not wait for the disk. A Postgres that crashes may forget it: then what was sent is sent again.
select set_config('synchronous_commit', 'off', true);

-- name: lock
-- One plans and claims at a time, of all processes.
select pg_advisory_xact_lock(%(key)s);

-- name: plan
-- No more than so many wait at an endpoint: for one that is away, events stay where they are.
with room as (
    select e.id, e.types, e.cursor_seq,
           greatest(0, %(most_waiting)s - (select count(*) from delivery d
                                           where d.endpoint_id = e.id and d.state = 'waiting')) as room
    from endpoint e
    where e.disabled_at is null and e.cursor_seq < (select max(seq) from event)
), found as materialized (
    select r.id as endpoint_id, r.types, v.*
    from room r cross join lateral (
        select v.seq, v.id as event_id, v.type, coalesce('t' || v.thread_id, 'c' || v.call_uuid, '') as lane
        from event v where v.seq > r.cursor_seq order by v.seq limit r.room
    ) v
), added as (
    insert into delivery (endpoint_id, seq, event_id, lane)
    select endpoint_id, seq, event_id, lane from found
    where case when types = '{}' then type <> all(%(on_request)s::text[]) else type = any(types) end
    on conflict (endpoint_id, seq) do nothing
)
update endpoint e set cursor_seq = f.seq
from (select endpoint_id, max(seq) as seq from found group by endpoint_id) f where e.id = f.endpoint_id;

-- name: claim
-- The first of each lane that is due. An endpoint that is failing gets one at a time.
with room as (
    select e.id, case when e.failures >= %(failing)s then 1 else %(at_once)s end
                 - (select count(*) from delivery h where h.endpoint_id = e.id and h.state = 'waiting'
                                                      and h.is_held and h.due_at > now()) as room
    from endpoint e where e.disabled_at is null
), heads as materialized (
    select d.endpoint_id, d.seq from room r cross join lateral (
        select f.endpoint_id, f.seq from (
            select distinct on (d.lane) d.endpoint_id, d.seq, d.due_at from delivery d
            where d.endpoint_id = r.id and d.state = 'waiting' order by d.lane, d.seq
        ) f
        where f.due_at <= now() order by f.due_at, f.seq limit greatest(0, r.room)
    ) d
    limit %(most)s
), held as (
    update delivery d
    set is_held = true, fence = d.fence + 1, attempts = d.attempts + 1, due_at = now() + make_interval(secs => %(lease_s)s)
    from heads h where d.endpoint_id = h.endpoint_id and d.seq = h.seq
    returning d.endpoint_id, d.seq, d.event_id, d.fence, d.attempts
)
select h.endpoint_id, h.fence, h.attempts, e.url, e.secret,
       case when e.old_secret_until > now() then e.old_secret end as old_secret,
       v.seq, v.id, v.type, v.thread_id, v.call_uuid, v.at, v.data
from held h join endpoint e on e.id = h.endpoint_id join event v on v.id = h.event_id
order by h.seq;

-- name: delivered
-- An endpoint that is well again gets at once what waited for it.
with done as (
    update delivery set state = 'delivered', is_held = false, status = %(status)s, error = '', tried_at = now(),
                        settled_at = now()
    where endpoint_id = %(endpoint_id)s and seq = %(seq)s and fence = %(fence)s and state = 'waiting'
    returning endpoint_id
), was as (
    select e.id, e.failures from endpoint e join done on e.id = done.endpoint_id where e.failures > 0 for update of e
), well as (
    update endpoint e set failures = 0, failing_since = null from was where e.id = was.id
)
update delivery d set due_at = now() from was
where d.endpoint_id = was.id and was.failures >= %(failing)s and d.state = 'waiting' and not d.is_held;

-- name: failed
-- No row: another one holds it now. After the last try it is dead, and its lane goes on.
with done as (
    update delivery
    set state = case when %(after_s)s::float8 is null then 'dead' else 'waiting' end, is_held = false,
        due_at = now() + make_interval(secs => coalesce(%(after_s)s::float8, 0)),
        status = %(status)s, error = %(error)s, tried_at = now(),
        settled_at = case when %(after_s)s::float8 is null then now() end
    where endpoint_id = %(endpoint_id)s and seq = %(seq)s and fence = %(fence)s and state = 'waiting'
    returning endpoint_id
)
update endpoint e set failures = e.failures + 1, failing_since = coalesce(e.failing_since, now())
from done where e.id = done.endpoint_id
returning e.failures, e.failing_since < now() - make_interval(secs => %(long_s)s) as is_long;

-- name: disable
update endpoint set disabled_at = now(), disabled_why = %(why)s where id = %(id)s and disabled_at is null;

-- name: enable
update endpoint set disabled_at = null, disabled_why = '', failures = 0, failing_since = null where id = %(id)s;

-- name: hurry
-- What waits at an endpoint is due now, and has all its tries again.
update delivery set due_at = now(), attempts = 0 where endpoint_id = %(id)s and state = 'waiting' and not is_held;

-- name: prune
delete from delivery where ctid = any(array(
    select ctid from delivery
    where state = 'delivered' and settled_at < now() - make_interval(days => %(days)s) limit %(most)s));

-- name: prune_events
-- Old events, with the deliveries that were settled long ago, dead ones too. What an endpoint has not been given yet stays,
-- also one that is disabled, and what waits for it; and the last event: numbers are compared with it.
with old as materialized (
    select e.id from event e
    where e.created_at < now() - make_interval(days => %(days)s)
      and e.seq <= least((select min(cursor_seq) from endpoint), (select max(seq) from event) - 1)
      and not exists (select from delivery d where d.event_id = e.id
                      and (d.state = 'waiting' or d.settled_at > now() - make_interval(days => %(days)s)))
    order by e.created_at limit %(most)s
), gone as (
    delete from delivery d using old where d.event_id = old.id
), ended as (
    delete from event e using old where e.id = old.id returning e.seq
), noted as (
    insert into forgotten (kind, seq) select 'event', max(seq) from ended having count(*) > 0
    on conflict (kind) do update set seq = greatest(forgotten.seq, excluded.seq)
)
select count(*) as gone from ended;

-- name: add_endpoint
insert into endpoint (url, types, secret, cursor_seq, made_by)
values (%(url)s, %(types)s, %(secret)s, coalesce(%(after)s::bigint, (select max(seq) from event), 0), %(who)s)
returning id;

-- name: remove_endpoint
delete from endpoint where id = %(id)s;

-- name: rotate
update endpoint set old_secret = secret, old_secret_until = now() + make_interval(secs => %(overlap_s)s), secret = %(secret)s
where id = %(id)s;

-- name: endpoints
select e.id, e.url, e.types, e.cursor_seq, e.failures, e.failing_since, e.disabled_at, e.disabled_why, e.made_by,
       e.made_at, case when e.old_secret_until > now() then e.old_secret_until end as old_secret_until,
       (select count(*) from delivery d where d.endpoint_id = e.id and d.state = 'waiting')::integer as waiting,
       (select count(*) from delivery d where d.endpoint_id = e.id and d.state = 'dead')::integer as dead
from endpoint e where %(id)s::bigint is null or e.id = %(id)s order by e.id;

-- name: secrets
select secret, case when old_secret_until > now() then old_secret end as old_secret from endpoint where id = %(id)s;

-- name: list
select * from (
    select d.endpoint_id, d.seq, d.event_id, v.type, v.thread_id, v.call_uuid, d.state, d.attempts, d.due_at, d.is_held,
           d.status, d.error, d.tried_at, d.settled_at
    from delivery d join event v on v.id = d.event_id
    where (%(endpoint_id)s::bigint is null or d.endpoint_id = %(endpoint_id)s)
      and (%(state)s::text is null or d.state = %(state)s)
    order by d.seq desc, d.endpoint_id limit %(most)s
) l order by seq, endpoint_id;

-- name: replay
-- Once more, with all tries: those that are dead, one event, or all since a time. What the endpoint does not ask for is
-- left out; what waits already, waits.
insert into delivery (endpoint_id, seq, event_id, lane)
select e.id, v.seq, v.id, coalesce('t' || v.thread_id, 'c' || v.call_uuid, '')
from endpoint e join event v on v.seq <= e.cursor_seq
where e.id = %(endpoint_id)s
  and (%(event_id)s::text is null or v.id = %(event_id)s)
  and (%(since)s::timestamptz is null or v.created_at >= %(since)s)
  and (not %(dead)s::boolean or exists (select from delivery d
                                        where d.endpoint_id = e.id and d.seq = v.seq and d.state = 'dead'))
  and case when e.types = '{}' then v.type <> all(%(on_request)s::text[]) else v.type = any(e.types) end
on conflict (endpoint_id, seq) do update
set state = 'waiting', attempts = 0, due_at = now(), settled_at = null, fence = delivery.fence + 1, is_held = false
where delivery.state <> 'waiting';
