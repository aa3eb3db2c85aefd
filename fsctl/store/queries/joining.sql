-- Two contacts become one, and calls go to another one.

-- name: lock
-- In one order. Who writes into one of the threads meanwhile waits, and is led on.
select id from contact where id = any(%(ids)s::bigint[]) order by id for update;

-- name: threads
-- Threads of the one that goes, with the thread that the one that stays has with the same number.
select g.id, g.business_number, s.id as twin
from thread g left join thread s on s.contact_id = %(stays)s and s.business_number = g.business_number
where g.contact_id = %(goes)s and g.merged_into is null
order by g.id for update of g;

-- name: messages
-- What was written in a thread, for who will part it again.
select coalesce(jsonb_agg(id order by id), '[]') as ids
from (select id from message where thread_id = %(thread_id)s order by id desc limit %(most)s) m;

-- name: move
select fsctl_move(%(place)s, %(old)s, %(new)s) as moved;

-- name: hand_thread
update thread set contact_id = %(stays)s where id = %(thread_id)s;

-- name: merge_thread
with gone as (
    update thread set merged_into = %(into)s where id = %(thread_id)s or merged_into = %(thread_id)s
    returning service_window_until
)
update thread set service_window_until = greatest(service_window_until, (select max(service_window_until) from gone))
where id = %(into)s;

-- name: merge_contact
-- What the other one was called by its latest word; who opted out stays so.
with gone as (
    select * from contact where id = %(goes)s
), merged as (
    update contact set merged_into = %(stays)s where id = %(goes)s or merged_into = %(goes)s
)
update contact c set
    display_name = case when later.named or c.display_name = '' then g.display_name else c.display_name end,
    named_at = greatest(c.named_at, g.named_at),
    language = case when later.spoken or c.language is null then g.language else c.language end,
    language_at = greatest(c.language_at, g.language_at),
    opted_out_at = greatest(c.opted_out_at, g.opted_out_at),
    vip = c.vip or g.vip
from gone g, contact s, lateral (
    select (coalesce(g.named_at, '-infinity'), g.display_name) > (coalesce(s.named_at, '-infinity'), s.display_name)
               and g.named_at is not null as named,
           (coalesce(g.language_at, '-infinity'), g.language) > (coalesce(s.language_at, '-infinity'), s.language)
               and g.language_at is not null as spoken
) later
where c.id = %(stays)s and s.id = c.id;

-- name: hand_aliases
update alias set contact_id = %(stays)s where contact_id = %(goes)s;

-- name: hand_calls
-- Calls by exactly these names to the thread with their number; others hang on them.
with handed as (
    update call c set contact_id = t.contact_id, thread_id = t.id
    from thread t
    where c.contact_id = %(old)s and c.to_number = t.business_number and t.id = %(thread_id)s
      and c.aliases = any(%(aliases)s::jsonb[])
    returning c.uuid
)
select fsctl_bring(array(select uuid from handed), %(thread_id)s), (select count(*) from handed) as calls;

-- name: hand_messages
update message m set thread_id = %(thread_id)s
from thread t
where m.id = any(%(ids)s::bigint[]) and t.id = m.thread_id and t.contact_id = %(old)s;

-- name: numbers
-- Our numbers with which a contact has threads.
select business_number from thread where contact_id = %(contact_id)s and merged_into is null order by business_number;

-- name: log
insert into contact_log (what, contact_id, other_id, who, detail)
values (%(what)s, %(contact_id)s, %(other_id)s, %(who)s, %(detail)s);

-- name: brought
-- How names came to this contact by merges, the latest first.
select detail from contact_log where what = 'merged' and contact_id = %(contact_id)s order by id desc;
