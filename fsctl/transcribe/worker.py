"""Claim, decode, store, again. Plain Python without gevent: the model has the process for itself.

One thread beside the model's stores what was decoded, and claims the next batch where more waits than fits into
one. Final passes have a thread and a model of their own (``legs``), behind this one.
"""

import contextlib
import logging
import os
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from fsctl.errors import DatabaseDown
from fsctl.logs import about
from fsctl.patience import Patience
from fsctl.store.db import Wakeup
from fsctl.store.utterances import Claimed, Utterances
from fsctl.transcribe import batch, editor
from fsctl.transcribe.asking import DEFAULT, Asking, heard
from fsctl.transcribe.batch import Plan, Policy
from fsctl.transcribe.editor import Edited, Guard, Rules
from fsctl.transcribe.engine import Engine, Speech, Text
from fsctl.transcribe.legs import asked_ms

log = logging.getLogger(__name__)

IDLE_S = 1.0
"""How long a worker with nothing to do sleeps when no wake-up comes."""
BUSY_S = 30.0
"""Over this long is counted how busy live text keeps us."""


def worker_name() -> str:
    """As it stands on what is claimed."""
    return f"{socket.gethostname()}:{os.getpid()}"


@dataclass(frozen=True)
class Taken:
    """A batch that is ours."""

    claimed: Sequence[Claimed]
    beam: int


class Worker:
    """Decodes whatever is there, until told to stop."""

    def __init__(
        self,
        utterances: Utterances,
        engine: Engine,
        wakeup: Wakeup,
        guard: Guard,
        policy: Policy,
        *,
        lease_s: float,
        asking: Asking = DEFAULT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Args: guard: what is not text; policy: what to decode together and what to shed."""
        self._utterances = utterances
        self._engine = engine
        self._wakeup = wakeup
        self._guard = guard
        self._policy = policy
        self._lease_s = lease_s
        self._asking = asking
        self._name = worker_name()
        self._clock = clock
        self._busy: deque[tuple[float, float]] = deque(maxlen=1000)
        """When live text was decoded lately, and for how long."""
        self._ahead: Future[Taken] | None = None
        self._stored: Future[None] | None = None
        self._stopping = False

    def stop(self) -> None:
        """End after the batch in hand. Safe in a signal handler."""
        self._stopping = True

    def run(self, sleep: Callable[[float], None]) -> None:
        """Work until stopped; Postgres away is waited for with ``sleep``."""
        patience = Patience(log, "the lease of what was in hand runs out, it is decoded again", sleep=sleep)
        with ThreadPoolExecutor(1, "store") as beside:
            while not self._stopping:
                with patience:
                    if not self.work(beside):
                        self._wakeup.wait(IDLE_S)
            self._leave()

    def work(self, beside: ThreadPoolExecutor) -> bool:
        """Decode one batch; False when there is nothing to do.

        Raises:
            DatabaseDown: as for any earlier batch that could not be stored.
        """
        ahead, self._ahead = self._ahead, None
        taken = ahead.result() if ahead else self._take(beside)
        if taken.claimed:
            with self._counted():
                self._decode(taken, beside)
            return True
        return self._settle()

    def _take(self, beside: ThreadPoolExecutor) -> Taken:
        """Claim the next batch; with a backlog, have the one after it claimed while this one is decoded."""
        waiting = self._utterances.waiting(batch.LOOK)
        plan = batch.plan(waiting, self._policy)
        if plan.shed:
            count = self._utterances.shed(plan.shed)
            log.warning("%d utterances are decoded after their calls: there are too many", count)
        taken = self._claim(plan)
        if plan.more:
            self._ahead = beside.submit(self._take_ahead)
        return taken

    def _take_ahead(self) -> Taken:
        return self._claim(batch.plan(self._utterances.waiting(batch.LOOK), self._policy))

    def _claim(self, plan: Plan) -> Taken:
        if not plan.decode:
            return Taken((), plan.beam)
        return Taken(self._utterances.claim(self._name, plan.decode, lease_s=self._lease_s), plan.beam)

    def _decode(self, taken: Taken, beside: ThreadPoolExecutor) -> None:
        speeches = [self._asking.speech(one.pcm, one.rate, one.context) for one in taken.claimed]
        try:
            texts: list[list[Text] | Exception] = list(self._engine.decode(speeches, beam=taken.beam))
        except Exception as error:
            # One bad utterance must not take its neighbours with it.
            log.exception("a batch of %d was not decoded; trying them one by one", len(speeches))
            texts = [self._alone(speech, error, len(speeches)) for speech in speeches]
        self._settle()
        self._stored = beside.submit(self._store, taken.claimed, speeches, texts)

    def _alone(self, speech: Speech, error: Exception, count: int) -> list[Text] | Exception:
        if count == 1:
            return error
        try:
            return self._engine.decode([speech])[0]
        except Exception as alone:
            return alone

    def _settle(self) -> bool:
        """What was decoded before is stored now, or its error is ours; False when there was nothing."""
        stored, self._stored = self._stored, None
        if stored is not None:
            stored.result()
        return stored is not None

    def _store(
        self, claimed: Sequence[Claimed], speeches: Sequence[Speech], texts: Sequence[list[Text] | Exception]
    ) -> None:
        for one, speech, found in zip(claimed, speeches, texts, strict=True):
            with about(one.call_uuid):
                self._store_one(one, speech, found)

    def _store_one(self, one: Claimed, speech: Speech, found: list[Text] | Exception) -> None:
        if isinstance(found, Exception):
            log.error("utterance %s of call %s was not decoded", one.id, one.call_uuid, exc_info=found)
            self._utterances.give_back(one, f"{type(found).__name__}: {found}")
            return
        edited = self._edit(one, speech, found)
        evidence, sure = heard(one.context, found, speech.seconds)
        if not self._utterances.finish(one, edited.segments, edited.redactions, evidence, sure):
            log.warning("utterance %s was decoded by another worker meanwhile", one.id)

    def _edit(self, claimed: Claimed, speech: Speech, texts: Sequence[Text]) -> Edited:
        begin_ms = claimed.start_sample * 1000 // claimed.rate
        end_ms = claimed.end_sample * 1000 // claimed.rate

        def place(seconds: float) -> int:
            return begin_ms + round(seconds * 1000)

        said = [editor.place(text, self._guard(text, speech), place, place) for text in texts]
        if not said:
            said = [editor.nothing(begin_ms, end_ms, claimed.context.language)]
        kinds = claimed.context.redact
        asked = asked_ms(self._utterances.others(claimed.place)) if "code" in kinds else ()
        rules = Rules(kinds=kinds, is_live=True, asked_ms=asked)
        return editor.edit(said, self._engine.name, rules)

    @contextlib.contextmanager
    def _counted(self) -> Iterator[None]:
        began = self._clock()
        yield
        self._busy.append((began, self._clock() - began))

    def busy(self) -> float:
        """Share of the last time that went into live text. For another thread, too."""
        now = self._clock()
        return sum(length for began, length in tuple(self._busy) if began >= now - BUSY_S) / BUSY_S

    def _leave(self) -> None:
        """Others need not wait for our leases."""
        with contextlib.suppress(DatabaseDown):
            self._settle()
            if self._ahead is not None:
                for one in self._ahead.result().claimed:
                    self._utterances.leave(one)
