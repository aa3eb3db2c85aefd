"""The commands of the console: one registry, one way to run a line.

Whoever has a line and knows who typed it calls ``run``: the ESL console for ``fsctl ...``, the shell for all.
"""

import json
from collections.abc import Mapping
from dataclasses import replace

from fsctl.console.commands import (
    agents,
    calls,
    houses,
    queues,
    routes,
    states,
    steering,
    switches,
    tailing,
    threads,
)
from fsctl.console.commands.command import (
    ROLES,
    Asked,
    Command,
    House,
    Parsed,
    Result,
    Role,
    Switch,
    Who,
    parse,
)
from fsctl.errors import BadInput, ConfigError, DatabaseError, FsctlError
from fsctl.store.audit import Audit, Entry
from fsctl.terminal import escape

__all__ = [
    "COMMANDS",
    "ROLES",
    "Command",
    "House",
    "Parsed",
    "Result",
    "Role",
    "Switch",
    "Who",
    "execute",
    "run",
]

COMMANDS: Mapping[str, Command] = {
    "calls": calls.calls,
    "call": calls.call,
    "thread": threads.thread,
    "tail": tailing.tail,
    "queues": queues.queues,
    "agents": agents.agents,
    "agent": agents.agent,
    "say": steering.say,
    "transfer": steering.transfer,
    "hangup": steering.hangup,
    "route": routes.route,
    "recordings": states.recordings,
    "transcribe": states.transcribe,
    "outbox": states.outbox,
    "link": states.link,
    "reconcile": states.reconcile,
    "api": switches.api,
    "use": houses.use,
    "help": houses.help,
}
"""By name, in the order in which ``help`` lists them."""
MAX_AUDITED = 500
"""Characters of a line in the audit."""


def run(line: str, who: Who, house: House) -> Result:
    """Run one line once; never raises what is meant for a person, and audits the line whatever came of it.

    Args:
        line: such as ``calls where queue=sales@fsctl --json``; a leading ``fsctl`` may stand there or not.
        who: counts for what is allowed, and stands in the audit.
        house: ``use`` changes its node; ``ask`` is asked before something is destroyed.

    Returns:
        ``ok`` False for a line that is no command, a command that is not allowed, and one that failed.
    """
    try:
        parsed = parse(line, COMMANDS)
        if parsed.watch:
            raise BadInput("--watch: in `fsctl console` only; here an answer is given once")
    except FsctlError as error:
        return audited(line, "", who, house, _failed(error))
    return execute(parsed, who, house)


def execute(parsed: Parsed, who: Who, house: House) -> Result:
    """Run a parsed line once and audit it; see ``run``."""
    return audited(parsed.line, parsed.command.name, who, house, answer(parsed, who, house))


def answer(parsed: Parsed, who: Who, house: House) -> Result:
    """Run a parsed line; for a display that is made again and again, of which the audit has the first."""
    try:
        result = _checked(parsed, who, house)
    except FsctlError as error:
        result = _failed(error)
    if getattr(parsed.options, "json", False):
        values = result.values if result.ok or result.values is not None else {"error": result.text}
        return replace(
            result, values=values, text=json.dumps(values, indent=2, ensure_ascii=True, default=str)
        )
    return result


def _checked(parsed: Parsed, who: Who, house: House) -> Result:
    one, options = parsed.command, parsed.options
    if not who.may(one.role):
        raise BadInput(f"{one.name} is for {one.role}s; {who.user} is {who.role}")
    question = one.question(options) if one.question and not parsed.dry_run and not options.yes else ""
    if question and house.ask is None:
        raise BadInput(
            f"{question} Nobody is there to ask: say --yes, or --dry-run to see what would be sent"
        )
    if question and house.ask is not None and not house.ask(question):
        raise BadInput("nothing was done")
    return one.run(Asked(options, who, house))


def _failed(error: FsctlError) -> Result:
    return Result(escape(str(error)), ok=False)


def audited(line: str, name: str, who: Who, house: House, result: Result) -> Result:
    """The result, after the audit has the line; who cannot be written down is told so."""
    entry = Entry(
        who=who.user,
        node=result.node or _chosen(house),
        action=f"console.{name or 'unknown'}",
        subject=line[:MAX_AUDITED],
        detail={"role": who.role},
        result="done" if result.ok else result.text,
    )
    try:
        Audit(house.database).append(entry)
    except DatabaseError as error:
        return replace(result, ok=False, text=f"{result.text}\nnot in the audit: {escape(str(error))}")
    return result


def _chosen(house: House) -> str | None:
    try:
        return house.chosen().name
    except ConfigError:
        return None
