-- Alarms: what somebody must look at.

-- name: raise_alarm
-- One row a subject; gives a row only when it was not up already.
insert into alarm (node, kind, subject, detail) values (%(node)s, %(kind)s, %(subject)s, %(detail)s)
on conflict (node, kind, subject) do update
set detail = excluded.detail, raised_at = now(), cleared_at = null
where alarm.cleared_at is not null
returning id;

-- name: clear_alarm
update alarm set cleared_at = now()
where node = %(node)s and kind = %(kind)s and subject = %(subject)s and cleared_at is null;

-- name: open_alarms
select kind, subject, detail, raised_at, node from alarm
where cleared_at is null and (%(subject)s::text is null or subject = %(subject)s)
order by raised_at, id;
