-- What the world outside may read in order, once each: things of threads with the number of their last change, and
-- events. Triggers write them in the transaction of the fact; a sequencer (store/sequence.py) numbers them after its
-- commit, so that who reads on from a number misses nothing. Before the code that needs it. Forward only.

create sequence fsctl_seq;
comment on sequence fsctl_seq is 'One for everything that is numbered. Drawn from by the sequencer alone, which commits before it draws again.';

create table item (
    id         bigint generated always as identity primary key,
    thread_id  bigint,
    at         timestamptz not null,
    kind       text not null
               check (kind in ('message', 'call', 'touch', 'outcome', 'followup', 'callback', 'witness')),
    ref        text not null,
    change_seq bigint unique,
    unique (kind, ref)
) with (fillfactor = 90);
comment on table item is 'Each thing that stands in a thread, in order: (thread_id, at, id). None is ever taken away.';
comment on column item.thread_id is 'Null: a call of which nobody knows who called.';
comment on column item.at is 'By the clock of who told it.';
comment on column item.ref is 'Key of the row in the table of that kind.';
comment on column item.change_seq is 'Of its last change that is numbered; null: it is new. Never taken back, only replaced by a higher one.';
create index on item (thread_id, at, id);

alter table contact add column change_seq bigint unique;
alter table segment add column change_seq bigint unique;
comment on column contact.change_seq is 'Of the last change of the contact or its names; null: not numbered yet.';
comment on column segment.change_seq is 'Of its last change, such as being superseded; null: not numbered yet.';

-- A line for each change of a thing, until it is numbered: adding one waits for nobody and is waited for by nobody. No
-- index: the sequencer takes them as they lie.
create table change (
    kind text not null,
    ref  text not null
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_analyze_threshold = 100000);
comment on table change is 'What changed and is not numbered yet: a kind of item, contact or segment, and its key.';

create table event (
    id         text primary key,
    place      bigint generated always as identity,
    seq        bigint unique,
    type       text not null,
    thread_id  bigint,
    call_uuid  text,
    at         timestamptz not null,
    data       jsonb not null,
    created_at timestamptz not null default now()
);
comment on table event is 'What happened, for CRMs; thin: it says where to look. Append only.';
comment on column event.id is 'Derived from the fact: the same one told twice is one event.';
comment on column event.place is 'Order among those that are numbered together.';
comment on column event.seq is 'Given after the commit; null: not yet.';
create index on event (place) where seq is null;
create index on event (thread_id, seq);
create index on event (created_at);

create table endpoint (
    id               bigint generated always as identity primary key,
    url              text not null,
    types            text[] not null default '{}',
    secret           text not null,
    old_secret       text,
    old_secret_until timestamptz,
    cursor_seq       bigint not null,
    failures         integer not null default 0,
    failing_since    timestamptz,
    disabled_at      timestamptz,
    disabled_why     text not null default '',
    made_by          text not null,
    made_at          timestamptz not null default now()
);
comment on table endpoint is 'Where events are sent.';
comment on column endpoint.types is 'Empty: all but transcript.segment.';
comment on column endpoint.secret is 'Signs; shown once, when it is made.';
comment on column endpoint.old_secret is 'Signs too, until that time: it was rotated.';
comment on column endpoint.cursor_seq is 'Events up to this one have their delivery, where they are wanted.';
comment on column endpoint.failures is 'Deliveries that failed one after the other, with none that went well in between.';
comment on column endpoint.disabled_at is 'Nothing is sent. Enabled again, it goes on where it stopped.';

create table delivery (
    endpoint_id bigint not null references endpoint on delete cascade,
    seq         bigint not null,
    event_id    text not null references event,
    lane        text not null,
    state       text not null default 'waiting' check (state in ('waiting', 'delivered', 'dead')),
    attempts    integer not null default 0,
    due_at      timestamptz not null default now(),
    is_held     boolean not null default false,
    fence       integer not null default 0,
    status      integer,
    error       text not null default '',
    tried_at    timestamptz,
    settled_at  timestamptz,
    primary key (endpoint_id, seq)
);
comment on table delivery is 'An event for an endpoint. Of one lane at one endpoint, one goes after the other.';
comment on column delivery.lane is 'The thread; the call, where there is none.';
comment on column delivery.state is 'dead: the last try failed too; it is sent again when a person says so.';
comment on column delivery.due_at is 'When it is tried next; held: when who holds it is taken for dead.';
comment on column delivery.fence is 'Counts the claims: what an older one brings back is not taken.';
comment on column delivery.status is 'HTTP status of the last try; null: there was no answer.';
create index on delivery (endpoint_id, lane, seq) where state = 'waiting';
create index on delivery (endpoint_id, due_at) where state = 'waiting';
create index on delivery (event_id);
create index on delivery (settled_at) where state = 'delivered';

