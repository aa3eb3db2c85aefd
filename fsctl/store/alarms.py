"""Alarms: what somebody must look at, one row a subject."""

from dataclasses import dataclass
from datetime import datetime

from fsctl.store.db import Database, Transaction


@dataclass(frozen=True)
class Alarm:
    """Something that is wrong now."""

    kind: str
    subject: str
    """What it is about: a call's uuid, a folder."""
    detail: str
    raised_at: datetime
    node: str


def raise_(transaction: Transaction, *, node: str, kind: str, subject: str, detail: str) -> bool:
    """Raise an alarm within a transaction.

    Args:
        node: whose it is; what concerns none of them has a word of its own, such as ``meta``.

    Returns:
        False when it was up already.
    """
    row = transaction.one("alarms.raise_alarm", node=node, kind=kind, subject=subject, detail=detail)
    return row is not None


def lower(transaction: Transaction, *, node: str, kind: str, subject: str) -> bool:
    """It is well again; False when it was."""
    return bool(transaction.run("alarms.clear_alarm", node=node, kind=kind, subject=subject))


class Alarms:
    """Raises and clears the alarms of one node."""

    def __init__(self, database: Database, node: str) -> None:
        self._database = database
        self._node = node

    def put_up(self, kind: str, subject: str, detail: str) -> bool:
        """Raise an alarm.

        Returns:
            False when it was up already.
        """
        with self._database.transaction(f"raising {kind} of {subject}") as transaction:
            return raise_(transaction, node=self._node, kind=kind, subject=subject, detail=detail)

    def clear(self, kind: str, subject: str) -> bool:
        """It is well again; False when it was."""
        with self._database.transaction(f"clearing {kind} of {subject}") as transaction:
            return lower(transaction, node=self._node, kind=kind, subject=subject)

    def up(self, subject: str | None = None) -> list[Alarm]:
        """What is wrong now, on every node; of one subject if it is named."""
        with self._database.transaction("reading alarms") as transaction:
            return [Alarm(**row) for row in transaction.rows("alarms.open_alarms", subject=subject)]
