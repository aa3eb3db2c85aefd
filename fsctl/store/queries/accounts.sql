-- What Meta tells of our numbers and account.

-- name: told
-- Gives a row only when nothing later is known.
insert into account_state (kind, subject, at, detail, data, expires_at)
values (%(kind)s, %(subject)s, %(at)s, %(detail)s, %(data)s, %(expires_at)s)
on conflict (kind, subject) do update
set at = excluded.at, detail = excluded.detail, data = excluded.data, expires_at = excluded.expires_at
where (excluded.at, excluded.detail) > (account_state.at, account_state.detail)
returning kind;

-- name: expire
-- What is over by itself.
update account_state set detail = '' where detail <> '' and expires_at <= now() returning kind, subject;
