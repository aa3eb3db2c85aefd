-- What was done or refused, by whom, and how it went.

-- name: append
insert into audit (who, node, action, subject, detail, result)
values (%(who)s, %(node)s, %(action)s, %(subject)s, %(detail)s, %(result)s);

-- name: list
-- The latest of them, in order of time.
select * from (
    select id, at, who, node, action, subject, detail, result from audit
    where (%(since)s::timestamptz is null or at >= %(since)s)
      and (%(action)s::text is null or action = %(action)s or starts_with(action, %(action)s || '.'))
    order by at desc, id desc limit %(most)s
) latest
order by at, id;
