"""The composition root: the only place that builds concrete objects and joins them into processes."""

import argparse
import fcntl
import logging
import os
import pwd
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from fsctl.backoff import Backoff
from fsctl.call.state import Call, Phase
from fsctl.config import Config, Node, share_dir
from fsctl.errors import ConfigError, DatabaseDown, DatabaseError
from fsctl.store import migrate
from fsctl.store.db import Database, Wakeup
from fsctl.store.embedded import Embedded

if TYPE_CHECKING:
    from fsctl.console.route import Explanation
    from fsctl.esl.connection import Connection
    from fsctl.esl.link import Link
    from fsctl.quality import Sampler
    from fsctl.reconciler import Reconciler
    from fsctl.roster import Roster
    from fsctl.serving import Serving

log = logging.getLogger(__name__)

MAX_DAYS = 3650
"""A payload that we sign expires some day."""


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
        node.name,
        NodeLock(opened.dsn, node.name),
        Links(opened),
        lambda: _link(config, node, opened),
        lambda link: (reconciler(config, node, opened, link), _sampler(node, opened, link)),
    )


def reconciler(
    config: Config, node: Node, opened: Database, switch: "Link | Connection", who: str | None = None
) -> "Reconciler":
    """Keeps the node's mod_callcenter honest. Args: who: a person for the audit, where it is one."""
    from fsctl.esl.decode import Origin
    from fsctl.reconciler import WHO, Reconciler
    from fsctl.store.agents import Agents
    from fsctl.store.audit import Audit

    origin = Origin(node.name, node.contexts)
    return Reconciler(switch.request, origin, Agents(opened), Audit(opened), wrap_ups(config), who or WHO)


def _sampler(node: Node, opened: Database, link: "Link") -> "Sampler":
    from fsctl.quality import Sampler
    from fsctl.store.calls import Calls

    return Sampler(node.name, Calls(opened), link.request, link.tell)


def roster(config: Config, node: Node, opened: Database, connection: "Connection") -> "Roster":
    """The node's agents under the hands of whoever runs this process."""
    from fsctl.esl.decode import Origin
    from fsctl.roster import Roster
    from fsctl.store.agents import Agents
    from fsctl.store.audit import Audit

    origin = Origin(node.name, node.contexts)
    return Roster(connection.request, origin, Agents(opened), Audit(opened), wrap_ups(config), account())


def wrap_ups(config: Config) -> dict[str, int]:
    """Seconds of wrap-up by queue, where the config says one."""
    return {name: queue.wrap_up_s for name, queue in config.queues.items() if queue.wrap_up_s is not None}


