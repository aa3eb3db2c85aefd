"""Calls as Meta saw them: an independent witness, held beside what FreeSWITCH told us.

A call and its witness are joined by the wacid, whichever comes first. What they say differently stands in the
call's story; a customer's call that none of our nodes has raises an alarm and stands in the thread by itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from fsctl.call.events import Alias
from fsctl.store import alarms, contacts
from fsctl.store.contacts import Who
from fsctl.store.db import Row, Transaction

GRACE_S = 180.0
"""So long after Meta's word a node may still tell us of the call: its INVITE comes within seconds, a ledger that is
read after a lost link within a minute or two."""
DIFFERS_S = 5.0
"""Durations that differ by more are worth a line: Meta counts whole seconds, and hears of the end later than we."""
NODE = "meta"
"""In place of a node: whose alarms these are."""
ALARM = "whatsapp.unreached"


@dataclass(frozen=True, kw_only=True)
class Sighting:
    """One thing that Meta told of a call. Texts are bounded (``whatsapp.values``)."""

    wacid: str
    event: str
    at: datetime
    direction: str
    """``inbound``: the customer called."""
    aliases: Sequence[Alias]
    """The customer's."""
    business_number: str
    ended_at: datetime | None = None
    status: str | None = None
    duration_s: int | None = None
    data: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Witness:
    """A call as Meta saw it, for whoever shows the thread."""

    wacid: str
    direction: str
    at: datetime
    ended_at: datetime | None
    status: str | None
    duration_s: int | None
    events: Mapping[str, Any]
    """Event -> what was told; ``call_recording_available`` and ``call_transcription_available`` refer to files at
    Meta."""
    call_uuid: str | None
    """Our call. None: no node of ours has it; then this stands in the thread as a call by itself."""
    alarmed_at: datetime | None


def saw(transaction: Transaction, sighting: Sighting, name: str = "", portfolio: str = "") -> None:
    """Store a sighting, and the thread of whom it names. All that is told of one wacid is of one person."""
    row = transaction.one(
        "witness.saw",
        wacid=sighting.wacid,
        business_number=sighting.business_number,
        direction=sighting.direction,
        aliases=Jsonb(sorted([alias.kind, alias.value] for alias in sighting.aliases)),
        at=sighting.at,
        ended_at=sighting.ended_at,
        status=sighting.status,
        duration_s=sighting.duration_s,
        event=sighting.event,
        data=Jsonb(dict(sighting.data)),
    )
    assert row is not None
    aliases = _aliases(row["aliases"])
    if aliases and row["business_number"]:
        who = Who(aliases=aliases, at=sighting.at, name=name, portfolio=portfolio)
        place = contacts.find(transaction, who, row["business_number"])
        transaction.run("witness.place", wacid=sighting.wacid, thread_id=place.thread_id)


def join(transaction: Transaction, portfolio: str = "") -> int:
    """Join witnesses with calls that are here now. Who is named by either is one person: contacts that were two,
    because the call had a user id and the webhook a number, become one.

    Returns:
        How many were joined.
    """
    rows = transaction.rows("witness.joinable")
    for row in rows:
        thread_id = row["call_thread_id"]
        aliases = _aliases(row["call_aliases"] + row["aliases"])
        if row["thread_id"] != thread_id and row["call_aliases"]:
            who = Who(aliases=aliases, at=row["at"], portfolio=portfolio)
            thread_id = contacts.find(transaction, who, row["to_number"]).thread_id
        transaction.run("witness.join", wacid=row["wacid"], call_uuid=row["uuid"], thread_id=thread_id)
        if row["is_alarmed"]:
            alarms.lower(transaction, node=NODE, kind=ALARM, subject=row["wacid"])
    return len(rows)


def note(transaction: Transaction) -> int:
    """Hold calls that have ended beside their witness; what differs becomes a line of the story (``witnessed``).

    Returns:
        Lines written.
    """
    rows = transaction.rows("witness.to_note")
    told = [(row, data) for row in rows if (data := differences(row))]
    for row, data in told:
        transaction.run(
            "witness.tell",
            call_uuid=row["uuid"],
            at=row["ended_at"],
            wacid=row["wacid"],
            data=Jsonb(data),
        )
    if rows:
        transaction.run("witness.noted", wacids=[row["wacid"] for row in rows])
    return len(told)


def differences(row: Row) -> dict[str, Any] | None:
    """What Meta says otherwise than we, or of a failure; None when nothing. Durations count from the answer."""
    ours_s: float | None = None
    if row["answered_at"] is not None:
        ours_s = round((row["call_ended_at"] - row["answered_at"]).total_seconds(), 1)
    theirs_s, has_failed = row["duration_s"], row["status"] == "FAILED"
    if (ours_s is None) != (theirs_s is None):
        differs = theirs_s is not None or not has_failed
    else:
        differs = ours_s is not None and abs(ours_s - theirs_s) > DIFFERS_S
    if not (differs or has_failed):
        return None
    data = {
        "status": row["status"],
        "duration_s": theirs_s,
        "our_duration_s": ours_s,
        "errors": row["errors"],
    }
    return {key: value for key, value in data.items() if value is not None}


def sound_alarms(transaction: Transaction, grace_s: float = GRACE_S) -> int:
    """Raise an alarm for each customer's call that no node of ours has after the grace period; returns how many."""
    rows = transaction.rows("witness.overdue", grace_s=grace_s)
    for row in rows:
        place = f"thread {row['thread_id']}" if row["thread_id"] else "nobody is named"
        detail = (
            f"a call to {row['business_number'] or 'one of our numbers'} at {row['at']:%Y-%m-%d %H:%M:%S} UTC "
            f"({place}) reached none of our nodes; Meta says {row['status'] or 'nothing of its end'}"
        )
        alarms.raise_(transaction, node=NODE, kind=ALARM, subject=row["wacid"], detail=detail)
    return len(rows)


def of_thread(transaction: Transaction, thread_id: int) -> list[Witness]:
    """All calls of a thread that Meta told of, in order of time."""
    return [Witness(**row) for row in transaction.rows("witness.of_thread", thread_id=thread_id)]


def _aliases(names: Sequence[Sequence[Any]]) -> tuple[Alias, ...]:
    """Each once, in an order that does not depend on who told it."""
    return tuple(Alias(kind=kind, value=value) for kind, value in sorted({(one[0], one[1]) for one in names}))
