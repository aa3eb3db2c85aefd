"""``/PHONE_NUMBER_ID/messages`` of the fake Graph API, with Meta's limits, so that a wrong sender is seen.

Written from Meta's documentation ("Send messages", "Throughput", "Call button messages", "User call permissions",
"Error codes"). What Meta finds out only when it delivers (window, opt-out, a phone that cannot take it) is told by
a failed status, as Meta does; where no webhook is set up, in the answer.
"""

import base64
import random
import time
from collections import deque
from typing import Any

from fsctl.sim.graph_webhooks import Webhooks
from fsctl.sim.graph_wire import WORDS, GraphAnswer, GraphRequest, refusal

DAY_S = 86400.0
MAX_TEXT, MAX_BODY, MAX_LABEL, MAX_PAYLOAD, MAX_CALLBACK_DATA = 4096, 1024, 20, 512, 512
MAX_TTL_MINUTES = 43_200
TYPES = frozenset({"text", "interactive", "template", "image", "audio", "video", "document", "sticker", "location",
                   "contacts", "reaction"})  # fmt: skip
STATUSES = (("sent", 0.0), ("delivered", 0.02), ("read", 0.05))


class Messages:
    """Takes messages, and says what becomes of them."""

    def __init__(self, webhooks: Webhooks, rng: random.Random) -> None:
        self.received: list[dict[str, Any]] = []
        """Taken, in order: the JSON as it came, with wamid, wa_id, user_id, number_id and at (epoch seconds)."""
        self.refused: list[tuple[int, dict[str, Any]]] = []
        """Code and JSON of those that were not taken, or failed later."""
        self.windows: dict[tuple[str, str], float] = {}
        """(number id, user) -> epoch seconds until which the service window is open."""
        self.keeps_windows = True
        self.pair_every_s = 6.0
        self.pair_burst = 45
        """So many at once to one user; they count against what comes later. 1: no burst, for strict tests."""
        self.number_per_s = 80
        self.undeliverable: set[str] = set()
        """Users who are not on WhatsApp, or whose client is too old."""
        self.opted_out: set[str] = set()
        self.templates: dict[str, set[str]] | None = None
        """Name -> languages; None: every template exists."""
        self.wa_ids: dict[str, str] = {}
        """A number as dialled -> the wa_id it is known by (Brazil's ninth digit)."""
        self.permissions: dict[str, str] = {}
        """User -> ``temporary`` or ``permanent``: we may call."""
        self.statuses: tuple[tuple[str, float], ...] = STATUSES
        """What is told of a message that arrives, and after how many seconds."""
        self._webhooks = webhooks
        self._rng = rng
        self._pairs: dict[tuple[str, str], float] = {}
        self._recent: dict[str, deque[float]] = {}

    def open_window(self, number_id: str, user: str, seconds: float = DAY_S) -> None:
        """The user wrote or called."""
        self.windows[number_id, user] = time.time() + seconds

    def send(self, request: GraphRequest) -> GraphAnswer:
        """``POST /PHONE_NUMBER_ID/messages``."""
        message = request.json
        if not isinstance(message, dict) or message.get("messaging_product") != "whatsapp":
            return refusal(100, details="messaging_product is required")
        if message.get("status") == "read":
            return GraphAnswer(200, {"success": True})
        (number_id,) = request.match
        user = str(message.get("to") or message.get("recipient") or "").lstrip("+")
        code, words = self._wrong(message, user) or self._too_fast(number_id, user) or (0, "")
        if not code and (late := self._late(message, number_id, user)):
            # Meta finds it out when it delivers; without a webhook nobody would hear of it.
            code, words = (0, "") if self._webhooks.url else (late, "")
        if code:
            self.refused.append((code, message))
            return refusal(code, details=words)
        return self._take(message, number_id, user, request.later)

    def permission(self, request: GraphRequest) -> GraphAnswer:
        """``GET /PHONE_NUMBER_ID/call_permissions``."""
        user = request.params.get("user_wa_id") or request.params.get("recipient") or ""
        if not user:
            return refusal(100, details="user_wa_id is required")
        status = self.permissions.get(user.lstrip("+"), "no_permission")
        permission: dict[str, Any] = {"status": status}
        if status == "temporary":
            permission["expiration_time"] = int(time.time() + 7 * DAY_S)
        actions = [
            {"action_name": "send_call_permission_request", "can_perform_action": status == "no_permission"},
            {"action_name": "start_call", "can_perform_action": status != "no_permission"},
        ]
        return GraphAnswer(
            200, {"messaging_product": "whatsapp", "permission": permission, "actions": actions}
        )

    def _take(self, message: dict[str, Any], number_id: str, user: str, later: int) -> GraphAnswer:
        wa_id = "" if "." in user else self.wa_ids.get(user, user)
        found = message | {
            "wamid": "wamid.HBgL" + base64.b64encode(self._rng.randbytes(24)).decode(),
            "wa_id": wa_id,
            "user_id": user if "." in user else f"US.{user}",
            "number_id": number_id,
            "at": time.time(),
        }
        self.received.append(found)
        failed = later or self._late(message, number_id, user)
        if failed:
            self.refused.append((failed, found))
            self._webhooks.status(number_id, found, "failed", failed, WORDS.get(failed, "An error occurred"))
        else:
            for status, after_s in self.statuses:
                self._webhooks.status(number_id, found, status, after_s=after_s)
        contact = {
            "input": message.get("to") or message.get("recipient"),
            "wa_id": wa_id,
            "user_id": found["user_id"],
        }
        return GraphAnswer(
            200,
            {
                "messaging_product": "whatsapp",
                "contacts": [{key: value for key, value in contact.items() if value}],
                "messages": [{"id": found["wamid"], "message_status": "accepted"}],
            },
        )

    def _late(self, message: dict[str, Any], number_id: str, user: str) -> int:
        """The code of what goes wrong when it is delivered; 0: nothing."""
        if user in self.undeliverable:
            return 131026
        is_template = message["type"] == "template"
        if is_template and user in self.opted_out:
            return 131050
        if not is_template and self.keeps_windows and self.windows.get((number_id, user), 0.0) < time.time():
            return 131047
        return 0

    def _too_fast(self, number_id: str, user: str) -> tuple[int, str] | None:
        now = time.time()
        recent = self._recent.setdefault(number_id, deque())
        while recent and recent[0] <= now - 1.0:
            recent.popleft()
        if len(recent) >= self.number_per_s:
            return 130429, "Cloud API message throughput has been reached."
        debt_until = max(self._pairs.get((number_id, user), now), now)
        if debt_until - now > (self.pair_burst - 1) * self.pair_every_s:
            return 131056, ""
        recent.append(now)
        self._pairs[number_id, user] = debt_until + self.pair_every_s
        return None

    def _wrong(self, message: dict[str, Any], user: str) -> tuple[int, str] | None:
        kind = message.get("type")
        if not user:
            return 131008, "to or recipient is required"
        if kind not in TYPES or not isinstance(message.get(kind), dict | list):
            return 100, f"type {kind!r} and its object are required"
        if len(str(message.get("biz_opaque_callback_data", ""))) > MAX_CALLBACK_DATA:
            return 131009, "biz_opaque_callback_data is too long"
        if kind == "text":
            return _length(message["text"].get("body"), MAX_TEXT, "text.body")
        if kind == "interactive":
            return _wrong_interactive(message["interactive"])
        if kind == "template":
            return self._wrong_template(message["template"])
        return None

    def _wrong_template(self, template: dict[str, Any]) -> tuple[int, str] | None:
        name, language = template.get("name"), template.get("language", {}).get("code")
        if not name or not language:
            return 131008, "template.name and template.language.code are required"
        if self.templates is not None and language not in self.templates.get(name, ()):
            return 132001, f"template name ({name}) does not exist in {language}"
        for component in template.get("components", ()):
            for parameter in component.get("parameters", ()):
                wrong = _length(parameter.get("payload", "-"), MAX_PAYLOAD, "payload") or _ttl(parameter)
                if wrong:
                    return wrong
        return None


