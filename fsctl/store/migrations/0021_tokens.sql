-- Who may ask over HTTP, and for what. Before the code that needs it. Forward only.

create table token (
    id           bigint generated always as identity primary key,
    name         text not null,
    digest       bytea not null unique check (length(digest) = 32),
    scopes       text[] not null check (scopes <> '{}' and scopes <@ array['crm', 'agent', 'supervisor', 'ops']),
    created_at   timestamptz not null default now(),
    expires_at   timestamptz,
    last_used_at timestamptz,
    revoked_at   timestamptz
);
comment on table token is 'Secrets with which programs come; each is shown once, when it is made.';
comment on column token.name is 'Whose it is; stands in the audit. Of those that are not revoked, one has it.';
comment on column token.digest is 'SHA-256 of the secret: it has 256 random bits, so nobody guesses it from this.';
comment on column token.expires_at is 'Null: never.';
comment on column token.last_used_at is 'To the minute.';
create unique index on token (name) where revoked_at is null;
