"""One business number at Meta: its settings read, written and verified; its health; its SIP password.

Knows: in which order to ask and to send, what Meta's errors mean for settings. Refuses to know FreeSWITCH and how
anything is shown. Called by ``fsctl whatsapp`` and by the rotation of the password.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fsctl.call import policy
from fsctl.errors import BadInput, GraphError
from fsctl.whatsapp import settings
from fsctl.whatsapp.graph import Graph, GraphRefused, GraphUnsure
from fsctl.whatsapp.settings import Body, Row, Settings

FIELDS = "id,display_phone_number,verified_name,status,quality_rating,throughput,health_status"
"""Of the number itself: Meta, "WhatsApp Business Account Phone Number API" and "Messaging and calling health"."""

CURES = {
    4: "too many calls of the API by this app: wait an hour",
    10: "the token lacks a permission: it needs whatsapp_business_management for this number",
    100: "Meta does not take one of the values, or the token does not know this phone_number_id",
    190: "the access token is not valid any more: make a new one (a system user's does not expire)",
    80007: "too many calls of the API for this account: wait an hour",
    131031: "the account is locked: see WhatsApp Manager",
    133010: "the number is not registered with the Cloud API",
    138000: "calling is not enabled for this number: `fsctl whatsapp apply`",
    138015: "Meta lets a number take calls from a messaging limit of 2000 customers a day on; this one's is lower",
}
"""Code -> what to do (Meta, "Error codes" and "Calling API error codes and troubleshooting")."""


@dataclass(frozen=True, kw_only=True)
class Health:
    """What Meta says of a number; each text is Meta's, bounded."""

    digits: str
    name: str
    status: str
    quality: str
    throughput: str
    calls: str
    """``can_receive_call_sip`` of the worst of those concerned: AVAILABLE, LIMITED, BLOCKED, or empty: not told."""
    reasons: tuple[str, ...]


class Number:
    """One of our numbers over the Graph API. Every method may raise GraphError."""

    def __init__(self, graph: Graph, digits: str, phone_number_id: str) -> None:
        if not phone_number_id:
            raise BadInput(f"number.{digits}.phone_number_id is not set: which number of Meta's is it?")
        if not phone_number_id.isascii() or not phone_number_id.isdigit():
            raise BadInput(f"number.{digits}.phone_number_id: expected digits, not {phone_number_id!r}")
        self.digits = digits
        self.id = phone_number_id
        self._graph = graph

    def read(self) -> Settings:
        """Its settings now."""
        return settings.read(self._graph.get(f"{self.id}/settings"))

    def write(self, body: Body) -> None:
        """Send a part of the settings. What it says twice has no other effect, so an unsure one is sent again."""
        try:
            answer = self._graph.post(f"{self.id}/settings", body)
        except GraphUnsure:
            answer = self._graph.post(f"{self.id}/settings", body)
        if answer.get("success") is not True:
            raise GraphError(f"+{self.digits}: Meta did not say that the settings were taken")

    def apply(self, wanted: Settings) -> list[Row]:
        """Send what differs, and read again.

        Returns:
            What differs still; nothing when all is as it should be.
        """
        for body in settings.writes(self.read(), wanted):
            self.write(body)
        rows = settings.compare(self.read(), wanted)
        if [row.name for row in rows if not row.is_same] == ["srtp_key_exchange_protocol"]:
            # It was put back behind us: once more, now that nothing else is left to write.
            self.write(settings.srtp_body(wanted))
            rows = settings.compare(self.read(), wanted)
        return [row for row in rows if not row.is_same]

    def password(self, wanted: Settings) -> str:
        """The SIP password that Meta uses towards our server; empty when it has none."""
        answer = self._graph.get(f"{self.id}/settings", include_sip_credentials="true")
        for server, password in settings.passwords(answer):
            if any(one.host.casefold() == server.host.casefold() for one in wanted.servers):
                return password
        return ""

    def has_password(self, wanted: Settings, password: str) -> bool:
        """Whether Meta uses this one; takes as long whatever it is."""
        return hmac.compare_digest(self.password(wanted).encode(), password.encode())

    def health(self) -> Health:
        """What Meta says of the number."""
        found = self._graph.get(self.id, fields=FIELDS)
        throughput = found.get("throughput")
        level = throughput.get("level") if isinstance(throughput, Mapping) else ""
        calls, reasons = _calls(found.get("health_status"))
        return Health(
            digits="".join(sign for sign in _text(found.get("display_phone_number")) if sign in "0123456789"),
            name=_text(found.get("verified_name")),
            status=_text(found.get("status")),
            quality=_text(found.get("quality_rating")),
            throughput=_text(level),
            calls=calls,
            reasons=reasons,
        )


def chosen(graph: Graph, known: Mapping[str, policy.Number], asked: str | None) -> list[Number]:
    """Those of our numbers that Meta has, or the one that was asked for.

    Args:
        known: what the config says of numbers, by digits.

    Raises:
        BadInput: there is none, or none of that name.
    """
    if asked is not None:
        digits = asked.lstrip("+")
        if digits not in known:
            raise BadInput(f"no [number.{digits}] in the config (there is: {', '.join(known) or 'none'})")
        return [Number(graph, digits, known[digits].phone_number_id)]
    found = [
        Number(graph, digits, one.phone_number_id) for digits, one in known.items() if one.phone_number_id
    ]
    if not found:
        raise BadInput("no [number.X] of the config has a phone_number_id, so Meta knows none of them")
    return found


def explained(error: GraphError) -> str:
    """What went wrong, and where Meta's code tells more than its words, what to do."""
    cure = CURES.get(error.code, "") if isinstance(error, GraphRefused) else ""
    if isinstance(error, GraphRefused) and 200 <= error.code <= 299:
        cure = CURES[10]
    return f"{error}; {cure}" if cure else str(error)


def _calls(found: object) -> tuple[str, tuple[str, ...]]:
    """The worst state of those on the way of a call, and why."""
    entities = found.get("entities") if isinstance(found, Mapping) else None
    known = [one for one in entities[:20] if isinstance(one, Mapping)] if isinstance(entities, list) else []
    states = [_text(one["can_receive_call_sip"]) for one in known if one.get("can_receive_call_sip")]
    order = ("BLOCKED", "LIMITED", "AVAILABLE")
    worst = min(states, key=lambda state: order.index(state) if state in order else 0, default="")
    return worst, tuple(reason for one in known for reason in _reasons(one))


def _reasons(entity: Mapping[str, Any]) -> list[str]:
    errors, told = entity.get("errors"), entity.get("additional_info")
    return [
        _text(f"{one.get('error_description', '')} {one.get('possible_solution', '')}".strip())
        for one in (errors if isinstance(errors, list) else [])[:5]
        if isinstance(one, Mapping)
    ] + [_text(one) for one in (told if isinstance(told, list) else [])[:5]]


def _text(found: object) -> str:
    return str(found if found is not None else "")[: settings.MOST_TEXT]
