"""FreeSWITCH's events become ours. The only file that knows its header names.

Secrets end here: keys, SDP and passwords are not read, so they reach no log, row or page.

Sources: the captures in tests/data/esl; mod_callcenter.c for ``CC-*``; Meta, "Configure SIP" for ``x-wa-*``.
"""

import dataclasses
import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar, get_args

from fsctl.call import events
from fsctl.call.events import Alias, CallEvent
from fsctl.esl.messages import Event

T = TypeVar("T", bound=str)

MAX_TEXT = 512
"""Characters kept of a caller's name or payload. Meta's payloads have 512 at most."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DIGITS = re.compile(r"\+?([0-9]{5,20})(?:;.*)?\Z", re.DOTALL)
CONSENTS: frozenset[events.Consent] = frozenset(get_args(events.Consent))
EXITS: frozenset[events.LeftBy] = frozenset(get_args(events.LeftBy))
GAPS: Mapping[str, events.GapKind] = {"mask": "mask", "unmask": "mask", "pause": "pause", "resume": "pause"}
"""What is done to a recording -> the kind of gap that it begins or ends."""
MAX_PARAMS = 16
MAX_MEASURE = 1e9
"""Of a line's quality: more is nonsense, and no database would take it for a ``real``."""
_WORD = re.compile(r"[a-z-]{1,32}\Z")
_LANGUAGE = re.compile(r"[a-z]{2}\Z")
_USERNAME = re.compile(r"@?[A-Za-z0-9._]{1,64}\Z")
_BSUID = re.compile(r"[A-Z]{2}\.(?:ENT\.)?[A-Za-z0-9]{1,128}\Z")


@dataclass(frozen=True)
class Origin:
    """Which node an event came from, and which of its contexts are front doors of ours."""

    node: str
    contexts: Mapping[str, str]
    """Dialplan context -> ``whatsapp`` or ``sip``."""


def decode(event: Event, origin: Origin) -> CallEvent | None:
    """One event of FreeSWITCH as one of ours, or None when it is not about a call of ours."""
    name = event.name
    action = event.get("CC-Action") or "" if name == "callcenter::info" else ""
    reader = _CALLCENTER.get(action) or _CHANNEL.get(name)
    return reader(event, origin) if reader is not None else None


def snapshot(event: Event, origin: Origin) -> Iterator[CallEvent]:
    """What must have happened to a channel that stands as ``uuid_dump`` shows it.

    Used after a gap. Times are the switch's own, so a fact that we do know compares equal.
    """
    offered = _created(event, origin)
    if offered is None:
        return
    yield dataclasses.replace(offered, found="resync")
    answered = _micros(event, "Caller-Channel-Answered-Time")
    if answered is not None:
        yield events.CallAnswered(uuid=offered.uuid, at=answered, encryption=_encryption(event))
    queue, joined = event.get("variable_cc_queue"), event.get("variable_cc_queue_joined_epoch")
    if queue and joined and is_number(joined, 11):
        yield events.MemberJoined(
            uuid=offered.uuid,
            at=_EPOCH + timedelta(seconds=int(joined)),
            queue=queue,
            member_uuid=event.get("variable_cc_member_uuid") or "",
        )
    bridged = _micros(event, "Caller-Channel-Bridged-Time")
    agent_uuid = event.get("variable_cc_agent_uuid") or event.get("variable_bridge_uuid")
    if bridged is not None and agent_uuid and event.get("variable_signal_bond"):
        agent = event.get("variable_cc_agent") or ""
        yield events.AgentBridged(uuid=offered.uuid, at=bridged, agent=agent, agent_uuid=agent_uuid)
        yield events.LegsBridged(uuid=offered.uuid, at=bridged, agent_uuid=agent_uuid)


