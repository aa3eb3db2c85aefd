"""Deliveries: events on their way to endpoints. Planned from the numbered events, claimed, settled.

::

    waiting ──claim──> held ──> delivered     the receiver has it
       ^                │  └──> dead          the last try failed too; `fsctl crm replay` sends it again
       └────failed──────┘

A claim is committed before anything leaves. Who dies while holding one leaves a lease that runs out, and it is sent
again: each at least once. So a Postgres that crashes may forget the last moment, and nothing waits for its disk. Of
a lane (a thread) the first alone can be claimed, so they arrive in order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from fsctl.store import endpoints
from fsctl.store.db import Database, Row
from fsctl.store.events import Event

LOCK = 0x66736372
"""Key of the advisory lock of who plans and claims: "fscr"."""
CHANNEL = "fsctl_event"
"""What Postgres notifies when there is something to plan."""
LEASE_S = 60.0
"""Longer than a request can take (crm/outward.py)."""
MOST_WAITING = 2000
"""Planned ahead for an endpoint."""
AT_ONCE = 8
"""Requests under way to one endpoint."""
FAILING = 10
"""After so many failures in a row an endpoint gets one request at a time; when it answers again, all that waits."""
LONG_S = 48 * 3600.0
"""After so long with nothing but failures it is disabled: before the first delivery has had its last try."""
KEEP_DAYS = 30
"""Delivered ones are kept so long, to be looked at."""
MOST_PRUNED = 5000
"""Rows at once."""
MOST_LISTED = 500
MAX_ERROR = 500


@dataclass(frozen=True)
class Claimed:
    """A delivery in our hands."""

    endpoint_id: int
    url: str
    secrets: Sequence[str]
    fence: int
    attempts: int
    """This try included."""
    event: Event


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A delivery, for people."""

    endpoint_id: int
    seq: int
    event_id: str
    type: str
    thread_id: int | None
    call_uuid: str | None
    state: str
    attempts: int
    due_at: datetime
    is_held: bool
    status: int | None
    error: str
    tried_at: datetime | None
    settled_at: datetime | None


class Deliveries:
    """What the sender and commands ask of the table."""

    def __init__(
        self,
        database: Database,
        on_request: Sequence[str] = (),
        *,
        lease_s: float = LEASE_S,
        most_waiting: int = MOST_WAITING,
        long_s: float = LONG_S,
    ) -> None:
        """Args: on_request: types that only go where they are named (``crm.events.ON_REQUEST``)."""
        self._database = database
        self._on_request = list(on_request)
        self._lease_s = lease_s
        self._most_waiting = most_waiting
        self._long_s = long_s

    def claim(self, most: int) -> list[Claimed]:
        """Plan what is new, and take what is due; committed before this returns. Raises DatabaseDown."""
        with self._database.transaction("claiming events to be sent") as transaction:
            transaction.one("deliveries.hasten")
            transaction.one("deliveries.lock", key=LOCK)
            transaction.run("deliveries.plan", most_waiting=self._most_waiting, on_request=self._on_request)
            rows = transaction.rows(
                "deliveries.claim", failing=FAILING, at_once=AT_ONCE, most=most, lease_s=self._lease_s
            )
        return [_claimed(row) for row in rows]

    def delivered(self, one: Claimed, status: int) -> None:
        """The receiver has it. Raises DatabaseDown."""
        with self._database.transaction(f"noting that {one.event.id} was delivered") as transaction:
            transaction.one("deliveries.hasten")
            transaction.run("deliveries.delivered", **_which(one), status=status, failing=FAILING)

    def failed(
        self, one: Claimed, status: int | None, error: str, after_s: float | None, is_gone: bool = False
    ) -> str:
        """It does not have it, as far as we know.

        Args:
            after_s: when to try again; None: never, this was the last try.
            is_gone: the receiver says that it wants nothing any more.

        Returns:
            Why the endpoint was disabled now; empty: it was not.

        Raises:
            DatabaseDown: nothing was noted.
        """
        with self._database.transaction(f"noting that {one.event.id} was not delivered") as transaction:
            row = transaction.one(
                "deliveries.failed", **_which(one), status=status, error=error[:MAX_ERROR], after_s=after_s,
                long_s=self._long_s,
            )  # fmt: skip
            why = ""
            if row is not None and is_gone:
                why = "it answered 410 Gone"
            elif row is not None and row["is_long"]:
                why = f"for {self._long_s / 3600:g} hours nothing but failures, the last: {error or status}"
            if why and not endpoints.give_up(transaction, one.endpoint_id, one.url, why):
                why = ""
        return why

    def listed(self, endpoint_id: int | None = None, state: str | None = None) -> list[Listed]:
        """The latest, the oldest of them first."""
        with self._database.transaction("reading deliveries") as transaction:
            rows = transaction.rows("deliveries.list", endpoint_id=endpoint_id, state=state, most=MOST_LISTED)
        return [Listed(**row) for row in rows]

    def replay(
        self,
        endpoint_id: int,
        *,
        event_id: str | None = None,
        since: datetime | None = None,
        dead: bool = False,
    ) -> int:
        """Send again: one event, what was stored since a time, or those that are dead. Returns how many."""
        with self._database.transaction(f"replaying to endpoint {endpoint_id}") as transaction:
            return transaction.run(
                "deliveries.replay", endpoint_id=endpoint_id, event_id=event_id, since=since, dead=dead,
                on_request=self._on_request,
            )  # fmt: skip

    def prune(self, keep_days: int) -> bool:
        """Forget what was delivered long ago, and events that are older than that and no endpoint waits for.

        Args:
            keep_days: for events; 0: they are kept for ever.

        Returns:
            Whether there may be more.

        Raises:
            DatabaseDown: nothing is forgotten.
        """
        with self._database.transaction("pruning deliveries") as transaction:
            days = min(KEEP_DAYS, keep_days or KEEP_DAYS)
            gone = [transaction.run("deliveries.prune", days=days, most=MOST_PRUNED)]
            if keep_days:
                found = transaction.rows("deliveries.prune_events", days=keep_days, most=MOST_PRUNED)
                gone += [row["gone"] for row in found]
        return max(gone) >= MOST_PRUNED


def _which(one: Claimed) -> Row:
    return {"endpoint_id": one.endpoint_id, "seq": one.event.seq, "fence": one.fence}


def _claimed(row: Row) -> Claimed:
    fields = ("seq", "id", "type", "thread_id", "call_uuid", "at", "data")
    return Claimed(
        endpoint_id=row["endpoint_id"],
        url=row["url"],
        secrets=[one for one in (row["secret"], row["old_secret"]) if one],
        fence=row["fence"],
        attempts=row["attempts"],
        event=Event(**{name: row[name] for name in fields}),
    )
