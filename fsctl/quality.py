"""How the lines are while people talk: FreeSWITCH counts, and is asked now and then."""

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import gevent

from fsctl.call.events import CallEvent, Quality, QualityMeasured
from fsctl.call.state import Phase
from fsctl.errors import DatabaseDown, LinkError
from fsctl.esl import decode, encode
from fsctl.esl.connection import Reply
from fsctl.esl.messages import Event, JsonFields
from fsctl.store.calls import Calls

log = logging.getLogger(__name__)

EVERY_S = 20.0


class Sampler:
    """Asks for the quality of each talking call of one node, and tells it as a fact."""

    def __init__(
        self,
        node: str,
        calls: Calls,
        request: Callable[[encode.Request], Reply],
        tell: Callable[[CallEvent], object],
    ) -> None:
        """Args: request: sends a command to the node's switch; tell: hands a fact to the call's lane."""
        self._node = node
        self._calls = calls
        self._request = request
        self._tell = tell
        self._greenlet: gevent.Greenlet | None = None

    def start(self) -> None:
        """Sample in the background. A switch or a Postgres that is away is asked again later."""
        self._greenlet = gevent.spawn(self._run)

    def stop(self) -> None:
        """No more samples."""
        if self._greenlet is not None:
            self._greenlet.kill()

    def status(self) -> Mapping[str, object]:
        """Nothing that is worth a report of its own: quality stands on each call."""
        return {}

    def _run(self) -> None:
        while True:
            gevent.sleep(EVERY_S)
            try:
                self.sample()
            except (DatabaseDown, LinkError) as error:
                log.debug("%s: quality not measured: %s", self._node, error)

    def sample(self) -> None:
        """One round."""
        for call in self._calls.open_calls(self._node):
            if call.phase is Phase.TALKING:
                quality = self._measure(call.uuid)
                if quality is not None:
                    self._tell(QualityMeasured(uuid=call.uuid, at=datetime.now(UTC), quality=quality))

    def _measure(self, uuid: str) -> Quality | None:
        if not self._request(encode.MeasureMedia(uuid)).ok:
            return None
        dump = self._request(encode.DumpChannel(uuid))
        return decode.quality(Event(JsonFields(dump.text.encode()), b"")) if dump.ok else None