def table(text: str, free: str = "") -> Iterator[dict[str, str]]:
    """A ``|`` list of mod_callcenter as rows: a header line, rows, ``+OK``. An empty one has no header.

    Args:
        free: the column with text of others, such as a caller's name. Nothing is escaped, so a ``|`` too many is
            part of it. A row with too few columns is left out.
    """
    lines = [line for line in text.split("\n") if line and not line.startswith(("+OK", "-ERR", "-USAGE"))]
    columns = lines[0].split("|") if lines else []
    at = columns.index(free) if free in columns else len(columns) - 1
    for line in lines[1:]:
        values = line.split("|")
        surplus = len(values) - len(columns)
        if surplus >= 0:
            values[at : at + surplus + 1] = ["|".join(values[at : at + surplus + 1])]
            yield dict(zip(columns, values))


def moment(event: Event) -> datetime | None:
    """When it was, by the switch's clock; of a ``uuid_dump`` that is now."""
    return _micros(event, "Event-Date-Timestamp")


def lag_ms(event: Event, now: float) -> float | None:
    """How old an event is: its own clock against ``now`` (seconds since 1970)."""
    text = event.get("Event-Date-Timestamp")
    return round(now * 1000 - int(text) / 1000, 1) if text and is_number(text) else None


def is_number(text: str, most: int = 17) -> bool:
    """Plain digits and not too many: ``str.isdigit`` takes "²" too, and ``int`` does not."""
    return text.isascii() and text.isdigit() and len(text) <= most


# --- channel events ----------------------------------------------------------------------------------------


def _created(event: Event, origin: Origin) -> events.CallOffered | None:
    channel = origin.contexts.get(event.get("Caller-Context") or "") or _passed_on(event, origin)
    if channel is None or event.get("Call-Direction") != "inbound":
        return None
    user = event.get("variable_sip_from_user") or event.get("Caller-Caller-ID-Number") or ""
    created = _micros(event, "Caller-Channel-Created-Time")
    return events.CallOffered(
        uuid=_uuid(event),
        at=created or _at(event),
        node=origin.node,
        channel=channel,
        aliases=tuple(_aliases(event, user, channel)),
        display_name=_text(event, "variable_sip_from_display") or _text(event, "Caller-Caller-ID-Name") or "",
        to_number=digits_of(event.get("Caller-Destination-Number") or ""),
        wacid=_wacid(event),
        cta_payload=_text(event, "variable_sip_h_x-wa-meta-cta-payload"),
        deeplink_payload=_text(event, "variable_sip_h_x-wa-meta-deeplink-payload"),
        country=_text(event, "variable_sip_h_x-wa-meta-country-code")
        or _text(event, "variable_sip_h_x-wa-meta-user-country-code"),
        transport=_text(event, "variable_sip_via_protocol"),
        request_params=_request_params(event),
    )


def _passed_on(event: Event, origin: Origin) -> str | None:
    """A call that left its front door for another context, by a transfer: the dialplan has marked it."""
    mark = event.get("variable_fsctl_channel")
    return mark if mark in origin.contexts.values() else None


def _arrived(event: Event, origin: Origin) -> CallEvent | None:
    return _gateway(event, origin) if event.get("Call-Direction") == "outbound" else _created(event, origin)


def _request_params(event: Event) -> tuple[tuple[str, str], ...]:
    """``+1555;tgrp=wacall;flag`` -> the parameters, bounded; the later of two with one name counts.

    A campaign that a SIP header names is one of them, by the header's name (``whatsapp.touches``).
    """
    user = event.get("variable_sip_req_user") or event.get("Caller-Destination-Number") or ""
    parts = user[:MAX_TEXT].split(";")[1 : MAX_PARAMS + 1]
    found = {key: value for key, _, value in (part.partition("=") for part in parts) if key}
    if campaign := _text(event, "variable_sip_h_x-fsctl-campaign"):
        found["x-fsctl-campaign"] = campaign
    return tuple(sorted(found.items()))


def _aliases(event: Event, user: str, channel: str) -> Iterator[Alias]:
    """Meta's user ids, then the number. From may hold either (usernames).

    Meta's documentation and logs of others spell two of the headers in two ways each. Where there is no user id,
    nobody looks for them: a name that is not there costs a search of the whole event.
    """
    bsuid = event.get("variable_sip_h_x-wa-meta-user-id")
    if bsuid and _BSUID.match(bsuid):
        yield Alias(kind="bsuid", value=bsuid)
    for alias in aliases_of(user, channel):
        if alias.value != bsuid:
            yield alias
    if bsuid or _BSUID.match(user):
        yield from _more_names(event, {bsuid, user})


