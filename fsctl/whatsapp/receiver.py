"""Where Meta's webhooks arrive: proven to be Meta's, made durable, answered. Nothing is made of them here.

Meta sends again whatever is not answered with 200, for up to 7 days; so 200 is said when a post is on disk, and not
before.
"""

import hmac
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from werkzeug import Request, Response
from werkzeug.exceptions import Forbidden, ServiceUnavailable

from fsctl.config_chat import WhatsApp
from fsctl.errors import JournalFull
from fsctl.web.server import Route
from fsctl.whatsapp import signature
from fsctl.whatsapp.journal import Journal
from fsctl.whatsapp.records import MOST_BODY

log = logging.getLogger(__name__)

PATH = "/webhooks/whatsapp"
MOST_KNOWN = 16384
"""Signatures of posts that were answered lately: the same post again costs no more than its signature."""
MOST_CHALLENGE = 256
WARN_S = 60.0
"""Posts that are not Meta's are warned of so often."""
FULL_S = 60
"""When to come again, while there is no room."""


@dataclass
class Counts:
    """What arrived since the start."""

    accepted: int = 0
    """On disk, and answered with 200."""
    replayed: int = 0
    """Answered with 200 before: Meta's retries, or somebody who has recorded one. Not stored again."""
    bad_signature: int = 0
    full: int = 0
    """Answered with 503: there was no room."""
    handshakes: int = 0
    bad_handshakes: int = 0


class Receiver:
    """Takes the webhooks of one app."""

    def __init__(
        self,
        settings: WhatsApp,
        journal: Journal,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.counts = Counts()
        self._settings = settings
        self._journal = journal
        self._now = now
        self._known: dict[str, None] = {}
        self._warned_at = float("-inf")

    def routes(self) -> list[Route]:
        """What to serve: nothing where there is no secret, since nobody could tell whose a post is."""
        if not self._settings.app_secret:
            return []
        return [
            Route(method="GET", path=PATH, handler=self.shake_hands),
            Route(method="POST", path=PATH, handler=self.take, most_bytes=MOST_BODY, admit=self.admit),
        ]

    def shake_hands(self, request: Request, _values: Mapping[str, str]) -> Response:
        """Meta asks whether this address is ours: the challenge goes back, bare, if the verify token is right."""
        token, challenge = request.args.get("hub.verify_token", ""), request.args.get("hub.challenge", "")
        right = self._settings.verify_token
        if (
            request.args.get("hub.mode") != "subscribe"
            or not right
            or not hmac.compare_digest(token.encode(), right.encode())
            or not (challenge.isascii() and challenge.isalnum() and len(challenge) <= MOST_CHALLENGE)
        ):
            self.counts.bad_handshakes += 1
            raise Forbidden("This is not the handshake that was agreed on.")
        self.counts.handshakes += 1
        return Response(challenge, mimetype="text/plain")

    def admit(self, request: Request) -> None:
        """Refuse what has no signature before its body is read. Raises Forbidden."""
        if not signature.has_shape(request.headers.get(signature.HEADER)):
            self._refuse(request)

    def take(self, request: Request, _values: Mapping[str, str]) -> Response:
        """Keep a post. Raises Forbidden: it is not Meta's; ServiceUnavailable: there is no room."""
        body, signed = request.get_data(), request.headers.get(signature.HEADER, "")
        if not signature.is_genuine(self._settings.app_secret, body, signed):
            self._refuse(request)
        if signed in self._known:
            self.counts.replayed += 1
            return Response(status=200)
        try:
            self._journal.append(body, self._now())
        except JournalFull as error:
            self.counts.full += 1
            raise ServiceUnavailable("There is no room now.", retry_after=FULL_S) from error
        self.counts.accepted += 1
        self._know(signed)
        return Response(status=200)

    def _know(self, signed: str) -> None:
        """Only what is on disk is known: one that fails must be taken when it comes again."""
        self._known[signed] = None
        if len(self._known) > MOST_KNOWN:
            del self._known[next(iter(self._known))]

    def _refuse(self, request: Request) -> None:
        self.counts.bad_signature += 1
        now = time.monotonic()
        if now - self._warned_at > WARN_S:
            self._warned_at = now
            log.warning(
                "a webhook that Meta did not sign with our app's secret, from %s; %d until now",
                request.remote_addr,
                self.counts.bad_signature,
            )
        raise Forbidden("The signature is not right.")
