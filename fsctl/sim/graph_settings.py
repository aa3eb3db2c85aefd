"""Settings of numbers for the fake Graph API, with the traps of the real one.

Written from Meta's documentation ("Configure call settings", "Configure SIP", "Messaging and calling health" and
"Error codes") and from what people met: a write of ``sip`` puts SDES back to DTLS, call hours without
``holiday_schedule`` lose theirs, the password belongs to number and app and is new after the servers were cleared.
"""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fsctl.sim.graph import FakeGraph, GraphAnswer, GraphRequest, refusal

DAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")
STATUSES = ("ENABLED", "DISABLED")
LEAST_LIMIT = 2000
"""Customers a day that a number must be allowed to write to before it may take calls."""


class _Refused(Exception):
    """A write that Meta does not take: code and words."""


@dataclass
class SimulatedNumber:
    """One number, as Meta has it."""

    display: str
    calling: dict[str, Any] = field(default_factory=dict)
    """As it is answered, but for ``sip.servers``."""
    servers: dict[str, dict[str, Any]] = field(default_factory=dict)
    """App -> its server."""
    passwords: dict[str, str] = field(default_factory=dict)
    """App -> what it says to the server of that app."""
    messaging_limit: int = 100_000
    health: str = "AVAILABLE"
    status: str = "CONNECTED"
    quality: str = "GREEN"
    name: str = "A business"
    resets_srtp: bool = True
    waits_for_enabling: bool = False
    """Whether there is a password only once SIP is enabled; Meta does not say."""


class GraphSettings:
    """The routes, and what they hold. Tokens belong to apps: there is one app unless more are named."""

    def __init__(self, today: str, apps: Mapping[str, str] | None = None) -> None:
        """Args: today: as Meta sees it, such as 2026-11-22; apps: token -> app."""
        self.numbers: dict[str, SimulatedNumber] = {}
        self.today = today
        self.apps = dict(apps or {"token": "900"})
        self.writes: list[dict[str, Any]] = []
        """The ``calling`` of each write that was taken, in order."""
        self.subscribers = ["900"]
        """Apps that get the account's webhooks."""
        self.calls_left: int | None = None
        """Management calls until 80007; None: no limit."""

    def add_routes(self, graph: FakeGraph) -> None:
        """Let a fake Graph answer with these."""
        graph.add_route("GET", r"/(\d+)/settings", self.read)
        graph.add_route("POST", r"/(\d+)/settings", self.write)
        graph.add_route("GET", r"/(\d+)", self.describe)
        graph.add_route("GET", r"/(\d+)/subscribed_apps", self.subscribed)

    def read(self, request: GraphRequest) -> GraphAnswer:
        """``GET /PHONE_NUMBER_ID/settings``."""
        refused, number, _ = self._number(request)
        if refused or number is None:
            return refused or refusal(100)
        shown = request.params.get("include_sip_credentials") == "true"
        servers = [
            {"app_id": app, **server}
            | ({"sip_user_password": number.passwords.get(app, "")} if shown else {})
            for app, server in number.servers.items()
        ]
        calling = dict(number.calling)
        if servers or "sip" in calling:
            calling["sip"] = {**calling.get("sip", {"status": "DISABLED"}), "servers": servers}
        return GraphAnswer(200, {"calling": calling, "storage_configuration": {"status": "DEFAULT"}})

    def write(self, request: GraphRequest) -> GraphAnswer:
        """``POST /PHONE_NUMBER_ID/settings``: all of it is taken, or nothing."""
        refused, number, app = self._number(request)
        if refused or number is None:
            return refused or refusal(100)
        calling = request.json.get("calling") if isinstance(request.json, dict) else None
        if not isinstance(calling, dict):
            return refusal(100, "Invalid parameter: calling")
        try:
            self._require(number, calling, app)
        except _Refused as error:
            code, words = error.args
            return refusal(code, words)
        self._take(number, calling, app)
        self.writes.append(calling)
        return GraphAnswer(200, {"success": True})

    def describe(self, request: GraphRequest) -> GraphAnswer:
        """``GET /PHONE_NUMBER_ID?fields=...``."""
        refused, number, _ = self._number(request)
        if refused or number is None:
            return refused or refusal(100)
        blocked = [
            {"error_code": 138024, "error_description": "No SIP server", "possible_solution": "Set one"}
        ]
        entity: dict[str, Any] = {
            "entity_type": "PHONE_NUMBER",
            "id": request.match[0],
            "can_send_message": "AVAILABLE",
            "can_receive_call_sip": number.health,
        }
        entity |= {"errors": blocked} if number.health == "BLOCKED" else {}
        fields: dict[str, Any] = {
            "display_phone_number": number.display,
            "verified_name": number.name,
            "status": number.status,
            "quality_rating": number.quality,
            "throughput": {"level": "STANDARD"},
            "health_status": {"can_send_message": "AVAILABLE", "entities": [entity]},
        }
        asked = request.params.get("fields", "display_phone_number,verified_name").split(",")
        return GraphAnswer(
            200, {"id": request.match[0]} | {key: fields[key] for key in asked if key in fields}
        )

    def subscribed(self, request: GraphRequest) -> GraphAnswer:
        """``GET /WABA_ID/subscribed_apps``."""
        if not self._app(request):
            return refusal(190, "Invalid OAuth access token", status=401)
        data = [{"whatsapp_business_api_data": {"id": one, "name": f"App {one}"}} for one in self.subscribers]
        return GraphAnswer(200, {"data": data})

    def _app(self, request: GraphRequest) -> str:
        """The app of the token; empty: of none."""
        sent = {key.lower(): value for key, value in request.headers.items()}.get("authorization", "")
        return self.apps.get(sent.removeprefix("Bearer "), "")

    def _number(self, request: GraphRequest) -> tuple[GraphAnswer | None, SimulatedNumber | None, str]:
        app = self._app(request)
        if not app:
            return refusal(190, "Invalid OAuth access token", status=401), None, ""
        if self.calls_left is not None:
            self.calls_left -= 1
            if self.calls_left < 0:
                return (
                    refusal(80007, "Rate limit hit for this WhatsApp Business Account", status=429),
                    None,
                    app,
                )
        number = self.numbers.get(request.match[0])
        if number is None:
            return refusal(100, "Unsupported request: object does not exist", subcode=33), None, app
        return None, number, app

    def _require(self, number: SimulatedNumber, calling: dict[str, Any], app: str) -> None:
        for key in ("status", "callback_permission_status"):
            if calling.get(key, "ENABLED") not in STATUSES:
                raise _Refused(100, f"Invalid {key}")
        if calling.get("status") == "ENABLED" and number.messaging_limit < LEAST_LIMIT:
            raise _Refused(138015, "Calling cannot be enabled")
        if calling.get("call_icon_visibility", "DEFAULT") not in ("DEFAULT", "DISABLE_ALL"):
            raise _Refused(100, "Invalid call_icon_visibility")
        if calling.get("srtp_key_exchange_protocol", "SDES") not in ("SDES", "DTLS"):
            raise _Refused(100, "Invalid srtp_key_exchange_protocol")
        if "sip" in calling:
            _require_sip(number, calling["sip"], app)
        if "call_hours" in calling:
            _require_hours(calling["call_hours"], self.today)

    def _take(self, number: SimulatedNumber, calling: dict[str, Any], app: str) -> None:
        told = dict(calling)
        sip = told.pop("sip", None)
        if "call_hours" in told:
            told["call_hours"] = {"holiday_schedule": [], **told["call_hours"]}
        number.calling |= told
        if sip is None:
            return
        number.calling["sip"] = number.calling.get("sip", {"status": "DISABLED"}) | {
            key: value for key, value in sip.items() if key != "servers"
        }
        if sip.get("servers"):
            number.servers[app] = {"port": 5061, **sip["servers"][0]}
        elif "servers" in sip:
            number.servers.pop(app, None)
            number.passwords.pop(app, None)
        is_on = number.calling["sip"]["status"] == "ENABLED"
        if app in number.servers and (is_on or not number.waits_for_enabling):
            number.passwords.setdefault(app, secrets.token_urlsafe(24))
        if number.resets_srtp:
            number.calling.pop("srtp_key_exchange_protocol", None)


