"""The ledger of ended calls: one row a call, written by FreeSWITCH itself when the call ends.

``dialplan/path.xml`` sets an api_reporting_hook that inserts the row with mod_db, before
CHANNEL_HANGUP_COMPLETE is fired. So a call that ended while nobody listened is known with its cause and times,
even when FreeSWITCH was shut down and started again meanwhile; a row is struck out when its call is stored.

mod_db.c keeps rows of key and value: ``db list`` answers with 4 KB of keys at most, ``db select`` with 255
bytes of a value at most. So what makes the row one of its own stands in the key, and a ledger is read in pages.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from fsctl.call import events
from fsctl.call.events import CallEvent
from fsctl.errors import Unencodable
from fsctl.esl import decode, encode
from fsctl.esl.connection import Reply

KEY = ("uuid", "cause", "start", "answer", "bridge", "end")
VALUE = ("agent_uuid", "agent", "queue", "channel", "to", "from", "wacid")
LIST_BYTES = 4094
"""An answer so long was cut: its buffer has 4096 bytes, less the end of the string and the last comma."""
SELECT_BYTES = 255
"""The same of one value; what was cut is the end of the wacid, and half a wacid is none."""


@dataclass(frozen=True)
class Entry:
    """One row."""

    key: str
    uuid: str
    told: tuple[CallEvent, ...]
    """All that must have happened to the call, its end last; nothing when the row says nothing."""


@dataclass(frozen=True)
class Page:
    """Rows of the ledger, as many as FreeSWITCH tells at once."""

    entries: tuple[Entry, ...]
    is_last: bool
    """Whether there were no more; others come once these are struck out."""


def read(request: Callable[[encode.Request], Reply], origin: decode.Origin) -> Page:
    """The first page of the ledger.

    Keys ``uuid|cause|start|answer|bridge|end``, times in microseconds; values ``agent uuid|agent|queue|channel|
    to|from|wacid``. An empty ledger is ``-ERR no reply``; a switch without mod_db does not know the command.
    Both read as no calls.

    Args:
        request: sends a command; what it raises is passed on.
    """
    listed = request(encode.ReadLedger())
    keys = listed.text.rstrip("\n").split(",") if listed.ok else []
    return Page(tuple(_entries(request, keys, origin)), len(listed.text) < LIST_BYTES)


def _entries(
    request: Callable[[encode.Request], Reply], keys: list[str], origin: decode.Origin
) -> Iterator[Entry]:
    for key in keys:
        try:
            value = request(encode.ReadRow(key))
        except Unencodable:
            continue
        if value.ok:  # Else the key was cut at the end of the page.
            row = _row(key, value.text.rstrip("\n"))
            yield Entry(key, row["uuid"], tuple(_told(row, origin)))


def _row(key: str, value: str) -> dict[str, str]:
    row = dict.fromkeys((*KEY, *VALUE), "")
    row.update(zip(KEY, key.split("|")))
    row.update(zip(VALUE, value.split("|")))
    if len(value.encode()) >= SELECT_BYTES:
        row["wacid"] = ""
    return row


def _told(row: Mapping[str, str], origin: decode.Origin) -> Iterator[CallEvent]:
    start, answer, bridge, end = (decode.instant(row[key]) for key in ("start", "answer", "bridge", "end"))
    if start is None or end is None or not row["cause"]:
        return
    uuid, channel = row["uuid"], row["channel"] or "whatsapp"
    yield events.CallOffered(
        uuid=uuid,
        at=start,
        node=origin.node,
        channel=channel,
        aliases=tuple(decode.aliases_of(row["from"], channel)),
        display_name="",
        to_number=decode.digits_of(row["to"]),
        wacid=row["wacid"].rstrip("=") or None,
        found="ledger",
    )
    if answer is not None:
        yield events.CallAnswered(uuid=uuid, at=answer)
    if row["queue"] and answer is not None:
        yield events.MemberJoined(uuid=uuid, at=answer, queue=row["queue"], member_uuid="")
    if bridge is not None and row["agent_uuid"]:
        yield events.AgentBridged(uuid=uuid, at=bridge, agent=row["agent"], agent_uuid=row["agent_uuid"])
        yield events.LegsBridged(uuid=uuid, at=bridge, agent_uuid=row["agent_uuid"])
    yield events.LegHungUp(uuid=uuid, at=end, leg="caller", leg_uuid=uuid, cause=row["cause"])
