"""A thread for programs: one JSON object. Times are ISO 8601 in UTC; offsets carry their unit in the name."""

import json
from datetime import UTC, datetime
from typing import Any

from fsctl.call import disposition
from fsctl.store.items import CallItem, MessageItem, ThreadView, TurnItem


def render(view: ThreadView) -> str:
    """The thread as JSON, indented."""
    return json.dumps(as_dict(view), ensure_ascii=False, indent=2)


def as_dict(view: ThreadView) -> dict[str, Any]:
    """The thread as plain values."""
    thread = view.thread
    return {
        "thread_id": thread.id,
        "contact": {
            "id": thread.contact_id,
            "name": thread.display_name,
            "language": thread.language,
            "aliases": [{"kind": kind, "value": value} for kind, value in view.aliases],
        },
        "business_number": thread.business_number,
        "items": [_message(i) if isinstance(i, MessageItem) else _call(i) for i in view.items],
    }


def _message(item: MessageItem) -> dict[str, Any]:
    return {
        "item": "message",
        "at": _iso(item.at),
        "wamid": item.wamid,
        "direction": item.direction,
        "type": item.type,
        "body": item.body,
    }


def _call(item: CallItem) -> dict[str, Any]:
    call = item.call
    return {
        "item": "call",
        "at": _iso(item.at),
        "uuid": call.uuid,
        "wacid": call.wacid,
        "node": call.node,
        "channel": call.channel,
        "found": call.found,
        "phase": call.phase.value,
        "disposition": call.disposition.value if call.disposition else None,
        "verdict": disposition.words(call),
        "fault": call.fault.value if call.fault else None,
        "hangup_cause": call.hangup_cause,
        "queue": call.queue,
        "route_reason": call.route_reason,
        "score": call.score,
        "skill": call.skill,
        "sticky_agent": call.sticky_agent,
        "payload_trusted": call.payload_trusted,
        "expected_wait_s": call.expected_wait_s,
        "waited_s": None if call.waited_s is None else round(call.waited_s, 1),
        "answer_within_s": call.answer_within_s,
        "within_service_level": call.is_within_service_level,
        "agent": call.agent,
        "language": call.language,
        "answered_at": _iso(call.answered_at),
        "queued_at": _iso(call.queued_at),
        "bridged_at": _iso(call.bridged_at),
        "ended_at": _iso(call.ended_at),
        "consent": call.consent,
        "refused": call.refused,
        "left_by": call.left_by,
        "encryption": call.encryption,
        "quality": {"mos": call.mos, "loss_percent": call.loss_percent, "jitter_ms": call.jitter_ms},
        "transcript": {
            "whole": item.progress.is_whole,
            "utterances": item.progress.utterances,
            "failed": item.progress.failed,
            "talk": item.talk,
            "turns": [_turn(spoken) for spoken in item.turns],
        },
    }


def _turn(spoken: TurnItem) -> dict[str, Any]:
    turn = spoken.turn
    return {
        "at": _iso(spoken.at),
        "leg": turn.leg,
        "start_ms": turn.start_ms,
        "end_ms": turn.end_ms,
        "text": turn.text,
        "segments": [
            {
                "start_ms": segment.start_ms,
                "end_ms": segment.end_ms,
                "text": segment.text,
                "confidence": segment.confidence,
                "language": segment.language,
            }
            for segment in turn.segments
        ],
    }


def _iso(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat() if at else None
