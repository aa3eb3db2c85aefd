"""``use`` and ``help``: the console itself."""

from fsctl.console import table
from fsctl.console.commands.command import Arguments, Asked, Result, command
from fsctl.errors import BadInput
from fsctl.store.links import Links

ALL = "all"


def _use(parser: Arguments) -> None:
    parser.add_argument("node", nargs="?", help="name of a FreeSWITCH, or `all`")


@command(
    "choose the FreeSWITCH that commands go to; without a name, list them", arguments=_use, places=("node",)
)
def use(asked: Asked) -> Result:
    """Lists show the chosen node only; what is done to a call goes to the call's own node."""
    if asked.options.node == ALL:
        asked.house.node = None
        return Result("lists show every node", values={"node": None})
    if asked.options.node:
        asked.house.node = asked.house.config.node(asked.options.node).name
        return Result(f"using {asked.house.node}", values={"node": asked.house.node}, node=asked.house.node)
    states = {
        one.node: "gone" if one.is_stale else one.state for one in reversed(Links(asked.house.database).all())
    }
    nodes = [
        (one.name, f"{one.host}:{one.port}", states.get(one.name, "?")) for one in asked.house.config.nodes
    ]
    rows = [("*" if name == asked.house.node else "", name, address, state) for name, address, state in nodes]
    values = [
        {"node": name, "address": address, "state": state, "chosen": name == asked.house.node}
        for name, address, state in nodes
    ]
    return Result(table.render(("", "node", "address", "link"), rows), values=values)


def _help(parser: Arguments) -> None:
    parser.add_argument("command", nargs="?", help="one of them")


@command("list commands, or say what one takes", arguments=_help, places=("command",))
def help(asked: Asked) -> Result:
    """What ``who`` may use; others are left out."""
    from fsctl.console.commands import COMMANDS

    if asked.options.command is None:
        allowed = [one for one in COMMANDS.values() if asked.who.may(one.role)]
        rows = [(one.name, one.about) for one in allowed]
        values = [{"command": one.name, "about": one.about, "role": one.role} for one in allowed]
        return Result(table.render(("command", "what it does"), rows), values=values)
    found = COMMANDS.get(asked.options.command)
    if found is None:
        raise BadInput(f"no command is named {asked.options.command[:40]!r}; `help` lists them")
    parser = found.parser()
    text = f"{parser.format_help().strip()}\n\nrole: {found.role}"
    return Result(text, values={"command": found.name, "about": found.about, "role": found.role})
