"""What routing may know when a call is offered: who calls, the contact's past with us, the load of the queues."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from fsctl.call import sla
from fsctl.call.events import Alias
from fsctl.call.known import Load, Past
from fsctl.store.db import Database, Transaction

MESSAGES = 5
"""Chat messages that rules may look into."""
MESSAGE_AGE_DAYS = 3
MESSAGE_LENGTH = 1000
"""Characters of each: rules of the config search them."""
LOADS_FOR_S = 0.25
"""How old the load of the queues may be: agents are as last read from the switch, which is seconds ago."""


@dataclass(frozen=True)
class Caller:
    """A contact, and its past with us."""

    contact_id: int
    name: str
    language: str | None
    thread_id: int | None
    """With the number that was called; None: there is none yet."""
    past: Past


def caller(
    transaction: Transaction,
    aliases: Sequence[Alias],
    business_number: str,
    node: str,
    contact_id: int | None = None,
    portfolio: str = "",
    at: datetime | None = None,
) -> Caller | None:
    """Who has these names, or this id.

    Args:
        aliases: as ``call.identity.names`` gives them.
        at: when they were said; what was said of one of them later may decide otherwise. None: now.

    Returns:
        None when a name (or the id) is new, or it is not sure that they all are of one contact:
        ``contacts.find`` then.
    """
    row = transaction.one(
        "known.caller",
        kinds=[alias.kind for alias in aliases], values=[alias.value for alias in aliases], contact_id=contact_id,
        portfolio=portfolio, at=at, business_number=business_number, node=node,
        most=MESSAGES, days=MESSAGE_AGE_DAYS, length=MESSAGE_LENGTH,
    )  # fmt: skip
    if row is None:
        return None
    aliases_known, contacts = row.pop("aliases"), row.pop("contacts")
    if contact_id is None and (aliases_known < len(aliases) or contacts > 1):
        return None
    who = {name: row.pop(name) for name in ("contact_id", "name", "language", "thread_id")}
    return Caller(**who, past=Past(**row | {name: tuple(row[name]) for name in ("messages", "former_ids")}))


class Loads:
    """How the queues of a node are. Many calls at once look at one reading."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._read: dict[str, tuple[float, Mapping[str, Load]]] = {}

    def of(self, node: str) -> Mapping[str, Load]:
        """By queue; at most LOADS_FOR_S old."""
        at, loads = self._read.get(node, (0.0, {}))
        if time.monotonic() - at > LOADS_FOR_S:
            with self._database.statement(f"reading the load of {node}'s queues") as transaction:
                rows = transaction.rows("known.loads", node=node, history=sla.HISTORY_CALLS)
            loads = {row.pop("queue"): Load(**row) for row in rows}
            self._read[node] = time.monotonic(), loads
        return loads
