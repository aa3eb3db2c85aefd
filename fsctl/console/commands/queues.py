"""``queues``: who waits, how long, how well calls are answered."""

from fsctl.console import queues as listing
from fsctl.console.commands.command import Asked, Result, command
from fsctl.console.commands.where import conditions

KEYS = ("queue", "node")


@command(
    "list queues: waiting, longest, expected wait, service level",
    keys=KEYS,
    follows=True,
)
def queues(asked: Asked) -> Result:
    """The same table as ``fsctl queue list``."""
    given = conditions(asked.options.where, KEYS)
    found = [
        one
        for one in listing.listed(asked.house.database, given.get("node", asked.house.node))
        if given.get("queue", one.name) == one.name
    ]
    return Result(listing.as_text(found), values=listing.as_values(found))
