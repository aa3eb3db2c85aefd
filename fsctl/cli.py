"""The command line: one function a subcommand. What a command needs is imported when it runs."""

import argparse
import contextlib
import logging
import os
import sys
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
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
    archive = add("archive", _archive, "prove recordings and archive them; `fsctl media` starts one itself")
    archive.add_argument("--node", help="name of the FreeSWITCH whose spool is here (default: the first)")
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
        "--behind",
        type=float,
        default=0.0,
        metavar="S",
        help="let its clock begin S seconds ago, lest with --speed it tells of times that are still to come",
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
    recording = add(
        "recording", _recording, "list recordings, show, verify or repair one; 1 when one has a fault"
    )
    recording.add_argument("action", choices=["list", "show", "verify", "repair"])
    recording.add_argument(
        "who", nargs="?", default="", help="a file (no server is needed), or a call's uuid"
    )
    recording.add_argument("--png", type=Path, metavar="FILE", help="show: draw it into this file too")
    recording.add_argument(
        "--in-place", action="store_true", help="repair: the file itself, instead of NAME.repaired.wav"
    )
    recording.add_argument("--json", action="store_true", help="for programs")
    link = add("link", _link, "show how the link to each FreeSWITCH is; 1 when a node has none that is ready")
    link.add_argument("--json", action="store_true", help="for programs")
    agent = add("agent", _agent, "list agents, or set an agent's status, end a wrap-up, set its length")
    agents = agent.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = agents.add_parser(
        "list", help="status, state, phone, wrap-up and call of each agent", parents=[after]
    )
    _listed(listing)
    status = agents.add_parser("status", help="set an agent's status", parents=[after])
    status.add_argument("name")
    status.add_argument("status", choices=["available", "on-demand", "break", "out"])
    ready = agents.add_parser("ready", help="end an agent's wrap-up now", parents=[after])
    ready.add_argument("name")
    wrap_up = agents.add_parser("wrap-up", help="set how long an agent's wrap-up lasts", parents=[after])
    wrap_up.add_argument("name")
    wrap_up.add_argument(
        "seconds", type=_seconds_or_default, help="seconds, or `default`: as the config says"
    )
    for one in (status, ready, wrap_up):
        one.add_argument("--node", help="name of the FreeSWITCH (default: the first)")
    watch = agents.add_parser(
        "watch",
        help="what an agent gets when the phone rings: who calls, why, what was written",
        parents=[after],
    )
    watch.add_argument("name", nargs="?", help="agent (default: all of them)")
    watch.add_argument("--json", action="store_true", help="for programs: one object a line")
    queue = add("queue", _queue, "list queues: load, expected wait, service level")
    queue.add_argument("action", choices=["list"])
    _listed(queue)
    reconcile = add(
        "reconcile",
        _reconcile,
        "compare mod_callcenter with what stands, and repair; 1 when something is left",
    )
    reconcile.add_argument("--dry-run", action="store_true", help="say what would be sent")
    reconcile.add_argument("--node", help="name of the FreeSWITCH (default: the first)")
    whatsapp = add(
        "whatsapp", _whatsapp, "what concerns Meta: its networks, from a whois answer on standard input"
    )
    whatsapp.add_argument("action", choices=["acl"], help="print the list for freeswitch-conf/acl/meta.xml")
    audit = add("audit", _audit, "list what was done or refused, by whom")
    audit.add_argument(
        "--since", type=_moment, metavar="TIME", help="such as 2026-01-31T09:00, 90m, 2h or 1d"
    )
    audit.add_argument("--action", help="such as agent.status, or agent for all that begins so")
    audit.add_argument("--json", action="store_true", help="for programs")
    _route_parser(add("route", _route, "explain why a call goes where it goes; sign payloads"), after)
    check = add("check", _check, "say what is missing or wrong on this machine and in this config")
    check.add_argument("--json", action="store_true", help="for programs")
    models = add("models", _models, "list, fetch or verify speech models")
    models.add_argument("action", choices=["list", "fetch", "verify"])
    models.add_argument("name", nargs="?", help="such as base or tiny.en")
    db = add("db", _db, "start, stop or look at the embedded Postgres")
    db.add_argument("action", choices=["start", "stop", "status"])
    return parser


def _route_parser(parser: argparse.ArgumentParser, after: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    explain = actions.add_parser(
        "explain", help="what each rule says of a call; reads only, calls nobody", parents=[after]
    )
    which = explain.add_mutually_exclusive_group(required=True)
    which.add_argument("--wacid", metavar="ID", help="of a stored call: Meta's id, or our uuid")
    which.add_argument(
        "--from", dest="caller", metavar="NUMBER", help="a caller's number or WhatsApp user id"
    )
    explain.add_argument("--to", dest="number", metavar="NUMBER", help="business number, with --from")
    explain.add_argument("--payload", metavar="TEXT", help="of a button or link")
    explain.add_argument("--country", metavar="XX", help="as Meta's header tells")
    explain.add_argument("--channel", choices=["whatsapp", "sip"], default="whatsapp")
    explain.add_argument(
        "--at", type=_moment, metavar="TIME", help="such as 2026-12-25T09:00 (default: now), or 2h ago"
    )
    explain.add_argument("--node", help="name of the FreeSWITCH (default: the first)")
    explain.add_argument("--json", action="store_true", help="for programs")
    sign = actions.add_parser("sign", help="a payload that we trust, for a button or link", parents=[after])
    sign.add_argument("--queue", metavar="Q", help="where the call goes, such as billing@fsctl")
    sign.add_argument("--score", type=int, metavar="N", help="place in the queue: seconds waited already")
    sign.add_argument("--language", metavar="XX", help="such as es")
    sign.add_argument("--campaign", metavar="TEXT")
    sign.add_argument(
        "--contact", type=int, metavar="ID", help="good for this contact only (default: for all)"
    )
    sign.add_argument("--days", type=float, default=30, metavar="N", help="until it expires (default 30)")


def _listed(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--watch", action="store_true", help="again every two seconds, until it is ended")
    parser.add_argument("--node", help="name of one FreeSWITCH (default: all)")


def _seconds_or_default(text: str) -> int | None:
    return None if text == "default" else int(text)


def _moment(text: str) -> datetime:
    """A time of day here, or so long ago. Raises ValueError, which argparse puts into words."""
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    if text[-1:] in units and text[:-1].isdigit() and len(text) < 8:
        return datetime.now().astimezone() - timedelta(seconds=int(text[:-1]) * units[text[-1]])
    return datetime.fromisoformat(text).astimezone()


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


def _recording(options: argparse.Namespace) -> int:
    from fsctl import app
    from fsctl.console import recordings

    if options.who and Path(options.who).is_file():
        return recordings.file_command(options, Printer())
    settings = _load(options)
    app.require_database(settings)
    with app.database(settings, "recording") as database:
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
    from fsctl import app
    from fsctl.console import agents, watch
    from fsctl.store.agents import Agents

    settings = _load(options)
    app.require_database(settings)
    with app.database(settings, "agent") as database:
        if options.action == "watch":
            return app.watch_offers(database, options.name, as_json=options.json)
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


def _whatsapp(_options: argparse.Namespace) -> int:
    from fsctl.whatsapp import acl

    print(acl.render(acl.networks(sys.stdin)), end="")
    return 0


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
    from fsctl import app
    from fsctl.console import route

    settings = _load(options)
    if options.action == "sign":
        print(app.signed_payload(settings, options))
        return 0
    app.require_database(settings)
    with app.database(settings, "route") as database:
        found = app.explain_route(settings, database, options)
    print(route.as_json(found) if options.json else route.as_text(found))
    return 0


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
