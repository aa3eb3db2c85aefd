-- Threads and their messages.

-- name: add_message
insert into message (thread_id, wamid, direction, type, body, sent_at)
values (%(thread_id)s, %(wamid)s, %(direction)s, %(type)s, %(body)s, %(sent_at)s)
on conflict (wamid) do nothing;

-- name: messages_of_thread
select * from message where thread_id = %(thread_id)s order by sent_at, id;

-- name: thread_by_id
-- The thread, or the one that has what was in it.
select t.id, t.contact_id, t.business_number, c.display_name, c.language
from thread w join thread t on t.id = coalesce(w.merged_into, w.id) join contact c on c.id = t.contact_id
where w.id = %(id)s;

-- name: threads_of_contact
-- By any alias in one of its spellings, by name, or all when the text is empty; the newest first.
select t.id, t.contact_id, t.business_number, c.display_name, c.language
from thread t join contact c on c.id = t.contact_id
where t.merged_into is null and (%(who)s = '' or c.display_name ilike %(who)s
   or exists (select from alias a where a.contact_id = c.id and a.value = any(%(names)s::text[])))
order by greatest((select max(sent_at) from message m where m.thread_id = t.id),
                  (select max(offered_at) from call k where k.thread_id = t.id)) desc nulls last
limit 50;

-- name: aliases_of_contact
select kind, value from alias where contact_id = %(contact_id)s and ended_at is null order by kind, value;
