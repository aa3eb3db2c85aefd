-- What consoles are told as it happens: facts of calls, and text. Ids are given before rows are committed, so a reader
-- looks back over the last of them and leaves out what it has seen.

-- name: facts
select e.id, e.call_uuid, e.at, e.kind, e.data, c.node, c.queue, c.agent, c.phase, c.disposition, c.thread_id
from call_event e join call c on c.uuid = e.call_uuid
where e.id > %(after)s and not (e.id = any(%(seen)s::bigint[]))
order by e.id
limit %(most)s;

-- name: texts
-- Not what a guard took for invented, and not twice what was told live.
select s.id, s.call_uuid, s.created_at as at, s.leg, s.start_ms, s.end_ms, s.text, s.language, s.pass,
       c.node, c.queue, c.agent, c.thread_id, s.suppressed_by is not null as is_suppressed
from segment s join call c on c.uuid = s.call_uuid
where s.id > %(after)s and not (s.id = any(%(seen)s::bigint[]))
order by s.id
limit %(most)s;
