"""One node, served by one controller at a time: wait for the right, link, report, stand by again."""

import dataclasses
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

import gevent

from fsctl.errors import AuthRefused, DatabaseDown
from fsctl.esl.link import Link
from fsctl.store.links import Links, NodeLock

log = logging.getLogger(__name__)

REPORT_S = 2.0
STANDBY_S = 1.0


class Companion(Protocol):
    """Works beside a link for as long as the node is served."""

    def start(self) -> None:
        """Begin, in the background."""

    def stop(self) -> None:
        """End."""

    def status(self) -> Mapping[str, Any]:
        """For the report on the node."""


class Serving:
    """Keeps one node served for as long as the process lives."""

    def __init__(
        self,
        node: str,
        lock: NodeLock,
        links: Links,
        make_link: Callable[[], Link],
        make_companions: Callable[[Link], Sequence[Companion]] = lambda _link: (),
    ) -> None:
        """Args: make_link: a new link with its controller; make_companions: what works beside it. None started."""
        self.refused: AuthRefused | None = None
        """Set when FreeSWITCH never let us in: a person must act."""
        self._node = node
        self._lock = lock
        self._links = links
        self._make_link = make_link
        self._make_companions = make_companions

    def run(self) -> None:
        """Serve whenever it is our turn; ends only when it is killed, or refused."""
        try:
            while self.refused is None:
                self._stand_by()
                self._serve()
        finally:
            self._lock.release()
            self._quietly(lambda: self._links.forget(self._node))

    def _stand_by(self) -> None:
        since, told = datetime.now(UTC), False
        while not self._ours():
            if not told:
                log.info("%s: another controller serves it; standing by", self._node)
                told = True
            self._quietly(lambda: self._links.report(self._node, "standby", since, {}))
            gevent.sleep(STANDBY_S)

    def _ours(self) -> bool:
        try:
            return self._lock.acquire()
        except DatabaseDown as error:
            log.warning("%s; trying again", error)
            return False

    def _serve(self) -> None:
        link = self._make_link()
        companions = self._make_companions(link)
        link.start()
        for companion in companions:
            companion.start()
        try:
            while self._lock.held():
                status = link.status()
                values = dataclasses.asdict(status) | {"since": status.since.isoformat()}
                for companion in companions:
                    values |= companion.status()
                self._quietly(lambda: self._links.report(self._node, status.state, status.since, values))  # noqa: B023
                if link.refused is not None:
                    self.refused = link.refused
                    return
                link.changed.wait(REPORT_S)
            log.warning("%s: another controller has taken over", self._node)
        finally:
            for companion in companions:
                companion.stop()
            link.stop()

    def _quietly(self, report: Callable[[], None]) -> None:
        """A report that cannot be written is no reason to stop."""
        try:
            report()
        except DatabaseDown as error:
            log.debug("%s", error)
