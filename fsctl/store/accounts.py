"""How our numbers and our account at Meta are, as Meta last told it; what is wrong is an alarm until it is not."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from fsctl.store import alarms
from fsctl.store.db import Transaction

NODE = "meta"
"""In place of a node: whose alarms these are."""


@dataclass(frozen=True, kw_only=True)
class State:
    """What was told of one thing."""

    kind: str
    """Of the alarm: ``whatsapp.settings``, ``whatsapp.restriction``."""
    subject: str
    at: datetime
    """By Meta's clock: what was told later counts, whenever it comes."""
    wrong: str
    """For a person; empty: nothing."""
    data: Mapping[str, Any]
    expires_at: datetime | None = None
    """When it is well again by itself."""


def told(transaction: Transaction, state: State) -> bool:
    """Store a state, and raise or lower its alarm.

    Returns:
        False when something later is known already.
    """
    row = transaction.one(
        "accounts.told",
        kind=state.kind,
        subject=state.subject,
        at=state.at,
        detail=state.wrong,
        data=Jsonb(dict(state.data)),
        expires_at=state.expires_at,
    )
    if row is None:
        return False
    # Lowered first: an alarm that is up already would keep the words of what was wrong before.
    alarms.lower(transaction, node=NODE, kind=state.kind, subject=state.subject)
    if state.wrong:
        alarms.raise_(transaction, node=NODE, kind=state.kind, subject=state.subject, detail=state.wrong)
    return True


def expire(transaction: Transaction) -> int:
    """Lower the alarms of what is over by itself; returns how many."""
    rows = transaction.rows("accounts.expire")
    for row in rows:
        alarms.lower(transaction, node=NODE, kind=row["kind"], subject=row["subject"])
    return len(rows)
