-- Who a customer is: what was said of which name, whose it is now, contacts that became one. Before the code that needs
-- it. Forward only.

alter table alias drop constraint alias_kind_check;
alter table alias add constraint alias_kind_check
    check (kind in ('phone', 'wa_id', 'bsuid', 'parent_bsuid', 'username'));
alter table alias
    add column seen_at  timestamptz not null default now(),
    add column ended_at timestamptz,
    add column split_at timestamptz,
    add column said     text;
update alias set seen_at = created_at;
comment on table alias is 'A name the world has for a contact; unique per Meta business portfolio. The row says whose it is now.';
comment on column alias.seen_at is 'When it was said last, by the sender''s clock.';
comment on column alias.ended_at is 'The customer has another number or user id since then, and nobody has been seen with this one.';
comment on column alias.split_at is 'A person took the name out of its contact: what was said of it before does not count.';
comment on column alias.said is 'As Meta writes it, where value is our own spelling of it (Brazil''s ninth digit).';
-- Brazil's mobile numbers have nine digits; many WhatsApp ids are still written with eight. Where both stand already,
-- the short one is left behind: `fsctl contact merge` joins the two contacts.
update alias a set said = value, value = left(value, 4) || '9' || right(value, 8)
where kind in ('wa_id', 'phone') and value ~ '^55[1-9][1-9][6-9][0-9]{7}$' and not exists (
    select from alias b where b.portfolio = a.portfolio and b.kind = a.kind
                          and b.value = left(a.value, 4) || '9' || right(a.value, 8));

create table alias_word (
    portfolio    text not null default '',
    kind         text not null,
    value        text not null,
    anchor_kind  text not null,
    anchor_value text not null,
    first_at     timestamptz not null,
    last_at      timestamptz not null,
    primary key (portfolio, kind, value, anchor_kind, anchor_value),
    check (first_at <= last_at)
);
comment on table alias_word is 'One webhook or call said this name together with a stronger one, its anchor: of one person.';
create index on alias_word (portfolio, anchor_kind, anchor_value);

create table alias_link (
    portfolio text not null default '',
    old_kind  text not null,
    old_value text not null,
    new_kind  text not null,
    new_value text not null,
    at        timestamptz not null,
    cause     text not null check (cause in ('changed', 'merged')),
    primary key (portfolio, old_kind, old_value, new_kind, new_value, at, cause)
);
comment on table alias_link is 'Who had the old name at that time has the new one: the customer changed it, or a person says that they are one.';
create index on alias_link (portfolio, new_kind, new_value);

alter table contact
    add column merged_into  bigint references contact,
    add column opted_out_at timestamptz,
    add column named_at     timestamptz,
    add column language_at  timestamptz;
comment on column contact.merged_into is 'The contact that this one became; never one that was merged itself.';
comment on column contact.opted_out_at is 'The customer wants nothing that it did not ask for.';
comment on column contact.named_at is 'When the customer called itself so; null: the name came with a call, or from us.';
create index on contact (merged_into) where merged_into is not null;

alter table thread add column merged_into bigint references thread;
comment on column thread.merged_into is 'The thread that has what was in this one; never one that was merged itself.';
create index on thread (merged_into) where merged_into is not null;

create table contact_log (
    id         bigint generated always as identity primary key,
    at         timestamptz not null default now(),
    what       text not null check (what in ('merged', 'split', 'moved', 'changed', 'opted_out')),
    contact_id bigint not null references contact,
    other_id   bigint references contact,
    who        text not null default 'fsctl',
    detail     jsonb not null default '{}'
);
comment on table contact_log is 'What became of contacts and their names, and why. Append only.';
comment on column contact_log.contact_id is 'The one that stayed, got the name, or is spoken of.';
comment on column contact_log.other_id is 'The one that was merged into it, lost the name, or was made by a split.';
create index on contact_log (contact_id);
create index on contact_log (other_id) where other_id is not null;

-- The contact of names that are all its own, now, and were said together before: the usual case, in which nothing but
-- times is written. The first name is the anchor of the others. No contact: something is new, or it was said before what
-- we know already and may mean somebody else; but a user id is one person's at any time. A function, since as one
-- statement it took longer to plan than to run, each time. is_known: at least one of the names is not new.
create function fsctl_seen(
    of_portfolio text, kinds text[], names text[], spellings text[], at timestamptz,
    out contact_id bigint, out is_known boolean
) language plpgsql as $$
declare
    one record;
    word record;
    owner bigint;
    is_latest boolean;
    is_sure boolean := true;
