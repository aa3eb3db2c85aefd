-- Contacts, their aliases, threads and messages.

-- name: find_known
-- The contact of the first alias that is known, how many of them are, and its thread with this number if it has one.
select a.contact_id, c.display_name, c.language, count(*) over () as known, (
           select t.id from thread t
           where t.contact_id = c.id and t.business_number = %(business_number)s) as thread_id
from unnest(%(kinds)s::text[], %(values)s::text[]) with ordinality as u(kind, value, place)
join alias a on a.portfolio = '' and a.kind = u.kind and a.value = u.value
join contact c on c.id = a.contact_id
order by u.place limit 1;

-- name: find_alias
select a.contact_id, c.display_name, c.language
from alias a join contact c on c.id = a.contact_id
where a.portfolio = '' and a.kind = %(kind)s and a.value = %(value)s;

-- name: add_contact
insert into contact (display_name, language) values (%(display_name)s, %(language)s) returning id;

-- name: add_alias
insert into alias (kind, value, contact_id) values (%(kind)s, %(value)s, %(contact_id)s)
on conflict (portfolio, kind, value) do nothing;

-- name: lock_aliases
-- Two calls of one new contact at once must not make two contacts.
select pg_advisory_xact_lock(hashtextextended(%(key)s, 0));

-- name: find_thread
-- Nothing is written where it is there already.
with known as (
    select id from thread where contact_id = %(contact_id)s and business_number = %(business_number)s
), made as (
    insert into thread (contact_id, business_number)
    select %(contact_id)s, %(business_number)s where not exists (select from known)
    on conflict (contact_id, business_number) do update set business_number = excluded.business_number
    returning id
)
select id from known union all select id from made;

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
