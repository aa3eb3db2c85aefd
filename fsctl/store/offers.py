"""Offers of callers to agents, as they happen: who rings, and what the agent should know before answering.

The cursor is the truth, a notification only says "look now". Ids of rows are given before they are committed, so a
row may appear behind the cursor: the last OVERLAP ids are looked at again, and each offer is told once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from fsctl.store.db import Database, Row

CHANNEL = "fsctl_offer"
"""What Postgres notifies when the story of a call grows."""
OVERLAP = 2000
"""Ids behind the cursor that may still be committed: seconds, at a hundred calls a second."""
MESSAGE_LENGTH = 300
"""Characters of the last message."""


@dataclass(frozen=True, kw_only=True)
class Offer:
    """An agent's phone rings for a caller."""

    id: int
    at: datetime
    call_uuid: str
    node: str
    agent: str
    queue: str
    thread_id: int | None
    contact_id: int | None
    name: str
    aliases: Sequence[tuple[str, str]]
    """Kind and value."""
    language: str | None
    reason: str | None
    """Why the call was routed so."""
    waited_s: float | None
    message_from: str | None
    """Direction of the last message of the thread: ``inbound`` is the customer's."""
    message: str | None
    is_ringing: bool
    """Still, when it was read."""


class Offers:
    """Follows the offers of one agent, or of all."""

    def __init__(self, database: Database, agent: str | None = None) -> None:
        """Begins with the phones that ring now: whoever watches may have come back in the middle of it."""
        self._database = database
        self._agent = agent
        self._cursor: int | None = None
        self._told: set[int] = set()

    def news(self) -> list[Offer]:
        """Offers that were not told before, in order.

        Raises:
            DatabaseDown: Postgres is away; nothing is missed, the next call tells it.
        """
        with self._database.transaction("reading offers") as transaction:
            newest = transaction.one("offers.cursor")
            assert newest is not None
            after = (newest["cursor"] if self._cursor is None else self._cursor) - OVERLAP
            rows = transaction.rows(
                "offers.news", cursor=after, told=list(self._told), agent=self._agent, length=MESSAGE_LENGTH
            )
        offers = [_offer(row) for row in rows]
        is_first, self._cursor = self._cursor is None, newest["cursor"]
        self._told = {one for one in self._told if one > self._cursor - OVERLAP} | {one.id for one in offers}
        return [one for one in offers if one.is_ringing] if is_first else offers


def _offer(row: Row) -> Offer:
    return Offer(**row | {"aliases": [(kind, value) for kind, value in row["aliases"]]})
