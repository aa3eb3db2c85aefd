-- The call and its story.

-- name: save_call
-- Make the row say this (the fields of Call, by name), and add the fact that made it so, where there is one: most
-- steps are these two, and one statement is one wait. The same fact told twice stands once.
with fact as (
    insert into call_event (call_uuid, at, kind, key, data)
    select %(uuid)s::text, %(at)s::timestamptz, %(kind)s::text, %(key)s::text, %(data)s::jsonb
    where %(kind)s::text is not null
    on conflict (call_uuid, kind, at, key) do nothing
)
insert into call (
    uuid, node, channel, phase, contact_id, thread_id, wacid, aliases, display_name, to_number, cta_payload,
    deeplink_payload, country, transport, queue, route_reason, language, agent, agent_uuid, offered_at,
    answered_at, queued_at, bridged_at, ended_at, member_cause, hangup_cause, disposition, fault, encryption, mos,
    found, request_params, payload_trusted, score, skill, sticky_agent, expected_wait_s, answer_within_s, consent,
    refused, left_by, loss_percent, jitter_ms, member_uuid
) values (
    %(uuid)s, %(node)s, %(channel)s, %(phase)s, %(contact_id)s, %(thread_id)s, %(wacid)s, %(aliases)s,
    %(display_name)s, %(to_number)s, %(cta_payload)s, %(deeplink_payload)s, %(country)s, %(transport)s,
    %(queue)s, %(route_reason)s, %(language)s, %(agent)s, %(agent_uuid)s, %(offered_at)s, %(answered_at)s,
    %(queued_at)s, %(bridged_at)s, %(ended_at)s, %(member_cause)s, %(hangup_cause)s, %(disposition)s,
    %(fault)s, %(encryption)s, %(mos)s, %(found)s, %(request_params)s, %(payload_trusted)s, %(score)s, %(skill)s,
    %(sticky_agent)s, %(expected_wait_s)s, %(answer_within_s)s, %(consent)s, %(refused)s, %(left_by)s,
    %(loss_percent)s, %(jitter_ms)s, %(member_uuid)s
)
on conflict (uuid) do update set
    phase = excluded.phase, contact_id = excluded.contact_id, thread_id = excluded.thread_id,
    wacid = excluded.wacid, queue = excluded.queue, route_reason = excluded.route_reason,
    language = excluded.language, agent = excluded.agent, agent_uuid = excluded.agent_uuid,
    answered_at = excluded.answered_at, queued_at = excluded.queued_at, bridged_at = excluded.bridged_at,
    ended_at = excluded.ended_at, member_cause = excluded.member_cause, hangup_cause = excluded.hangup_cause,
    disposition = excluded.disposition, fault = excluded.fault, encryption = excluded.encryption,
    mos = excluded.mos, payload_trusted = excluded.payload_trusted, score = excluded.score, skill = excluded.skill,
    sticky_agent = excluded.sticky_agent, expected_wait_s = excluded.expected_wait_s,
    answer_within_s = excluded.answer_within_s, consent = excluded.consent, refused = excluded.refused,
    left_by = excluded.left_by, loss_percent = excluded.loss_percent, jitter_ms = excluded.jitter_ms,
    member_uuid = excluded.member_uuid;

-- name: append_event
-- A fact that changes nothing of its call.
insert into call_event (call_uuid, at, kind, key, data)
values (%(call_uuid)s, %(at)s, %(kind)s, %(key)s, %(data)s)
on conflict (call_uuid, kind, at, key) do nothing;

-- name: wake
-- For those who watch the story; see store.db, Bell.
select pg_notify('fsctl_story', '');

-- name: load_call
select * from call where uuid = %(uuid)s;

-- name: open_calls
-- What this node had going when we last looked.
select * from call where node = %(node)s and phase <> 'ended' order by offered_at;

-- name: open_bridge
insert into bridge (call_uuid, agent_uuid, agent, started_at)
values (%(call_uuid)s, %(agent_uuid)s, %(agent)s, %(started_at)s)
on conflict (call_uuid, agent_uuid, started_at) do nothing;

-- name: close_bridge
update bridge set ended_at = %(ended_at)s
where call_uuid = %(call_uuid)s and ended_at is null
  and (%(agent_uuid)s::text is null or agent_uuid = %(agent_uuid)s);

-- name: calls_of_thread
select * from call where thread_id = %(thread_id)s order by offered_at;

-- name: story_since
-- Facts and text after two cursors, in order of time, for those who watch.
select 'event' as source, e.id, e.call_uuid, e.at, e.kind, e.data, c.display_name, c.to_number, c.queue, c.agent,
       c.disposition, null::text as leg, null::text as text, null::text as suppressed_by,
       null::integer as start_ms, null::integer as end_ms
from call_event e join call c on c.uuid = e.call_uuid
where e.id > %(event_cursor)s
union all
select 'segment', s.id, s.call_uuid, s.created_at, 'segment', '{}', c.display_name, c.to_number, c.queue, c.agent,
       c.disposition, s.leg, s.text, s.suppressed_by, s.start_ms, s.end_ms
from segment s join call c on c.uuid = s.call_uuid
where s.id > %(segment_cursor)s
order by source, id
limit 500;

-- name: story_cursors
select coalesce((select max(id) from call_event), 0) as event_cursor,
       coalesce((select max(id) from segment), 0) as segment_cursor;
