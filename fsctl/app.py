"""The composition root: the only place that builds concrete objects and joins them into processes."""

import argparse
import logging
import os
import secrets
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fsctl.backoff import Backoff
from fsctl.config import Config, Node, share_dir
from fsctl.errors import ConfigError, DatabaseDown, DatabaseError
from fsctl.store import migrate
from fsctl.store.db import Database, Wakeup
from fsctl.store.embedded import Embedded

if TYPE_CHECKING:
    from fsctl.esl.link import Link
    from fsctl.serving import Serving

log = logging.getLogger(__name__)


def embedded(config: Config) -> Embedded:
    """The embedded server of this config's data folder."""
    return Embedded(config.data_dir / "postgres", config.postgres_bin)


def database_url(config: Config) -> str:
    """The configured Postgres, else the embedded one."""
    return config.database_url or embedded(config).dsn


def require_running(config: Config) -> None:
    """Raises DatabaseDown when the embedded Postgres is asked for and does not run, with what to do."""
    if not config.database_url and not embedded(config).is_running():
        raise DatabaseDown(
            "the embedded Postgres is not running: `fsctl db start`, or `fsctl run` for everything"
        )


def require_database(config: Config) -> None:
    """Raises DatabaseError when Postgres does not answer or its schema is not ours, with what to do."""
    require_running(config)
    missing = migrate.pending(database_url(config))
    if missing:
        raise DatabaseError(f"the schema is not up to date ({', '.join(missing)}): run `fsctl init-db`")


def await_database(config: Config) -> None:
    """The same for a process that stays: waits for a Postgres that is away."""
    backoff = Backoff(first_s=0.5)
    while True:
        try:
            return require_database(config)
        except DatabaseDown as error:
            log.warning("%s; trying again", error)
            time.sleep(backoff.next_s())


@contextmanager
def database(config: Config, process: str) -> Iterator[Database]:
    """An open database for as long as the block lasts."""
    opened = Database(database_url(config), process=process)
    opened.open()
    try:
        yield opened
    finally:
        opened.close()


def serve(config: Config) -> int:
    """The controllers: one for each node, active or standing by, until a signal ends them."""
    import gevent
    from gevent.event import Event

    if not config.nodes:
        raise ConfigError(f"{config.source}: no [[node]]: which FreeSWITCH shall be served?")
    stop = Event()
    _on_signal(stop.set)
    await_database(config)
    with database(config, "serve") as opened:
        served = [_serving(config, node, opened) for node in config.nodes]
        greenlets = [gevent.spawn(one.run) for one in served]
        while not stop.wait(0.5):
            refused = [one.refused for one in served if one.refused is not None]
            if len(refused) == len(served):
                raise refused[0]
        gevent.killall(greenlets)
    return 0


def _serving(config: Config, node: Node, opened: Database) -> "Serving":
    from fsctl.serving import Serving
    from fsctl.store.links import Links, NodeLock

    return Serving(
        node.name, NodeLock(opened.dsn, node.name), Links(opened), lambda: _link(config, node, opened)
    )


def _link(config: Config, node: Node, opened: Database) -> "Link":
    from fsctl.controller import Controller
    from fsctl.esl.decode import Origin
    from fsctl.esl.link import Address, Link
    from fsctl.store.calls import Calls

    link = Link(Address(node.host, node.port, node.password), Origin(node.name, node.contexts))
    link.listener = Controller(Calls(opened), config.policy, link.request)
    return link


def media(config: Config, name: str | None) -> int:
    """The media reader of one node."""
    import gevent

    from fsctl.media.spool import Spool
    from fsctl.store.recordings import Recordings

    if name is None and not config.nodes:
        raise ConfigError(f"{config.source}: no [[node]]: whose recordings shall be read?")
    node = config.node(name) if name else config.nodes[0]
    require_readable(node.spool)
    await_database(config)
    with database(config, "media") as opened:
        reader = gevent.spawn(Spool(node, config.media, Recordings(opened, node.name)).run)
        _on_signal(lambda: reader.kill(block=False))
        reader.get()
    return 0


