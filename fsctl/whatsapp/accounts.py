"""What is wrong with a number's calling settings, or with our account, as Meta tells it. Pure.

Sources: Meta, "Configure call settings" (account_settings_update), "Troubleshooting" and "Calling" (restrictions
last seven days), "Webhooks, account_update".
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from fsctl.whatsapp import values
from fsctl.whatsapp.facts import AccountTold
from fsctl.whatsapp.values import Json

LASTS = timedelta(days=7)
"""A pause of calling; a warning of one that is not heard of again is over, too."""

VIOLATIONS: Mapping[str, str] = {
    "USER_INITIATED_CALLS_LOW_PICKUP_RATE": "too few calls are answered: the call button is about to be hidden",
    "LOW_USER_INITIATED_CALLING_QUALITY": "customers rate their calls badly: they are about to be paused",
    "LOW_BUSINESS_INITIATED_CALLING_QUALITY": "customers rate our calls badly: they are about to be paused",
}
RESTRICTIONS: Mapping[str, str] = {
    "RESTRICTED_USER_INITIATED_CALLING_CALL_BUTTON_HIDDEN": "the call button is hidden",
    "RESTRICTED_USER_INITIATED_CALLING": "customers cannot call us",
    "RESTRICTED_BUSINESS_INITIATED_CALLING": "we cannot call customers",
}
BANS: Mapping[str, str] = {
    "DISABLE": "the account is disabled",
    "SCHEDULE_FOR_DISABLE": "the account is about to be disabled",
    "REINSTATE": "",
}


def settings(value: Json, received_at: datetime) -> AccountTold | None:
    """``account_settings_update``: a number's settings as they are now. None where it tells of something else."""
    told = values.mapping(value.get("phone_number_settings"))
    calling = values.mapping(told.get("calling"))
    number = values.name(told.get("phone_number_id"))
    if not (number and calling):
        return None
    return AccountTold(
        at=values.when(value.get("timestamp"), received_at),
        kind="whatsapp.settings",
        subject=number,
        wrong="; ".join(_faults(calling)),
        data=values.plain(calling),
    )


def _faults(calling: Json) -> Iterator[str]:
    """What keeps calls from FreeSWITCH. A setting that is not told is not judged."""
    if _is_other(calling.get("status"), "ENABLED"):
        yield "calling is switched off"
    if _is_other(values.mapping(calling.get("sip")).get("status"), "ENABLED"):
        yield "SIP is switched off: calls no longer reach FreeSWITCH"
    if _is_other(calling.get("srtp_key_exchange_protocol"), "SDES"):
        yield "SRTP keys come by DTLS, not SDES: calls have no audio"
    if values.name(calling.get("call_icon_visibility")).upper() == "DISABLE_ALL":
        yield "the call button is hidden"


def _is_other(value: Any, wanted: str) -> bool:
    return values.name(value).upper() not in ("", wanted)


def updates(account: str, value: Json, at: datetime) -> list[AccountTold]:
    """``account_update``: warnings, restrictions and bans; nothing where it tells of something else.

    Args:
        account: the WhatsApp Business Account's id.
    """
    event = values.name(value.get("event")).upper()
    who = values.digits(value.get("phone_number")) or account
    return [
        AccountTold(
            at=at,
            kind="whatsapp.restriction",
            subject=f"{who} {what}".strip(),
            wrong=wrong,
            data=values.plain(value),
            expires_at=expires_at,
        )
        for what, wrong, expires_at in _found(event, value, at)
    ]


def _found(event: str, value: Json, at: datetime) -> Iterator[tuple[str, str, datetime | None]]:
    """What it is about, what is wrong, and until when."""
    violation = values.name(values.mapping(value.get("violation_info")).get("violation_type")).upper()
    restrictions = values.mappings(value.get("restriction_info"))
    if event == "ACCOUNT_VIOLATION":
        yield violation, VIOLATIONS.get(violation, f"violation: {violation or 'not named'}"), at + LASTS
    elif event == "ACCOUNT_RESTRICTION":
        for one in restrictions:
            what = values.name(one.get("restriction_type")).upper()
            until = values.moment(one.get("expiration"))
            words = RESTRICTIONS.get(what, f"restriction: {what or 'not named'}")
            yield what, f"{words} until {until:%Y-%m-%d %H:%M} UTC" if until else words, until
        if violation and not restrictions:
            yield violation, f"restriction: {violation}", at + LASTS
    elif event == "DISABLED_UPDATE":
        state = values.name(values.mapping(value.get("ban_info")).get("waba_ban_state")).upper()
        yield "ban", BANS.get(state, f"ban: {state or 'not named'}"), None
    elif event == "ACCOUNT_DELETED":
        yield "deleted", "the WhatsApp Business Account was deleted", None
