"""The command line: one function a subcommand. What a command needs is imported when it runs."""

import argparse
import contextlib
import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from fsctl import config
from fsctl.arguments import make_parser
from fsctl.config import Config
from fsctl.errors import BadInput, ConfigError, FsctlError
from fsctl.terminal import Printer, escape

Command = Callable[[argparse.Namespace], int]


def main(arguments: Sequence[str]) -> int:
    """Run a subcommand; returns the exit code. An error meant for a person is one line on standard error."""
    options = make_parser().parse_args(arguments)
    logging.basicConfig(
        level=logging.DEBUG if options.verbose else logging.INFO,
        format="%(asctime)s %(levelname)-7s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    try:
        return COMMANDS[options.command](options)
    except FsctlError as error:
        print(f"fsctl: {escape(str(error))}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of our output went away (`| head`); there is nobody left to tell.
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        logging.debug("the error in full", exc_info=True)
        print(
            f"fsctl: {escape(str(error.strerror or error))}: {escape(str(error.filename))}", file=sys.stderr
        )
        return 1


def _load(options: argparse.Namespace) -> Config:
    return config.load(options.config)


def _run(options: argparse.Namespace) -> int:
    from fsctl import run

    return run.main(_load(options), once=options.once, speed=options.speed)


def _serve(options: argparse.Namespace) -> int:
    from fsctl import app

    return app.serve(_load(options))


def _media(options: argparse.Namespace) -> int:
    from fsctl import app

    return app.media(_load(options), options.node)


def _archive(options: argparse.Namespace) -> int:
    from fsctl import app

    return app.archive(_load(options), options.node)


def _transcribe(options: argparse.Namespace) -> int:

    if options.files:
        from fsctl.console import transcribing

        return transcribing.main(options, _load(options), os.cpu_count() or 1)
    if options.status:
        return _transcribe_status(options)
    for name in ("json", "vtt", "srt", "output", "model", "language", "redact"):
        if getattr(options, name):
            raise BadInput(f"--{name} is for files, and none is named; without a file this is the worker")
    from fsctl import app_transcribe

    return app_transcribe.transcribe(_load(options))


def _transcribe_status(options: argparse.Namespace) -> int:
    from fsctl import app
    from fsctl.console import load, watch
    from fsctl.store.transcripts import Transcripts

    settings = _load(options)
    app.require_database(settings)
    with app.database(settings, "status") as database:
        found = Transcripts(database).load()
    watch.show(lambda: load.as_text(found), lambda: load.as_values(found), as_json=options.json, watch=False)
    return 0


def _simulate(options: argparse.Namespace) -> int:
    from fsctl import simulate

    return simulate.main(options)


def _init_db(options: argparse.Namespace) -> int:
    from fsctl import app
    from fsctl.store import migrate

    settings = _load(options)
    app.require_running(settings)
    applied = migrate.migrate(app.database_url(settings))
    print("\n".join(f"applied {name}" for name in applied) or "up to date")
    return 0


def _thread(options: argparse.Namespace) -> int:
    from fsctl import answers, app

    settings = _load(options)
    app.require_database(settings)
    with app.database(settings, "thread") as database:
        return answers.show_threads(database, options.action, options.who, as_json=options.json)


def _recording(options: argparse.Namespace) -> int:
    from fsctl import app
    from fsctl.console import recordings

    if options.who and Path(options.who).is_file():
        return recordings.file_command(options, Printer())
    settings = _load(options)
    app.require_database(settings)
    with app.database(settings, "recording") as database:
        if options.action in ("mask", "unmask"):
            if not options.who:
                raise ConfigError(f"`fsctl recording {options.action} UUID`: which call?")
            masking = app.masking(settings, database)
            done = (
                masking.unmask(options.who)
                if options.action == "unmask"
                else masking.mask(options.who, options.reason)
            )
            print(escape(done))
            return 0
        return recordings.call_command(options, Printer(), database, settings.nodes)


def _link(options: argparse.Namespace) -> int:
    from fsctl import app
    from fsctl.console import link
    from fsctl.store.links import Links

    settings = _load(options)
    app.require_database(settings)
    with app.database(settings, "link") as database:
        reports = Links(database).all()
    print(link.as_json(reports) if options.json else link.as_text(reports))
    return 0 if link.is_well(reports) else 1


def _agent(options: argparse.Namespace) -> int:
    from fsctl import answers, app
    from fsctl.console import agents, watch
    from fsctl.store.agents import Agents

    settings = _load(options)
    app.require_database(settings)
    with app.database(settings, "agent") as database:
        if options.action == "watch":
            return answers.watch_offers(database, options.name, as_json=options.json)
        if options.action == "list":
            stored = Agents(database)
            watch.show(
                lambda: agents.as_text(stored.all(options.node)),
                lambda: agents.as_values(stored.all(options.node)),
                as_json=options.json,
                watch=options.watch,
            )
            return 0
        node = app.node_named(settings, options.node)
        with app.commands(node) as connection:
            roster = app.roster(settings, node, database, connection)
            if options.action == "status":
                done = roster.set_status(options.name, options.status)
            elif options.action == "ready":
                done = roster.ready(options.name)
            else:
                done = roster.set_wrap_up(options.name, options.seconds)
    print(escape(done))
    return 0


def _queue(options: argparse.Namespace) -> int:
    from fsctl import app
    from fsctl.call.policy import Queue
    from fsctl.console import queues, watch
    from fsctl.store.queues import Listed, Queues

    settings = _load(options)
    app.require_database(settings)
    with app.database(settings, "queue") as database:

        def listed() -> list[Listed]:
            now = datetime.now().astimezone()
            today = now.replace(hour=0, minute=0, second=0, microsecond=0)
            return Queues(database).all(
                now - timedelta(hours=1), today, Queue().answer_within_s, options.node
            )

        watch.show(
            lambda: queues.as_text(listed()),
            lambda: queues.as_values(listed()),
            as_json=options.json,
            watch=options.watch,
        )
    return 0


def _reconcile(options: argparse.Namespace) -> int:
    from fsctl import app, reconciler

    settings = _load(options)
    app.require_database(settings)
    node = app.node_named(settings, options.node)
    with app.database(settings, "reconcile") as database, app.commands(node) as connection:
        one = app.reconciler(settings, node, database, connection, app.account())
        lines, is_well = reconciler.once(one, act=not options.dry_run)
    print("\n".join(escape(line) for line in lines) or "nothing is wrong")
    return 0 if is_well else 1


def _whatsapp(options: argparse.Namespace) -> int:
    from fsctl import app
    from fsctl.console import whatsapp
    from fsctl.whatsapp import acl

    if options.action == "acl":
        print(acl.render(acl.networks(sys.stdin)), end="")
        return 0
    settings = _load(options)
    graph = app.graph(settings)

    def connect(name: str) -> contextlib.AbstractContextManager[Any]:
        return app.commands(settings.node(name))

    if not whatsapp.writes(options):
        return whatsapp.main(options, settings, graph, connect)
    app.require_database(settings)
    with app.database(settings, "whatsapp") as database:
        return whatsapp.main(options, settings, graph, connect, whatsapp.auditor(database, app.account()))


def _console(options: argparse.Namespace) -> int:
    from fsctl import app
    from fsctl.console import shell
    from fsctl.console.commands import Who

    settings = _load(options)
    app.require_database(settings)
    logging.getLogger().setLevel(logging.DEBUG if options.verbose else logging.ERROR)
    printer = Printer()
    printer.is_terminal = printer.is_terminal and config.wants_colour()
    with app.database(settings, "console") as database:
        house = app.house(settings, database)
        one = shell.Shell(Who(app.account(), options.role), house, printer, as_json=options.json)
        if options.execute:
            house.ask = shell.asker()
            return one.batch(options.execute)
        if not sys.stdin.isatty():
            return one.batch(sys.stdin)
        return one.run(options.history or Path.home() / ".fsctl_history")


def _audit(options: argparse.Namespace) -> int:
    from fsctl import app
    from fsctl.console import audit, watch
    from fsctl.store.audit import Audit

    settings = _load(options)
    app.require_database(settings)
    with app.database(settings, "audit") as database:
        entries = Audit(database).entries(options.since, options.action)
    watch.show(
        lambda: audit.as_text(entries), lambda: audit.as_values(entries), as_json=options.json, watch=False
    )
    return 0


def _route(options: argparse.Namespace) -> int:
    from fsctl import answers, app
    from fsctl.console import route, route_question

    settings = _load(options)
    if options.action == "sign":
        print(answers.signed_payload(settings, options))
        return 0
    app.require_database(settings)
    with app.database(settings, "route") as database:
        found = route_question.explain(settings, database, options)
    print(route.as_json(found) if options.json else route.as_text(found))
    return 0


def _attribution(options: argparse.Namespace) -> int:
    from fsctl import app
    from fsctl.console import attribution

    settings = _load(options)
    app.require_database(settings)
    with app.database(settings, options.command) as database:
        return attribution.main(options, settings, database, app.account())


def _contact(options: argparse.Namespace) -> int:
    from fsctl import app
    from fsctl.console import contacts

    settings = _load(options)
    app.require_database(settings)
    with app.database(settings, "contact") as database:
        return contacts.main(options, database, app.account(), settings.whatsapp.portfolio)


def _crm(options: argparse.Namespace) -> int:
    from fsctl import app
    from fsctl.console import crm

    settings = _load(options)
    app.require_database(settings)
    with app.database(settings, "crm") as database:
        return crm.main(options, settings, database, app.account())


def _inbox(options: argparse.Namespace) -> int:
    from fsctl import app
    from fsctl.console import inbox

    settings = _load(options)
    app.require_database(settings)
    with app.database(settings, "inbox") as database:
        return inbox.main(options, database, app.account())


def _strays(options: argparse.Namespace) -> int:
    from fsctl import app
    from fsctl.console import strays

    settings = _load(options)
    app.require_database(settings)
    with app.database(settings, "strays") as database:
        return strays.main(options, database)


def _outbox(options: argparse.Namespace) -> int:
    from fsctl import app
    from fsctl.console import outbox

    settings = _load(options)
    app.require_database(settings)
    with app.database(settings, "outbox") as database:
        return outbox.main(options, database, app.account())


def _message(options: argparse.Namespace) -> int:
    from fsctl import app
    from fsctl.console import message

    settings = _load(options)
    app.require_database(settings)
    with app.database(settings, "message") as database:
        return message.main(options, database, settings.policy, app.account())


def _export(options: argparse.Namespace) -> int:
    from fsctl import app
    from fsctl.console import export

    settings = _load(options)
    app.require_database(settings)
    with app.database(settings, "export") as database:
        return export.main(options, database, settings.web.public_url, app.account())


def _check(options: argparse.Namespace) -> int:
    from fsctl import check

    return check.main(options.config, as_json=options.json)


def _models(options: argparse.Namespace) -> int:
    from fsctl.transcribe import models

    settings = _load(options)
    if options.action == "list":
        for name, source in models.SOURCES.items():
            here = "here" if (settings.models / name).is_dir() else "not here"
            print(f"{name:10} {here:9} {source.languages}")
        return 0
    name = options.name or settings.transcribe.model
    if options.action == "verify":
        print(f"{models.locate(name, settings.models)}: as it should be")
        return 0
    printer = Printer(sys.stderr)
    folder = models.fetch(name, settings.models, printer.bar)
    printer.end_bar()
    print(folder)
    return 0


def _db(options: argparse.Namespace) -> int:
    from fsctl import app

    embedded = app.embedded(_load(options))
    if options.action == "start":
        print("started" if embedded.start() else "was running", embedded.dsn)
        return 0
    if options.action == "stop":
        print("stopped" if embedded.stop() else "was not running")
        return 0
    running = embedded.is_running()
    print(f"running: {embedded.dsn}" if running else "not running")
    return 0 if running else 1


COMMANDS: Mapping[str, Command] = {
    "run": _run,
    "serve": _serve,
    "media": _media,
    "archive": _archive,
    "transcribe": _transcribe,
    "simulate": _simulate,
    "init-db": _init_db,
    "thread": _thread,
    "export": _export,
    "recording": _recording,
    "link": _link,
    "agent": _agent,
    "queue": _queue,
    "reconcile": _reconcile,
    "whatsapp": _whatsapp,
    "console": _console,
    "audit": _audit,
    "route": _route,
    "links": _attribution,
    "outcome": _attribution,
    "report": _attribution,
    "inbox": _inbox,
    "crm": _crm,
    "strays": _strays,
    "outbox": _outbox,
    "message": _message,
    "contact": _contact,
    "check": _check,
    "models": _models,
    "db": _db,
}
