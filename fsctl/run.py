"""``fsctl run``: everything on one machine, supervised, with the story of each call on the terminal.

Postgres, the schema, the model, then the processes, each with a log of its own. A process that dies is
started again; what it was doing is taken up from disk and Postgres. Without a FreeSWITCH in the config the
simulated one is started, with sample calls over threads that hold chat messages already.
"""

import contextlib
import fcntl
import os
import secrets
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import gevent
from gevent.event import Event

from fsctl import app, demo, logs
from fsctl.backoff import Backoff
from fsctl.config import Config
from fsctl.errors import DatabaseDown, FsctlError
from fsctl.store import migrate
from fsctl.store.db import Database, Wakeup
from fsctl.story import Story, tell
from fsctl.supervisor import Process, Supervisor
from fsctl.terminal import Printer
from fsctl.transcribe import models


def main(config: Config, *, once: bool, speed: float) -> int:
    """Run until Ctrl-C, or with ``once`` until the sample calls stand in their threads.

    Returns:
        0, or 1 when a sample call has no whole transcript in its thread.
    """
    printer = Printer()
    stop = Event()
    app.on_signal(stop.set)
    if once and config.nodes:
        raise FsctlError(
            "--once ends with the sample calls, and there are none: a real FreeSWITCH is configured"
        )
    config.data_dir.mkdir(parents=True, exist_ok=True)
    with _alone(config.data_dir), _postgres(config, printer) as dsn:
        _prepare(config, dsn, printer)
        supervisor = Supervisor(printer)
        opened = Database(dsn, process="run", size=2)
        opened.open()
        try:
            plays = demo.Demo.begin(opened) if not config.nodes else None
            story = Story(opened)
            for process in _processes(config, dsn, speed, with_samples=plays is not None):
                supervisor.start(process)
            printer.line(_invitation(config))
            done = _watch(
                story, Wakeup(dsn, ["fsctl_story"]), supervisor, stop, plays if once else None, printer
            )
            if supervisor.failed:
                raise FsctlError(supervisor.failed)
            if plays is None or not (once or done):
                return 0
            return 0 if plays.show(printer) and done else 1
        finally:
            printer.line("stopping")
            supervisor.stop()
            opened.close()


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Two of us on one folder would each take the other's calls for lost."""
    with (folder / "run.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise FsctlError(
                f"another `fsctl run` works in {folder}; stop it, or set FSCTL_DATA_DIR"
            ) from error
        yield


@contextlib.contextmanager
def _postgres(config: Config, printer: Printer) -> Iterator[str]:
    """The configured Postgres, or the embedded one for as long as we run if we started it."""
    if config.database_url:
        printer.line("postgres   configured one")
        yield config.database_url
        return
    server = app.embedded(config)
    started = server.start()
    printer.line(f"postgres   {server.folder} {'started' if started else 'was running'}")
    try:
        yield server.dsn
    finally:
        if started:
            server.stop()


def _prepare(config: Config, dsn: str, printer: Printer) -> None:
    applied = migrate.migrate(dsn)
    printer.line(f"schema     {', '.join(applied) + ' applied' if applied else 'up to date'}")
    for name in config.transcribe.models:
        if os.sep not in name:
            printer.line(f"model      {name}")
            models.fetch(name, config.models, printer.bar)
            printer.end_bar()
        models.locate(name, config.models)


def _processes(config: Config, dsn: str, speed: float, *, with_samples: bool) -> Iterator[Process]:
    folder = config.data_dir / "log"
    folder.mkdir(exist_ok=True)
    as_we_log = logs.arguments(config.log)
    settings = ["--config", config.source] if config.source.endswith(".toml") else []
    environment = {
        "FSCTL_DATABASE_URL": dsn,
        "FSCTL_DATA_DIR": str(config.data_dir.absolute()),
        "FSCTL_MODEL_DIR": str(config.models.absolute()),
    }
    if with_samples:
        spool = config.data_dir / "spool"
        spool.mkdir(exist_ok=True)
        world = _world(spool.absolute())
        settings = ["--config", str(demo.write_config(config.data_dir, config, world))]
        arguments = ["simulate", "--listen", world.switch, "--spool", str(spool), "--speed", str(speed)]
        arguments += ["--graph", world.graph, "--webhooks", world.webhooks]
        told = {
            "FSCTL_ESL_PASSWORD": world.password,
            "FSCTL_APP_SECRET": world.app_secret,
            "FSCTL_ACCESS_TOKEN": world.access_token,
        }
        yield Process("simulate", arguments + as_we_log, folder / "simulate.log", environment | told)
    nodes = [node.name for node in config.nodes] or [demo.NODE]
    yield Process("serve", [*settings, "serve", *as_we_log], folder / "serve.log", environment)
    for node in nodes:
        media = [*settings, "media", "--node", node, *as_we_log]
        yield Process(f"media-{node}", media, folder / f"media-{node}.log", environment)
    yield Process("transcribe", [*settings, "transcribe", *as_we_log], folder / "transcribe.log", environment)


def _watch(
    story: Story,
    wakeup: Wakeup,
    supervisor: Supervisor,
    stop: Event,
    plays: "demo.Demo | None",
    printer: Printer,
) -> bool:
    """Tell the story until told to stop, or until the sample calls are whole; True in that case."""
    listener = gevent.spawn(_listen, wakeup, changed := Event())
    deadline = time.monotonic() + demo.PATIENCE_S
    try:
        while not stop.is_set() and supervisor.failed is None:
            changed.wait(0.5)
            changed.clear()
            with contextlib.suppress(DatabaseDown):
                for row in story.news():
                    line = tell(row, printer)
                    if line is not None:
                        printer.line(line)
                if plays is not None and plays.is_whole():
                    return True
            if plays is not None and time.monotonic() > deadline:
                printer.line(f"the sample calls were not whole within {demo.PATIENCE_S:.0f} s")
                return False
        return False
    finally:
        listener.kill()
        wakeup.close()


def _listen(wakeup: Wakeup, changed: Event) -> None:
    backoff = Backoff()
    while True:
        try:
            if wakeup.wait(5.0):
                changed.set()
            backoff.reset()
        except DatabaseDown:
            gevent.sleep(backoff.next_s())


def _invitation(config: Config) -> str:
    if config.nodes:
        where = ", ".join(f"{node.name} ({node.host}:{node.port})" for node in config.nodes)
        return f"freeswitch {where}\n\nWaiting for calls. Ctrl-C stops.\n"
    settings = config.data_dir / "demo.toml"
    return (
        "freeswitch none configured: the simulated one, with sample calls\n"
        f"           look at it from another terminal: fsctl --config {settings} agent list\n"
    )


def _world(spool: Path) -> demo.World:
    switch, graph, web = (f"127.0.0.1:{port}" for port in _free_ports(3))
    secret = secrets.token_urlsafe
    return demo.World(
        switch, graph, web, spool, password=secret(24), app_secret=secret(24), access_token=secret(24)
    )


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
