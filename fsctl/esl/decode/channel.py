"""What becomes of a leg, from its creation to its end, and what a channel that stands tells of it."""

import dataclasses
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import get_args

from fsctl.call import events
from fsctl.call.events import CallEvent
from fsctl.esl.decode import values
from fsctl.esl.decode.offer import offered
from fsctl.esl.decode.origin import Origin, Reader
from fsctl.esl.messages import Event

CONSENTS: frozenset[events.Consent] = frozenset(get_args(events.Consent))
EXITS: frozenset[events.LeftBy] = frozenset(get_args(events.LeftBy))
_LANGUAGE = re.compile(r"[a-z]{2}\Z")


def snapshot(event: Event, origin: Origin) -> Iterator[CallEvent]:
    """What must have happened to a channel that stands as ``uuid_dump`` shows it.

    Used after a gap. Times are the switch's own, so a fact that we do know compares equal.
    """
    offer = offered(event, origin)
    if offer is None:
        return
    yield dataclasses.replace(offer, found="resync")
    answered = values.micros(event, "Caller-Channel-Answered-Time")
    if answered is not None:
        yield events.CallAnswered(uuid=offer.uuid, at=answered, encryption=_encryption(event))
    queue, joined = event.get("variable_cc_queue"), event.get("variable_cc_queue_joined_epoch")
    if queue and joined and values.is_number(joined, 11):
        yield events.MemberJoined(
            uuid=offer.uuid,
            at=values.EPOCH + timedelta(seconds=int(joined)),
            queue=queue,
            member_uuid=event.get("variable_cc_member_uuid") or "",
        )
    bridged = values.micros(event, "Caller-Channel-Bridged-Time")
    agent_uuid = event.get("variable_cc_agent_uuid") or event.get("variable_bridge_uuid")
    if bridged is not None and agent_uuid and event.get("variable_signal_bond"):
        agent = event.get("variable_cc_agent") or ""
        yield events.AgentBridged(uuid=offer.uuid, at=bridged, agent=agent, agent_uuid=agent_uuid)
        yield events.LegsBridged(uuid=offer.uuid, at=bridged, agent_uuid=agent_uuid)


def _arrived(event: Event, origin: Origin) -> CallEvent | None:
    return _gateway(event, origin) if event.get("Call-Direction") == "outbound" else offered(event, origin)


def _answered(event: Event, _origin: Origin) -> CallEvent | None:
    if event.get("Call-Direction") != "inbound":
        return None
    at = values.micros(event, "Caller-Channel-Answered-Time") or values.at(event)
    return events.CallAnswered(uuid=values.uuid(event), at=at, encryption=_encryption(event))


def _bridged(event: Event, _origin: Origin) -> CallEvent | None:
    at = values.micros(event, "Caller-Channel-Bridged-Time") or values.at(event)
    agent_uuid = event.get("Bridge-B-Unique-ID") or event.get("Other-Leg-Unique-ID") or ""
    return events.LegsBridged(
        uuid=event.get("Bridge-A-Unique-ID") or values.uuid(event), at=at, agent_uuid=agent_uuid
    )


def _unbridged(event: Event, _origin: Origin) -> CallEvent | None:
    agent_uuid = event.get("Bridge-B-Unique-ID") or event.get("Other-Leg-Unique-ID") or ""
    uuid = event.get("Bridge-A-Unique-ID") or values.uuid(event)
    return events.LegsUnbridged(uuid=uuid, at=values.at(event), agent_uuid=agent_uuid)


def _hung_up(event: Event, _origin: Origin) -> CallEvent | None:
    if not event.get("Caller-Context"):
        # Refused before there was a call: a wrong digest hangs up a channel that was never created.
        return None
    leg_uuid = values.uuid(event)
    # An agent's leg names the caller's in its own words until the bridge, and by Channel-Call-UUID after it.
    caller_uuid = event.get("variable_cc_member_session_uuid")
    outbound = event.get("Call-Direction") == "outbound"
    ended = events.LegHungUp(
        uuid=(caller_uuid or event.get("Channel-Call-UUID") or leg_uuid) if outbound else leg_uuid,
        at=values.at(event),
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
        consent=values.one_of(event, "variable_fsctl_consent", CONSENTS),
        refused=values.word(event, "variable_fsctl_refused"),
        left_by=values.one_of(event, "variable_fsctl_exit", EXITS),
        language=_language(event),
    )


def quality(event: Event) -> events.Quality | None:
    """How the audio reached us, where a channel's variables tell (switch_core_media.c, set_stats).

    FreeSWITCH counts lost packets as flaws, with a penalty for runs; its jitter is a variance in ms².
    """
    mos = values.number(event.get("variable_rtp_audio_in_mos"))
    received = values.number(event.get("variable_rtp_audio_in_packet_count"))
    flaws = values.number(event.get("variable_rtp_audio_in_flaw_total"))
    variance = values.number(event.get("variable_rtp_audio_in_jitter_max_variance"))
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
        consent=values.one_of(event, "variable_fsctl_consent", CONSENTS),
        quality=quality(event),
    )


def _gateway(event: Event, _origin: Origin) -> CallEvent | None:
    """A leg of ours that goes out by a gateway; ``originator`` is the leg that it is made for."""
    gateway = values.text(event, "variable_sip_gateway_name")
    caller_uuid = event.get("Other-Leg-Unique-ID") or event.get("variable_originator")
    if gateway is None or not caller_uuid:
        return None
    return events.GatewayDialled(
        uuid=caller_uuid, at=values.at(event), leg_uuid=values.uuid(event), gateway=gateway
    )


def _language(event: Event) -> str | None:
    """As chosen in the menu: without a key the variable is what we or the dialplan's default said."""
    text = event.get("variable_fsctl_language")
    return text if text and _LANGUAGE.match(text) and event.get("variable_fsctl_menu_key") else None


def _encryption(event: Event) -> str | None:
    suite = values.text(event, "variable_rtp_secure_media_negotiated")
    transport = values.text(event, "variable_sip_via_protocol")
    return f"{transport or '?'}+sdes:{suite}" if suite else None


READERS: Mapping[str, Reader] = {
    "CHANNEL_CREATE": _arrived,
    "CHANNEL_ANSWER": _answered,
    "CHANNEL_BRIDGE": _bridged,
    "CHANNEL_UNBRIDGE": _unbridged,
    "CHANNEL_HANGUP_COMPLETE": _hung_up,
}
