-- The inbox: webhooks as they came.

-- name: add
-- In order of the digest: two that add the same would else wait for each other.
insert into inbox (digest, body, received_at)
select digest, body, received_at
from unnest(%(digests)s::bytea[], %(bodies)s::bytea[], %(times)s::timestamptz[]) as came (digest, body, received_at)
order by digest
on conflict (digest) do nothing;

-- name: claim
select id, length(body) as bytes from inbox
where state = 'waiting' order by id limit %(most)s for update skip locked;

-- name: claimed
select id, body, received_at, digest from inbox where id = any(%(ids)s) order by id;

-- name: claim_one
select id, body, received_at, digest from inbox
where id = %(id)s and state = 'waiting' for update skip locked;

-- name: done
update inbox
set state = 'done', done_at = now(), tries = tries + 1, reason = null, body = case when %(keep)s then body else '' end
where id = any(%(ids)s);

-- name: forget
-- The digest stays: the same bytes told again are known.
update inbox set body = ''
where state = 'done' and body <> '' and done_at < now() - make_interval(secs => %(keep_s)s);

-- name: fail
update inbox set state = 'failed', tries = tries + 1, reason = %(reason)s where id = %(id)s and state = 'waiting';

-- name: retry
update inbox set state = 'waiting' where state = 'failed' and (%(id)s::bigint is null or id = %(id)s);

-- name: list
-- The latest of them, in order of time.
select * from (
    select id, received_at, state, tries, reason, length(body) as bytes from inbox
    where %(state)s::text is null or state = %(state)s
    order by id desc limit %(most)s
) latest
order by id;

-- name: show
select id, received_at, state, tries, reason, length(body) as bytes, body from inbox where id = %(id)s;

-- name: counts
select count(*) filter (where state = 'waiting') as waiting, count(*) filter (where state = 'failed') as failed
from inbox where state in ('waiting', 'failed');

-- name: notify
select pg_notify('fsctl_inbox', '');
