-- Events, as they are read in order. What has no number yet is not seen: see sequence.sql.

-- name: after
select seq, id, type, thread_id, call_uuid, at, data from event
where seq > %(after)s and (%(types)s::text[] = '{}' or type = any(%(types)s))
order by seq limit %(most)s;

-- name: one
select seq, id, type, thread_id, call_uuid, at, data from event where id = %(id)s and seq is not null;

-- name: head
select coalesce(max(seq), 0) as seq from event;

-- name: since
-- The number before the first event that was numbered of what was stored since then.
select coalesce((select min(seq) - 1 from event where created_at >= %(since)s and seq is not null),
                (select max(seq) from event), 0) as seq;
