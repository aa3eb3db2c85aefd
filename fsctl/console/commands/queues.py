"""``queues``: who waits, how long, how well calls are answered."""

from datetime import datetime, timedelta

from fsctl.call.policy import Queue
from fsctl.console import queues as listing
from fsctl.console.commands.command import Asked, Result, command
from fsctl.console.commands.where import conditions
from fsctl.store.queues import Queues

KEYS = ("queue", "node")


@command(
    "list queues: waiting, longest, expected wait, service level",
    keys=KEYS,
    follows=True,
)
def queues(asked: Asked) -> Result:
    """The same table as ``fsctl queue list``."""
    given = conditions(asked.options.where, KEYS)
    now = datetime.now().astimezone()
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    found = [
        one
        for one in Queues(asked.house.database).all(
            now - timedelta(hours=1), today, Queue().answer_within_s, given.get("node", asked.house.node)
        )
        if given.get("queue", one.name) == one.name
    ]
    return Result(listing.as_text(found), values=listing.as_values(found))
