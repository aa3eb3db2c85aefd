-- What CRMs select: views that stay as they are, whatever becomes of the tables below, and a role that may read them and
-- nothing else. Columns may be added; none is taken away from crm_v1. Before the code that needs it. Forward only.

create schema crm_v1;
comment on schema crm_v1 is 'Calls, chat and what was said, for CRMs. A change has a number: read on from the highest that you have.';

create view crm_v1.call as
select c.uuid as call_uuid, i.change_seq, c.thread_id, c.contact_id, c.wacid, c.node, c.channel, c.phase, c.disposition,
       c.fault, c.hangup_cause, c.to_number as business_number, c.display_name as caller_name, c.country, c.language,
       c.queue, c.agent, c.offered_at, c.answered_at, c.queued_at, c.bridged_at, c.ended_at,
       c.expected_wait_s, c.answer_within_s, c.consent, c.refused, c.left_by, c.encryption, c.mos, c.loss_percent,
       c.jitter_ms, c.talk, r.recordings, r.transcript_ready_at
from call c
join item i on i.kind = 'call' and i.ref = c.uuid
cross join lateral (
    select coalesce(jsonb_agg(jsonb_build_object(
               'recording_id', r.id, 'state', r.state, 'format', r.format, 'started_at', r.started_at,
               'duration_ms', r.duration_ms, 'channels', r.channels, 'rate', r.rate) order by r.started_at, r.id), '[]')
               as recordings,
           case when bool_and(r.transcribed_at is not null) then max(r.transcribed_at) end as transcript_ready_at
    from recording r where r.call_uuid = c.uuid
) r;
comment on view crm_v1.call is 'Customer conversations by telephone, one row each.';
comment on column crm_v1.call.call_uuid is 'Its key: the uuid of the caller''s channel on FreeSWITCH.';
comment on column crm_v1.call.change_seq is 'Number of its last change; null for a moment when it is new.';
comment on column crm_v1.call.thread_id is 'Thread that it stands in; null: nobody knows who called.';
comment on column crm_v1.call.contact_id is 'Who called; see crm_v1.contact. Null: nobody knows.';
comment on column crm_v1.call.wacid is 'WhatsApp''s id of the call; null: it did not come by WhatsApp.';
comment on column crm_v1.call.node is 'Name of the FreeSWITCH that has it.';
comment on column crm_v1.call.channel is 'How it came: whatsapp, or sip.';
comment on column crm_v1.call.phase is 'offered, answered (by the dialplan), queued, ringing, talking or ended.';
comment on column crm_v1.call.disposition is
    'How it ended: answered, abandoned, timed_out, closed, continued_in_chat, refused or failed; null: it goes on.';
comment on column crm_v1.call.fault is 'On whose side the end lies: nobody, caller, us or network.';
comment on column crm_v1.call.hangup_cause is 'FreeSWITCH''s reason, such as NORMAL_CLEARING.';
comment on column crm_v1.call.business_number is 'Our number that was called.';
comment on column crm_v1.call.caller_name is 'What the call named its caller; written by a stranger, may be empty.';
comment on column crm_v1.call.country is 'Of the caller, as the call told it: ISO 3166-1, two letters.';
comment on column crm_v1.call.language is 'In which it was routed: ISO 639-1.';
comment on column crm_v1.call.queue is 'In which it waited last.';
comment on column crm_v1.call.agent is 'Who talks or talked to the caller, else whose phone rang last.';
comment on column crm_v1.call.offered_at is 'When it came.';
comment on column crm_v1.call.answered_at is 'When the dialplan answered.';
comment on column crm_v1.call.queued_at is 'When it first joined a queue.';
comment on column crm_v1.call.bridged_at is 'When an agent and the caller heard each other first; null: they never did.';
comment on column crm_v1.call.ended_at is 'When the caller''s leg was gone; null: it goes on.';
comment on column crm_v1.call.expected_wait_s is 'Seconds of waiting that were announced.';
comment on column crm_v1.call.answer_within_s is 'Seconds of waiting that the queue promised at most.';
comment on column crm_v1.call.consent is 'Why it is recorded or not: disclosed, given, refused, always or never.';
comment on column crm_v1.call.refused is 'Why the dialplan did not let it through: no-tls, no-srtp, pstn or number.';
comment on column crm_v1.call.left_by is 'How it left the way to an agent: chat, timeout, no-agents or closed.';
comment on column crm_v1.call.encryption is 'Of its media, as negotiated.';
comment on column crm_v1.call.mos is 'Quality of the caller''s line, 1 to 4.5, as FreeSWITCH estimates it.';
comment on column crm_v1.call.loss_percent is 'Of packets from the caller.';
comment on column crm_v1.call.jitter_ms is 'Of packets from the caller, in milliseconds.';
comment on column crm_v1.call.talk is
    'Who spoke how long: duration_ms; shares of it by leg in talk and listen; both, silence, interruptions, longest_monologue. Null until all its text is final.';
