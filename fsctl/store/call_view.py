"""Calls as people at the console look at them: those that match, and all that is known of one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from fsctl.call.state import Phase
from fsctl.errors import BadInput
from fsctl.store import touches
from fsctl.store.calls import call_from_row
from fsctl.store.db import Database, Row, Transaction
from fsctl.store.followups import Followup
from fsctl.store.items import CallItem, read_call

MOST = 200
"""Calls shown at once: the latest."""
MOST_FACTS = 200
"""Lines of a call's story: the latest."""
SHORTEST = 4
"""Characters that name a call which goes on, if no other begins so."""


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A call in a list."""

    uuid: str
    node: str
    channel: str
    phase: str
    wacid: str | None
    thread_id: int | None
    to_number: str
    queue: str | None
    agent: str | None
    language: str | None
    name: str
    offered_at: datetime
    queued_at: datetime | None
    bridged_at: datetime | None
    ended_at: datetime | None
    disposition: str | None
    fault: str | None
    hangup_cause: str | None
    encryption: str | None
    consent: str | None
    mos: float | None


@dataclass(frozen=True, kw_only=True)
class Where:
    """Which calls; None leaves a thing open. Those that have ended are meant where the condition can be of one."""

    uuid: str | None = None
    wacid: str | None = None
    thread: int | None = None
    node: str | None = None
    queue: str | None = None
    agent: str | None = None
    phase: str | None = None
    disposition: str | None = None

    @property
    def ended(self) -> bool:
        """Whether ended calls are looked for, too."""
        asked = (self.uuid, self.wacid, self.thread, self.disposition)
        return any(one is not None for one in asked) or self.phase == Phase.ENDED.value


@dataclass(frozen=True)
class Fact:
    """A line of a call's story."""

    at: datetime
    kind: str
    data: Mapping[str, Any]


@dataclass(frozen=True)
class CallView:
    """A call with what was said in it and what happened to it."""

    item: CallItem
    story: Sequence[Fact]


class CallsView:
    """Reads calls of all nodes; changes nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def listed(self, where: Where) -> list[Listed]:
        """Calls that match, the oldest of them first."""
        with self._database.statement("reading calls") as transaction:
            rows = transaction.rows(
                "call_view.any" if where.ended else "call_view.open", most=MOST, uuid=where.uuid,
                wacid=where.wacid.rstrip("=") if where.wacid else None, thread=where.thread, node=where.node,
                queue=where.queue, agent=where.agent, phase=where.phase, disposition=where.disposition,
            )  # fmt: skip
        return [Listed(**row) for row in reversed(rows)]

    def read(self, name: str) -> CallView:
        """All of a call. Raises BadInput: no call is meant by this, or more than one; see ``which``."""
        with self._database.transaction(f"reading call {name!r}") as transaction:
            row = transaction.one("calls.load_call", uuid=which(transaction, name))
            assert row is not None
            item = replace(
                read_call(transaction, call_from_row(row)), talk=row["talk"], **_beside(transaction, row)
            )
            facts = transaction.rows("call_view.story", uuid=row["uuid"], most=MOST_FACTS)
        return CallView(item, [Fact(**fact) for fact in facts])

    def open_uuids(self) -> list[str]:
        """Of calls that go on, the latest first."""
        with self._database.statement("reading open calls") as transaction:
            return [row["uuid"] for row in transaction.rows("call_view.open_uuids", most=MOST)]


def _beside(transaction: Transaction, row: Row) -> dict[str, Any]:
    """What stands in the thread about this call: how the customer came, what was decided when it was missed."""
    thread_id, uuid = row["thread_id"], row["uuid"]
    if thread_id is None:
        return {}
    came = [one for one in touches.of_thread(transaction, thread_id) if one.call_uuid == uuid]
    decided = transaction.rows("followups.of_thread", thread_id=thread_id)
    return {
        "touches": came,
        "followup": next((Followup(**one) for one in decided if one["call_uuid"] == uuid), None),
    }


def which(transaction: Transaction, name: str) -> str:
    """The uuid of the call that is meant: its uuid, its wacid, or how the uuid of one that goes on begins.

    Raises:
        BadInput: no such call, or more than one.
    """
    row = transaction.one("routes.call_by_id", id=name.rstrip("="))
    if row is not None:
        return str(row["uuid"])
    rows = transaction.rows("call_view.begins_so", start=name) if len(name) >= SHORTEST else []
    if len(rows) == 1:
        return str(rows[0]["uuid"])
    if rows:
        raise BadInput(f"{name!r} may be {', '.join(row['uuid'] for row in rows)}: say more of it")
    raise BadInput(f"no call is known as {name[:80]!r}")
