-- Tokens. A secret is never here, only its SHA-256.

-- name: add
insert into token (name, digest, scopes, expires_at)
values (%(token)s, %(digest)s, %(scopes)s::text[], %(expires_at)s)
on conflict (name) where revoked_at is null do nothing
returning id;

-- name: list
select id, name, scopes, created_at, expires_at, last_used_at, revoked_at from token order by name, id;

-- name: revoke
update token set revoked_at = now() where name = %(token)s and revoked_at is null;

-- name: known
with found as (
    select * from token
    where digest = %(digest)s and revoked_at is null and (expires_at is null or expires_at > %(at)s)
), used as (
    update token t set last_used_at = %(at)s from found f
    where t.id = f.id and (f.last_used_at is null or f.last_used_at < %(at)s::timestamptz - interval '1 minute')
)
select id, name, scopes, created_at, expires_at, last_used_at, revoked_at from found;