-- --- items ---------------------------------------------------------------------------------------------------

create function fsctl_changed() returns trigger language plpgsql as $$
begin
    insert into change (kind, ref) values (new.kind, new.ref);
    return null;
end $$;
create trigger changed after insert on item for each row execute function fsctl_changed();
create trigger changed_later after update of thread_id, at on item for each row execute function fsctl_changed();

-- A row that stands in a thread. Arguments: kind, its key, its time. Messages and calls, of which there are many, have
-- functions of their own.
create function fsctl_stands() returns trigger language plpgsql as $$
declare
    one jsonb := to_jsonb(new);
begin
    insert into item (kind, ref, thread_id, at)
    values (tg_argv[0], one ->> tg_argv[1], (one ->> 'thread_id')::bigint, (one ->> tg_argv[2])::timestamptz)
    on conflict (kind, ref) do update set thread_id = excluded.thread_id, at = excluded.at;
    return null;
end $$;
create trigger stands after insert or update on touch
    for each row execute function fsctl_stands('touch', 'id', 'at');
create trigger stands after insert or update on followup
    for each row execute function fsctl_stands('followup', 'call_uuid', 'decided_at');
create trigger stands after insert or update on callback
    for each row execute function fsctl_stands('callback', 'id', 'booked_at');
-- Once it is said that the call never reached us. One that is joined with its call later stays, and says so.
create trigger stands after insert or update on witness
    for each row when (new.thread_id is not null and new.alarmed_at is not null)
    execute function fsctl_stands('witness', 'wacid', 'at');
create trigger stands_joined after update on witness
    for each row when (old.alarmed_at is not null and new.alarmed_at is null and new.thread_id is not null)
    execute function fsctl_stands('witness', 'wacid', 'at');

-- What is told of a message afterwards is in rows of other tables, by its wamid, before it or after.
create function fsctl_message_told() returns trigger language plpgsql as $$
declare
    named text := to_jsonb(new) ->> tg_argv[0];
begin
    insert into change (kind, ref) select 'message', id::text from message where wamid = named;
    return null;
end $$;
create trigger told after insert or update on message_status for each row execute function fsctl_message_told('wamid');
create trigger told after insert or update on reaction for each row execute function fsctl_message_told('target');

create function fsctl_contact_changed() returns trigger language plpgsql as $$
begin
    if tg_table_name = 'contact' then
        insert into change (kind, ref) values ('contact', new.id::text);
    elsif tg_op <> 'DELETE' then
        insert into change (kind, ref) values ('contact', new.contact_id::text);
    end if;
    if tg_table_name = 'alias' and tg_op <> 'INSERT' then
        insert into change (kind, ref) values ('contact', old.contact_id::text);
    end if;
    return null;
end $$;
create trigger changed after insert or update of display_name, language, vip, merged_into, opted_out_at on contact
    for each row execute function fsctl_contact_changed();
create trigger changed after insert or delete on alias for each row execute function fsctl_contact_changed();
create trigger changed_later after update on alias
    for each row when (new.contact_id <> old.contact_id or new.ended_at is distinct from old.ended_at)
    execute function fsctl_contact_changed();

-- --- events --------------------------------------------------------------------------------------------------

-- An event, once. What it is of, and which telling of it, make its id (crm/events.py has the same).
create function fsctl_tell(
    type text, object text, version text, thread_id bigint, call_uuid text, at timestamptz, data jsonb
) returns void language plpgsql as $$
begin
    insert into event (id, type, thread_id, call_uuid, at, data)
    values (
        'evt_' || left(encode(sha256(convert_to(
            fsctl_tell.type || chr(10) || object || chr(10) || version, 'UTF8')), 'hex'), 32),
        fsctl_tell.type, fsctl_tell.thread_id, fsctl_tell.call_uuid, fsctl_tell.at, fsctl_tell.data)
    on conflict (id) do nothing;
