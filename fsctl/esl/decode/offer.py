"""A caller's INVITE: who calls, whom, and what the call brings with it."""

import re
from collections.abc import Collection, Iterator

from fsctl.call import events
from fsctl.call.events import Alias
from fsctl.esl.decode import values
from fsctl.esl.decode.origin import Origin
from fsctl.esl.messages import Event

MAX_PARAMS = 16
_USERNAME = re.compile(r"@?[A-Za-z0-9._]{1,64}\Z")
_BSUID = re.compile(r"[A-Z]{2}\.(?:ENT\.)?[A-Za-z0-9]{1,128}\Z")


def offered(event: Event, origin: Origin) -> events.CallOffered | None:
    """The offer, where the channel is a caller's at one of our front doors."""
    channel = origin.contexts.get(event.get("Caller-Context") or "") or _passed_on(event, origin)
    if channel is None or event.get("Call-Direction") != "inbound":
        return None
    user = event.get("variable_sip_from_user") or event.get("Caller-Caller-ID-Number") or ""
    created = values.micros(event, "Caller-Channel-Created-Time")
    return events.CallOffered(
        uuid=values.uuid(event),
        at=created or values.at(event),
        node=origin.node,
        channel=channel,
        aliases=tuple(_aliases(event, user, channel)),
        display_name=values.text(event, "variable_sip_from_display")
        or values.text(event, "Caller-Caller-ID-Name")
        or "",
        to_number=values.digits_of(event.get("Caller-Destination-Number") or ""),
        wacid=_wacid(event),
        cta_payload=values.text(event, "variable_sip_h_x-wa-meta-cta-payload"),
        deeplink_payload=values.text(event, "variable_sip_h_x-wa-meta-deeplink-payload"),
        country=values.text(event, "variable_sip_h_x-wa-meta-country-code")
        or values.text(event, "variable_sip_h_x-wa-meta-user-country-code"),
        transport=values.text(event, "variable_sip_via_protocol"),
        request_params=_request_params(event),
    )


def _passed_on(event: Event, origin: Origin) -> str | None:
    """A call that left its front door for another context, by a transfer: the dialplan has marked it."""
    mark = event.get("variable_fsctl_channel")
    return mark if mark in origin.contexts.values() else None


def _request_params(event: Event) -> tuple[tuple[str, str], ...]:
    """``+1555;tgrp=wacall;flag`` -> the parameters, bounded; the later of two with one name counts.

    A campaign that a SIP header names is one of them, by the header's name (``whatsapp.touches``).
    """
    user = event.get("variable_sip_req_user") or event.get("Caller-Destination-Number") or ""
    parts = user[: values.MAX_TEXT].split(";")[1 : MAX_PARAMS + 1]
    found = {key: value for key, _, value in (part.partition("=") for part in parts) if key}
    if campaign := values.text(event, "variable_sip_h_x-fsctl-campaign"):
        found["x-fsctl-campaign"] = campaign
    return tuple(sorted(found.items()))


def _wacid(event: Event) -> str | None:
    """Meta's call id. Samples show it with and without trailing ``=``; the Call-ID holds it too."""
    wacid = event.get("variable_sip_h_x-wa-meta-wacid")
    if not wacid:
        prefix, _, rest = (event.get("variable_sip_call_id") or "").partition(":")
        wacid = rest if prefix == "outgoing" else None
    return wacid.rstrip("=")[: values.MAX_TEXT] if wacid else None


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
    elif number := values.NUMBER.match(user):
        yield Alias(kind="wa_id" if channel == "whatsapp" else "phone", value=number.group(1))