def require_readable(spool: Path) -> None:
    """Raises ConfigError when there is no such folder, or recordings in it could not be read."""
    if not spool.is_dir():
        raise ConfigError(f"spool {spool}: no such folder; FreeSWITCH and the media reader share it")
    if not os.access(spool, os.R_OK | os.X_OK):
        raise ConfigError(f"spool {spool}: cannot be read by this account")


def transcribe(config: Config) -> int:
    """A transcriber: plain Python, no gevent."""
    from fsctl.store.utterances import Utterances
    from fsctl.transcribe import engine, models
    from fsctl.transcribe.worker import Worker

    settings = config.transcribe
    folder = models.locate(settings.model, config.models)
    options = engine.EngineOptions(
        model_dir=folder,
        languages=settings.languages,
        device=settings.device,
        threads=settings.threads or max(1, (os.cpu_count() or 2) - 1),
    )
    loaded = engine.load(settings.engine, options)
    log.info("model %s is loaded", loaded.name)
    await_database(config)
    with database(config, "transcribe") as opened:
        wakeup = Wakeup(opened.dsn, ["fsctl_utterance"])
        worker = Worker(Utterances(opened), loaded, wakeup, batch=settings.batch, lease_s=settings.lease_s)
        _on_signal(worker.stop)
        worker.run(time.sleep)
        wakeup.close()
    return 0


def simulate(options: argparse.Namespace) -> int:
    """The simulated FreeSWITCH; its sample calls come once a controller listens."""
    from gevent.event import Event

    from fsctl.sim import Switch, SwitchOptions, load_samples

    host, _, port = options.listen.rpartition(":")
    password = os.environ.get(options.password_env, "")
    if not host or not port.isdigit():
        raise ConfigError(f"--listen {options.listen}: expected HOST:PORT")
    if not password:
        raise ConfigError(f"${options.password_env} is not set: the simulated Event Socket needs a password")
    options.spool.mkdir(parents=True, exist_ok=True)
    seed = secrets.randbits(32) if options.seed is None else options.seed
    switch = Switch(
        SwitchOptions(
            dialplan=share_dir("dialplan"),
            spool=options.spool.absolute(),
            host=host,
            port=int(port),
            password=password,
            speed=options.speed,
            seed=seed,
        )
    )
    stop = Event()
    _on_signal(stop.set)
    try:
        switch.start()
    except OSError as error:
        raise ConfigError(f"--listen {options.listen}: {error.strerror or error}") from error
    log.info("listening on %s:%s, seed %s", host, switch.port, seed)
    while not switch.has_subscriber() and not stop.wait(0.1):
        pass
    samples = load_samples()
    for index in range(options.calls or len(samples)):
        sample = samples[index % len(samples)]
        switch.place_call(sample.plan(start_after_s=1 + index / options.rate))
    stop.wait()
    switch.stop()
    return 0


def show_threads(opened: Database, action: str, who: str, *, as_json: bool) -> int:
    """Print threads; 1 when there is none for whom it was asked."""
    import sys

    from fsctl import crm
    from fsctl.store.items import read_thread
    from fsctl.store.threads import Threads
    from fsctl.terminal import escape

    found = Threads(opened).find(who)
    if not found:
        print(f"fsctl: no thread for {escape(who)!r}" if who else "fsctl: no threads yet", file=sys.stderr)
        return 1
    if action == "list":
        for thread in found:
            print(f"{thread.id:6}  {escape(thread.business_number):16}  {escape(thread.display_name)}")
        return 0
    render = crm.EXPORTS["json" if as_json else "text"]
    for thread in found:
        print(render(read_thread(opened, thread)))
    return 0


def _on_signal(stop: Callable[[], object]) -> None:
    """End cleanly on SIGTERM and SIGINT."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop())