def account() -> str:
    """The Unix user that runs this process; not what its environment says of it."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def node_named(config: Config, name: str | None) -> Node:
    """The node that was asked for, else the first. Raises ConfigError when there is none."""
    if name is None and not config.nodes:
        raise ConfigError(f"{config.source}: no [[node]]: which FreeSWITCH is meant?")
    return config.node(name) if name else config.nodes[0]


@contextmanager
def commands(node: Node) -> Iterator["Connection"]:
    """A connection to the node for commands, for as long as the block lasts. Raises LinkError."""
    from fsctl.esl.connection import Connection

    connection = Connection(node.host, node.port, node.password, lambda _event: None)
    connection.connect()
    try:
        yield connection
    finally:
        connection.close()


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
        recordings = Recordings(opened, node.name)
        runs = [Spool(node, config.media, recordings).run, lambda: _attend_recorder(config, node)]
        if config.websocket.listen:
            from fsctl.media.websocket import Forks
            from fsctl.store.alarms import Alarms

            runs.append(Forks(node, config.websocket, recordings, Alarms(opened, node.name)).run)
        greenlets = [gevent.spawn(run) for run in runs]
        _on_signal(lambda: gevent.killall(greenlets, block=False))
        for ended in gevent.iwait(greenlets):
            ended.get()
            break
        gevent.killall(greenlets)
    return 0


def _attend_recorder(config: Config, node: Node) -> None:
    """The recorder of this node: a child that goes when we go, and is started again when it dies."""
    import gevent

    from fsctl.run import die_with_parent

    settings = ["--config", config.source] if config.source.endswith(".toml") else []
    backoff = Backoff(first_s=0.5, most_s=30.0)
    while True:
        child = subprocess.Popen(
            [sys.executable, "-m", "fsctl", *settings, "archive", "--node", node.name],
            stdin=subprocess.DEVNULL,
            preexec_fn=die_with_parent,
        )
        try:
            code = child.wait()
        finally:
            child.terminate()
            child.wait()
        log.error("the recorder ended (%s); starting it again", code)
        gevent.sleep(backoff.next_s())


def archive(config: Config, name: str | None) -> int:
    """The recorder of one node: plain Python, no gevent."""
    from fsctl.media.archive import Folder, open_archive
    from fsctl.media.disk import Disk
    from fsctl.media.recorder import Recorder
    from fsctl.store.alarms import Alarms
    from fsctl.store.recordings import Recordings

    if name is None and not config.nodes:
        raise ConfigError(f"{config.source}: no [[node]]: whose recordings shall be archived?")
    node = config.node(name) if name else config.nodes[0]
    require_readable(node.spool)
    place = open_archive(config.archive_url, config.data_dir / "staging")
    disk = Disk(node.spool, place.root if isinstance(place, Folder) else None)
    config.data_dir.mkdir(parents=True, exist_ok=True)
    await_database(config)
    with (
        (config.data_dir / f"archive-{node.name}.lock").open("w") as lock,
        database(config, "archive") as opened,
    ):
        # One that lost its media reader a moment ago may still be at work; two would be in each other's way.
        fcntl.flock(lock, fcntl.LOCK_EX)
        recordings, alarms = Recordings(opened, node.name), Alarms(opened, node.name)
        recorder = Recorder(node, config.archive, recordings, alarms, place, disk)
        _on_signal(recorder.stop)
        recorder.run(time.sleep)
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
            start_epoch_s=time.time() - options.behind if options.behind else None,
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


def explain_route(config: Config, opened: Database, options: argparse.Namespace) -> "Explanation":
    """What the rules would say of a call: of a stored one as if it came now, or of one that is made up.

    Raises:
        ConfigError: there is no such call, or numbers that are none.
    """
    from fsctl.console import route
    from fsctl.store.routes import Routes

    routes = Routes(opened)
    then = routes.call(options.wacid) if options.wacid else None
    if options.wacid and then is None:
        raise ConfigError(f"--wacid {options.wacid}: no such call is stored")
    at = (options.at or datetime.now(UTC)).astimezone(UTC)
    call = replace(then, offered_at=at) if then else _made_up(config, at, options)
    if options.payload:
        call = replace(call, cta_payload=options.payload, deeplink_payload=None)
    return route.explain(call, routes.contact(call), config.policy, then)


def _made_up(config: Config, at: datetime, options: argparse.Namespace) -> Call:
    from fsctl.demo import NODE
    from fsctl.esl.decode import aliases_of, digits_of

    aliases = tuple(aliases_of(options.caller, options.channel))
    if not aliases:
        raise ConfigError(f"--from {options.caller}: expected a number or a WhatsApp user id")
    number = digits_of(options.number or "")
    if not (number.isascii() and number.isdigit()):
        raise ConfigError(f"--to {options.number or ''}: expected one of our numbers")
    return Call(
        uuid="explained",
        node=node_named(config, options.node).name if config.nodes or options.node else NODE,
        channel=options.channel,
        phase=Phase.OFFERED,
        offered_at=at,
        aliases=aliases,
        to_number=number,
        country=options.country,
    )


def signed_payload(config: Config, options: argparse.Namespace) -> str:
    """See ``console.route.sign``. Raises ConfigError."""
    from fsctl.call.payload import Ticket
    from fsctl.console import route

    if not 0 < options.days <= MAX_DAYS:
        raise ConfigError(f"--days {options.days}: expected more than 0, and {MAX_DAYS} at most")
    ticket = Ticket(
        expires=datetime.now(UTC) + timedelta(days=options.days),
        queue=options.queue,
        score=options.score,
        language=options.language,
        campaign=options.campaign,
        contact_id=options.contact,
    )
    return route.sign(ticket, config.policy)


def watch_offers(opened: Database, agent: str | None, *, as_json: bool) -> int:
    """Print what agents get, as it happens, until a signal ends it."""
    from fsctl.console import offers
    from fsctl.store.offers import CHANNEL, Offers

    wakeup = Wakeup(opened.dsn, [CHANNEL])
    render = offers.as_json if as_json else offers.as_text
    try:
        for offer in offers.follow(Offers(opened, agent), wakeup):
            print(render(offer), flush=True)
    finally:
        wakeup.close()
    return 0


def _on_signal(stop: Callable[[], object]) -> None:
    """End cleanly on SIGTERM and SIGINT."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop())
