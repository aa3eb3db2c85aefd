-- What the explanation of a route reads.

-- name: call_by_id
-- By Meta's id or by ours, the newest first: a wacid may come twice.
select * from call where wacid = %(id)s or uuid = %(id)s order by offered_at desc limit 1;
