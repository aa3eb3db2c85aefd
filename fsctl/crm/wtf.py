"""The text of a call in the World Transcription Format (draft-howe-vcon-wtf-extension-02, section 6.2).

Seconds count from the beginning of the call's first recording. Each leg has a channel of its own, so who speaks is
known and no guess.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fsctl.store.items import CallItem
from fsctl.transcribe.turns import Segment

TYPE = "wtf_transcription"
"""Of the analysis, and the extension's name."""
SCHEMA = "draft-howe-vcon-wtf-extension-02"
UNKNOWN_LANGUAGE = "und"
"""BCP 47: undetermined."""


@dataclass(frozen=True)
class Speaker:
    """Who speaks on a leg."""

    id: int
    """Index of the party."""
    label: str


def body(item: CallItem, speakers: Mapping[str, Speaker]) -> dict[str, Any]:
    """The text of a call that has some. Args: speakers: leg -> who."""
    said = [segment for spoken in item.turns for segment in spoken.turn.segments]
    trusted = _confidence(said)
    duration_s = _duration_s(item, said)
    return {
        "transcript": {
            "text": " ".join(one.text.strip() for one in said),
            "language": _language(said),
            "duration": duration_s,
            "confidence": trusted or 0.0,
        },
        "segments": [_segment(number, one, speakers) for number, one in enumerate(said)],
        "metadata": _metadata(item, duration_s),
        "speakers": {str(who.id): _speaker(leg, who, said) for leg, who in speakers.items()},
        "quality": {
            "multiple_speakers": len({one.leg for one in said}) > 1,
            **({} if trusted is None else {"average_confidence": trusted}),
            "processing_warnings": _warnings(item, said),
        },
    }


def _segment(number: int, one: Segment, speakers: Mapping[str, Speaker]) -> dict[str, Any]:
    return {
        "id": number,
        "start": one.start_ms / 1000,
        "end": _end_ms(one) / 1000,
        "text": one.text.strip(),
        "confidence": _unit(one.confidence),
        "speaker": speakers[one.leg].id,
    }


def _end_ms(one: Segment) -> int:
    """The format wants it after the start."""
    return max(one.end_ms, one.start_ms + 1)


def _unit(confidence: float | None) -> float:
    return 0.0 if confidence is None else round(min(1.0, max(0.0, confidence)), 4)


def _confidence(said: Sequence[Segment]) -> float | None:
    """The mean, each segment by its time; None: the recogniser told none."""
    known = [
        (_unit(one.confidence), _end_ms(one) - one.start_ms) for one in said if one.confidence is not None
    ]
    total = sum(ms for _, ms in known)
    return round(sum(value * ms for value, ms in known) / total, 4) if total else None


def _language(said: Sequence[Segment]) -> str:
    """The one that is spoken longest."""
    heard: Counter[str] = Counter()
    for one in said:
        heard[one.language or UNKNOWN_LANGUAGE] += _end_ms(one) - one.start_ms
    return heard.most_common(1)[0][0] if heard else UNKNOWN_LANGUAGE


def _duration_s(item: CallItem, said: Sequence[Segment]) -> float:
    """Of all audio; at least to the last word."""
    first = min((one.started_at for one in item.recordings), default=None)
    ends = [
        (one.started_at - first).total_seconds() + one.duration_s
        for one in item.recordings
        if first is not None and one.duration_s is not None
    ]
    return round(max([*ends, *(_end_ms(one) / 1000 for one in said)], default=0.0), 3)


def _metadata(item: CallItem, duration_s: float) -> dict[str, Any]:
    recording = item.recordings[0] if item.recordings else None
    began = recording.started_at if recording else item.at
    done = [one.transcribed_at for one in item.recordings if one.transcribed_at is not None]
    engines = [model.partition("-") for model in item.models]
    audio = {
        "duration": duration_s,
        "sample_rate": recording.rate if recording else None,
        "channels": recording.channels if recording else None,
        "format": recording.format if recording else None,
    }
    return {
        "created_at": _iso(began),
        "processed_at": _iso(max(done, default=item.call.ended_at or began)),
        "provider": "+".join(sorted({engine for engine, _, _ in engines})).lower() or "unknown",
        "model": "+".join(model for _, _, model in engines) or "unknown",
        "audio": {key: value for key, value in audio.items() if value is not None},
        "options": {},
    }


def _speaker(leg: str, who: Speaker, said: Sequence[Segment]) -> dict[str, Any]:
    mine = [(number, one) for number, one in enumerate(said) if one.leg == leg]
    return {
        "id": who.id,
        "label": who.label,
        "segments": [number for number, _ in mine],
        "total_time": sum(_end_ms(one) - one.start_ms for _, one in mine) / 1000,
        "confidence": 1.0,
    }


def _warnings(item: CallItem, said: Sequence[Segment]) -> list[str]:
    """What a reader must not take for granted."""
    found = []
    if any(one.confidence is None for one in said):
        found.append("a confidence of 0 means that the recogniser told none")
    if not item.progress.is_whole:
        found.append("the transcript is not whole yet")
    if item.progress.failed:
        found.append(f"{item.progress.failed} utterances could not be decoded")
    if item.redacted:
        found.append(f"taken out before it was stored: {', '.join(item.redacted)}")
    return found


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
