"""Meta's settings for our numbers: ``fsctl whatsapp status|apply|call-hours|rotate-password|check``.

What is sent is shown first. Texts of Meta are strangers': they are bounded where they are read and escaped here.
What the commands need is imported when they run: their arguments are read at every start of fsctl.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from fsctl.errors import BadInput, ConfigError, FsctlError, GraphError
from fsctl.terminal import escape

if TYPE_CHECKING:
    from fsctl.config import Config
    from fsctl.store.db import Database
    from fsctl.whatsapp.graph import Graph
    from fsctl.whatsapp.number import Number
    from fsctl.whatsapp.settings import Settings

Add = Callable[[str, str], argparse.ArgumentParser]
Connect = Callable[[str], AbstractContextManager[Any]]
Record = Callable[[str, str, Mapping[str, Any], str], None]
"""Audits what was done: action, subject, detail, result."""


# --- arguments ---------------------------------------------------------------------------------------------


def add_parser(add: Add, after: argparse.ArgumentParser) -> None:
    """Args: add: makes a command; after: arguments that each of its actions takes, too."""
    actions = add("whatsapp", "compare, change and check Meta's settings for our numbers").add_subparsers(
        dest="action", required=True, metavar="ACTION"
    )

    def action(name: str, text: str) -> argparse.ArgumentParser:
        about = text[0].upper() + text[1:] + "."
        return actions.add_parser(name, help=text, description=about, parents=[after])

    action("acl", "print freeswitch-conf/acl/meta.xml from a whois answer on standard input")
    status = action("status", "show what Meta has beside what the config wants; 1 when they differ")
    status.add_argument("--json", action="store_true", help="for programs")
    apply = action("apply", "show what differs, send it after a yes, and read it again")
    hours = action("call-hours", "the same for the call hours alone, from the queue's opening hours")
    rotate = action("rotate-password", "have Meta make a new SIP password and FreeSWITCH learn it")
    rotate.add_argument(
        "--current", action="store_true", help="no new one: have FreeSWITCH learn the one that Meta has"
    )
    check = action("check", "look at name, port, certificate, webhook, token and numbers as Meta does")
    check.add_argument("--json", action="store_true", help="for programs")
    for one in (apply, hours):
        one.add_argument("--dry-run", action="store_true", help="show what would be sent")
    for one in (apply, hours, rotate):
        one.add_argument("--yes", action="store_true", help="do not ask")
    for one in (status, apply, hours, rotate, check):
        one.add_argument("--number", metavar="N", help="one of our numbers (default: all that Meta has)")


def _nowhere(_action: str, _subject: str, _detail: Mapping[str, Any], _result: str) -> None:
    """Of what changes nothing."""


# --- commands ----------------------------------------------------------------------------------------------


def writes(options: argparse.Namespace) -> bool:
    """Whether a command changes something, and so needs a database to be audited in."""
    return options.action in ("apply", "call-hours", "rotate-password") and not getattr(
        options, "dry_run", False
    )


def auditor(database: "Database", who: str) -> Record:
    """Writes to the audit. Args: who: a person's account."""
    from fsctl.store.audit import Audit, Entry

    def record(action: str, subject: str, detail: Mapping[str, Any], result: str) -> None:
        Audit(database).append(Entry(who=who, action=action, subject=subject, detail=detail, result=result))

    return record


def main(
    options: argparse.Namespace,
    config: "Config",
    graph: "Graph | None",
    connect: Connect,
    record: Record = _nowhere,
) -> int:
    """Run a command; returns the exit code.

    Args:
        graph: None where no token is set.
        connect: a connection to the node of this name.
        record: where changes are audited.
    """
    if options.action == "check":
        return check(options, config, graph, connect)
    if graph is None:
        raise ConfigError(
            f"{config.source}: whatsapp.access_token_env or access_token_file is not set: a system user's token, "
            "with whatsapp_business_management"
        )
    if options.action == "rotate-password":
        return rotate_password(options, config, graph, record, connect)
    if options.action == "status":
        return status(options, config, graph)
    return (apply if options.action == "apply" else call_hours)(options, config, graph, record)


def status(options: argparse.Namespace, config: "Config", graph: "Graph") -> int:
    """``fsctl whatsapp status``."""
    from fsctl.console import settings_table
    from fsctl.whatsapp.number import explained
    from fsctl.whatsapp.settings import compare

    told: list[dict[str, Any]] = []
    for one in _chosen(options, config, graph):
        wanted = _wanted(config, one)
        label = config.policy.numbers[one.digits].label
        row: dict[str, Any] = {"number": one.digits, "label": label, "phone_number_id": one.id}
        try:
            there = one.read()
            row |= {"settings": [asdict(line) for line in compare(there, wanted)], "error": ""}
            row |= {"restrictions": list(there.restrictions)}
        except GraphError as error:
            row |= {"settings": [], "restrictions": [], "error": explained(error)}
        told.append(row)
        if not options.json:
            print("\n".join(settings_table.of_number(row)))
    if options.json:
        print(json.dumps(told, indent=2))
    differs = any(not line["is_same"] for row in told for line in row["settings"])
    return 1 if differs or any(row["error"] or row["restrictions"] for row in told) else 0


def apply(options: argparse.Namespace, config: "Config", graph: "Graph", record: Record) -> int:
    """``fsctl whatsapp apply``; 1 when Meta has not taken something."""
    return max(_apply(options, one, _wanted(config, one), record) for one in _chosen(options, config, graph))


