"""The transcriber's part of the composition root: plain Python, without gevent."""

import logging
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from fsctl import app
from fsctl.config import Config
from fsctl.media import silero
from fsctl.store.db import Database, Wakeup
from fsctl.store.transcripts import Transcripts
from fsctl.store.utterances import Utterances
from fsctl.transcribe import engine
from fsctl.transcribe.asking import Asking
from fsctl.transcribe.batch import Policy
from fsctl.transcribe.crew import Crew
from fsctl.transcribe.engine import Engine
from fsctl.transcribe.guard import Guard
from fsctl.transcribe.legs import Legs, give_way
from fsctl.transcribe.worker import Worker, worker_name

log = logging.getLogger(__name__)

AUDIO = "fsctl_utterance"
"""Wakes who waits for audio to decode."""
MESSAGES = 20
"""So many of a thread's last messages are looked at for what may be said in its calls."""


def transcribe(config: Config) -> int:
    """A transcriber: plain Python, no gevent."""
    settings = config.transcribe
    recogniser = _engine(config, settings.model, threads=1, loops=_threads(config))
    batch = settings.batch * _threads(config) // recogniser.at_once
    policy = Policy(batch=batch, beam=settings.beam, shed_after_s=settings.shed_after_s)
    asking = Asking(words=settings.words, prompt=settings.prompt, vocabulary=settings.vocabulary)
    app.await_database(config)
    with app.database(config, "transcribe") as opened:
        utterances = Utterances(opened, messages=MESSAGES if settings.prompt else 0)
        wakeups = [Wakeup(opened.dsn, [AUDIO]) for _ in range(recogniser.at_once)]
        guard = Guard(silero.voice)
        crew = Crew(
            [
                Worker(utterances, recogniser, wakeup, guard, policy, lease_s=settings.lease_s, asking=asking)
                for wakeup in wakeups
            ]
        )
        app.on_signal(crew.stop)
        with _final_passes(config, opened, crew, policy, asking):
            crew.run(time.sleep)
        for wakeup in wakeups:
            wakeup.close()
    return 0


@contextmanager
def _final_passes(
    config: Config, opened: Database, crew: Crew, policy: Policy, asking: Asking
) -> Iterator[None]:
    """Threads for them beside the crew, with a model of their own; what goes wrong in one ends the crew."""
    settings = config.transcribe
    if not settings.has_final:
        yield
        return
    stopping = threading.Event()

    def run(recogniser: Engine) -> None:
        legs = Legs(
            Transcripts(opened, messages=MESSAGES if settings.prompt else 0), recogniser,
            Guard(silero.voice), worker_name(), stopping, lease_s=settings.lease_s,
            windows=_threads(config) // recogniser.at_once, asking=asking,
        )  # fmt: skip
        wakeup = Wakeup(opened.dsn, [AUDIO])
        try:
            legs.run(wakeup, crew.busy, policy)
        finally:
            wakeup.close()
            crew.stop()

    def decode() -> None:
        # First, since what is begun by a thread that gives way does so, too: the model's threads, and those here.
        give_way()
        try:
            recogniser = _engine(config, settings.models[-1], threads=1, loops=_threads(config))
            with ThreadPoolExecutor(recogniser.at_once, "leg") as beside:
                for done in [beside.submit(run, recogniser) for _ in range(recogniser.at_once)]:
                    done.result()
        finally:
            crew.stop()

    with ThreadPoolExecutor(1, "final") as beside:
        done = beside.submit(decode)
        try:
            yield
        finally:
            stopping.set()
        done.result()


def _threads(config: Config) -> int:
    return config.transcribe.threads or os.cpu_count() or 1


def _engine(config: Config, model: str, *, threads: int, loops: int = 1) -> Engine:
    settings = config.transcribe
    options = engine.EngineOptions(
        model_dir=engine.locate(settings.engine, model, config.models),
        languages=settings.languages,
        device=settings.device,
        threads=threads,
        loops=loops,
    )
    loaded = engine.load(settings.engine, options)
    log.info("model %s is loaded", loaded.name)
    return loaded
