-- What webhooks told and nobody reads.

-- name: keep
insert into stray (digest, field, reason, value, came_at)
select decode(digest, 'hex'), field, reason, value, came_at
from jsonb_to_recordset(%(strays)s) s (digest text, field text, reason text, value jsonb, came_at timestamptz)
order by digest
on conflict (digest) do nothing;

-- name: counts
-- How many of each kind, and one to look at: the latest.
select field, reason, count(*) as count, max(came_at) as last_at,
       (array_agg(value order by came_at desc, id desc))[1] as example
from stray group by field, reason order by count(*) desc, field, reason;
