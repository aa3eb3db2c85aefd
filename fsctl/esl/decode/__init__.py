"""FreeSWITCH's events become ours. The only package that knows its header names.

One module a subject: ``offer`` (a caller's INVITE), ``channel`` (what becomes of a leg), ``recording``,
``callcenter``; ``values`` reads single headers. Called by the link for events, and by those who read what stands.
Secrets end here: keys, SDP and passwords are not read, so they reach no log, row or page.

Sources: the captures in tests/data/esl; mod_callcenter.c for ``CC-*``; Meta, "Configure SIP" for ``x-wa-*``.
"""

from fsctl.call.events import CallEvent
from fsctl.esl.decode import callcenter, channel, recording
from fsctl.esl.decode.callcenter import table
from fsctl.esl.decode.channel import Line, line, quality, snapshot
from fsctl.esl.decode.offer import aliases_of
from fsctl.esl.decode.origin import Origin
from fsctl.esl.decode.values import digits_of, instant, is_number, lag_ms, moment
from fsctl.esl.messages import Event

__all__ = [
    "Line",
    "Origin",
    "aliases_of",
    "decode",
    "digits_of",
    "instant",
    "is_number",
    "lag_ms",
    "line",
    "moment",
    "quality",
    "snapshot",
    "table",
]


READERS = {**channel.READERS, **recording.READERS}


def decode(event: Event, origin: Origin) -> CallEvent | None:
    """One event of FreeSWITCH as one of ours, or None when it is not about a call of ours."""
    name = event.name
    if name == "callcenter::info":
        reader = callcenter.READERS.get(event.get("CC-Action") or "")
    else:
        reader = READERS.get(name)
    return reader(event, origin) if reader is not None else None
