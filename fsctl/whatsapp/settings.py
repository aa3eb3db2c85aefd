"""The calling settings of a number at Meta: what is there, what we want, and what is sent to make it so. Pure.

Two traps are behind the order of what is sent. A write of ``sip`` may silently put ``srtp_key_exchange_protocol``
back to DTLS, with which FreeSWITCH gets no sound (docs/freeswitch.md), so SDES goes last and is read again. And
Meta keeps one SIP server for each app: one of another app can only be cleared with that app's token.
Source: Meta, "Configure call settings" and "Configure SIP".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fsctl.call.policy import Policy
from fsctl.config_chat import Calling
from fsctl.errors import BadInput
from fsctl.whatsapp import call_hours
from fsctl.whatsapp.call_hours import CallHours

MOST_TEXT = 200
MOST_SERVERS = 20
DEFAULT_PORT = 5061

Body = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Server:
    """A SIP server that Meta calls."""

    host: str
    port: int = DEFAULT_PORT
    params: Mapping[str, str] | None = None
    """Of the request URI; None: Meta did not say."""
    app: str = ""
    """The app whose token set it; empty: Meta did not say."""

    def __str__(self) -> str:
        params = "".join(f";{key}={value}" for key, value in sorted((self.params or {}).items()))
        return f"{self.host}:{self.port}{params}" + (f" (app {self.app})" if self.app else "")

    def is_same(self, there: "Server") -> bool:
        """Whether Meta has this one. Parameters that it does not tell cannot differ."""
        params = dict(self.params or {})
        return (self.host.casefold(), self.port) == (there.host.casefold(), there.port) and (
            there.params is None or params == dict(there.params)
        )


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Of one number. The defaults are those of a number for which nothing was ever set."""

    status: str = "DISABLED"
    sip: str = "DISABLED"
    servers: tuple[Server, ...] = ()
    call_webhooks: str = "DISABLED"
    srtp: str = "DTLS"
    icon: str = "DEFAULT"
    icon_countries: tuple[str, ...] = ()
    callback: str = "DISABLED"
    hours: CallHours | None = None
    """At Meta None is no hours; of what we want, None leaves Meta's alone."""
    restrictions: tuple[str, ...] = ()
    """What Meta does not let this number do now, with until when."""


@dataclass(frozen=True)
class Row:
    """One setting, for people."""

    name: str
    """As Meta calls it."""
    there: str
    wanted: str
    is_same: bool


def wanted(calling: Calling, policy: Policy, number: str, now: datetime) -> Settings:
    """What Meta shall have for one of our numbers.

    Args:
        number: its digits; its queue's opening hours become Meta's call hours.
        now: aware.

    Raises:
        BadInput: the config does not say where Meta shall call, or the hours do not fit into what Meta takes.
    """
    if not calling.sip_host:
        raise BadInput("whatsapp.calling.sip_host is not set: under which name shall Meta call FreeSWITCH?")
    return Settings(
        status="ENABLED",
        sip="ENABLED",
        servers=(Server(host=calling.sip_host, port=calling.sip_port, params=calling.sip_params),),
        call_webhooks=_status(calling.call_webhooks),
        srtp="SDES",
        icon="DEFAULT" if calling.call_icon else "DISABLE_ALL",
        icon_countries=tuple(sorted(calling.call_icon_countries)),
        callback=_status(calling.callback_permission),
        hours=hours_of(policy, number, now) if calling.call_hours else None,
    )


def hours_of(policy: Policy, number: str, now: datetime) -> CallHours:
    """The opening hours of a number's queue, as Meta takes them.

    Raises:
        BadInput: they do not fit.
    """
    known = policy.numbers[number]
    name = policy.queue(known.queue or policy.default_queue).hours
    return call_hours.wanted(policy.hours[name] if name else None, now, name or "")


def read(answer: Mapping[str, Any]) -> Settings:
    """What ``GET /PHONE_NUMBER_ID/settings`` answers; what is missing or strange is as if never set."""
    calling = _table(answer.get("calling"))
    sip = _table(calling.get("sip"))
    countries = _list(_table(calling.get("call_icons")).get("restrict_to_user_countries"))
    return Settings(
        status=_word(calling.get("status"), "DISABLED"),
        sip=_word(sip.get("status"), "DISABLED"),
        servers=tuple(_server(one) for one in _list(sip.get("servers")) if isinstance(one, Mapping)),
        call_webhooks=_word(sip.get("webhook_delivery"), "DISABLED"),
        srtp=_word(calling.get("srtp_key_exchange_protocol"), "DTLS"),
        icon=_word(calling.get("call_icon_visibility"), "DEFAULT"),
        icon_countries=tuple(sorted(_word(one, "") for one in countries)),
        callback=_word(calling.get("callback_permission_status"), "DISABLED"),
        hours=call_hours.read(calling.get("call_hours")),
        restrictions=tuple(_restrictions(calling.get("restrictions"))),
    )


def compare(there: Settings, wanted: Settings) -> list[Row]:
    """Every setting that we want to be some way, in the order in which people read them."""
    names = {
        "status": "status",
        "sip.status": "sip",
        "sip.webhook_delivery": "call_webhooks",
        "srtp_key_exchange_protocol": "srtp",
        "call_icon_visibility": "icon",
        "callback_permission_status": "callback",
    }
    rows = [
        Row(
            name,
            getattr(there, field),
            getattr(wanted, field),
            getattr(there, field) == getattr(wanted, field),
        )
        for name, field in names.items()
    ]
    rows.insert(2, _server_row(there, wanted))
    here, ours = (", ".join(one.icon_countries) or "everywhere" for one in (there, wanted))
    rows.append(Row("call_icons", here, ours, here == ours))
    if wanted.hours is not None:
        known = str(there.hours) if there.hours else "always"
        rows.append(Row("call_hours", known, str(wanted.hours), wanted.hours.is_same(there.hours)))
    return rows


