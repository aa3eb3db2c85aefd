"""The command line: one function a subcommand. What a command needs is imported when it runs."""

import argparse
import contextlib
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fsctl import config, logs
from fsctl.arguments import make_parser
from fsctl.config import Config
from fsctl.errors import BadInput, ConfigError, FsctlError
from fsctl.terminal import Printer, escape

if TYPE_CHECKING:
    from fsctl.masking import Masking
    from fsctl.store.db import Database

Command = Callable[[argparse.Namespace], int]


def main(arguments: Sequence[str]) -> int:
    """Run a subcommand; returns the exit code. An error meant for a person is one line on standard error."""
    options = make_parser().parse_args(arguments)
    logs.set_up(options)
    try:
        return COMMANDS[options.command](options)
    except FsctlError as error:
        logs.last_words(error)
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
    found = config.load(options.config)
    return replace(found, log=logs.set_up(options, found.log))


@contextlib.contextmanager
def _opened(options: argparse.Namespace) -> "Iterator[tuple[Config, Database]]":
    """The settings, and a Postgres that answers and has our schema."""
    from fsctl import app

    settings = _load(options)
    app.require_database(settings)
    with app.database(settings, options.command) as database:
        yield settings, database


def _run(options: argparse.Namespace) -> int:
    from fsctl import run

    return run.main(_load(options), once=options.once, speed=options.speed)


def _serve(options: argparse.Namespace) -> int:
    from fsctl import app

    return app.serve(_load(options))


def _media(options: argparse.Namespace) -> int:
    from fsctl import app_media

    return app_media.media(_load(options), options.node)


def _archive(options: argparse.Namespace) -> int:
    from fsctl import app_media

    return app_media.archive(_load(options), options.node)


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
    from fsctl.console import load, watch
    from fsctl.store.transcripts import Transcripts

    with _opened(options) as (_, database):
        return watch.show(Transcripts(database).load, load.as_text, load.as_values, as_json=options.json)


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
    from fsctl import answers

    with _opened(options) as (_, database):
        return answers.show_threads(database, options.action, options.who, as_json=options.json)


def _recording(options: argparse.Namespace) -> int:
    from fsctl import app
    from fsctl.console import recordings

    if options.who and Path(options.who).is_file():
        return recordings.file_command(options, Printer())
    with _opened(options) as (settings, database):
        if options.action in ("mask", "unmask"):
            return _mask(options, app.masking(settings, database))
        return recordings.call_command(options, Printer(), database, settings.nodes)


def _mask(options: argparse.Namespace, masking: "Masking") -> int:
    if not options.who:
        raise ConfigError(f"`fsctl recording {options.action} UUID`: which call?")
    masks = options.action == "mask"
    print(escape(masking.mask(options.who, options.reason) if masks else masking.unmask(options.who)))
    return 0


def _link(options: argparse.Namespace) -> int:
    from fsctl.console import link
    from fsctl.store.links import Links

    with _opened(options) as (_, database):
        reports = Links(database).all()
    print(link.as_json(reports) if options.json else link.as_text(reports))
    return 0 if link.is_well(reports) else 1


def _agent(options: argparse.Namespace) -> int:
    from fsctl import answers, app
    from fsctl.console import agents, watch
    from fsctl.store.agents import Agents

    with _opened(options) as (settings, database):
        if options.action == "watch":
            return answers.watch_offers(database, options.name, as_json=options.json)
        if options.action == "list":
            return watch.show(
                lambda: Agents(database).all(options.node),
                agents.as_text,
                agents.as_values,
                as_json=options.json,
                watch=options.watch,
            )
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
    from fsctl.console import queues, watch

    with _opened(options) as (_, database):
        return watch.show(
            lambda: queues.listed(database, options.node),
            queues.as_text,
            queues.as_values,
            as_json=options.json,
            watch=options.watch,
        )


def _reconcile(options: argparse.Namespace) -> int:
    from fsctl import app, reconciler

    with _opened(options) as (settings, database):
        node = app.node_named(settings, options.node)
        with app.commands(node) as connection:
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
    from fsctl.console import audit, watch
    from fsctl.store.audit import Audit

    with _opened(options) as (_, database):
        return watch.show(
            lambda: Audit(database).entries(options.since, options.action),
            audit.as_text,
            audit.as_values,
            as_json=options.json,
        )


def _route(options: argparse.Namespace) -> int:
    from fsctl import answers
    from fsctl.console import route, route_question

    if options.action == "sign":
        print(answers.signed_payload(_load(options), options))
        return 0
    with _opened(options) as (settings, database):
        found = route_question.explain(settings, database, options)
    print(route.as_json(found) if options.json else route.as_text(found))
    return 0


def _attribution(options: argparse.Namespace) -> int:
    from fsctl import app
    from fsctl.console import attribution

    with _opened(options) as (settings, database):
        return attribution.main(options, settings, database, app.account())


def _contact(options: argparse.Namespace) -> int:
    from fsctl import app
    from fsctl.console import contacts

    with _opened(options) as (settings, database):
        return contacts.main(options, database, app.account(), settings.whatsapp.portfolio)


def _crm(options: argparse.Namespace) -> int:
    from fsctl import app
    from fsctl.console import crm

    with _opened(options) as (settings, database):
        return crm.main(options, settings, database, app.account())


def _token(options: argparse.Namespace) -> int:
    from fsctl import app
    from fsctl.console import tokens

    settings = _load(options)
    app.require_database(settings)
    with app.database(settings, "token") as database:
        return tokens.main(options, database, app.account())


def _inbox(options: argparse.Namespace) -> int:
    from fsctl import app
    from fsctl.console import inbox

    with _opened(options) as (_, database):
        return inbox.main(options, database, app.account())


def _strays(options: argparse.Namespace) -> int:
    from fsctl.console import strays

    with _opened(options) as (_, database):
        return strays.main(options, database)


def _outbox(options: argparse.Namespace) -> int:
    from fsctl import app
    from fsctl.console import outbox

    with _opened(options) as (_, database):
        return outbox.main(options, database, app.account())


def _message(options: argparse.Namespace) -> int:
    from fsctl import app
    from fsctl.console import message

    with _opened(options) as (settings, database):
        return message.main(options, database, settings.policy, app.account())


def _export(options: argparse.Namespace) -> int:
    from fsctl import app
    from fsctl.console import export

    with _opened(options) as (settings, database):
        return export.main(options, database, settings.web.public_url, app.account())


def _check(options: argparse.Namespace) -> int:
    from fsctl import check

    return check.main(options.config, as_json=options.json)


def _models(options: argparse.Namespace) -> int:
    from fsctl.console import models

    settings = _load(options)
    return models.main(options.action, options.name or settings.transcribe.model, settings.models)


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
    "token": _token,
    "strays": _strays,
    "outbox": _outbox,
    "message": _message,
    "contact": _contact,
    "check": _check,
    "models": _models,
    "db": _db,
}