comment on column crm_v1.call.recordings is
    'List of its recordings in order: recording_id, state (growing, closed, cut, archived, failed), format, started_at, duration_ms, channels, rate.';
comment on column crm_v1.call.transcript_ready_at is
    'When the last of its recordings had all its text; null: more may come, or nothing was recorded.';

create view crm_v1.transcript_segment as
select s.id as segment_id, s.change_seq, s.call_uuid, c.thread_id, s.leg,
       r.started_at + s.start_ms * interval '1 millisecond' as at,
       s.start_ms + o.ms as start_ms, s.end_ms + o.ms as end_ms,
       s.superseded_by is null and s.suppressed_by is null as stands,
       case when s.superseded_by is null and s.suppressed_by is null then s.text end as text,
       s.language, s.confidence, s.pass, s.model, s.redacted
from segment s
join call c on c.uuid = s.call_uuid
join utterance u on u.id = s.utterance_id
join recording r on r.id = u.recording_id
cross join lateral (
    select (extract(epoch from r.started_at - min(first.started_at)) * 1000)::integer as ms
    from recording first where first.call_uuid = r.call_uuid
) o;
comment on view crm_v1.transcript_segment is 'What was said in calls. A transcript is the segments that stand, by start_ms.';
comment on column crm_v1.transcript_segment.segment_id is 'Its key.';
comment on column crm_v1.transcript_segment.change_seq is 'Number of its last change; null for a moment when it is new.';
comment on column crm_v1.transcript_segment.call_uuid is 'Call in which it was said; see crm_v1.call.';
comment on column crm_v1.transcript_segment.thread_id is 'Thread of the call; null: nobody knows who called.';
comment on column crm_v1.transcript_segment.leg is 'Who said it: caller or agent.';
comment on column crm_v1.transcript_segment.at is 'When it was said.';
comment on column crm_v1.transcript_segment.start_ms is 'Its beginning, in milliseconds from the start of the call''s first recording.';
comment on column crm_v1.transcript_segment.end_ms is 'Its end, likewise.';
comment on column crm_v1.transcript_segment.stands is
    'False: it was replaced by a better one, or was never said. Take it out of your copy.';
comment on column crm_v1.transcript_segment.text is 'What was said; null: it does not stand.';
comment on column crm_v1.transcript_segment.language is 'Of the text: ISO 639-1.';
comment on column crm_v1.transcript_segment.confidence is 'Of the recogniser, 0 to 1.';
comment on column crm_v1.transcript_segment.pass is 'live: made while the call went on; final: made of the whole recording.';
comment on column crm_v1.transcript_segment.model is 'What made the text, as ENGINE-MODEL.';
comment on column crm_v1.transcript_segment.redacted is 'Kinds of text that were taken out before it was stored, such as card.';

create view crm_v1.contact as
select c.id as contact_id, c.change_seq, c.display_name, c.language, c.vip, c.opted_out_at, c.merged_into, c.created_at,
       (select coalesce(jsonb_agg(jsonb_build_object('kind', a.kind, 'value', a.value) order by a.kind, a.value), '[]')
        from alias a where a.contact_id = c.id and a.ended_at is null) as aliases
from contact c;
comment on view crm_v1.contact is 'Customers, with all names that the world has for them.';
comment on column crm_v1.contact.contact_id is 'Its key: ours, since numbers change.';
comment on column crm_v1.contact.change_seq is 'Number of the last change of the contact or its names; null for a moment when it is new.';
comment on column crm_v1.contact.display_name is 'What the customer calls itself; may be empty.';
comment on column crm_v1.contact.language is 'Of the customer: ISO 639-1.';
comment on column crm_v1.contact.vip is 'Set by people.';
comment on column crm_v1.contact.opted_out_at is 'Since then the customer wants nothing that it did not ask for; null: it does.';
comment on column crm_v1.contact.merged_into is 'The contact that this one became; null: it is itself.';
comment on column crm_v1.contact.created_at is 'When it was first seen.';
comment on column crm_v1.contact.aliases is
    'List of its names: kind (phone, wa_id, bsuid, parent_bsuid, username) and value. Those that it no longer has are left out.';

