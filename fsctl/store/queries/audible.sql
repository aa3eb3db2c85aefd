-- Recordings of a call for those who listen.

-- name: of_call
-- In order of their beginning. One may be heard once the story says that it is ready, which it does when what must not
-- be heard is silenced (redactions.silenced), and while nothing new is to be silenced.
select r.state, r.uri, r.format, r.sha256, r.duration_ms, r.channels, r.rate, r.started_at,
       r.state = 'archived'
       and exists (select from call_event e
                   where e.call_uuid = r.call_uuid and e.kind = 'recording_ready' and e.key = r.path)
       and not exists (select from redaction d where d.recording_id = r.id and d.silenced_at is null) as is_ready
from recording r where r.call_uuid = %(call_uuid)s
order by r.started_at, r.id;
