-- Where customers came from, and what came of it. Before the code that needs it. Forward only.

create table touch (
    id        bigint generated always as identity primary key,
    key       text not null unique,
    thread_id bigint not null references thread,
    at        timestamptz not null,
    source    text not null check (source in ('ad', 'link', 'qr', 'button', 'header', 'param')),
    trusted   boolean not null,
    call_uuid text references call,
    wamid     text,
    campaign  text not null default '',
    source_id text not null default '',
    ctwa_clid text not null default '',
    headline  text not null default '',
    url       text not null default '',
    data      jsonb not null default '{}'
);
comment on table touch is 'What brought a customer to a thread: first and last are a matter of time, and asked for when they are needed.';
comment on column touch.key is 'Of the fact that tells it: the same fact told twice stands once.';
comment on column touch.trusted is 'Told by Meta, or carries our own signature; else it is a hint that anybody could send.';
comment on column touch.source_id is 'Meta''s id of the ad; not the click.';
comment on column touch.ctwa_clid is 'Meta''s id of the click. Absent for ads in Status.';
create index on touch (thread_id, at);
create index on touch (call_uuid) where call_uuid is not null;

create table call_link (
    id         bigint generated always as identity primary key,
    payload    text not null unique,
    url        text not null,
    kind       text not null check (kind in ('link', 'qr')),
    number     text not null,
    campaign   text not null,
    queue      text,
    language   text,
    expires_at timestamptz not null,
    made_by    text not null,
    made_at    timestamptz not null default now()
);
comment on table call_link is 'Links that begin a call, as they were made. A call that comes by one brings its payload back.';

create table outcome (
    id        bigint generated always as identity primary key,
    call_uuid text references call,
    thread_id bigint references thread,
    order_ref text not null default '',
    at        timestamptz not null,
    kind      text not null,
    value     numeric(18, 4) check (value >= 0),
    currency  text check (currency ~ '^[A-Z]{3}$'),
    note      text not null default '',
    who       text not null,
    key       text unique,
    made_at   timestamptz not null default now(),
    conversion text,
    check ((call_uuid is null) <> (thread_id is null)),
    check ((value is null) = (currency is null))
);
comment on table outcome is 'What came of a call or of a thread, as an agent or a CRM said it. Append only: of one call or thread, and one order, the latest counts.';
comment on column outcome.order_ref is 'Tells several sales of one call or thread apart; empty where there is one.';
comment on column outcome.key is 'Of a CRM that may say the same twice.';
create index on outcome (call_uuid) where call_uuid is not null;
create index on outcome (thread_id) where thread_id is not null;
comment on column outcome.conversion is 'What was decided about telling Meta: queued, or why not; null: nothing yet.';
create index on outcome (at);
create index on outcome (made_at) where conversion is null;

-- Who names a thread that was merged meanwhile means the one that it became (0010).
create trigger follow before insert on touch for each row execute function fsctl_follow();
create trigger follow before insert on outcome for each row execute function fsctl_follow();

create view outcome_said as
select o.*, not exists (
    select from outcome later
    where (later.call_uuid = o.call_uuid or later.thread_id = o.thread_id) and later.order_ref = o.order_ref
      and (later.at, later.id) > (o.at, o.id)) as counts
from outcome o;
comment on view outcome_said is 'Outcomes, and whether they still count: by their own time, and of two at one moment the one said last.';

-- Calls whose touches are still to be taken. A partial index: the loop asks every second, and most calls have none.
alter table call add column touched_at timestamptz;
comment on column call.touched_at is 'When what the call itself tells of its source was taken into touch.';
create index call_untouched on call (offered_at)
    where touched_at is null and thread_id is not null
      and (cta_payload is not null or deeplink_payload is not null or request_params <> '{}');