begin
    is_known := false;
    for i in 1 .. cardinality(kinds) loop
        select * into one from alias a where a.portfolio = of_portfolio and a.kind = kinds[i] and a.value = names[i];
        if not found then
            is_sure := false;
            continue;
        end if;
        is_known := true;
        is_latest := one.seen_at <= at;
        is_sure := is_sure and one.ended_at is null and one.contact_id = coalesce(owner, one.contact_id);
        owner := one.contact_id;
        if i = 1 then
            is_sure := is_sure and (one.kind in ('bsuid', 'parent_bsuid') or is_latest);
        else
            select * into word from alias_word w
            where w.portfolio = of_portfolio and w.kind = kinds[i] and w.value = names[i]
              and w.anchor_kind = kinds[1] and w.anchor_value = names[1];
            is_sure := is_sure and found and word.first_at <= at and (is_latest or word.last_at >= at);
        end if;
    end loop;
    if not is_sure then
        return;
    end if;
    contact_id := owner;
    for i in 1 .. cardinality(kinds) loop
        update alias a set seen_at = at, said = nullif(spellings[i], names[i])
        where a.portfolio = of_portfolio and a.kind = kinds[i] and a.value = names[i] and a.seen_at < at;
        update alias_word w set last_at = at
        where w.portfolio = of_portfolio and w.kind = kinds[i] and w.value = names[i]
          and w.anchor_kind = kinds[1] and w.anchor_value = names[1] and w.last_at < at;
    end loop;
end $$;

-- THE ONE LIST of what names a contact or a thread: every table with a column of that name, whoever made it. What
-- follows is not moved as rows: aliases, threads and the log are looked after by the code that merges.
create view fsctl_place as
select c.oid::regclass as relation, a.attname::text as place
from pg_class c
join pg_attribute a on a.attrelid = c.oid and not a.attisdropped and a.attname in ('contact_id', 'thread_id')
where c.relkind in ('r', 'p') and not c.relispartition and c.relnamespace = current_schema()::regnamespace
  and c.relname not in ('alias', 'thread', 'contact_log');
comment on view fsctl_place is 'Columns that name a contact or a thread; a merge moves their rows.';

-- Let every row that names a contact or thread name another one. A row whose table has one like it there already
-- (a unique index says so) stays as it is: merged_into leads from it. Returns rows moved, by table.
create function fsctl_move(place text, old_id bigint, new_id bigint) returns jsonb language plpgsql as $$
declare
    one record;
    spot tid;
    moved bigint;
    done jsonb := '{}';
begin
    for one in select p.relation from fsctl_place p where p.place = fsctl_move.place order by p.relation::text loop
        begin
            execute format('update %s set %I = $1 where %I = $2', one.relation, place, place) using new_id, old_id;
            get diagnostics moved = row_count;
        exception when unique_violation or exclusion_violation then
            moved := 0;
            for spot in execute format('select ctid from %s where %I = $1 for update', one.relation, place)
                using old_id
            loop
                begin
                    execute format('update %s set %I = $1 where ctid = $2', one.relation, place) using new_id, spot;
                    moved := moved + 1;
                exception when unique_violation or exclusion_violation then
                    null;
                end;
            end loop;
        end;
        if moved > 0 then
            done := done || jsonb_build_object(one.relation::text, moved);
        end if;
    end loop;
    return done;
end $$;

-- Let what hangs on these calls name another thread: a split takes calls out.
create function fsctl_bring(calls text[], thread_id bigint) returns void language plpgsql as $$
declare
    one record;
begin
    for one in
        select p.relation from fsctl_place p join pg_attribute a on a.attrelid = p.relation and a.attname = 'call_uuid'
        where p.place = 'thread_id' and not a.attisdropped order by p.relation::text
    loop
        execute format('update %s set thread_id = $1 where call_uuid = any($2)', one.relation) using thread_id, calls;
    end loop;
end $$;

-- Who writes by an id that was read a while ago writes to where it leads now: the controller's memory, a sender's
-- item. The lock waits for a merge that is under way.
create function fsctl_follow() returns trigger language plpgsql as $$
declare
    leads bigint;
begin
    if new.thread_id is not null then
        select merged_into into leads from thread where id = new.thread_id for key share;
        new.thread_id := coalesce(leads, new.thread_id);
    end if;
    return new;
end $$;
create function fsctl_follow_call() returns trigger language plpgsql as $$
declare
    leads bigint;
begin
    if new.contact_id is not null then
        select merged_into into leads from contact where id = new.contact_id for key share;
        new.contact_id := coalesce(leads, new.contact_id);
    end if;
    if new.thread_id is not null then
        select merged_into into leads from thread where id = new.thread_id for key share;
        new.thread_id := coalesce(leads, new.thread_id);
    end if;
    return new;
end $$;
create trigger follow before insert on message for each row execute function fsctl_follow();
create trigger follow before insert on call for each row execute function fsctl_follow_call();
create trigger follow_later before update on call for each row
    when (new.contact_id is distinct from old.contact_id or new.thread_id is distinct from old.thread_id)
    execute function fsctl_follow_call();
