"""What can be said on the command line."""

import argparse
from collections.abc import Callable
from pathlib import Path

from fsctl import __version__
from fsctl.console import (
    attribution,
    contacts,
    crm,
    export,
    inbox,
    message,
    moment,
    outbox,
    route_question,
    strays,
    tokens,
    whatsapp,
)


def make_parser() -> argparse.ArgumentParser:
    """The whole command line. ``command`` of what it parses is the subcommand's name."""
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

    def add(name: str, text: str) -> argparse.ArgumentParser:
        about = text[0].upper() + text[1:] + "."
        sub = commands.add_parser(name, help=text, description=about, parents=[after])
        sub.set_defaults(command=name)
        return sub

    _add_processes(add)
    add("init-db", "create the schema, or bring it up to date")
    thread = add("thread", "show threads: chat, calls and what was said")
    thread.add_argument("action", choices=["show", "list"])
    thread.add_argument(
        "who", nargs="?", default="", help="thread id, number, user id or name of the contact"
    )
    thread.add_argument("--json", action="store_true", help="for programs")
    export.add_parser(add)
    _recording_parser(
        add("recording", "list recordings, show, verify, repair or mask one; 1 when one has a fault")
    )
    link = add("link", "show how the link to each FreeSWITCH is; 1 when a node has none that is ready")
    link.add_argument("--json", action="store_true", help="for programs")
    _agent_parser(add("agent", "list agents, or set an agent's status, end a wrap-up, set its length"), after)
    queue = add("queue", "list queues: load, expected wait, service level")
    queue.add_argument("action", choices=["list"])
    _listed(queue)
    reconcile = add(
        "reconcile",
        "compare mod_callcenter with what stands, and repair; 1 when something is left",
    )
    reconcile.add_argument("--dry-run", action="store_true", help="say what would be sent")
    reconcile.add_argument("--node", help="name of the FreeSWITCH (default: the first)")
    whatsapp.add_parser(add, after)
    _console_parser(add("console", "commands for those who watch over calls, agents and queues"))
    audit = add("audit", "list what was done or refused, by whom")
    audit.add_argument(
        "--since", type=moment.read, metavar="TIME", help="such as 2026-01-31T09:00, 90m, 2h or 1d"
    )
    audit.add_argument("--action", help="such as agent.status, or agent for all that begins so")
    audit.add_argument("--json", action="store_true", help="for programs")
    _route_parser(add("route", "explain why a call goes where it goes; sign payloads"), after)
    attribution.add_parser(add, after, moment.read)
    inbox.add_parser(add, after)
    crm.add_parser(add, after, moment.read)
    tokens.add_parser(add, after)
    strays.add_parser(add)
    outbox.add_parser(add, after)
    message.add_parser(add, after)
    contacts.add_parser(add, after)
    check = add("check", "say what is missing or wrong on this machine and in this config")
    check.add_argument("--json", action="store_true", help="for programs")
    models = add("models", "list, fetch or verify speech models")
    models.add_argument("action", choices=["list", "fetch", "verify"])
    models.add_argument("name", nargs="?", help="such as base or tiny.en")
    db = add("db", "start, stop or look at the embedded Postgres")
    db.add_argument("action", choices=["start", "stop", "status"])
    return parser


def _add_processes(add: Callable[[str, str], argparse.ArgumentParser]) -> None:
    run = add("run", "start everything on this machine and tell the story of each call")
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
    serve = add("serve", "run the controller: Event Socket, calls, threads")
    media = add("media", "read growing recordings and cut utterances from them")
    media.add_argument("--node", help="name of the FreeSWITCH whose spool is here (default: the first)")
    archive = add("archive", "prove recordings and archive them; `fsctl media` starts one itself")
    archive.add_argument("--node", help="name of the FreeSWITCH whose spool is here (default: the first)")
    transcribe = add(
        "transcribe", "decode utterances into text; run as many as you like, anywhere. Or: recordings"
    )
    _transcribe_parser(transcribe)
    simulate = add("simulate", "run the simulated FreeSWITCH")
    _simulate_parser(simulate)
    for one in (run, serve, media, archive, transcribe, simulate):
        one.add_argument("--log-json", action="store_true", help="log JSON, as [log] format does")


