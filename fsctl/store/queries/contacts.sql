-- Contacts and the names that the world has for them.

-- name: lock
-- One at a time decides who is who: nobody waits in a circle, whatever is locked after it.
select pg_advisory_xact_lock(hashtextextended('fsctl identity', 0));

-- name: seen
-- The contact of names that are all its own, as nearly every time; see the function.
select contact_id, is_known
from fsctl_seen(%(portfolio)s, %(kinds)s::text[], %(values)s::text[], %(spellings)s::text[], %(at)s::timestamptz);

-- name: welcome
-- Somebody whose names are all new, and the thread; see the function.
select contact_id, thread_id
from fsctl_welcome(%(portfolio)s, %(kinds)s::text[], %(values)s::text[], %(spellings)s::text[], %(at)s::timestamptz,
                   %(display_name)s, %(business_number)s);

-- name: place
-- Its thread with this number, made when new; what it calls itself and its language, when this is the latest word.
-- A hint is a name that came with a call: good as long as there is no other.
with word as (
    select id,
           %(display_name)s::text <> '' and case when %(hint)s::boolean then display_name = ''
               else (coalesce(named_at, '-infinity'), display_name) < (%(at)s::timestamptz, %(display_name)s::text) end as names,
           %(language)s::text is not null and (coalesce(language_at, '-infinity'), coalesce(language, ''))
               < (%(at)s::timestamptz, %(language)s::text) as speaks
    from contact where id = %(contact_id)s
), called as (
    update contact c set
        display_name = case when w.names then %(display_name)s::text else c.display_name end,
        named_at = case when w.names and not %(hint)s::boolean then %(at)s::timestamptz else c.named_at end,
        language = case when w.speaks then %(language)s::text else c.language end,
        language_at = case when w.speaks then %(at)s::timestamptz else c.language_at end
    from word w where c.id = w.id and (w.names or w.speaks)
), had as (
    select id from thread where contact_id = %(contact_id)s and business_number = %(business_number)s
), made as (
    insert into thread (contact_id, business_number)
    select %(contact_id)s, %(business_number)s where not exists (select from had)
    on conflict (contact_id, business_number) do update set business_number = excluded.business_number
    returning id
)
select id as thread_id from had union all select id from made;

-- name: name_if_none
-- Changes nobody's identity, so it waits for none who decides one.
update contact set display_name = %(display_name)s where id = %(contact_id)s and display_name = '';

-- name: near
-- Every name that some of these have to do with: said together, changed into each other, of one contact; and so on.
with recursive near as (
    select kind, value from unnest(%(kinds)s::text[], %(values)s::text[]) as n(kind, value)
    union
    select x.kind, x.value from near n cross join lateral (
        select w.anchor_kind, w.anchor_value from alias_word w
        where w.portfolio = %(portfolio)s and w.kind = n.kind and w.value = n.value
        union all
        select w.kind, w.value from alias_word w
        where w.portfolio = %(portfolio)s and w.anchor_kind = n.kind and w.anchor_value = n.value
        union all
        select l.new_kind, l.new_value from alias_link l
        where l.portfolio = %(portfolio)s and l.old_kind = n.kind and l.old_value = n.value
        union all
        select l.old_kind, l.old_value from alias_link l
        where l.portfolio = %(portfolio)s and l.new_kind = n.kind and l.new_value = n.value
        union all
        select b.kind, b.value from alias a join alias b on b.contact_id = a.contact_id and b.portfolio = a.portfolio
        where a.portfolio = %(portfolio)s and a.kind = n.kind and a.value = n.value
    ) x(kind, value)
)
select n.kind, n.value, a.contact_id, a.seen_at, a.ended_at, a.split_at, a.said, a.created_at
from near n left join alias a on a.portfolio = %(portfolio)s and a.kind = n.kind and a.value = n.value;

-- name: words
select w.kind, w.value, w.anchor_kind, w.anchor_value, w.first_at, w.last_at
from unnest(%(kinds)s::text[], %(values)s::text[]) as n(kind, value)
join alias_word w on w.portfolio = %(portfolio)s and w.kind = n.kind and w.value = n.value;

