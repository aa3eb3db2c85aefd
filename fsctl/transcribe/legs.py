"""The final passes of a worker: one leg at a time in each of its threads, a window at a time, on a GPU a few.

They have threads and a model of their own, so that live text never waits for a window; on Linux those threads, and
those of the model, also give way to all others.
"""

import contextlib
import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from fsctl.errors import DatabaseDown, DatabaseError
from fsctl.logs import about
from fsctl.media.windows import Places
from fsctl.patience import Patience
from fsctl.store.db import Wakeup
from fsctl.store.transcripts import MAX_BEGUN, Job, Transcripts, Window
from fsctl.transcribe import batch, final
from fsctl.transcribe.asking import DEFAULT, Asking
from fsctl.transcribe.batch import Policy
from fsctl.transcribe.editor import Guard, Rules
from fsctl.transcribe.engine import Engine
from fsctl.transcribe.final import Decoded
from fsctl.transcribe.redact import asks_for_code

log = logging.getLogger(__name__)

IDLE_S = 2.0
"""How long to sleep when there is no leg and no wake-up comes."""
WAIT_S = 0.5
"""How long to give way to live text before looking again."""
NICE = 15
RENEW_SHARE = 0.3
"""A lease is renewed when so much of it is over."""


class Legs:
    """Claims legs and decodes their windows."""

    def __init__(
        self,
        transcripts: Transcripts,
        engine: Engine,
        guard: Guard,
        name: str,
        stopping: threading.Event,
        *,
        lease_s: float,
        windows: int = 1,
        asking: Asking = DEFAULT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            engine: with the same model as live text, or a larger one; not the one that decodes live.
            windows: decoded together.
            stopping: set by another thread; the window in hand is decoded to its end.
        """
        self._transcripts = transcripts
        self._engine = engine
        self._guard = guard
        self._name = name
        self._stopping = stopping
        self._lease_s = lease_s
        self._most = windows
        self._asking = asking
        self._clock = clock
        self._job: Job | None = None
        self._waiting: list[Window] = []
        self._found: list[Decoded] = []
        self._failed: dict[int, str] = {}
        self._tries: Counter[int] = Counter()
        """Window -> how often it was begun, by anybody."""

    def run(self, wakeup: Wakeup, busy: Callable[[], float], policy: Policy) -> None:
        """Decode until stopped, in a thread of its own.

        Args:
            busy: share of the time that goes into live text, which comes first.
        """
        beating = threading.Thread(target=self._beat, name="lease", daemon=True)
        beating.start()
        patience = Patience(
            log, "the leg in hand is decoded again when its lease is over", sleep=self._stopping.wait
        )
        since = self._clock()
        while not self._stopping.is_set():
            if not batch.is_final_due(busy(), self._clock() - since, policy):
                self._stopping.wait(WAIT_S)
                continue
            since = self._clock()
            with patience:
                if not self.work():
                    wakeup.wait(IDLE_S)
        beating.join()
        with contextlib.suppress(DatabaseDown):
            self.leave()

    def work(self) -> bool:
        """Decode the next windows, and store the leg when they were the last; False when there are none.

        Raises:
            DatabaseDown: the leg is decoded again when its lease is over.
        """
        job = self._job or self._claim()
        if job is None:
            return False
        with about(job.call_uuid):
            self._go_on(job)
        return True

    def _go_on(self, job: Job) -> None:
        try:
            if self._waiting and not self._next(job):
                self._give_back(job, None)
            elif not self._waiting:
                self._finish(job)
        except DatabaseDown:
            self._job = None
            raise
        except Exception as error:
            log.exception("the final pass of the %s of call %s", job.leg, job.call_uuid)
            self._give_back(job, error)

    def leave(self) -> None:
        """Let others go on with the leg in hand."""
        if self._job is not None:
            self._give_back(self._job, None)

    def _beat(self) -> None:
        """Keep the lease, however long a window takes on a machine that is busy: only who is dead loses it."""
        while not self._stopping.wait(self._lease_s * RENEW_SHARE):
            job = self._job
            if job is not None:
                with contextlib.suppress(DatabaseError):
                    self._transcripts.begin(job, (), lease_s=self._lease_s)

    def _claim(self) -> Job | None:
        job = self._transcripts.claim(self._name, lease_s=self._lease_s)
        if job is not None:
            self._job, self._waiting, self._found = job, list(job.windows), []
            self._failed, self._tries = {}, Counter({one.id: one.attempts for one in job.windows})
        return job

    def _begin(self, job: Job, windows: Sequence[Window]) -> Mapping[int, bytes] | None:
        return self._transcripts.begin(job, [one.id for one in windows], lease_s=self._lease_s)

    def _next(self, job: Job) -> bool:
        """Decode the next windows; False when the job is no longer ours, or their audio is gone."""
        together = self._together()
        audio = self._begin(job, together)
        if audio is None:
            return False
        self._tries.update(one.id for one in together)
        speeches = [
            self._asking.speech(audio[one.id], one.rate, job.context, **_breaks_s(job, one))
            for one in together
        ]
        try:
            texts = self._engine.decode(speeches)
        except Exception as error:
            # Alone the next time, and parked when that does not help: see ``_together``.
            log.exception("%d windows of call %s were not decoded", len(together), job.call_uuid)
            for one in together:
                self._fail_often(one, error)
            return True
        for one, speech, found in zip(together, speeches, texts, strict=True):
            self._waiting.remove(one)
            self._found.append(final.decoded(one, speech, found, self._guard))
        return True

    def _together(self) -> list[Window]:
        """The next windows; one that was begun before may be what broke, and is alone."""
        fresh = [one for one in self._waiting if not self._tries[one.id]]
        return fresh[: self._most] or self._waiting[:1]

    def _fail_often(self, one: Window, error: Exception) -> None:
        if self._tries[one.id] >= MAX_BEGUN:
            self._failed[one.id] = f"{type(error).__name__}: {error}"
            self._waiting.remove(one)

    def _finish(self, job: Job) -> None:
        asked = asked_ms(self._transcripts.others(job.place)) if "code" in job.context.redact else ()
        rules = Rules(kinds=job.context.redact, asked_ms=asked)
        found = sorted(self._found, key=lambda one: one.window.pieces[0])
        text = final.compose(job, found, self._failed, self._engine.name, rules)
        if not self._transcripts.finish(job, text):
            log.warning("the %s of call %s was decoded by another worker meanwhile", job.leg, job.call_uuid)
        self._job = None

    def _give_back(self, job: Job, error: Exception | None) -> None:
        self._job = None
        if error is None:
            self._transcripts.leave(job)
        else:
            self._transcripts.give_back(job, f"{type(error).__name__}: {error}")


def give_way() -> bool:
    """Let this thread, and those that it starts, run when no other wants to; False where that cannot be said."""
    try:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
    except (AttributeError, OSError):
        return False
    return True


def _breaks_s(job: Job, window: Window) -> dict[str, tuple[float, ...]]:
    """Where a window may be parted; see ``Asking.speech``."""
    places = Places(window.pieces, window.rate)
    spoken = (job.spoken[id] for id in window.utterances if id in job.spoken)
    return {"pauses_s": places.pauses_s(spoken), "seams_s": places.seams_s}


def asked_ms(others: Sequence[tuple[int, str]]) -> list[int]:
    """When the other leg asked for a security code: what comes next may be one."""
    return [end_ms for end_ms, text in others if asks_for_code(text)]
