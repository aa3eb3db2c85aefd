"""A thread for programs: one JSON object. Times are ISO 8601 in UTC; offsets carry their unit in the name."""

import json
from datetime import UTC, datetime
from typing import Any

from fsctl.call import disposition
from fsctl.store.followups import Followup
from fsctl.store.items import (
    CallbackItem,
    CallItem,
    Item,
    MessageItem,
    OutcomeItem,
    ThreadView,
    TouchItem,
    TurnItem,
    WitnessItem,
)
from fsctl.store.touches import Touch


def render(view: ThreadView) -> str:
    """The thread as JSON, indented."""
    return json.dumps(as_dict(view), ensure_ascii=False, indent=2)


def as_dict(view: ThreadView) -> dict[str, Any]:
    """The thread as plain values."""
    thread = view.thread
    return {
        "thread_id": thread.id or None,
        "contact": contact_as_dict(view),
        "business_number": thread.business_number,
        "items": [item_as_dict(item) for item in view.items],
    }


def contact_as_dict(view: ThreadView) -> dict[str, Any]:
    """Who the customer is, by all names, as plain values."""
    return {
        "id": view.thread.contact_id or None,
        "name": view.thread.display_name,
        "language": view.thread.language,
        "aliases": [{"kind": kind, "value": value} for kind, value in view.aliases],
    }


def item_as_dict(item: Item) -> dict[str, Any]:
    """An item of a thread as plain values; ``item`` says of which kind it is."""
    match item:
        case MessageItem():
            return _message(item)
        case CallItem():
            return call_as_dict(item)
        case TouchItem():
            return {"item": "touch", "at": _iso(item.at), **_touch(item.touch)}
        case CallbackItem():
            return _callback(item)
        case WitnessItem():
            return _witness(item)
        case OutcomeItem():
            return _outcome(item)


def _message(item: MessageItem) -> dict[str, Any]:
    message = item.message
    return {
        "item": "message",
        "at": _iso(item.at),
        "wamid": message.wamid,
        "direction": message.direction,
        "type": message.type,
        "body": message.body,
        "media": message.media,
        "context": message.context,
        "edited_at": _iso(message.edited_at),
        "deleted_at": _iso(message.deleted_at),
        "status": message.status,
        "error": {"code": message.code, "title": message.title} if message.status == "failed" else None,
        "reactions": dict(message.reactions),
        "touches": [_touch(one) for one in item.touches],
    }


def _touch(touch: Touch) -> dict[str, Any]:
    return {
        "source": touch.source,
        "trusted": touch.trusted,
        "ctwa_clid": touch.ctwa_clid or None,
        "source_id": touch.source_id or None,
        "campaign": touch.campaign or None,
        "headline": touch.headline or None,
        "url": touch.url or None,
    }


def _callback(item: CallbackItem) -> dict[str, Any]:
    one = item.callback
    return {
        "item": "callback",
        "at": _iso(item.at),
        "missed_call": one.call_uuid,
        "queue": one.queue,
        "starts_at": _iso(one.starts_at),
        "ends_at": _iso(one.ends_at),
        "state": one.state,
        "reason": one.reason or None,
    }


def _witness(item: WitnessItem) -> dict[str, Any]:
    seen = item.witness
    return {
        "item": "unseen_call",
        "at": _iso(item.at),
        "wacid": seen.wacid,
        "direction": seen.direction,
        "ended_at": _iso(seen.ended_at),
        "status": seen.status,
        "duration_s": seen.duration_s,
    }


def _outcome(item: OutcomeItem) -> dict[str, Any]:
    said = item.outcome
    return {
        "item": "outcome",
        "at": _iso(item.at),
        "kind": said.kind,
        "value": None if said.value is None else str(said.value),
        "currency": said.currency,
        "order_ref": said.order_ref or None,
        "note": said.note or None,
        "who": said.who,
        "call": said.call_uuid,
        "counts": said.counts,
    }


def call_as_dict(item: CallItem) -> dict[str, Any]:
    """A call of a thread as plain values."""
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
        "touches": [_touch(one) for one in item.touches],
        "followup": _followup(item.followup),
        "transcript": {
            "whole": item.progress.is_whole,
            "utterances": item.progress.utterances,
            "failed": item.progress.failed,
            "talk": item.talk,
            "turns": [_turn(spoken) for spoken in item.turns],
        },
    }


def _followup(followup: Followup | None) -> dict[str, Any] | None:
    if followup is None:
        return None
    return {
        "outcome": followup.outcome,
        "reason": followup.reason,
        "offer": followup.offer,
        "decided_at": _iso(followup.decided_at),
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
