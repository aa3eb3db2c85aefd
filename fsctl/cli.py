"""The command line: one function a subcommand. What a command needs is imported when it runs."""

import argparse
import contextlib
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from fsctl import __version__, config
from fsctl.config import Config
from fsctl.errors import FsctlError
from fsctl.terminal import Printer, escape

Command = Callable[[argparse.Namespace], int]


def main(arguments: Sequence[str]) -> int:
    """Run a subcommand; returns the exit code. An error meant for a person is one line on standard error."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(
        level=logging.DEBUG if options.verbose else logging.INFO,
        format="%(asctime)s %(levelname)-7s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    command: Command = options.command
    try:
        return command(options)
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fsctl", description="WhatsApp calls on FreeSWITCH, with their text in the thread."
    )
    parser.add_argument("--version", action="version", version=f"fsctl {__version__}")
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="TOML file (default: fsctl.toml here, if there is one)"
    )
    parser.add_argument("--verbose", action="store_true", help="log what is done, too")
    # The same two after the command: people write `fsctl run --config FILE` as well.
    after = argparse.ArgumentParser(add_help=False)
    after.add_argument(
        "--config", type=Path, metavar="FILE", default=argparse.SUPPRESS, help=argparse.SUPPRESS
    )
    after.add_argument("--verbose", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: Command, text: str) -> argparse.ArgumentParser:
        about = text[0].upper() + text[1:] + "."
        sub = commands.add_parser(name, help=text, description=about, parents=[after])
        sub.set_defaults(command=command)
        return sub

    run = add("run", _run, "start everything on this machine and tell the story of each call")
    run.add_argument(
        "--once",
        action="store_true",
        help="end when the sample calls stand in their threads; 1 if text is missing",
    )
    run.add_argument(
        "--speed",
        type=float,
        default=1.0,
        help="let the simulated FreeSWITCH run so many times faster (default 1)",
    )
    add("serve", _serve, "run the controller: Event Socket, calls, threads")
    media = add("media", _media, "read growing recordings and cut utterances from them")
    media.add_argument("--node", help="name of the FreeSWITCH whose spool is here (default: the first)")
    add("transcribe", _transcribe, "decode utterances into text; run as many as you like, anywhere")
    simulate = add("simulate", _simulate, "run the simulated FreeSWITCH")
    simulate.add_argument(
        "--listen",
        default="127.0.0.1:8021",
        metavar="HOST:PORT",
        help="its Event Socket (default 127.0.0.1:8021)",
    )
    simulate.add_argument(
        "--password-env",
        default="FSCTL_ESL_PASSWORD",
        metavar="NAME",
        help="variable that holds its password",
    )
    simulate.add_argument("--spool", type=Path, required=True, help="folder for its recordings")
    simulate.add_argument(
        "--calls",
        type=int,
        default=0,
        metavar="N",
        help="place N sample calls once somebody listens (default: all samples)",
    )
    simulate.add_argument("--rate", type=float, default=0.5, metavar="R", help="calls a second (default 0.5)")
    simulate.add_argument(
        "--speed", type=float, default=1.0, help="simulated time against wall time (default 1)"
    )
    simulate.add_argument(
        "--seed", type=int, default=None, help="same seed, same uuids (default: different each time)"
    )
    add("init-db", _init_db, "create the schema, or bring it up to date")
    thread = add("thread", _thread, "show threads: chat, calls and what was said")
    thread.add_argument("action", choices=["show", "list"])
    thread.add_argument(
        "who", nargs="?", default="", help="thread id, number, user id or name of the contact"
    )
    thread.add_argument("--json", action="store_true", help="for programs")
    link = add("link", _link, "show how the link to each FreeSWITCH is; 1 when a node has none that is ready")
    link.add_argument("--json", action="store_true", help="for programs")
    check = add("check", _check, "say what is missing or wrong on this machine and in this config")
    check.add_argument("--json", action="store_true", help="for programs")
    models = add("models", _models, "list, fetch or verify speech models")
    models.add_argument("action", choices=["list", "fetch", "verify"])
    models.add_argument("name", nargs="?", help="such as base or tiny.en")
    db = add("db", _db, "start, stop or look at the embedded Postgres")
    db.add_argument("action", choices=["start", "stop", "status"])
    return parser


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


def _transcribe(options: argparse.Namespace) -> int:
    from fsctl import app

    return app.transcribe(_load(options))


def _simulate(options: argparse.Namespace) -> int:
    from fsctl import app

    return app.simulate(options)


def _init_db(options: argparse.Namespace) -> int:
    from fsctl import app
    from fsctl.store import migrate

    settings = _load(options)
    app.require_running(settings)
    applied = migrate.migrate(app.database_url(settings))
    print("\n".join(f"applied {name}" for name in applied) or "up to date")
    return 0


def _thread(options: argparse.Namespace) -> int:
    from fsctl import app

    settings = _load(options)
    app.require_database(settings)
    with app.database(settings, "thread") as database:
        return app.show_threads(database, options.action, options.who, as_json=options.json)


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