-- name: links
select l.old_kind, l.old_value, l.new_kind, l.new_value, l.at, l.cause = 'changed' as is_change
from unnest(%(kinds)s::text[], %(values)s::text[]) as n(kind, value)
join alias_link l on l.portfolio = %(portfolio)s and l.old_kind = n.kind and l.old_value = n.value;

-- name: called
-- By which names these contacts called: what a call of somebody known says of them stands nowhere else.
select c.aliases, min(c.offered_at) as first_at, max(c.offered_at) as last_at
from thread t join call c on c.thread_id = t.id
where t.contact_id = any(%(contacts)s::bigint[]) and jsonb_array_length(c.aliases) > 0
group by c.aliases;

-- name: put_words
insert into alias_word (portfolio, kind, value, anchor_kind, anchor_value, first_at, last_at)
select %(portfolio)s, n.kind, n.value, %(anchor_kind)s, %(anchor_value)s, %(at)s, %(at)s
from unnest(%(kinds)s::text[], %(values)s::text[]) as n(kind, value)
on conflict (portfolio, kind, value, anchor_kind, anchor_value) do update set
    first_at = least(alias_word.first_at, excluded.first_at),
    last_at = greatest(alias_word.last_at, excluded.last_at);

-- name: put_link
insert into alias_link (portfolio, old_kind, old_value, new_kind, new_value, at, cause)
values (%(portfolio)s, %(old_kind)s, %(old_value)s, %(new_kind)s, %(new_value)s, %(at)s, %(cause)s)
on conflict do nothing;

-- name: put_aliases
-- Whose each name is now.
insert into alias (portfolio, kind, value, contact_id, seen_at, ended_at, said)
select %(portfolio)s, n.kind, n.value, n.contact_id, n.seen_at, n.ended_at, nullif(n.said, n.value)
from unnest(%(kinds)s::text[], %(values)s::text[], %(contacts)s::bigint[], %(seen)s::timestamptz[],
            %(ended)s::timestamptz[], %(spellings)s::text[]) as n(kind, value, contact_id, seen_at, ended_at, said)
on conflict (portfolio, kind, value) do update set
    contact_id = excluded.contact_id, ended_at = excluded.ended_at,
    said = case when alias.seen_at <= excluded.seen_at then excluded.said else alias.said end,
    seen_at = greatest(alias.seen_at, excluded.seen_at);

-- name: split
-- What was said of a name does not count any more.
update alias set split_at = greatest(now(), seen_at)
where portfolio = %(portfolio)s and kind = %(kind)s and value = %(value)s returning split_at;

-- name: names_of
select kind, value from alias where portfolio = %(portfolio)s and contact_id = %(contact_id)s;

-- name: make
insert into contact default values returning id;

-- name: opt_out
update contact set opted_out_at = %(at)s
where id = %(contact_id)s and (opted_out_at is null or opted_out_at < %(at)s);

-- name: now
-- The contact that this one has become.
select coalesce(merged_into, id) as id from contact where id = %(contact_id)s;

-- name: adopt
-- Names that were known before the portfolio had a name.
with aliases as (
    update alias a set portfolio = %(portfolio)s where a.portfolio = '' and not exists (
        select from alias b where b.portfolio = %(portfolio)s and b.kind = a.kind and b.value = a.value)
), words as (
    update alias_word a set portfolio = %(portfolio)s where a.portfolio = '' and not exists (
        select from alias_word b where b.portfolio = %(portfolio)s and b.kind = a.kind and b.value = a.value
                                   and b.anchor_kind = a.anchor_kind and b.anchor_value = a.anchor_value)
)
update alias_link a set portfolio = %(portfolio)s where a.portfolio = '' and not exists (
    select from alias_link b where b.portfolio = %(portfolio)s and b.old_kind = a.old_kind and b.old_value = a.old_value
                               and b.new_kind = a.new_kind and b.new_value = a.new_value and b.at = a.at
                               and b.cause = a.cause);
