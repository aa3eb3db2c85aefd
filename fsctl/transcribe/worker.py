"""Claim, decode, store, again. Plain Python without gevent: the model has the process for itself."""

import logging
import math
import os
import socket
from collections.abc import Callable, Sequence

import numpy as np

from fsctl.backoff import Backoff
from fsctl.errors import DatabaseDown
from fsctl.store.db import Wakeup
from fsctl.store.utterances import Claimed, NewSegment, Utterances
from fsctl.transcribe import guard
from fsctl.transcribe.engine import Engine, Speech, Text, to_16k

log = logging.getLogger(__name__)

IDLE_S = 1.0
"""How long a worker with nothing to do sleeps when no wake-up comes."""


class Worker:
    """Decodes whatever is there, until told to stop."""

    def __init__(
        self, utterances: Utterances, engine: Engine, wakeup: Wakeup, *, batch: int, lease_s: float
    ) -> None:
        self._utterances = utterances
        self._engine = engine
        self._wakeup = wakeup
        self._batch = batch
        self._lease_s = lease_s
        self._name = f"{socket.gethostname()}:{os.getpid()}"
        self._stopping = False

    def stop(self) -> None:
        """End after the batch in hand. Safe in a signal handler."""
        self._stopping = True

    def run(self, sleep: Callable[[float], None]) -> None:
        """Work until stopped; Postgres away is waited for with ``sleep``."""
        backoff = Backoff()
        while not self._stopping:
            try:
                if not self.work():
                    self._wakeup.wait(IDLE_S)
                backoff.reset()
            except DatabaseDown as error:
                log.warning("%s; the lease of what was in hand runs out, it is decoded again", error)
                sleep(backoff.next_s())

    def work(self) -> int:
        """Decode one batch; returns how many utterances it had."""
        claimed = self._utterances.claim(self._name, limit=self._batch, lease_s=self._lease_s)
        if not claimed:
            return 0
        try:
            texts = self._engine.decode([_speech(one) for one in claimed])
        except Exception as error:
            # One bad utterance must not take its neighbours with it.
            log.exception("a batch of %d was not decoded; trying them one by one", len(claimed))
            self._one_by_one(claimed, error)
            return len(claimed)
        for one, found in zip(claimed, texts):
            self._store(one, found)
        return len(claimed)

    def _one_by_one(self, claimed: Sequence[Claimed], error: Exception) -> None:
        for one in claimed:
            try:
                found = self._engine.decode([_speech(one)])[0] if len(claimed) > 1 else None
            except Exception as alone:
                error, found = alone, None
            if found is None:
                log.error("utterance %s of call %s: %s", one.id, one.call_uuid, error)
                self._utterances.give_back(one, f"{type(error).__name__}: {error}")
            else:
                self._store(one, found)

    def _store(self, claimed: Claimed, texts: Sequence[Text]) -> None:
        segments = [self._segment(claimed, text) for text in texts]
        if not self._utterances.finish(claimed, segments):
            log.warning("utterance %s was decoded by another worker meanwhile", claimed.id)

    def _segment(self, claimed: Claimed, text: Text) -> NewSegment:
        begin_ms = claimed.start_sample * 1000 // claimed.rate
        return NewSegment(
            start_ms=begin_ms + round(text.start_s * 1000),
            end_ms=begin_ms + round(text.end_s * 1000),
            text=text.text,
            confidence=round(math.exp(min(0.0, text.logprob)), 4),
            language=text.language,
            model=self._engine.name,
            suppressed_by=guard.suppressed_by(text),
        )


def _speech(claimed: Claimed) -> Speech:
    samples = np.frombuffer(claimed.pcm, dtype="<i2")
    return Speech(to_16k(samples, claimed.rate), claimed.language)
