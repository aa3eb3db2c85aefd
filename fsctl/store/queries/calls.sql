-- The call and its story.

-- What steps of the machine ask for: three statements, of which most steps need the first alone. Each list is JSON.
-- Rows that a statement makes are not seen by its own updates: store.steps begins another one then. The same fact told
-- twice stands once; what is closed stays closed at the earlier time.

-- name: save
-- Calls as they are now, and what happened to them.
with saved as (
    insert into call (
        uuid, node, channel, phase, contact_id, thread_id, wacid, aliases, display_name, to_number, cta_payload,
        deeplink_payload, country, transport, queue, route_reason, language, agent, agent_uuid, offered_at,
        answered_at, queued_at, bridged_at, ended_at, member_cause, hangup_cause, disposition, fault, encryption, mos,
        found, request_params, payload_trusted, score, skill, sticky_agent, expected_wait_s, answer_within_s, consent,
        refused, left_by, loss_percent, jitter_ms, member_uuid, redact, spoken
    )
    select
        uuid, node, channel, phase, contact_id, thread_id, wacid, aliases, display_name, to_number, cta_payload,
        deeplink_payload, country, transport, queue, route_reason, language, agent, agent_uuid, offered_at,
        answered_at, queued_at, bridged_at, ended_at, member_cause, hangup_cause, disposition, fault, encryption, mos,
        found, request_params, payload_trusted, score, skill, sticky_agent, expected_wait_s, answer_within_s, consent,
        refused, left_by, loss_percent, jitter_ms, member_uuid, redact, spoken
    from jsonb_populate_recordset(null::call, %(calls)s)
    on conflict (uuid) do update set
        phase = excluded.phase,
        -- Whose call it is, the row knows better than the controller's memory: contacts are merged and split.
        contact_id = coalesce(call.contact_id, excluded.contact_id),
        thread_id = coalesce(call.thread_id, excluded.thread_id),
        wacid = excluded.wacid, queue = excluded.queue, route_reason = excluded.route_reason,
        language = excluded.language, agent = excluded.agent, agent_uuid = excluded.agent_uuid,
        answered_at = excluded.answered_at, queued_at = excluded.queued_at, bridged_at = excluded.bridged_at,
        ended_at = excluded.ended_at, member_cause = excluded.member_cause, hangup_cause = excluded.hangup_cause,
        disposition = excluded.disposition, fault = excluded.fault, encryption = excluded.encryption,
        mos = excluded.mos, payload_trusted = excluded.payload_trusted, score = excluded.score, skill = excluded.skill,
        sticky_agent = excluded.sticky_agent, expected_wait_s = excluded.expected_wait_s,
        answer_within_s = excluded.answer_within_s, consent = excluded.consent, refused = excluded.refused,
        left_by = excluded.left_by, loss_percent = excluded.loss_percent, jitter_ms = excluded.jitter_ms,
        member_uuid = excluded.member_uuid, redact = excluded.redact, spoken = excluded.spoken
)
insert into call_event (call_uuid, at, kind, key, data)
select call_uuid, at, kind, key, data from jsonb_populate_recordset(null::call_event, %(facts)s)
on conflict (call_uuid, kind, at, key) do nothing;

-- name: bridge
-- When agents were bridged.
with bridged as (
    insert into bridge (call_uuid, agent_uuid, agent, started_at)
    select call_uuid, agent_uuid, agent, started_at from jsonb_populate_recordset(null::bridge, %(bridged)s)
    on conflict (call_uuid, agent_uuid, started_at) do nothing
), parting as (
    select * from jsonb_populate_recordset(null::bridge, %(parted)s)
)
update bridge b set ended_at = (
    select min(p.ended_at) from parting p
    where p.call_uuid = b.call_uuid and coalesce(p.agent_uuid, b.agent_uuid) = b.agent_uuid)
where b.ended_at is null and exists (
    select from parting p
    where p.call_uuid = b.call_uuid and coalesce(p.agent_uuid, b.agent_uuid) = b.agent_uuid);

-- name: record
-- What is recorded, and what of it is not to be heard.
with recorded as (
    -- The first who sees it says when it began: the controller by RECORD_START, or the media reader by the file.
    insert into recording (call_uuid, node, path, started_at)
    select call_uuid, node, path, started_at from jsonb_populate_recordset(null::recording, %(recorded)s)
    on conflict (path) do nothing
), hidden as (
    -- As recordings.open_gap. FreeSWITCH says also that it was asked to mask what it does not record.
    insert into recording_gap (call_uuid, kind, reason, started_at)
    select distinct on (n.call_uuid, n.kind) n.call_uuid, n.kind, n.reason, n.started_at
    from jsonb_to_recordset(%(hidden)s) n (call_uuid text, kind text, path text, reason text, started_at timestamptz)
    join recording r on r.call_uuid = n.call_uuid and r.path = n.path
    where not exists (
        select from recording_gap g
        where g.call_uuid = n.call_uuid and g.kind = n.kind and g.started_at <= n.started_at
          and coalesce(g.ended_at, 'infinity') >= n.started_at)
    order by n.call_uuid, n.kind, n.started_at
    on conflict (call_uuid, started_at) do nothing
), shown as (
    update recording_gap g set ended_at = s.ended_at
    from jsonb_populate_recordset(null::recording_gap, %(shown)s) s
    where g.call_uuid = s.call_uuid and g.kind = s.kind and g.started_at <= s.ended_at and g.ended_at is null
), stopping as (
    select call_uuid, path, min(stopped_at) as stopped_at, max(told_bytes) as told_bytes
    from jsonb_populate_recordset(null::recording, %(stopped)s) group by call_uuid, path
)
update recording r
set state = 'closed', stopped_at = coalesce(r.stopped_at, s.stopped_at), told_bytes = coalesce(r.told_bytes, s.told_bytes)
from (
    select distinct on (r.id) r.id, s.stopped_at, s.told_bytes
    from stopping s join recording r on r.call_uuid = s.call_uuid and coalesce(s.path, r.path) = r.path
    where r.state in ('growing', 'closed')
    order by r.id, s.told_bytes nulls last
) s
where r.id = s.id;

-- name: wake
-- For those who watch the story; see store.db, Bell.
select pg_notify('fsctl_story', '');

-- name: load_call
select * from call where uuid = %(uuid)s;

-- name: open_calls
-- What this node had going when we last looked.
select * from call where node = %(node)s and ended_at is null order by offered_at;

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
  -- What was told live is not told again when the final pass has decoded it.
  and (s.pass = 'live'
       or not exists (select from segment l where l.utterance_id = s.utterance_id and l.pass = 'live'
                      and l.suppressed_by is null))
order by source, id
limit 500;

-- name: story_cursors
select coalesce((select max(id) from call_event), 0) as event_cursor,
       coalesce((select max(id) from segment), 0) as segment_cursor;