def _more_names(event: Event, said: Collection[str | None]) -> Iterator[Alias]:
    parent = event.get("variable_sip_h_x-wa_meta-parent-user-id") or event.get(
        "variable_sip_h_x-wa-meta-parent-user-id"
    )
    if parent and _BSUID.match(parent) and parent not in said:
        yield Alias(kind="parent_bsuid", value=parent)
    username = event.get("variable_sip_h_x-wa-meta-user-name") or event.get(
        "variable_sip_h_x-wa-meta-username"
    )
    if username and _USERNAME.match(username):
        yield Alias(kind="username", value=username)


def aliases_of(user: str, channel: str) -> Iterator[Alias]:
    """What the user part of From says: a number, or Meta's user id where the number may not be told."""
    if _BSUID.match(user):
        yield Alias(kind="bsuid", value=user)
    elif number := _DIGITS.match(user):
        yield Alias(kind="wa_id" if channel == "whatsapp" else "phone", value=number.group(1))


def _answered(event: Event, _origin: Origin) -> CallEvent | None:
    if event.get("Call-Direction") != "inbound":
        return None
    at = _micros(event, "Caller-Channel-Answered-Time") or _at(event)
    return events.CallAnswered(uuid=_uuid(event), at=at, encryption=_encryption(event))


def _bridged(event: Event, _origin: Origin) -> CallEvent | None:
    at = _micros(event, "Caller-Channel-Bridged-Time") or _at(event)
    agent_uuid = event.get("Bridge-B-Unique-ID") or event.get("Other-Leg-Unique-ID") or ""
    return events.LegsBridged(
        uuid=event.get("Bridge-A-Unique-ID") or _uuid(event), at=at, agent_uuid=agent_uuid
    )


def _unbridged(event: Event, _origin: Origin) -> CallEvent | None:
    agent_uuid = event.get("Bridge-B-Unique-ID") or event.get("Other-Leg-Unique-ID") or ""
    uuid = event.get("Bridge-A-Unique-ID") or _uuid(event)
    return events.LegsUnbridged(uuid=uuid, at=_at(event), agent_uuid=agent_uuid)


def _hung_up(event: Event, _origin: Origin) -> CallEvent | None:
    if not event.get("Caller-Context"):
        # Refused before there was a call: a wrong digest hangs up a channel that was never created.
        return None
    leg_uuid = _uuid(event)
    # An agent's leg names the caller's in its own words until the bridge, and by Channel-Call-UUID after it.
    caller_uuid = event.get("variable_cc_member_session_uuid")
    outbound = event.get("Call-Direction") == "outbound"
    ended = events.LegHungUp(
        uuid=(caller_uuid or event.get("Channel-Call-UUID") or leg_uuid) if outbound else leg_uuid,
        at=_at(event),
        leg="agent" if outbound else "caller",
        leg_uuid=leg_uuid,
        cause=event.get("Hangup-Cause") or "UNKNOWN",
        encryption=_encryption(event),
        quality=None if outbound else quality(event),
    )
    # A name that is not there costs a search of the whole event, so the first of our path's decides.
    if outbound or event.get("variable_fsctl_channel") is None:
        return ended
    return dataclasses.replace(
        ended,
        consent=_one_of(event, "variable_fsctl_consent", CONSENTS),
        refused=_word(event, "variable_fsctl_refused"),
        left_by=_one_of(event, "variable_fsctl_exit", EXITS),
        language=_language(event),
    )


