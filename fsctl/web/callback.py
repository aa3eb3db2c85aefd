"""The page on which a customer chooses a time for a callback: ``/callback/TOKEN``.

Knows: HTML, and which of its pages a link leads to. Refuses to know: which times there are (``call/slots.py``)
and who gets one (``store/callbacks.py``). Its routes are served by ``web/server.py`` within ``fsctl serve``.

The signed token in the path is the only right there is: no login, no cookie, so nothing that another site could
have a browser send along. A look changes nothing (messengers fetch links to preview them); a form does.
"""

import base64
import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from importlib import resources
from itertools import groupby
from typing import Any

import jinja2
from markupsafe import Markup
from werkzeug import Request, Response

from fsctl.call import followup, slots
from fsctl.call.policy import Number, Policy
from fsctl.call.slots import Slot
from fsctl.errors import DatabaseDown
from fsctl.store.callbacks import OVER, Asked, Callbacks
from fsctl.web.phrases import PHRASES, Phrases
from fsctl.web.server import Route

log = logging.getLogger(__name__)

PATH = "/callback/<token>"
MOST_BYTES = 4096
"""Of a form: a time is ten digits."""

_TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("fsctl.web"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
)
_STYLE = (resources.files("fsctl.web") / "templates" / "callback.css").read_text("utf-8")
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "X-Robots-Tag": "noindex",
}
"""Of every page: nothing is loaded but our own style, nothing is kept, and the token goes nowhere."""


