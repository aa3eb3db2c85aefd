"""The composition root: the only place that builds concrete objects and joins them into processes."""

import logging
import os
import pwd
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fsctl import collector
from fsctl.config import Config, Node
from fsctl.errors import ConfigError, DatabaseDown, DatabaseError
from fsctl.patience import Patience
from fsctl.store import migrate
from fsctl.store.db import Database
from fsctl.store.embedded import Embedded

if TYPE_CHECKING:
    from gevent import Greenlet

    from fsctl.console.commands import House
    from fsctl.console.counts import Counts
    from fsctl.esl.connection import Connection
    from fsctl.esl.link import Link
    from fsctl.masking import Masking
    from fsctl.quality import Sampler
    from fsctl.reconciler import Reconciler
    from fsctl.roster import Roster
    from fsctl.serving import Serving
    from fsctl.whatsapp.graph import Graph

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
    Patience(log, first_s=0.5).until_done(lambda: require_database(config))


@contextmanager
def database(config: Config, process: str, *, one_session: bool = False) -> Iterator[Database]:
    """An open database for as long as the block lasts."""
    opened = Database(database_url(config), process=process, one_session=one_session)
    opened.open()
    try:
        yield opened
    finally:
        opened.close()


def serve(config: Config) -> int:
    """The controllers, one for each node; HTTP; the console; the loops of chat and CRM. Until a signal."""
    import gevent
    from gevent.event import Event

    from fsctl import app_chat, app_crm

    if not config.nodes:
        raise ConfigError(f"{config.source}: no [[node]]: which FreeSWITCH shall be served?")
    stop = Event()
    # Webhooks are taken before Postgres is there: Meta does not wait for it.
    with (
        database(config, "serve") as opened,
        _console(config, opened) as console,
        app_chat.web(config, opened, console) as of_web,
    ):
        await_database(config)
        on_signal(stop.set)
        _adopt_names(config, opened)
        served = [_serving(config, node, opened) for node in config.nodes]
        with app_chat.loops(config, opened) as of_chat, app_crm.loops(config) as of_crm:
            loops = [gevent.spawn(run) for run in (*of_web, *of_chat, *of_crm)]
            greenlets = [*loops, *(gevent.spawn(one.run) for one in served)]
            collector.calm()
            while not stop.wait(0.5):
                _require_well(served, loops)
            gevent.killall(greenlets)
    return 0


@contextmanager
def _console(config: Config, opened: Database) -> Iterator["Callable[[], Counts] | None"]:
    """The ESL console, where it has users; gives what it counts. Raises ConfigError for an address that cannot be
    used."""
    if not config.console.is_on:
        yield None
        return
    from fsctl.console.server import Server

    server = Server(config.console, house(config, opened))
    server.start()
    try:
        yield server.numbers
    finally:
        server.stop()


def _require_well(served: Sequence["Serving"], loops: Sequence["Greenlet"]) -> None:
    """Raises AuthRefused when no node lets us in, and what ended a loop that should never end."""
    for loop in loops:
        if loop.ready():
            loop.get()
    refused = [one.refused for one in served if one.refused is not None]
    if len(refused) == len(served):
        raise refused[0]


def _adopt_names(config: Config, opened: Database) -> None:
    """Callers that were known before the portfolio had a name are known still."""
    from fsctl.store import contacts

    with opened.transaction("giving names to the portfolio") as transaction:
        contacts.adopt(transaction, config.whatsapp.portfolio)


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


def house(config: Config, opened: Database) -> "House":
    """What commands of a console may use."""
    from fsctl.console.commands import House

    return House(config, opened, lambda name: commands(config.node(name)))


def masking(config: Config, opened: Database) -> "Masking":
    """The recordings that grow under the hands of whoever runs this process."""
    from fsctl.masking import Masking
    from fsctl.store.audit import Audit
    from fsctl.store.recordings import Recordings

    return Masking(Recordings(opened, ""), Audit(opened), lambda name: commands(config.node(name)), account())


def graph(config: Config) -> "Graph | None":
    """Meta's Graph API with our token; None where there is no token."""
    from fsctl.whatsapp.graph import Graph

    settings = config.whatsapp
    if not settings.access_token:
        return None
    return Graph(settings.graph_url, settings.graph_version, settings.access_token)


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
    link.listener = Controller(Calls(opened, config.whatsapp.portfolio), config.policy, link.request)
    return link


def require_readable(spool: Path) -> None:
    """Raises ConfigError when there is no such folder, or recordings in it could not be read."""
    if not spool.is_dir():
        raise ConfigError(f"spool {spool}: no such folder; FreeSWITCH and the media reader share it")
    if not os.access(spool, os.R_OK | os.X_OK):
        raise ConfigError(f"spool {spool}: cannot be read by this account")


def on_signal(stop: Callable[[], object]) -> None:
    """End cleanly on SIGTERM and SIGINT."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop())
