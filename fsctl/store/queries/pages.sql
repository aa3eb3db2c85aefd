-- Pages of what CRMs read. Rows are those of the views in crm_v1 (0023).

-- name: threads
select t.id as thread_id, t.change_seq, t.contact_id, t.business_number, c.display_name, c.language, t.merged_into,
       t.created_at
from thread t join contact c on c.id = t.contact_id
where t.change_seq > %(after)s order by t.change_seq limit %(limit)s;

-- name: thread
select t.id as thread_id, t.change_seq, t.contact_id, t.business_number, c.display_name, c.language, t.merged_into,
       t.created_at
from thread t join contact c on c.id = t.contact_id
where t.id = %(id)s;

-- name: items_asc
select * from crm_v1.thread_item
where thread_id = %(thread_id)s
  and (at, item_id) > (coalesce(%(at)s::timestamptz, '-infinity'), coalesce(%(item_id)s::bigint, 0))
order by thread_id, at, item_id limit %(limit)s;

-- name: items_desc
select * from crm_v1.thread_item
where thread_id = %(thread_id)s
  and (at, item_id) < (coalesce(%(at)s::timestamptz, 'infinity'), coalesce(%(item_id)s::bigint, 0))
order by thread_id desc, at desc, item_id desc limit %(limit)s;

-- name: changes
select * from crm_v1.thread_item where change_seq > %(after)s order by change_seq limit %(limit)s;

-- name: events
select * from crm_v1.event where seq > %(after)s order by seq limit %(limit)s;

-- name: events_forgotten
select coalesce(max(seq), 0) as seq from forgotten where kind = 'event';

-- name: calls
select * from crm_v1.call
where change_seq > %(after)s
  and (%(phase)s::text is null or phase = %(phase)s::text)
  and (%(queue)s::text is null or queue = %(queue)s::text)
order by change_seq limit %(limit)s;

-- name: call
select * from crm_v1.call where call_uuid = %(uuid)s;

-- name: transcript
select * from crm_v1.transcript_segment
where call_uuid = %(uuid)s and stands order by start_ms, segment_id;

-- name: contact
select * from crm_v1.contact where contact_id = %(id)s;