def quality(event: Event) -> events.Quality | None:
    """How the audio reached us, where a channel's variables tell (switch_core_media.c, set_stats).

    FreeSWITCH counts lost packets as flaws, with a penalty for runs; its jitter is a variance in ms².
    """
    mos = _number_or_none(event.get("variable_rtp_audio_in_mos"))
    received = _number_or_none(event.get("variable_rtp_audio_in_packet_count"))
    flaws = _number_or_none(event.get("variable_rtp_audio_in_flaw_total"))
    variance = _number_or_none(event.get("variable_rtp_audio_in_jitter_max_variance"))
    if not received:
        return None
    return events.Quality(
        mos=mos,
        loss_percent=None if flaws is None else round(100 * flaws / (received + flaws), 2),
        jitter_ms=None if variance is None else round(math.sqrt(abs(variance)), 2),
    )


@dataclass(frozen=True, kw_only=True)
class Line:
    """What the caller's channel tells of a call that goes on, and its events do not."""

    encryption: str | None
    consent: events.Consent | None
    quality: events.Quality | None


def line(event: Event) -> Line:
    """Args: event: a channel's dump."""
    return Line(
        encryption=_encryption(event),
        consent=_one_of(event, "variable_fsctl_consent", CONSENTS),
        quality=quality(event),
    )


def _gateway(event: Event, _origin: Origin) -> CallEvent | None:
    """A leg of ours that goes out by a gateway; ``originator`` is the leg that it is made for."""
    gateway = _text(event, "variable_sip_gateway_name")
    caller_uuid = event.get("Other-Leg-Unique-ID") or event.get("variable_originator")
    if gateway is None or not caller_uuid:
        return None
    return events.GatewayDialled(uuid=caller_uuid, at=_at(event), leg_uuid=_uuid(event), gateway=gateway)


def _record_started(event: Event, _origin: Origin) -> CallEvent | None:
    path = event.get("Record-File-Path")
    return events.RecordingStarted(uuid=_uuid(event), at=_at(event), path=path) if path else None


def _record_stopped(event: Event, _origin: Origin) -> CallEvent | None:
    path = event.get("Record-File-Path")
    if not path:
        return None
    return events.RecordingStopped(
        uuid=_uuid(event),
        at=_at(event),
        path=path,
        duration_ms=_int_or_none(event.get("variable_record_ms")),
        size_bytes=_int_or_none(event.get("variable_record_file_size")),
    )


def _ran(event: Event, _origin: Origin) -> CallEvent | None:
    """An application of the dialplan, about to run on the channel that is recorded."""
    _, _, action = (event.get("Application") or "").partition("record_session_")
    reason = _text(event, "variable_fsctl_mask_reason") or "the dialplan"
    return _gap(_uuid(event), _at(event), action, event.get("Application-Data") or "", reason)


def _commanded(event: Event, _origin: Origin) -> CallEvent | None:
    """A command of anybody's that ran; its line is ``UUID mask PATH`` (mod_commands.c, session_record_function)."""
    if event.get("API-Command") != "uuid_record":
        return None
    words = (event.get("API-Command-Argument") or "").split(" ", 2)
    return _gap(words[0], _at(event), words[1].lower(), words[2], "a command") if len(words) == 3 else None


def _gap(uuid: str, at: datetime, action: str, path: str, reason: str) -> CallEvent | None:
    kind = GAPS.get(action)
    if kind is None:
        return None
    if action == kind:
        return events.GapBegan(uuid=uuid, at=at, kind=kind, path=path[:MAX_TEXT], reason=reason)
    return events.GapEnded(uuid=uuid, at=at, kind=kind, path=path[:MAX_TEXT])


# --- callcenter::info --------------------------------------------------------------------------------------


def _member_joined(event: Event, _origin: Origin) -> CallEvent | None:
    return events.MemberJoined(
        uuid=_member(event),
        at=_at(event),
        queue=event.get("CC-Queue") or "",
        member_uuid=event.get("CC-Member-UUID") or "",
    )


def _agent_offered(event: Event, _origin: Origin) -> CallEvent | None:
    return events.AgentOffered(
        uuid=_member(event), at=_at(event), queue=event.get("CC-Queue") or "", agent=_agent(event)
    )


def _agent_bridged(event: Event, _origin: Origin) -> CallEvent | None:
    return events.AgentBridged(
        uuid=_member(event), at=_at(event), agent=_agent(event), agent_uuid=event.get("CC-Agent-UUID") or ""
    )


