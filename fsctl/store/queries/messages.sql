-- Messages, and what is told of them afterwards.

-- name: add
insert into message (thread_id, wamid, direction, type, body, sent_at, media, referral, context, extra, wacid)
select thread_id, wamid, direction, type, body, sent_at, media, referral, context, extra, wacid
from jsonb_populate_recordset(null::message, %(messages)s)
order by wamid
on conflict (wamid) do nothing;

-- name: change
insert into message_change (wamid, target, kind, at, body, media)
select wamid, target, kind, at, body, media
from jsonb_populate_recordset(null::message_change, %(changes)s)
order by wamid
on conflict (wamid) do nothing;

-- name: react
insert into reaction (wamid, target, direction, emoji, at)
select wamid, target, direction, emoji, at from jsonb_populate_recordset(null::reaction, %(reactions)s)
order by wamid
on conflict (wamid) do nothing;

-- name: note_status
insert into message_status (wamid, status, rank, at, code, title, data)
select wamid, status, rank, at, code, title, data from jsonb_populate_recordset(null::message_status, %(statuses)s)
order by wamid, status
on conflict (wamid, status) do update
set at = excluded.at, code = excluded.code, title = excluded.title, data = excluded.data
where excluded.at < message_status.at;

-- name: settle
-- Changes whose message is here now. Taken back is for good, and takes the text of earlier edits along; else the last
-- edit counts. Changes that name no message of ours wait for a month.
with due as (
    select distinct c.target from message_change c join message m on m.wamid = c.target
    where c.settled_at is null and c.seen_at > now() - interval '1 month'
), latest as (
    select distinct on (c.target) c.target, c.kind, c.at, c.body, c.media
    from due d join message_change c on c.target = d.target
    order by c.target, c.kind = 'delete' desc, c.at desc, c.wamid desc
), told as (
    update message_change c
    set settled_at = coalesce(c.settled_at, now()),
        body = case l.kind when 'delete' then '' else c.body end,
        media = case l.kind when 'edit' then c.media end
    from latest l where c.target = l.target and (c.settled_at is null or l.kind = 'delete')
)
update message m
set first_body = case l.kind when 'edit' then coalesce(m.first_body, m.body) end,
    body = l.body,
    media = case l.kind when 'edit' then coalesce(l.media, m.media) end,
    extra = case l.kind when 'edit' then m.extra end,
    edited_at = case l.kind when 'edit' then l.at end,
    deleted_at = case l.kind when 'delete' then l.at end
from latest l where m.wamid = l.target;

-- name: of_thread
-- Those of one second in an order that does not depend on the order in which they came.
select m.wamid, m.direction, m.type, m.body, m.sent_at, m.media, m.referral, m.context, m.extra, m.wacid, m.first_body,
       m.edited_at, m.deleted_at, s.status, s.at as status_at, s.code, s.title, coalesce(r.reactions, '{}') as reactions
from message m
left join lateral (
    select status, at, code, title from message_status where wamid = m.wamid order by rank desc, at desc, status limit 1
) s on true
left join lateral (
    select jsonb_object_agg(x.direction, x.emoji) as reactions from (
        select distinct on (direction) direction, emoji from reaction
        where target = m.wamid order by direction, at desc, wamid desc
    ) x where x.emoji <> ''
) r on true
where m.thread_id = %(thread_id)s
order by m.sent_at, m.wamid;