end $$;

-- A call is written some eight times: here is all that hangs on it, in one function.
create function fsctl_call_changed() returns trigger language plpgsql as $$
declare
    was call;
begin
    if tg_op = 'UPDATE' then
        was := old;
    end if;
    if tg_op = 'INSERT' or new.thread_id is distinct from was.thread_id then
        insert into item (kind, ref, thread_id, at) values ('call', new.uuid, new.thread_id, new.offered_at)
        on conflict (kind, ref) do update set thread_id = excluded.thread_id;
        if was.thread_id is not null then
            update item set thread_id = new.thread_id
            where kind = 'outcome' and ref in (select id::text from outcome where call_uuid = new.uuid);
        end if;
    else
        insert into change (kind, ref) values ('call', new.uuid);
    end if;
    if new.thread_id is not null and was.thread_id is null and was.ended_at is null
       and new.found in ('live', 'resync') then
        perform fsctl_tell('call.offered', new.uuid, '', new.thread_id, new.uuid, new.offered_at, jsonb_build_object(
            'contact_id', new.contact_id, 'queue', new.queue, 'language', new.language, 'channel', new.channel));
    end if;
    if new.bridged_at is not null and was.bridged_at is null then
        perform fsctl_tell('call.connected', new.uuid, '', new.thread_id, new.uuid, new.bridged_at, jsonb_build_object(
            'agent', new.agent, 'queue', new.queue));
    end if;
    -- The queue may report after the channel is gone: when that changes the verdict, it is told again.
    if new.ended_at is not null
       and (was.ended_at is null or new.disposition is distinct from was.disposition) then
        perform fsctl_tell('call.ended', new.uuid, coalesce(new.disposition, ''), new.thread_id, new.uuid, new.ended_at,
            jsonb_build_object('disposition', new.disposition, 'fault', new.fault, 'hangup_cause', new.hangup_cause,
                'agent', new.agent, 'queue', new.queue, 'offered_at', new.offered_at, 'bridged_at', new.bridged_at));
        if new.disposition not in ('answered', 'refused') then
            perform fsctl_tell('call.missed', new.uuid, '', new.thread_id, new.uuid, new.ended_at,
                jsonb_build_object('disposition', new.disposition, 'queue', new.queue));
        end if;
    end if;
    return null;
end $$;
create trigger changed after insert on call for each row execute function fsctl_call_changed();
create trigger changed_later after update on call
    for each row when (old.* is distinct from new.*) execute function fsctl_call_changed();

-- Lines of the story that are events too. Most are not, and pay for the comparison alone.
create function fsctl_story_told() returns trigger language plpgsql as $$
declare
    its call;
begin
    select * into its from call where uuid = new.call_uuid;
    if new.kind = 'agent_offered' then
        perform fsctl_tell('call.ringing', new.call_uuid, new.key || chr(10) || extract(epoch from new.at),
            its.thread_id, new.call_uuid, new.at,
            jsonb_build_object('contact_id', its.contact_id, 'queue', its.queue, 'agent', new.data ->> 'agent'));
        return null;
    end if;
    insert into change (kind, ref) values ('call', new.call_uuid);
    perform fsctl_tell(replace(new.kind, '_', '.'), new.call_uuid, new.key || chr(10) || extract(epoch from new.at),
        its.thread_id, new.call_uuid, new.at, case new.kind
            when 'recording_ready' then jsonb_build_object('format', new.data -> 'format',
                'bytes', new.data -> 'bytes', 'duration_ms', new.data -> 'duration_ms', 'sha256', new.data -> 'sha256')
            when 'transcript_ready' then jsonb_build_object('segments', new.data -> 'segments',
                'suppressed', new.data -> 'suppressed', 'failed', new.data -> 'failed', 'final', new.data -> 'final')
            else '{}' end);
    return null;
end $$;
create trigger told after insert on call_event
    for each row when (new.kind in ('agent_offered', 'recording_ready', 'recording_failed', 'transcript_ready'))
    execute function fsctl_story_told();

