-- What people ask about contacts.

-- name: by_name
-- Contacts with this alias, or else called so; the latest first.
select c.id, exists (select from alias a where a.contact_id = c.id and a.value = any(%(names)s::text[])) as is_alias
from contact c
where c.merged_into is null
  and (exists (select from alias a where a.contact_id = c.id and a.value = any(%(names)s::text[]))
       or lower(c.display_name) = lower(%(who)s))
order by is_alias desc, c.id desc
limit 20;

-- name: by_id
select coalesce(merged_into, id) as id from contact where id = %(id)s;

-- name: contact
select c.id, c.display_name, c.language, c.vip, c.opted_out_at, c.created_at,
       array(select id from contact m where m.merged_into = c.id order by id) as merged
from contact c where c.id = %(id)s;

-- name: aliases
select portfolio, kind, value, said, seen_at, ended_at from alias where contact_id = %(id)s
order by ended_at is not null, array_position(array['bsuid', 'parent_bsuid', 'wa_id', 'phone', 'username'], kind), value;

-- name: lost
-- Names that were said with one of its own, and are somebody else's now.
select w.kind, w.value, max(w.last_at) as last_at, o.contact_id
from alias a
join alias_word w on w.portfolio = a.portfolio and w.anchor_kind = a.kind and w.anchor_value = a.value
join alias o on o.portfolio = w.portfolio and o.kind = w.kind and o.value = w.value
where a.contact_id = %(id)s and o.contact_id <> a.contact_id
group by w.kind, w.value, o.contact_id order by 3;

-- name: threads
select t.id, t.business_number,
       (select count(*) from message m where m.thread_id = t.id) as messages,
       (select count(*) from call k where k.thread_id = t.id) as calls
from thread t where t.contact_id = %(id)s and t.merged_into is null order by t.id;

-- name: log
-- Of one contact, with those that were merged into it, or of all; the latest.
select l.at, l.what, l.contact_id, l.other_id, l.who, l.detail - 'messages' as detail
from contact_log l
where %(id)s::bigint is null or exists (
    select from contact c where coalesce(c.merged_into, c.id) = %(id)s::bigint and c.id in (l.contact_id, l.other_id))
order by l.id desc limit %(most)s;