def _simulate_parser(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--listen",
        default="127.0.0.1:8021",
        metavar="HOST:PORT",
        help="its Event Socket (default 127.0.0.1:8021)",
    )
    parser.add_argument(
        "--password-env",
        default="FSCTL_ESL_PASSWORD",
        metavar="NAME",
        help="variable that holds its password",
    )
    parser.add_argument("--spool", type=Path, required=True, help="folder for its recordings")
    parser.add_argument(
        "--calls",
        type=int,
        default=0,
        metavar="N",
        help="place N sample calls once somebody listens (default: all samples)",
    )
    parser.add_argument("--rate", type=float, default=0.5, metavar="R", help="calls a second (default 0.5)")
    parser.add_argument(
        "--speed", type=float, default=1.0, help="simulated time against wall time (default 1)"
    )
    parser.add_argument(
        "--behind",
        type=float,
        default=0.0,
        metavar="S",
        help="let its clock begin S seconds ago, lest with --speed it tells of times that are still to come",
    )
    parser.add_argument(
        "--seed", type=int, default=None, help="same seed, same uuids (default: different each time)"
    )
    parser.add_argument(
        "--graph",
        default="",
        metavar="HOST:PORT",
        help="simulate Meta's Graph API there too, and a customer whose call is missed and who comes back by our "
        "button; its secrets are $FSCTL_APP_SECRET and $FSCTL_ACCESS_TOKEN",
    )
    parser.add_argument(
        "--webhooks", default="", metavar="URL", help="where the simulated Meta sends its webhooks"
    )


def _recording_parser(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=["list", "show", "verify", "repair", "mask", "unmask"])
    parser.add_argument("who", nargs="?", default="", help="a file (no server is needed), or a call's uuid")
    parser.add_argument("--png", type=Path, metavar="FILE", help="show: draw it into this file too")
    parser.add_argument(
        "--in-place", action="store_true", help="repair: the file itself, instead of NAME.repaired.wav"
    )
    parser.add_argument(
        "--reason", default="payment", metavar="TEXT", help="mask: why nothing is recorded (default: payment)"
    )
    parser.add_argument("--json", action="store_true", help="for programs")


def _agent_parser(parser: argparse.ArgumentParser, after: argparse.ArgumentParser) -> None:
    agents = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
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


def _console_parser(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-x", "--execute", action="append", metavar="COMMAND", help="run it and end; 1 when it failed"
    )
    parser.add_argument("--json", action="store_true", help="for programs: every command answers so")
    parser.add_argument(
        "--role", choices=["viewer", "operator", "admin"], default="admin", help="allow no more than this"
    )
    parser.add_argument(
        "--history", type=Path, metavar="FILE", help="lines of former days (default ~/.fsctl_history)"
    )


def _transcribe_parser(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "files",
        nargs="*",
        type=Path,
        metavar="FILE",
        help="recordings to transcribe: no server is needed then",
    )
    parser.add_argument(
        "--status", action="store_true", help="how the workers keep up: lag, depth, what was shed"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="for programs: one object a file, or of --status")
    form.add_argument("--vtt", action="store_true", help="WebVTT")
    form.add_argument("--srt", action="store_true", help="SubRip")
    parser.add_argument(
        "--output", type=Path, metavar="PATH", help="a file, or a folder (default: standard output)"
    )
    parser.add_argument("--model", metavar="NAME", help="a name or a folder (default: as the config says)")
    parser.add_argument("--language", metavar="XX", help="such as es (default: found out)")
    parser.add_argument(
        "--redact",
        default="",
        metavar="KIND,...",
        help="card, code, email, phone, or names of [redact.patterns]",
    )


def _route_parser(parser: argparse.ArgumentParser, after: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    explain = actions.add_parser(
        "explain", help="what each rule says of a call; reads only, calls nobody", parents=[after]
    )
    route_question.add_arguments(explain, moment.read)
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