create function fsctl_thread_told() returns trigger language plpgsql as $$
begin
    perform fsctl_tell('chat.started', new.id::text, '', new.id, null, new.created_at, jsonb_build_object(
        'contact_id', new.contact_id, 'business_number', new.business_number));
    return null;
end $$;
create trigger told after insert on thread for each row execute function fsctl_thread_told();

create function fsctl_message_changed() returns trigger language plpgsql as $$
begin
    insert into item (kind, ref, thread_id, at) values ('message', new.id::text, new.thread_id, new.sent_at)
    on conflict (kind, ref) do update set thread_id = excluded.thread_id;
    if tg_op = 'INSERT' and new.direction = 'inbound' then
        perform fsctl_tell('message.received', new.wamid, '', new.thread_id, null, new.sent_at, jsonb_build_object(
            'message_id', new.id, 'wamid', new.wamid, 'message_type', new.type));
    end if;
    return null;
end $$;
create trigger changed after insert or update on message for each row execute function fsctl_message_changed();

create function fsctl_touch_told() returns trigger language plpgsql as $$
begin
    perform fsctl_tell('touch.recorded', new.key, '', new.thread_id, new.call_uuid, new.at, jsonb_build_object(
        'touch_id', new.id, 'source', new.source, 'trusted', new.trusted));
    return null;
end $$;
create trigger told after insert on touch for each row execute function fsctl_touch_told();

-- An outcome is of a thread, or of a call and so of its thread.
create function fsctl_outcome_told() returns trigger language plpgsql as $$
declare
    its bigint := coalesce(new.thread_id, (select c.thread_id from call c where c.uuid = new.call_uuid));
begin
    insert into item (kind, ref, thread_id, at) values ('outcome', new.id::text, its, new.at)
    on conflict (kind, ref) do update set thread_id = excluded.thread_id;
    if tg_op = 'INSERT' then
        perform fsctl_tell('outcome.set', new.id::text, '', its, new.call_uuid, new.at, jsonb_build_object(
            'outcome_id', new.id, 'outcome', new.kind, 'value', new.value, 'currency', new.currency));
    end if;
    return null;
end $$;
create trigger told after insert or update on outcome for each row execute function fsctl_outcome_told();

-- Text as it comes is an event only where an endpoint asks for it: there is much of it.
create function fsctl_segments_added() returns trigger language plpgsql as $$
begin
    insert into change (kind, ref) select 'segment', id::text from added;
    if exists (select from endpoint where disabled_at is null and 'transcript.segment' = any(types)) then
        perform fsctl_tell('transcript.segment', a.id::text, '', c.thread_id, a.call_uuid, a.created_at,
            jsonb_build_object('segment_id', a.id, 'leg', a.leg, 'start_ms', a.start_ms, 'end_ms', a.end_ms,
                'language', a.language, 'pass', a.pass))
        from added a join call c on c.uuid = a.call_uuid where a.suppressed_by is null order by a.id;
    end if;
    return null;
end $$;
create trigger added after insert on segment referencing new table as added
    for each statement execute function fsctl_segments_added();
create function fsctl_segment_changed() returns trigger language plpgsql as $$
begin
    insert into change (kind, ref) values ('segment', new.id::text);
    return null;
end $$;
create trigger changed_later after update of text, superseded_by, suppressed_by, redacted on segment
    for each row execute function fsctl_segment_changed();

-- --- what was there before -----------------------------------------------------------------------------------
-- Things are numbered; events begin now.

insert into item (kind, ref, thread_id, at)
select kind, ref, thread_id, at from (
    select 'message' as kind, id::text as ref, thread_id, sent_at as at from message
    union all select 'call', uuid, thread_id, offered_at from call
    union all select 'touch', id::text, thread_id, at from touch
    union all select 'outcome', o.id::text, coalesce(o.thread_id, c.thread_id), o.at
              from outcome o left join call c on c.uuid = o.call_uuid
    union all select 'followup', call_uuid, thread_id, decided_at from followup
    union all select 'callback', id::text, thread_id, booked_at from callback
    union all select 'witness', wacid, thread_id, at from witness where thread_id is not null and alarmed_at is not null
) found order by at;
insert into change (kind, ref) select 'contact', id::text from contact;
insert into change (kind, ref) select 'segment', id::text from segment;
