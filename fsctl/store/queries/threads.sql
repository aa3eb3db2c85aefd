-- Contacts, their aliases, threads and messages.

-- name: lock_aliases
-- Two calls of one new contact at once must not make two contacts. In one order, so that nobody waits for a circle.
select pg_advisory_xact_lock(key) from (
    select hashtextextended(kind || ':' || value, 0) as key
    from unnest(%(kinds)s::text[], %(values)s::text[]) as u(kind, value) order by key
) k;

-- name: find_contact
-- The contact of the first alias that is known, or a new one; aliases that are new become its own. And its thread
-- with this number. The aliases are locked before this statement begins: what it does not see is not there.
with named as (
    select kind, value, place
    from unnest(%(kinds)s::text[], %(values)s::text[]) with ordinality as u(kind, value, place)
), known as (
    select a.contact_id from named n join alias a on a.portfolio = '' and a.kind = n.kind and a.value = n.value
    order by n.place limit 1
), made as (
    insert into contact (display_name, language)
    select %(display_name)s, %(language)s where not exists (select from known) returning id
), who as (
    select contact_id from known union all select id from made
), aliased as (
    insert into alias (kind, value, contact_id) select n.kind, n.value, who.contact_id from named n, who
    on conflict (portfolio, kind, value) do nothing
), threaded as (
    insert into thread (contact_id, business_number) select contact_id, %(business_number)s from who
    on conflict (contact_id, business_number) do update set business_number = excluded.business_number
    returning id, contact_id
)
select contact_id, id as thread_id from threaded;

-- name: add_message
insert into message (thread_id, wamid, direction, type, body, sent_at)
values (%(thread_id)s, %(wamid)s, %(direction)s, %(type)s, %(body)s, %(sent_at)s)
on conflict (wamid) do nothing;

-- name: messages_of_thread
select * from message where thread_id = %(thread_id)s order by sent_at, id;

-- name: thread_by_id
select t.id, t.contact_id, t.business_number, c.display_name, c.language
from thread t join contact c on c.id = t.contact_id where t.id = %(id)s;

-- name: threads_of_contact
-- By any alias (digits with or without +), by name, or all when the text is empty; the newest first.
select t.id, t.contact_id, t.business_number, c.display_name, c.language
from thread t join contact c on c.id = t.contact_id
where %(who)s = '' or c.display_name ilike %(who)s
   or exists (select from alias a where a.contact_id = c.id and a.value = ltrim(%(who)s, '+'))
order by greatest((select max(sent_at) from message m where m.thread_id = t.id),
                  (select max(offered_at) from call k where k.thread_id = t.id)) desc nulls last
limit 50;

-- name: aliases_of_contact
select kind, value from alias where contact_id = %(contact_id)s order by kind, value;
