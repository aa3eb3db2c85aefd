"""Endpoints: where events are sent, with which secret, and how it goes there."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from fsctl.store import alarms
from fsctl.store.db import Database, Transaction

ALARM, NODE = "crm.endpoint", "crm"
"""An endpoint that was disabled; alarms of the CRM are of no FreeSWITCH."""
MAX_WHY = 500


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One of them, without its secret."""

    id: int
    url: str
    types: Sequence[str]
    """None named: all but those that are told on request."""
    cursor_seq: int
    """Events up to this one are planned."""
    failures: int
    """One after the other, with none that went well in between."""
    failing_since: datetime | None
    disabled_at: datetime | None
    disabled_why: str
    old_secret_until: datetime | None
    """So long the secret before signs, too."""
    waiting: int
    dead: int
    made_by: str
    made_at: datetime


class Endpoints:
    """The table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, url: str, types: Sequence[str], secret: str, who: str, after: int | None = None) -> int:
        """Add one. Args: after: it gets events with a higher number; None: those from now on. Returns: its id."""
        with self._database.transaction("adding an endpoint") as transaction:
            row = transaction.one(
                "deliveries.add_endpoint", url=url, types=list(types), secret=secret, who=who, after=after
            )
        assert row is not None
        return int(row["id"])

    def all(self, id_: int | None = None) -> list[Endpoint]:
        """Every endpoint, or the one."""
        with self._database.transaction("reading the endpoints") as transaction:
            return [Endpoint(**row) for row in transaction.rows("deliveries.endpoints", id=id_)]

    def secrets(self, id_: int) -> list[str]:
        """What signs now: the secret, and the one before while both count. None: there is no such endpoint."""
        with self._database.transaction("signing") as transaction:
            row = transaction.one("deliveries.secrets", id=id_)
        return [one for one in (row["secret"], row["old_secret"]) if one] if row else []

    def remove(self, id_: int) -> bool:
        """Take it away with all its deliveries; False: there was none."""
        with self._database.transaction(f"removing endpoint {id_}") as transaction:
            alarms.lower(transaction, node=NODE, kind=ALARM, subject=str(id_))
            return bool(transaction.run("deliveries.remove_endpoint", id=id_))

    def rotate(self, id_: int, secret: str, overlap_s: float) -> bool:
        """Give it another secret. Args: overlap_s: so long the one before signs, too."""
        with self._database.transaction(f"rotating the secret of endpoint {id_}") as transaction:
            return bool(transaction.run("deliveries.rotate", id=id_, secret=secret, overlap_s=overlap_s))

    def enable(self, id_: int) -> bool:
        """Send to it again, from where it stopped; what waits is due now, with all its tries."""
        with self._database.transaction(f"enabling endpoint {id_}") as transaction:
            alarms.lower(transaction, node=NODE, kind=ALARM, subject=str(id_))
            # The endpoint first, as who claims does: neither waits for the other.
            is_there = bool(transaction.run("deliveries.enable", id=id_))
            transaction.run("deliveries.hurry", id=id_)
        return is_there

    def disable(self, id_: int, why: str) -> bool:
        """Send nothing to it any more."""
        with self._database.transaction(f"disabling endpoint {id_}") as transaction:
            return bool(transaction.run("deliveries.disable", id=id_, why=why[:MAX_WHY]))


def give_up(transaction: Transaction, id_: int, url: str, why: str) -> bool:
    """Disable an endpoint because of what it does, with an alarm; False when it is disabled already."""
    if not transaction.run("deliveries.disable", id=id_, why=why[:MAX_WHY]):
        return False
    detail = f"events are no longer sent to {url}: {why}; `fsctl crm endpoint enable {id_}` goes on with them"
    alarms.raise_(transaction, node=NODE, kind=ALARM, subject=str(id_), detail=detail[: 3 * MAX_WHY])
    return True
