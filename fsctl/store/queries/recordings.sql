-- Recordings that grow, and the stretches in which an agent speaks.

-- name: open_recording
-- The first who sees it says when it began: the controller by RECORD_START, or the media reader by the file.
insert into recording (call_uuid, node, path, started_at)
values (%(call_uuid)s, %(node)s, %(path)s, %(started_at)s)
on conflict (path) do nothing;

-- name: adopt_recording
-- Found by its file: if its call has ended already, nobody else will say that it is closed.
insert into recording (call_uuid, node, path, started_at, state, stopped_at)
select uuid, %(node)s, %(path)s, %(started_at)s, case when phase = 'ended' then 'closed' else 'growing' end, ended_at
from call where uuid = %(call_uuid)s
on conflict (path) do nothing;

-- name: unseen_call
-- A file that no call claims and no ledger told of: the call began and ended while nobody listened.
insert into call (uuid, node, channel, phase, offered_at, ended_at, hangup_cause, disposition, fault, found)
values (%(call_uuid)s, %(node)s, 'unknown', 'ended', %(started_at)s, %(ended_at)s, 'UNSEEN', 'failed', 'us', 'recording')
on conflict (uuid) do nothing;

-- name: close_recording
update recording set state = 'closed', stopped_at = coalesce(stopped_at, %(stopped_at)s)
where call_uuid = %(call_uuid)s and state = 'growing'
  and (%(path)s::text is null or path = %(path)s);

-- name: live_recordings
-- What the media reader of a node has to read, with what it must know of the call.
select r.id, r.call_uuid, r.path, r.state, r.started_at,
       c.phase = 'ended' as call_ended,
       coalesce((select jsonb_agg(jsonb_build_array(
                    (extract(epoch from b.started_at - r.started_at) * 1000000)::bigint,
                    (extract(epoch from b.ended_at - r.started_at) * 1000000)::bigint) order by b.started_at)
                 from bridge b where b.call_uuid = r.call_uuid), '[]') as bridges
from recording r join call c on c.uuid = r.call_uuid
where r.node = %(node)s and r.state in ('growing', 'closed')
order by r.id;

-- name: known_paths
select path from recording where path = any(%(paths)s);

-- name: describe_recording
update recording set rate = %(rate)s, channels = %(channels)s where id = %(id)s;

-- name: finish_recording
update recording set state = 'cut', bytes = %(bytes)s where id = %(id)s and state = 'closed';

-- name: fail_recording
update recording set state = 'failed', error = %(error)s where id = %(id)s;

-- name: recordings_of_call
select * from recording where call_uuid = %(call_uuid)s order by id;
