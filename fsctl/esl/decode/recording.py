"""Recordings: their beginning and end, and the stretches that are not to be heard."""

from collections.abc import Mapping
from datetime import datetime

from fsctl.call import events
from fsctl.call.events import CallEvent
from fsctl.esl.decode import values
from fsctl.esl.decode.origin import Origin, Reader
from fsctl.esl.messages import Event

GAPS: Mapping[str, events.GapKind] = {"mask": "mask", "unmask": "mask", "pause": "pause", "resume": "pause"}
"""What is done to a recording -> the kind of gap that it begins or ends."""


def _started(event: Event, _origin: Origin) -> CallEvent | None:
    path = event.get("Record-File-Path")
    return events.RecordingStarted(uuid=values.uuid(event), at=values.at(event), path=path) if path else None


def _stopped(event: Event, _origin: Origin) -> CallEvent | None:
    path = event.get("Record-File-Path")
    if not path:
        return None
    return events.RecordingStopped(
        uuid=values.uuid(event),
        at=values.at(event),
        path=path,
        duration_ms=values.integer(event.get("variable_record_ms")),
        size_bytes=values.integer(event.get("variable_record_file_size")),
    )


def _ran(event: Event, _origin: Origin) -> CallEvent | None:
    """An application of the dialplan, about to run on the channel that is recorded."""
    _, _, action = (event.get("Application") or "").partition("record_session_")
    reason = values.text(event, "variable_fsctl_mask_reason") or "the dialplan"
    return _gap(values.uuid(event), values.at(event), action, event.get("Application-Data") or "", reason)


def _commanded(event: Event, _origin: Origin) -> CallEvent | None:
    """A command of anybody's that ran; its line is ``UUID mask PATH`` (mod_commands.c, session_record_function)."""
    if event.get("API-Command") != "uuid_record":
        return None
    words = (event.get("API-Command-Argument") or "").split(" ", 2)
    return (
        _gap(words[0], values.at(event), words[1].lower(), words[2], "a command") if len(words) == 3 else None
    )


def _gap(uuid: str, at: datetime, action: str, path: str, reason: str) -> CallEvent | None:
    kind = GAPS.get(action)
    if kind is None:
        return None
    if action == kind:
        return events.GapBegan(uuid=uuid, at=at, kind=kind, path=path[: values.MAX_TEXT], reason=reason)
    return events.GapEnded(uuid=uuid, at=at, kind=kind, path=path[: values.MAX_TEXT])


READERS: Mapping[str, Reader] = {
    "RECORD_START": _started,
    "RECORD_STOP": _stopped,
    "CHANNEL_EXECUTE": _ran,
    "API": _commanded,
}
