-- What the explanation of a route reads.

-- name: contact
-- As FindContact answers, changing nothing; the thread may not be there yet.
select k.id as contact_id, k.display_name as name, k.language, t.id as thread_id
from contact k
left join thread t on t.contact_id = k.id and t.business_number = %(business_number)s
where k.id = %(contact_id)s;

-- name: call_by_id
-- By Meta's id or by ours, the newest first: a wacid may come twice.
select * from call where wacid = %(id)s or uuid = %(id)s order by offered_at desc limit 1;
