-- What came of calls and threads. Which words still count, the view outcome_said says.

-- name: add
insert into outcome (call_uuid, thread_id, order_ref, at, kind, value, currency, note, who, key)
values (%(call_uuid)s, %(thread_id)s, %(order_ref)s, %(at)s, %(kind)s, %(value)s, %(currency)s, %(note)s, %(who)s, %(key)s)
on conflict (key) do nothing;

-- name: of_thread
select * from outcome_said
where thread_id = %(thread_id)s or call_uuid in (select uuid from call where thread_id = %(thread_id)s)
order by at, id;

-- name: latest
select * from (
    select * from outcome_said where %(since)s::timestamptz is null or at >= %(since)s
    order by at desc, id desc limit %(most)s
) l order by at, id;

-- name: undecided
-- Words of which nobody has decided whether Meta is told, and which had time to be put right; with what is looked at.
-- Whoever is quicker has them.
select o.*, t.id as where_thread, coalesce(k.offered_at, o.at) as moment
from outcome_said o
left join call k on k.uuid = o.call_uuid
left join thread t on t.id = coalesce(o.thread_id, k.thread_id)
where o.conversion is null and o.made_at <= %(before)s
order by o.made_at limit %(most)s for update of o skip locked;

-- name: decide
update outcome set conversion = %(conversion)s where id = %(id)s;
