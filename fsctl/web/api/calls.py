"""Calls, what was said in them, and what can be heard of them. Who reads words or listens stands in the audit."""

import logging
from collections.abc import Mapping
from contextlib import ExitStack

import msgspec
from werkzeug import Response
from werkzeug.exceptions import NotFound, ServiceUnavailable

from fsctl import crm
from fsctl.errors import ArchiveError, AudioError
from fsctl.media import archive
from fsctl.media.fork import CHANNEL, Leg
from fsctl.media.listening import AsItIs, Decoded, Listening
from fsctl.store import audible, exports
from fsctl.store.audible import Audible
from fsctl.store.db import Row
from fsctl.web.api import answers, forms, ranges
from fsctl.web.api.house import House
from fsctl.web.api.operation import Asked, said
from fsctl.web.api.streaming import stream

log = logging.getLogger(__name__)

TEXTS: Mapping[str, str] = {"vtt": "text/vtt", "srt": "application/x-subrip", "txt": "text/plain"}
"""Forms of a transcript besides JSON, and their media types."""
WAV = "audio/wav"
AGAIN_S = 30


def calls(house: House, _asked: Asked, given: forms.OfCalls) -> answers.Calls:
    """Calls in order of their last change.

    `phase` and `queue` are as they are now: a call that is in no such place any more is left out.
    """
    page = house.pages.calls(given.after, given.limit, said(given.phase), said(given.queue))
    return answers.Calls(
        data=msgspec.convert(page.rows, list[answers.Call]), next=page.next, has_more=page.has_more
    )


def call(house: House, _asked: Asked, given: forms.OfCall) -> answers.Call:
    """One call."""
    return msgspec.convert(_known(house, given.call_uuid), answers.Call)


def transcript(house: House, asked: Asked, given: forms.OfTranscript) -> answers.Transcript | Response:
    """What was said in a call, as far as it is known by now. It is audited."""
    row = _known(house, given.call_uuid)
    house.note(asked.who, "transcript.read", f"call {given.call_uuid}", format=given.format)
    if given.format != "json":
        text = crm.EXPORTS[given.format](exports.find(house.database, given.call_uuid))
        return Response(text, content_type=f"{TEXTS[given.format]}; charset=utf-8")
    segments = msgspec.convert(house.pages.transcript(given.call_uuid) or [], list[answers.Segment])
    return answers.Transcript(given.call_uuid, row["transcript_ready_at"], segments)


def recording(house: House, asked: Asked, given: forms.OfRecording) -> Response:
    """A recording of a call, as WAV: the caller on channel 1, the agent on channel 2.

    Ranges of bytes are answered. What was masked, or must not be kept, is silence. It is audited.
    """
    _known(house, given.call_uuid)
    channel: Leg | None = said(given.channel)
    found = _ready(audible.of_call(house.database, given.call_uuid), given.number)
    if asked.request.method != "HEAD":
        detail = {"number": given.number, "channel": channel or "both"}
        house.note(
            asked.who,
            "recording.read",
            f"call {given.call_uuid}",
            **detail,
            range=asked.request.headers.get("Range", ""),
        )
    with ExitStack() as stack:
        sound = _open(given.call_uuid, found, channel, stack)
        etag = f'"{found.sha256}-{channel}"' if channel else f'"{found.sha256}"'
        span = ranges.asked(asked.request, sound.size, etag)
        start, end = span or (0, sound.size)
        response = Response(stream(sound.read(start, end)), 206 if span else 200, mimetype=WAV)
        response.call_on_close(stack.pop_all().close)
    response.headers.update({"Accept-Ranges": "bytes", "ETag": etag, "Content-Length": str(end - start)})
    if span:
        response.headers["Content-Range"] = f"bytes {start}-{end - 1}/{sound.size}"
    return response


def _known(house: House, uuid: str) -> Row:
    """Raises NotFound."""
    row = house.pages.call(uuid)
    if row is None:
        raise NotFound(f"There is no call {uuid}.")
    return row


def _ready(found: list[Audible], number: int) -> Audible:
    """Raises NotFound: there is none, or it may not be heard yet, or ever."""
    if number > len(found):
        raise NotFound(f"The call has {len(found)} recordings.")
    one = found[number - 1]
    if not one.is_ready or one.uri is None:
        state = (
            "archived, and not yet without what must not be heard" if one.state == "archived" else one.state
        )
        raise NotFound(f"The recording is {state}: `recording.ready` tells when it can be had.")
    return one


def _open(uuid: str, found: Audible, channel: Leg | None, stack: ExitStack) -> Listening:
    """The sound, until the stack is closed.

    Raises:
        NotFound: the file is gone, or was recorded in one channel.
        ServiceUnavailable: the archive does not give it now.
    """
    assert found.uri is not None
    number = CHANNEL[channel] if channel else None
    try:
        path = stack.enter_context(archive.local_copy(found.uri))
        is_it = number is None and found.format == "wav"
        sound: Listening = AsItIs(path) if is_it else Decoded(path, number)
    except FileNotFoundError as error:
        raise NotFound("The archive has no such file, or this machine does not see it.") from error
    except AudioError as error:
        log.warning("call %s: %s", uuid, error)
        raise NotFound("It is damaged, or was recorded in one channel, which has both in it.") from error
    except ArchiveError as error:
        log.warning("call %s: %s", uuid, error)
        raise ServiceUnavailable("The archive does not give it now.", retry_after=AGAIN_S) from error
    stack.callback(sound.close)
    return sound