def _agent_failed(event: Event, _origin: Origin) -> CallEvent | None:
    return events.AgentFailed(
        uuid=_member(event),
        at=_at(event),
        agent=_agent(event),
        cause=event.get("CC-Hangup-Cause") or "UNKNOWN",
    )


def _member_left(event: Event, _origin: Origin) -> CallEvent | None:
    return events.MemberLeft(
        uuid=_member(event),
        at=_at(event),
        cause=event.get("CC-Cause") or "",
        reason=event.get("CC-Cancel-Reason"),
    )


Reader = Callable[[Event, Origin], CallEvent | None]

_CHANNEL: Mapping[str, Reader] = {
    "CHANNEL_CREATE": _arrived,
    "CHANNEL_ANSWER": _answered,
    "CHANNEL_BRIDGE": _bridged,
    "CHANNEL_UNBRIDGE": _unbridged,
    "CHANNEL_HANGUP_COMPLETE": _hung_up,
    "RECORD_START": _record_started,
    "RECORD_STOP": _record_stopped,
    "CHANNEL_EXECUTE": _ran,
    "API": _commanded,
}

_CALLCENTER: Mapping[str, Reader] = {
    "member-queue-start": _member_joined,
    "agent-offering": _agent_offered,
    "bridge-agent-start": _agent_bridged,
    "bridge-agent-fail": _agent_failed,
    "member-queue-end": _member_left,
}


# --- values ------------------------------------------------------------------------------------------------


def _uuid(event: Event) -> str:
    return event.get("Unique-ID") or ""


def _member(event: Event) -> str:
    return event.get("CC-Member-Session-UUID") or ""


def _agent(event: Event) -> str:
    return event.get("CC-Agent") or ""


def _at(event: Event) -> datetime:
    return _micros(event, "Event-Date-Timestamp") or _EPOCH


def _micros(event: Event, header: str) -> datetime | None:
    """A header that holds a time."""
    return instant(event.get(header))


def instant(text: str | None) -> datetime | None:
    """Microseconds since 1970 as a time; zero and nonsense are None."""
    if not text or not is_number(text) or not int(text):
        return None
    return _EPOCH + timedelta(microseconds=int(text))


def _text(event: Event, header: str) -> str | None:
    text = event.get(header)
    return text[:MAX_TEXT] if text else None


def digits_of(text: str) -> str:
    """Digits of a number; the request URI's user may carry ``;params``. Else the text itself, bounded."""
    match = _DIGITS.match(text)
    return match.group(1) if match else text[:64]


def _wacid(event: Event) -> str | None:
    """Meta's call id. Samples show it with and without trailing ``=``; the Call-ID holds it too."""
    wacid = event.get("variable_sip_h_x-wa-meta-wacid")
    if not wacid:
        prefix, _, rest = (event.get("variable_sip_call_id") or "").partition(":")
        wacid = rest if prefix == "outgoing" else None
    return wacid.rstrip("=")[:MAX_TEXT] if wacid else None


def _one_of(event: Event, header: str, allowed: frozenset[T]) -> T | None:
    text = event.get(header)
    return next((one for one in allowed if one == text), None)


def _word(event: Event, header: str) -> str | None:
    text = event.get(header)
    return text if text and _WORD.match(text) else None


def _language(event: Event) -> str | None:
    """As chosen in the menu: without a key the variable is what we or the dialplan's default said."""
    text = event.get("variable_fsctl_language")
    return text if text and _LANGUAGE.match(text) and event.get("variable_fsctl_menu_key") else None


def _encryption(event: Event) -> str | None:
    suite = _text(event, "variable_rtp_secure_media_negotiated")
    transport = _text(event, "variable_sip_via_protocol")
    return f"{transport or '?'}+sdes:{suite}" if suite else None


def _number_or_none(text: str | None) -> float | None:
    try:
        number = float(text or "nan")
    except ValueError:
        return None
    return round(number, 2) if abs(number) < MAX_MEASURE else None


def _int_or_none(text: str | None) -> int | None:
    return int(text) if text and is_number(text) else None
