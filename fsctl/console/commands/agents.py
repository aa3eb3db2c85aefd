"""``agents`` and ``agent``: who can take a call, and their status, wrap-up and readiness."""

import argparse
from collections.abc import Sequence

from fsctl.console import agents as listing
from fsctl.console.commands.command import Arguments, Asked, House, Result, command
from fsctl.console.commands.where import conditions
from fsctl.errors import BadInput
from fsctl.esl import encode
from fsctl.esl.decode import Origin
from fsctl.roster import STATUSES, Roster
from fsctl.store.agents import Agents, Listed
from fsctl.store.audit import Audit
from fsctl.terminal import escape

KEYS = ("agent", "status", "state", "queue", "node")
ACTIONS = ("status", "ready", "wrap-up")


@command("list agents: status, state, phone, wrap-up, call", keys=KEYS, follows=True)
def agents(asked: Asked) -> Result:
    """The same table as ``fsctl agent list``."""
    given = conditions(asked.options.where, KEYS)
    found = [
        one
        for one in Agents(asked.house.database).all(given.get("node", asked.house.node))
        if _fits(given.get("agent"), [one.name])
        and _fits(given.get("status"), [one.status, *_typed(one.status)])
        and _fits(given.get("state"), [one.state])
        and _fits(given.get("queue"), one.queues)
    ]
    return Result(listing.as_text(found), values=listing.as_values(found))


def _typed(status: str) -> list[str]:
    return [typed for typed, name in STATUSES.items() if name == status]


def _fits(wanted: str | None, names: Sequence[str]) -> bool:
    return wanted is None or wanted.lower() in (name.lower() for name in names)


# --- one agent ---------------------------------------------------------------------------------------------


def _agent(parser: Arguments) -> None:
    parser.add_argument("name")
    parser.add_argument("action", choices=ACTIONS)
    parser.add_argument(
        "value", nargs="?", help=f"status: {', '.join(STATUSES)}; wrap-up: seconds, or `default`"
    )


@command(
    "set an agent's status, end a wrap-up, set its length",
    role="operator",
    arguments=_agent,
    changes=True,
    places=("agent", ACTIONS, (*STATUSES, "default")),
)
def agent(asked: Asked) -> Result:
    """See ``roster.Roster``, which also writes each change into the audit."""
    options, house = asked.options, asked.house
    _check(options)
    node = house.config.node(_node_of(options.name, house))
    with house.connect(node.name) as switch:
        roster = Roster(
            switch.request, Origin(node.name, node.contexts), Agents(house.database), Audit(house.database),
            house.wrap_ups(), asked.who.user, act=not options.dry_run,
        )  # fmt: skip
        if options.action == "status":
            done = roster.set_status(options.name, options.value)
        elif options.action == "ready":
            done = roster.ready(options.name)
        else:
            done = roster.set_wrap_up(options.name, _seconds(options.value))
    if options.dry_run:
        return would_send(roster.planned, node.name)
    return Result(escape(done), values={"done": done}, node=node.name)


def would_send(commands: Sequence[encode.Request], node: str) -> Result:
    """What ``--dry-run`` answers: the text of the Event Socket, a line each."""
    lines = [command.render() for command in commands]
    text = "\n".join(f"would send to {escape(node)}: {escape(line)}" for line in lines)
    return Result(text or "nothing would be sent", values={"node": node, "would_send": lines}, node=node)


def _check(options: argparse.Namespace) -> None:
    if options.action == "status" and options.value not in STATUSES:
        raise BadInput(f"agent {options.name} status: expected {', '.join(STATUSES)}")
    if options.action == "wrap-up":
        _seconds(options.value)
    if options.action == "ready" and options.value is not None:
        raise BadInput(f"agent {options.name} ready: takes nothing more")


def _seconds(text: str | None) -> int | None:
    if text == "default":
        return None
    if text is None or not (text.isascii() and text.isdigit() and len(text) < 6):
        raise BadInput("wrap-up: expected seconds, or `default`: as the config says")
    return int(text)


def _node_of(name: str, house: House) -> str:
    """Where the agent is: the chosen node, else the only one that has an agent of this name."""
    if house.node:
        return house.node
    nodes = [one.node for one in Agents(house.database).all() if _is(one, name)]
    if len(nodes) > 1:
        raise BadInput(f"{name} is on {' and '.join(nodes)}: `use` one of them first")
    return nodes[0] if nodes else house.chosen().name


def _is(agent: Listed, name: str) -> bool:
    return agent.name == name
