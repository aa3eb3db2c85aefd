-- Links that begin a call.

-- name: add
insert into call_link (payload, url, kind, number, campaign, queue, language, expires_at, made_by)
values (%(payload)s, %(url)s, %(kind)s, %(number)s, %(campaign)s, %(queue)s, %(language)s, %(expires_at)s, %(made_by)s)
on conflict (payload) do nothing
returning *;

-- name: known
select * from call_link where payload = any (%(payloads)s);

-- name: all_links
-- With the calls that came by each: their touches name the link.
select l.*, (select count(*) from touch t
             where t.source = l.kind and t.call_uuid is not null and t.data @> jsonb_build_object('link', l.id)) as calls
from call_link l order by l.made_at desc, l.id desc limit %(most)s;