create view crm_v1.thread_item as
select i.id as item_id, i.change_seq, i.thread_id, t.contact_id, t.business_number, i.at, i.kind, i.ref,
    case i.kind
    when 'message' then (
        select jsonb_build_object(
            'message_id', m.id, 'wamid', m.wamid, 'direction', m.direction, 'type', m.type, 'text', m.body,
            'media', m.media, 'reply_to', m.context ->> 'id', 'edited_at', m.edited_at, 'deleted_at', m.deleted_at,
            'status', s.status, 'status_at', s.at, 'error_code', s.code, 'error', s.title,
            'reactions', (
                select coalesce(jsonb_object_agg(x.direction, x.emoji), '{}') from (
                    select distinct on (r.direction) r.direction, r.emoji from reaction r
                    where r.target = m.wamid order by r.direction, r.at desc, r.wamid desc
                ) x where x.emoji <> ''))
        from message m
        left join lateral (
            select y.status, y.at, y.code, y.title from message_status y
            where y.wamid = m.wamid order by y.rank desc, y.at desc, y.status limit 1
        ) s on true
        where m.id = i.ref::bigint)
    when 'call' then (
        select to_jsonb(c) - '{change_seq,thread_id,contact_id,business_number,talk,recordings}'::text[]
        from crm_v1.call c where c.call_uuid = i.ref)
    when 'touch' then (
        select jsonb_build_object(
            'touch_id', o.id, 'source', o.source, 'trusted', o.trusted, 'campaign', o.campaign,
            'source_id', o.source_id, 'ctwa_clid', o.ctwa_clid, 'headline', o.headline, 'url', o.url,
            'call_uuid', o.call_uuid, 'wamid', o.wamid)
        from touch o where o.id = i.ref::bigint)
    when 'outcome' then (
        select jsonb_build_object(
            'outcome_id', o.id, 'outcome', o.kind, 'value', trim_scale(o.value)::text, 'currency', o.currency,
            'order_ref', o.order_ref, 'note', o.note, 'who', o.who, 'call_uuid', o.call_uuid)
        from outcome o where o.id = i.ref::bigint)
    when 'followup' then (
        select jsonb_build_object(
            'call_uuid', f.call_uuid, 'outcome', f.outcome, 'reason', f.reason, 'offer', f.offer)
        from followup f where f.call_uuid = i.ref)
    when 'callback' then (
        select jsonb_build_object(
            'callback_id', b.id, 'call_uuid', b.call_uuid, 'queue', b.queue, 'starts_at', b.starts_at,
            'ends_at', b.ends_at, 'state', b.state, 'reason', b.reason)
        from callback b where b.id = i.ref::bigint)
    when 'witness' then (
        select jsonb_build_object(
            'wacid', w.wacid, 'direction', w.direction, 'ended_at', w.ended_at, 'status', w.status,
            'duration_s', w.duration_s, 'call_uuid', w.call_uuid)
        from witness w where w.wacid = i.ref)
    end as body
from item i left join thread t on t.id = i.thread_id;
comment on view crm_v1.thread_item is 'Everything that stands in threads; in order by (thread_id, at, item_id).';
comment on column crm_v1.thread_item.item_id is 'Its key.';
comment on column crm_v1.thread_item.change_seq is 'Number of its last change; null for a moment when it is new.';
comment on column crm_v1.thread_item.thread_id is 'The chat of a contact with one of our numbers; null: a call of which nobody knows who called.';
comment on column crm_v1.thread_item.contact_id is 'Whose thread it is; see crm_v1.contact.';
comment on column crm_v1.thread_item.business_number is 'Our number that the thread is with.';
comment on column crm_v1.thread_item.at is 'When it happened, by the clock of who told it.';
comment on column crm_v1.thread_item.kind is
    'message; call; touch: what brought the customer; outcome: what somebody said came of it; followup: what was decided about a missed call; callback: a time that the customer chose; witness: a call that Meta saw and we did not.';
comment on column crm_v1.thread_item.ref is 'Key of what it is, as text: of a call its uuid, of a witness its wacid, of a followup its call''s uuid, else a number.';
comment on column crm_v1.thread_item.body is
    'What it is. message: direction, type, text (as edited last; empty when taken back), media, reply_to, status, error, reactions, ...; call: columns of crm_v1.call; an outcome''s value is text: of one call or thread and one order_ref the latest counts.';

create view crm_v1.event as
select e.seq, e.id as event_id, e.type, e.thread_id, e.call_uuid, e.at, e.data from event e where e.seq is not null;
comment on view crm_v1.event is 'What happened, in order; the same that webhooks are sent. Rows are added and never changed.';
comment on column crm_v1.event.seq is 'Its number: higher than that of every event that could be read before it.';
comment on column crm_v1.event.event_id is 'Derived from the fact: the same as in webhooks.';
comment on column crm_v1.event.type is 'Such as call.ended; docs/crm.md has the list.';
comment on column crm_v1.event.thread_id is 'Thread that it is of; null: none, or nobody knows.';
comment on column crm_v1.event.call_uuid is 'Call that it is of; null: none.';
comment on column crm_v1.event.at is 'When it happened, by the clock of who told it.';
comment on column crm_v1.event.data is 'What else is said of it, by type; crm/schemas has them.';

-- Roles belong to the server, not to this database: it may be there already, and we may not be allowed to make one.
do $$
begin
    if not exists (select from pg_roles where rolname = 'fsctl_crm_reader') then
        create role fsctl_crm_reader nologin;
    end if;
    grant usage on schema crm_v1 to fsctl_crm_reader;
    grant select on all tables in schema crm_v1 to fsctl_crm_reader;
exception
    when insufficient_privilege then
        raise warning 'role fsctl_crm_reader was not made: this account may not make roles. docs/crm-sql.md says what to run as one that may';
end $$;
