"""One customer's way through our house, as the world around it plays it.

An ad leads to a chat; the customer calls and gives up; our message comes with a call button; the button brings the
customer back, to the place in the queue that it carries. Knows the simulated switch and the simulated Graph API.
"""

import logging
import time
from dataclasses import replace
from typing import Any

import gevent

from fsctl.sim.graph import FakeGraph
from fsctl.sim.plan import CallPlan, Ring
from fsctl.sim.samples import Sample
from fsctl.sim.switch import Switch

log = logging.getLogger(__name__)

SAMPLE = "order-en"
"""Whose customer goes this way in the demo."""

GIVES_UP_S = 8.0
"""Simulated seconds from the call to giving up: in the queue, while the phone of an agent rings."""
SEES_BUTTON_S = 2.0
PATIENCE_S = 20.0
"""Wall seconds that our message is waited for, before the customer tries again."""
TRIES = 10
REFERRAL = {
    "source_url": "https://fb.me/coffee-machines",
    "source_id": "120213000000000042",
    "source_type": "ad",
    "headline": "Coffee machines, delivered in two days",
    "body": "Questions? Write to us or call us on WhatsApp.",
    "media_type": "image",
    "ctwa_clid": "ARAkLkA8rmlFeiCktEJQ-QTwRiyYHAFDLMNDBH0CD3qpjd0HR4irJ6LEkR7JwFF4",
}


class Journey:
    """Plays the customer of one sample."""

    def __init__(self, switch: Switch, graph: FakeGraph, sample: Sample) -> None:
        self._switch = switch
        self._graph = graph
        self._sample = sample
        self._number_id = next(
            (id_ for id_, digits in graph.webhooks.displays.items() if digits == sample.business_number), ""
        )

    def run(self) -> None:
        """Play it to the end; what does not come is logged."""
        self._write()
        for _ in range(TRIES):
            self._switch.place_call(self._missed())
            payload = self._button()
            if payload is not None:
                gevent.sleep(SEES_BUTTON_S / self._switch.options.speed)
                headers = (("x-wa-meta-cta-payload", payload),)
                self._switch.place_call(self._sample.plan(extra_headers=headers))
                return
        log.warning("no message with a call button reached %s", self._sample.contact_name)

    def _write(self) -> None:
        """What the customer wrote before; the ad stands on the first message."""
        now = time.time()
        user, user_id = self._sample.wa_id, f"US.{self._sample.wa_id}"
        contact = {
            "profile": {"name": self._sample.contact_name},
            "wa_id": user,
            "user_id": user_id,
        }
        said = [one for one in self._sample.chat if one.direction == "inbound"]
        for count, one in enumerate(said):
            message: dict[str, Any] = {
                "from": user,
                "from_user_id": user_id,
                "id": f"wamid.JOURNEY{int(now)}{count}",
                "timestamp": str(int(now - one.minutes_before_call * 60)),
                "type": "text",
                "text": {"body": one.text},
            }
            if count == 0:
                message["referral"] = REFERRAL
            self._graph.messages.open_window(self._number_id, user)
            self._graph.webhooks.tell(self._number_id, {"contacts": [contact], "messages": [message]})

    def _missed(self) -> CallPlan:
        plan = self._sample.plan(rings=(Ring("no_answer"),), start_after_s=1.0)
        return replace(plan, caller_audio=None, agent_audio=None, abandon_after_s=GIVES_UP_S)

    def _button(self) -> str | None:
        """The payload of the call button that came."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            for message in self._graph.received:
                interactive = message.get("interactive") or {}
                is_ours = self._sample.wa_id in (message["wa_id"], message["user_id"].partition(".")[2])
                if is_ours and interactive.get("type") == "voice_call":
                    payload: str = interactive["action"]["parameters"]["payload"]
                    return payload
            gevent.sleep(0.1)
        return None
