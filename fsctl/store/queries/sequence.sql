-- Numbering what is committed. One transaction at a time does it, and commits before the next begins: whoever sees a
-- number has seen every lower one. It never waits for a row that somebody else writes; that one's turn comes next time.

-- name: lock
select pg_try_advisory_xact_lock(%(key)s) as is_ours;

-- name: number_events
with waiting as (
    select id, place from event where seq is null order by place limit %(most)s for no key update skip locked
), numbered as materialized (
    select id, nextval('fsctl_seq') as seq from (select id from waiting order by place) w
)
update event e set seq = n.seq from numbered n where e.id = n.id;

-- name: number_things
-- Lines about what somebody else writes now stay; those about what is gone go.
with lines as materialized (
    select ctid as place, kind, ref from change limit %(most)s
), named as materialized (
    select distinct kind, ref from lines
), items as materialized (
    select i.id, i.kind, i.ref from named n join item i on i.kind = n.kind and i.ref = n.ref
    for no key update of i skip locked
), contacts as materialized (
    select c.id from named n join contact c on n.kind = 'contact' and c.id = n.ref::bigint
    for no key update of c skip locked
), threads as materialized (
    select t.id from named n join thread t on n.kind = 'thread' and t.id = n.ref::bigint
    for no key update of t skip locked
), segments as materialized (
    select s.id from named n join segment s on n.kind = 'segment' and s.id = n.ref::bigint
    for no key update of s skip locked
), item_seqs as materialized (
    select id, nextval('fsctl_seq') as seq from (select id from items order by id) i
), contact_seqs as materialized (
    select id, nextval('fsctl_seq') as seq from (select id from contacts order by id) c
), thread_seqs as materialized (
    select id, nextval('fsctl_seq') as seq from (select id from threads order by id) t
), segment_seqs as materialized (
    select id, nextval('fsctl_seq') as seq from (select id from segments order by id) s
), item_done as (
    update item i set change_seq = n.seq from item_seqs n where i.id = n.id
), contact_done as (
    update contact c set change_seq = n.seq from contact_seqs n where c.id = n.id
), thread_done as (
    update thread t set change_seq = n.seq from thread_seqs n where t.id = n.id
), segment_done as (
    update segment s set change_seq = n.seq from segment_seqs n where s.id = n.id
), done as materialized (
    select kind, ref from items
    union all select 'contact', id::text from contacts
    union all select 'thread', id::text from threads
    union all select 'segment', id::text from segments
    union all select n.kind, n.ref from named n where case n.kind
        when 'contact' then not exists (select from contact c where c.id = n.ref::bigint)
        when 'thread' then not exists (select from thread t where t.id = n.ref::bigint)
        when 'segment' then not exists (select from segment s where s.id = n.ref::bigint)
        else not exists (select from item i where i.kind = n.kind and i.ref = n.ref) end
)
delete from change where ctid = any(array(
    select l.place from lines l join done d on d.kind = l.kind and d.ref = l.ref));

-- name: wake
-- Told when this is committed; nobody else notifies in a transaction on this channel, so nobody waits for it.
select pg_notify('fsctl_event', '');

-- name: head
select greatest(
    coalesce((select max(seq) from event), 0), coalesce((select max(change_seq) from item), 0),
    coalesce((select max(change_seq) from contact), 0), coalesce((select max(change_seq) from thread), 0),
    coalesce((select max(change_seq) from segment), 0)) as seq;

-- name: changed_items
select id, thread_id, at, kind, ref, change_seq from item
where change_seq > %(after)s order by change_seq limit %(most)s;

-- name: waiting
-- For metrics: what is not numbered yet.
select (select count(*) from event where seq is null)::integer as events, (select count(*) from change)::integer as changes;
