"""A house with one of everything that stands in a thread, for those who read pages, views and transcripts."""

from typing import Any

import psycopg

from fsctl.store.db import Database
from fsctl.store.sequence import Sequence

SUPPRESSED = "Thank you for watching."
"""What a guard took for invented: nobody may see it."""

_FILL = """
insert into contact (display_name, language) values ('Ann Example', 'en');
insert into alias (kind, value, contact_id) values ('wa_id', '15550100142', 1), ('bsuid', 'US.1', 1);
insert into alias (kind, value, contact_id, ended_at) values ('phone', '15550100199', 1, now());
insert into thread (contact_id, business_number) values (1, '15550100900');
insert into message (thread_id, wamid, direction, body, sent_at, media, first_body, context, extra) values
    (1, 'w-1', 'inbound', 'Where is my order?', '2026-11-22T09:00Z', null, 'Were is my odrer?', null, '{"raw": 1}'),
    (1, 'w-2', 'outbound', 'On its way.', '2026-11-22T09:01Z', '{"id": "m"}', null, '{"id": "w-1"}', null);
insert into message_status (wamid, status, rank, at) values
    ('w-2', 'sent', 1, '2026-11-22T09:01Z'), ('w-2', 'read', 4, '2026-11-22T09:02Z');
insert into reaction (wamid, target, direction, emoji, at) values
    ('r-1', 'w-2', 'inbound', '👍', '2026-11-22T09:03Z');
insert into call (uuid, node, channel, phase, contact_id, thread_id, wacid, display_name, to_number, queue, agent,
                  offered_at, queued_at, bridged_at, ended_at, disposition, fault, cta_payload) values
    ('c-1', 'fs1', 'whatsapp', 'ended', 1, 1, 'wacid.1', 'Ann', '15550100900', 'sales@fsctl', 'bob',
     '2026-11-22T10:00Z', '2026-11-22T10:00:05Z', '2026-11-22T10:00:09Z', '2026-11-22T10:05Z', 'answered', 'nobody',
     'a payload'),
    ('c-2', 'fs1', 'whatsapp', 'ended', 1, 1, null, 'Ann', '15550100900', 'sales@fsctl', null,
     '2026-11-22T11:00Z', '2026-11-22T11:00:05Z', null, '2026-11-22T11:05Z', 'abandoned', 'caller', null);
insert into recording (call_uuid, node, path, state, started_at, transcribed_at) values
    ('c-1', 'fs1', '/a.wav', 'archived', '2026-11-22T10:00:02Z', '2026-11-22T10:06Z'),
    ('c-1', 'fs1', '/b.wav', 'archived', '2026-11-22T10:03:02Z', '2026-11-22T10:07Z');
insert into utterance (recording_id, call_uuid, leg, start_sample, end_sample, rate, state)
select r, 'c-1', case u % 2 when 0 then 'agent' else 'caller' end, u * 16000, u * 16000 + 8000, 16000, 'done'
from generate_series(1, 2) r, generate_series(1, 3) u;
insert into segment
    (utterance_id, call_uuid, leg, start_ms, end_ms, text, language, model, pass, suppressed_by) values
    (1, 'c-1', 'caller', 1000, 1500, 'I want a reef and.', 'en', 'whisper-tiny', 'live', null),
    (1, 'c-1', 'caller', 1000, 1500, 'I want a refund.', 'en', 'whisper-base', 'final', null),
    (2, 'c-1', 'agent', 2000, 2500, 'Which card did you use?', 'en', 'whisper-base', 'final', null),
    (3, 'c-1', 'caller', 3000, 3500, 'Thank you for watching.', 'en', 'whisper-base', 'final', 'known_invention'),
    (4, 'c-1', 'caller', 1000, 1500, 'Goodbye.', 'en', 'whisper-base', 'final', null);
update segment set superseded_by = 2 where id = 1;
insert into touch (key, thread_id, at, source, trusted, ctwa_clid) values
    ('message/w-1', 1, '2026-11-22T09:00Z', 'ad', true, 'click');
insert into outcome (call_uuid, at, kind, value, currency, who) values
    ('c-1', '2026-11-22T10:06Z', 'sale', 12.5, 'EUR', 'bob');
insert into followup (call_uuid, thread_id, outcome, reason, offer, outbox_key, decided_at) values
    ('c-2', 1, 'message', '', 'slot', 'followup/c-2', '2026-11-22T11:06Z');
insert into callback (call_uuid, thread_id, queue, starts_at, ends_at, booked_at, changed_at, payload) values
    ('c-2', 1, 'sales@fsctl', '2026-11-23T09:00Z', '2026-11-23T09:30Z', '2026-11-22T11:07Z', now(), 'signed');
insert into witness (wacid, thread_id, direction, at, ended_at, status, alarmed_at) values
    ('wacid.9', 1, 'inbound', '2026-11-22T12:00Z', '2026-11-22T12:01Z', 'FAILED', now());
"""
KINDS = ["message", "touch", "message", "call", "outcome", "call", "followup", "callback", "witness"]
"""In order of time; the message before the touch of the same second, since it was stored before."""


def run(dsn: str, sql: str, *params: object) -> list[dict[str, Any]]:
    with psycopg.connect(dsn, autocommit=True, row_factory=psycopg.rows.dict_row) as connection:
        cursor = connection.execute(sql.encode(), params or None)
        return cursor.fetchall() if cursor.description else []


def fill(database: Database) -> int:
    """One of everything, numbered. Returns: the thread's id."""
    run(database.dsn, _FILL)
    number(database)
    return 1


def number(database: Database) -> None:
    """Give everything its number."""
    while Sequence(database).number():
        pass
