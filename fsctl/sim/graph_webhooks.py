"""The webhooks of the fake Graph API: in Meta's envelope, signed, sent again until they are taken.

Written from Meta's documentation ("Webhooks", "statuses", "text messages"). They come in no certain order.
"""

import hashlib
import hmac
import http.client
import itertools
import json
import time
from typing import Any
from urllib.parse import urlsplit

import gevent
from gevent.pool import Group

RETRIES_S = (0.1, 0.2, 0.4, 0.8, 1.6, *[3.0] * 100)
"""Pauses before each further try. Meta goes on for seven days, ever more rarely."""
TIMEOUT_S = 20.0
PRICING = {"billable": True, "pricing_model": "PMP", "category": "service", "type": "regular"}


class Webhooks:
    """Tells one address."""

    def __init__(self, url: str, app_secret: str, waba_id: str) -> None:
        self.url = url
        """Empty: nothing is told."""
        self.told: list[dict[str, Any]] = []
        """Each envelope that was taken with a 200, in order."""
        self.displays: dict[str, str] = {}
        """Id of a business number -> its digits."""
        self.repeats = 1
        """Each webhook is told so often: Meta promises nothing about duplicates."""
        self._app_secret = app_secret.encode()
        self._waba_id = waba_id
        self._greenlets = Group()

    def stop(self) -> None:
        """Tell nothing more."""
        self._greenlets.kill()

    def join(self, timeout_s: float) -> bool:
        """Wait until everything was taken; False when it takes longer."""
        return bool(self._greenlets.join(timeout_s))

    def tell(
        self, number_id: str, value: dict[str, Any], field: str = "messages", after_s: float = 0.0
    ) -> None:
        """A change of one of our numbers, after a while. Args: value: but for product and metadata."""
        display = self.displays.get(number_id, number_id)
        metadata = {"display_phone_number": display, "phone_number_id": number_id}
        head = {"messaging_product": "whatsapp", "metadata": metadata}
        change = {"field": field, "value": head | value}
        envelope = {
            "object": "whatsapp_business_account",
            "entry": [{"id": self._waba_id, "changes": [change]}],
        }
        if self.url:
            for _ in range(self.repeats):
                self._greenlets.spawn(self._deliver, envelope, after_s)

    def status(self, number_id: str, message: dict[str, Any], status: str, code: int = 0, words: str = "",
               after_s: float = 0.0) -> None:  # fmt: skip
        """What became of a message that was taken. Args: code, words: why it failed."""
        told: dict[str, Any] = {
            "id": message["wamid"],
            "status": status,
            "timestamp": str(int(time.time() + after_s)),
            "recipient_id": message["wa_id"],
            "recipient_user_id": message["user_id"],
        }
        if "biz_opaque_callback_data" in message:
            told["biz_opaque_callback_data"] = message["biz_opaque_callback_data"]
        if code:
            error = {"code": code, "title": words, "message": words, "error_data": {"details": words}}
            told["errors"] = [error | {"href": "https://developers.facebook.com/docs/whatsapp/error-codes"}]
        else:
            told["pricing"] = PRICING
        self.tell(number_id, {"statuses": [told]}, after_s=after_s)

    def _deliver(self, envelope: dict[str, Any], after_s: float) -> None:
        body = json.dumps(envelope).encode()
        digest = hmac.new(self._app_secret, body, hashlib.sha256).hexdigest()
        headers = {"Content-Type": "application/json", "X-Hub-Signature-256": f"sha256={digest}"}
        for pause_s in itertools.chain((after_s,), RETRIES_S):
            gevent.sleep(pause_s)
            if self._post(body, headers):
                self.told.append(envelope)
                return

    def _post(self, body: bytes, headers: dict[str, str]) -> bool:
        parts = urlsplit(self.url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT_S)
        try:
            connection.request("POST", parts.path or "/", body, headers)
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