def call_hours(options: argparse.Namespace, config: "Config", graph: "Graph", record: Record) -> int:
    """``fsctl whatsapp call-hours``: all other settings stay as Meta has them."""
    from dataclasses import replace

    from fsctl.whatsapp.settings import hours_of

    if not config.whatsapp.calling.call_hours:
        raise BadInput("whatsapp.calling.call_hours is false: Meta's hours are left alone")
    codes = []
    for one in _chosen(options, config, graph):
        wanted = replace(_explained(one.read), hours=hours_of(config.policy, one.digits, datetime.now(UTC)))
        codes.append(_apply(options, one, wanted, record))
    return max(codes)


def rotate_password(
    options: argparse.Namespace,
    config: "Config",
    graph: "Graph",
    record: Record,
    connect: Connect,
) -> int:
    """``fsctl whatsapp rotate-password``. Args: connect: a connection to the node of this name."""
    from fsctl.rotation import Rotation

    found = _chosen(options, config, graph)
    if len(found) > 1:
        raise BadInput(f"which one? --number {' or '.join(one.digits for one in found)}")
    one, folder = found[0], config.whatsapp.calling.users_dir
    if folder is None:
        raise ConfigError(
            f"{config.source}: whatsapp.calling.users_dir is not set: in which folder does FreeSWITCH look for "
            "passwords? (fsctl_whatsapp_users in vars.xml)"
        )
    rotation = Rotation(one, _wanted(config, one), folder, [node.name for node in config.nodes], connect)
    if not options.current:
        print(f"+{one.digits}: calls are off for some seconds, and WhatsApp may hide the button for a while.")
    _require_yes(options, "Have FreeSWITCH learn it?" if options.current else "Have a new password made?")
    result = "done"
    try:
        print(escape(rotation.current() if options.current else rotation.rotate()))
    except FsctlError as error:
        result = str(error)
        raise
    finally:
        record("whatsapp.password", f"+{one.digits}", {"current": options.current}, result)
    return 0


def check(options: argparse.Namespace, config: "Config", graph: "Graph | None", connect: Connect) -> int:
    """``fsctl whatsapp check``. Args: graph: None where no token is set."""
    from fsctl import rotation
    from fsctl.finding import Finding, show
    from fsctl.whatsapp import certificate, doctor

    calling = config.whatsapp.calling
    findings: list[Finding] = []
    if calling.sip_host:
        findings += certificate.look(calling.sip_host, calling.sip_port, datetime.now(UTC))
    else:
        findings.append(
            Finding(False, "config", "whatsapp.calling.sip_host is not set", "name our SIP server")
        )
    findings.append(doctor.webhook(config.web.public_url, config.whatsapp.verify_token))
    if graph is None:
        cure = "a system user's token, by access_token_env or access_token_file"
        findings.append(Finding(False, "token", "whatsapp.access_token is not set", cure))
        return show(findings, as_json=options.json)
    findings.append(doctor.subscription(graph, config.whatsapp.waba_id))
    nodes = [node.name for node in config.nodes]
    try:
        for one in _chosen(options, config, graph):
            findings += doctor.number(one)
            findings += rotation.in_step(one, _wanted(config, one), nodes, connect)
    except (BadInput, ConfigError) as error:
        findings.append(Finding(False, "config", str(error), "mend fsctl.toml"))
    return show(findings, as_json=options.json)


# --- what they share ---------------------------------------------------------------------------------------


def _chosen(options: argparse.Namespace, config: "Config", graph: "Graph") -> "list[Number]":
    from fsctl.whatsapp.number import chosen

    return chosen(graph, config.policy.numbers, options.number)


def _wanted(config: "Config", one: "Number") -> "Settings":
    from fsctl.whatsapp import settings

    return settings.wanted(config.whatsapp.calling, config.policy, one.digits, datetime.now(UTC))


def _apply(options: argparse.Namespace, one: "Number", wanted: "Settings", record: Record) -> int:
    from fsctl.console import settings_table
    from fsctl.whatsapp.settings import compare
    from fsctl.whatsapp.settings import writes as bodies_of

    there = _explained(one.read)
    differing = [row for row in compare(there, wanted) if not row.is_same]
    if not differing:
        print(f"+{one.digits}: as it should be")
        return 0
    print("\n".join([f"+{one.digits}", *settings_table.rows(differing)]))
    if options.dry_run:
        for body in bodies_of(there, wanted):
            print(f"  would send {escape(json.dumps(body))}")
        return 0
    _require_yes(options, "Send this to Meta?")
    result = "failed"
    try:
        left = _explained(lambda: one.apply(wanted))
        result = f"Meta has not taken {', '.join(row.name for row in left)}" if left else "done"
    except FsctlError as error:
        result = str(error)
        raise
    finally:
        names = ", ".join(row.name for row in differing)
        record("whatsapp.settings", f"+{one.digits}", {"changed": names}, result)
    if left:
        print("\n".join([f"+{one.digits}: Meta has not taken all of it", *settings_table.rows(left)]))
        return 1
    print(f"+{one.digits}: Meta has it now")
    return 0


def _explained(ask: Callable[[], Any]) -> Any:
    """What Meta refuses, with what to do."""
    from fsctl.whatsapp.number import explained

    try:
        return ask()
    except GraphError as error:
        raise GraphError(explained(error)) from error


def _require_yes(options: argparse.Namespace, question: str) -> None:
    if options.yes:
        return
    if not sys.stdin.isatty():
        raise BadInput("nothing was sent: nobody is there to ask; say --yes")
    if input(f"{question} [y/N] ").strip().lower() not in ("y", "yes"):
        raise BadInput("nothing was sent")