def _require_sip(number: SimulatedNumber, sip: Any, app: str) -> None:
    if not isinstance(sip, dict) or sip.get("status", "ENABLED") not in STATUSES:
        raise _Refused(100, "Invalid sip")
    if sip.get("webhook_delivery", "ENABLED") not in STATUSES:
        raise _Refused(100, "Invalid sip.webhook_delivery")
    servers = sip.get("servers")
    if servers is not None and (not isinstance(servers, list) or len(servers) > 1):
        raise _Refused(100, "Only one SIP server is allowed")
    for server in servers or ():
        params = server.get("request_uri_user_params", {})
        if not server.get("hostname") or any(len(one) > 128 for pair in params.items() for one in pair):
            raise _Refused(100, "Invalid SIP server")
    left = servers if servers is not None else [one for name, one in number.servers.items() if name == app]
    if sip.get("status") == "ENABLED" and not left:
        raise _Refused(100, "At least one SIP server is required to enable SIP")


def _require_hours(hours: Any, today: str) -> None:
    if not isinstance(hours, dict) or hours.get("status") not in STATUSES:
        raise _Refused(100, "Invalid status")
    if not re.fullmatch(r"[A-Za-z_]+(/[A-Za-z_+0-9-]+)*", str(hours.get("timezone_id"))):
        raise _Refused(100, "Timezone is invalid in call_hours")
    week = hours.get("weekly_operating_hours")
    if not week:
        raise _Refused(100, "weekly_operating_hours in call_hours cannot be empty")
    dates = hours.get("holiday_schedule", [])
    if len(dates) > 20:
        raise _Refused(100, "Invalid schedule for call_hours")
    for one in dates:
        if not re.fullmatch(r"\d{4}-\d\d-\d\d", str(one.get("date"))):
            raise _Refused(100, "Date format in holiday_schedule for call_hours is invalid")
        if one["date"] < today:
            raise _Refused(100, "Holiday given in call_hours is a past date")
    if any(one.get("day_of_week") not in DAYS for one in week):
        raise _Refused(100, "Invalid schedule for call_hours")
    _require_windows(week, "day_of_week", "open_time", "close_time")
    _require_windows(dates, "date", "start_time", "end_time")


def _require_windows(entries: list[dict[str, Any]], key: str, start: str, end: str) -> None:
    days: dict[str, list[tuple[str, str]]] = {}
    for one in entries:
        window = (str(one.get(start)), str(one.get(end)))
        if (
            not all(re.fullmatch(r"([01]\d|2[0-3])[0-5]\d", clock) for clock in window)
            or window[0] >= window[1]
        ):
            raise _Refused(100, "Invalid schedule for call_hours")
        days.setdefault(one[key], []).append(window)
    for windows in days.values():
        if len(windows) > 2:
            raise _Refused(
                100, "More than 2 entries not allowed in weekly_operating_hours schedule in call_hours"
            )
        if any(later[0] < earlier[1] for earlier, later in zip(sorted(windows), sorted(windows)[1:])):
            raise _Refused(100, "Overlapping schedule in call_hours is not allowed")
