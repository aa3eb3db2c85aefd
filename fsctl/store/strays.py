"""What webhooks told and nobody reads, or could be placed: kept as it came, each once, and counted."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from fsctl.store.db import Database, Transaction


@dataclass(frozen=True, kw_only=True)
class Stray:
    """One of them. ``value`` is bounded, as JSON and Postgres take it."""

    field: str
    """Of the webhook; empty where it had none."""
    reason: str
    value: Any
    came_at: datetime


@dataclass(frozen=True, kw_only=True)
class Count:
    """How many came for one reason."""

    field: str
    reason: str
    count: int
    last_at: datetime
    example: Any
    """The latest."""


def keep(transaction: Transaction, strays: Sequence[Stray]) -> int:
    """Store them; returns how many were new."""
    rows = [
        {
            "digest": hashlib.sha256(
                f"{one.field}\n{json.dumps(one.value, sort_keys=True)}".encode()
            ).hexdigest(),
            "field": one.field,
            "reason": one.reason,
            "value": one.value,
            "came_at": one.came_at.isoformat(),
        }
        for one in strays
    ]
    return transaction.run("strays.keep", strays=Jsonb(rows)) if rows else 0


def counts(database: Database) -> list[Count]:
    """How many came, and why; the most frequent first."""
    with database.statement("counting strays") as transaction:
        return [Count(**row) for row in transaction.rows("strays.counts")]
