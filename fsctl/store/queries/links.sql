-- Links to FreeSWITCH, and which controller serves which node.

-- name: try_lock
-- True when this connection is the node's one controller from now on.
select pg_try_advisory_lock(1718317940, hashtext(%(node)s)) as ours;

-- name: still_there
select 1;

-- name: report
insert into link (node, controller, state, since, status)
values (%(node)s, %(controller)s, %(state)s, %(since)s, %(status)s)
on conflict (node, controller) do update
set state = excluded.state, since = excluded.since, status = excluded.status, updated_at = now();

-- name: forget
delete from link where (node = %(node)s and controller = %(controller)s)
    or updated_at < now() - interval '1 day';

-- name: all_links
select node, controller, state, since, status, extract(epoch from now() - updated_at)::real as age_s
from link order by node, state = 'standby', controller;