def writes(there: Settings, wanted: Settings) -> list[Body]:
    """What is sent, one after the other, so that Meta has what is wanted: the SIP server first, SDES last."""
    differing = {row.name for row in compare(there, wanted) if not row.is_same}
    bodies: list[Body] = []
    if differing & {"status", "sip.status", "sip.servers", "sip.webhook_delivery"}:
        bodies.append(sip_body(wanted))
    if differing & {"call_icon_visibility", "call_icons", "callback_permission_status"}:
        bodies.append(_icon_body(wanted))
    if "call_hours" in differing:
        bodies.append(hours_body(wanted))
    if bodies[:1] == [sip_body(wanted)] or "srtp_key_exchange_protocol" in differing:
        bodies.append(srtp_body(wanted))
    return bodies


def sip_body(wanted: Settings) -> Body:
    """The SIP server, and calls at all: Meta takes the one only with the other."""
    sip = {"status": wanted.sip, "webhook_delivery": wanted.call_webhooks}
    return {"calling": {"status": wanted.status, "sip": {**sip, "servers": _servers(wanted)}}}


def waiting_body(wanted: Settings) -> Body:
    """The server is known and nothing is called yet: Meta has a password for it before the first call."""
    return {"calling": {"status": "DISABLED", "sip": {"status": "DISABLED", "servers": _servers(wanted)}}}


def no_server_body() -> Body:
    """Meta forgets our server, and with it the password (Meta, "Configure SIP", on resetting it)."""
    return {"calling": {"status": "DISABLED", "sip": {"status": "DISABLED", "servers": []}}}


def srtp_body(wanted: Settings) -> Body:
    """How media is encrypted, alone, since a write of the SIP server may undo it."""
    return {"calling": {"srtp_key_exchange_protocol": wanted.srtp}}


def hours_body(wanted: Settings) -> Body:
    """The call hours, alone. Raises BadInput when none are wanted."""
    if wanted.hours is None:
        raise BadInput("whatsapp.calling.call_hours is false: Meta's hours are left alone")
    return {"calling": {"call_hours": wanted.hours.body()}}


def passwords(answer: Mapping[str, Any]) -> list[tuple[Server, str]]:
    """The servers and their SIP passwords, of an answer that was asked to have them; "" where it has none."""
    servers = _list(_table(_table(answer.get("calling")).get("sip")).get("servers"))
    return [
        (_server(one), str(one.get("sip_user_password") or "")) for one in servers if isinstance(one, Mapping)
    ]


def _icon_body(wanted: Settings) -> Body:
    countries = {"restrict_to_user_countries": list(wanted.icon_countries)}
    return {
        "calling": {
            "call_icon_visibility": wanted.icon,
            "call_icons": countries,
            "callback_permission_status": wanted.callback,
        }
    }


def _servers(wanted: Settings) -> list[Body]:
    return [
        {"hostname": one.host, "port": one.port}
        | ({"request_uri_user_params": dict(one.params)} if one.params else {})
        for one in wanted.servers
    ]


def _server_row(there: Settings, wanted: Settings) -> Row:
    here, ours = there.servers, wanted.servers
    same = len(here) == len(ours) and all(mine.is_same(one) for mine, one in zip(ours, here))
    return Row("sip.servers", ", ".join(map(str, here)) or "none", ", ".join(map(str, ours)), same)


def _server(found: Mapping[str, Any]) -> Server:
    params = found.get("request_uri_user_params")
    return Server(
        host=_text(found.get("hostname")),
        port=_number(found.get("port"), DEFAULT_PORT),
        params={_text(key): _text(value) for key, value in params.items()}
        if isinstance(params, Mapping)
        else None,
        app=_text(found.get("app_id")),
    )


def _restrictions(found: object) -> list[str]:
    listed = _list(_table(found).get("restrictions_list"))
    return [
        f"{_text(one.get('type'))} until {_moment(one.get('expiration'))}: {_text(one.get('reason'))}"
        for one in listed
        if isinstance(one, Mapping)
    ]


def _moment(found: object) -> str:
    """A Unix time for people."""
    try:
        return f"{datetime.fromtimestamp(_number(found, 0), UTC):%Y-%m-%d %H:%M} UTC"
    except (OverflowError, OSError, ValueError):
        return _text(found)


def _status(is_on: bool) -> str:
    return "ENABLED" if is_on else "DISABLED"


def _word(found: object, default: str) -> str:
    return _text(found).upper() or default


def _text(found: object) -> str:
    return str(found if found is not None else "")[:MOST_TEXT]


def _number(found: object, default: int) -> int:
    try:
        return int(str(found)[:20])
    except ValueError:
        return default


def _table(found: object) -> Mapping[str, Any]:
    return found if isinstance(found, Mapping) else {}


def _list(found: object) -> Sequence[Any]:
    is_list = isinstance(found, Sequence) and not isinstance(found, str | bytes)
    return found[:MOST_SERVERS] if is_list and isinstance(found, Sequence) else ()