def _wrong_interactive(interactive: dict[str, Any]) -> tuple[int, str] | None:
    kind, action = interactive.get("type"), interactive.get("action", {})
    wrong = _length(interactive.get("body", {}).get("text"), MAX_BODY, "interactive.body.text")
    if wrong:
        return wrong
    parameters = action.get("parameters", {})
    if kind == "button":
        titles = [one.get("reply", {}).get("title") for one in action.get("buttons", ())]
        if not 1 <= len(titles) <= 3:
            return 131009, "one to three buttons"
        return next(filter(None, (_length(title, MAX_LABEL, "title") for title in titles)), None)
    if kind not in ("voice_call", "call_permission_request", "cta_url"):
        return 131009, f"interactive.type {kind!r}"
    if action.get("name") != kind:
        return 131009, "action.name"
    if kind == "call_permission_request":
        return None
    return (
        _length(parameters.get("display_text"), MAX_LABEL, "display_text")
        or _length(parameters.get("payload", "-"), MAX_PAYLOAD, "payload")
        or _ttl(parameters)
        or (_length(parameters.get("url"), 2000, "url") if kind == "cta_url" else None)
    )


def _length(text: object, most: int, what: str) -> tuple[int, str] | None:
    if not isinstance(text, str) or not text:
        return 131008, f"{what} is required"
    return (131009, f"{what} is longer than {most}") if len(text) > most else None


def _ttl(parameters: dict[str, Any]) -> tuple[int, str] | None:
    ttl = parameters.get("ttl_minutes", 1)
    if type(ttl) is not int or not 1 <= ttl <= MAX_TTL_MINUTES:
        return 131009, "ttl_minutes"
    return None