class CallbackPages:
    """Shows the times and takes the choice."""

    def __init__(
        self, callbacks: Callbacks, policy: Policy, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._callbacks = callbacks
        self._policy = policy
        self._now = now

    @property
    def routes(self) -> Sequence[Route]:
        """For the server."""
        return (
            Route(method="GET", path=PATH, handler=self.show, most_bytes=0),
            Route(method="POST", path=PATH, handler=self.choose, most_bytes=MOST_BYTES),
        )

    def show(self, request: Request, values: Mapping[str, str]) -> Response:
        """Where the link leads to now. Changes nothing."""
        return self._unless_away(request, lambda: self._show(request, values["token"]))

    def _show(self, request: Request, token: str) -> Response:
        found = self._opened(request, token)
        return found if isinstance(found, Response) else self._page(found)

    def choose(self, request: Request, values: Mapping[str, str]) -> Response:
        """Take a time, or give it back; then the page is shown by a request of its own."""
        return self._unless_away(request, lambda: self._choose(request, values["token"]))

    def _choose(self, request: Request, token: str) -> Response:
        found = self._opened(request, token)
        if isinstance(found, Response):
            return found
        now = self._now()
        if "cancel" in request.form:
            self._callbacks.cancel(found.call_uuid, now)
        else:
            slot = slots.find(self._ahead(found, now), request.form.get("slot", ""))
            booked = slot and self._book(found, slot, now)
            if booked == "used":
                return self._dead("used", 410, self._language(found))
            if booked != "booked":
                return self._page(found, is_full=True)
        return Response(status=303, headers={**HEADERS, "Location": request.path})

    def _unless_away(self, request: Request, answer: Callable[[], Response]) -> Response:
        try:
            return answer()
        except DatabaseDown as error:
            log.warning("%s", error)
            return self._dead("away", 503, _accepted(request))

    def _book(self, asked: Asked, slot: Slot, now: datetime) -> str:
        call = self._callbacks.call(asked.call_uuid)
        assert call is not None
        ticket = replace(followup.ticket(call, self._policy, now), language=self._language(asked))
        return self._callbacks.book(asked, ticket, slot, self._most(asked), now)

    # --- what a link is good for -------------------------------------------------------------------------------

    def _opened(self, request: Request, token: str) -> Asked | Response:
        """What the link is about, or the page that says why it leads nowhere."""
        invitation = slots.invitation(token, self._policy.payload_secrets)
        if invitation is None:
            return self._dead("invalid", 404, _accepted(request))
        asked = self._callbacks.asked_by(invitation.call_uuid)
        if asked is None:
            return self._dead("invalid", 404, _accepted(request))
        if asked.state in OVER:
            return self._dead("used", 410, self._language(asked))
        # Who has booked may still look and choose another time, until that time.
        if invitation.expires <= self._now() and asked.state != "booked":
            return self._dead("expired", 410, self._language(asked))
        return asked

    def _queue(self, asked: Asked) -> str:
        return asked.queue or self._number(asked).queue or self._policy.default_queue

    def _number(self, asked: Asked) -> Number:
        return self._policy.numbers.get(asked.to_number, Number())

    def _language(self, asked: Asked) -> str:
        return followup.tongue({}, asked.call_language, asked.language, self._number(asked).language)

    def _ahead(self, asked: Asked, now: datetime) -> list[Slot]:
        queue = self._policy.queue(self._queue(asked))
        hours = self._policy.hours.get(queue.hours or "")
        return slots.ahead(queue.followup, hours, asked.offered_at, now)

    def _most(self, asked: Asked) -> int:
        name = self._queue(asked)
        return slots.capacity(self._policy.queue(name).followup, self._callbacks.agents(name))

    # --- pages -------------------------------------------------------------------------------------------------

    def _page(self, asked: Asked, is_full: bool = False) -> Response:
        now, language = self._now(), self._language(asked)
        say = PHRASES[language]
        hours = self._policy.hours.get(self._policy.queue(self._queue(asked)).hours or "")
        zone = hours.zone if hours else UTC
        given: dict[str, Any] = {"label": self._number(asked).label, "zone": _zone(say, zone, now)}
        if asked.state == "booked" and asked.starts_at and asked.ends_at and not is_full:
            booked = _time(Slot(asked.starts_at, asked.ends_at), zone, say)
            return _render(200, language, page="booked", booked=booked, **given)
        taken = self._callbacks.taken(self._queue(asked), now, asked.thread_id)
        free = slots.free(self._ahead(asked, now), taken, self._most(asked))
        notice = say.full if is_full else ""
        days = _days(free, zone, say)
        return _render(409 if is_full else 200, language, page="choose", days=days, notice=notice, **given)

    def _dead(self, page: str, status: int, language: str) -> Response:
        return _render(status, language, page=page, label="")


def _render(status: int, language: str, **given: Any) -> Response:
    template = _TEMPLATES.get_template("callback.html")
    # Markup: the style is ours, and the policy of the page names its hash.
    say = PHRASES[language]
    head = say.title if given["page"] == "choose" else getattr(say, given["page"])
    text = template.render(language=language, say=say, head=head, style=Markup(_STYLE), **given)
    return Response(text, status=status, content_type="text/html; charset=utf-8", headers=HEADERS)


def _accepted(request: Request) -> str:
    """The browser's first language that we have."""
    return followup.tongue({}, *(language for language, _ in request.accept_languages))


def _days(free: Sequence[Slot], zone: tzinfo, say: Phrases) -> list[dict[str, Any]]:
    times = (_time(slot, zone, say) for slot in free)
    return [
        {"name": day, "times": list(found)} for day, found in groupby(times, key=lambda time: time["day"])
    ]


def _time(slot: Slot, zone: tzinfo, say: Phrases) -> dict[str, str]:
    start, end = slot.starts_at.astimezone(zone), slot.ends_at.astimezone(zone)
    return {
        "day": say.name_of(start),
        "from": f"{start:%H:%M}",
        "until": f"{end:%H:%M}",
        "instant": start.isoformat(),
        "value": str(int(slot.starts_at.timestamp())),
    }


def _zone(say: Phrases, zone: tzinfo, now: datetime) -> str:
    """Such as ``Madrid (UTC+01:00)``."""
    name = str(zone).rpartition("/")[2].replace("_", " ")
    offset = now.astimezone(zone).strftime("%z")
    return say.zone.format(name, f"UTC{offset[:3]}:{offset[3:5]}")
