"""Recordings in which something must not be heard: which are to be silenced, and that they were."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.types.json import Jsonb

from fsctl.store import audit
from fsctl.store.db import Database
from fsctl.store.keeping import Format

WHO = "archiver"


@dataclass(frozen=True, kw_only=True)
class Due:
    """An archived recording of which all text is known. Spans are leg, first and last millisecond."""

    id: int
    call_uuid: str
    path: str
    uri: str
    format: Format
    sha256: str
    offered_at: datetime
    spans: Sequence[tuple[str, int, int]]
    """To be silenced; none: it may be heard as it is."""


@dataclass(frozen=True, kw_only=True)
class Silenced:
    """Where the recording lies now, and what it is."""

    uri: str
    sha256: str
    bytes: int


class Redactions:
    """What silences the archive asks of Postgres."""

    def __init__(self, database: Database, node: str) -> None:
        self._database = database
        self._node = node

    def due(self) -> list[Due]:
        """Recordings of this node that nobody may hear before they are silenced, or looked at."""
        with self._database.transaction("reading redactions") as transaction:
            rows = transaction.rows("redactions.due", node=self._node)
        return [
            Due(**{**row, "spans": [(leg, start, end) for leg, start, end in row["spans"]]}) for row in rows
        ]

    def overdue(self, patience_s: float) -> list[str]:
        """Calls whose recordings wait so long for their text, without an alarm."""
        with self._database.transaction("looking for recordings without text") as transaction:
            rows = transaction.rows("redactions.overdue", node=self._node, patience_s=patience_s)
        return [row["call_uuid"] for row in rows]

    def silenced(self, due: Due, now: Silenced, size: int) -> bool:
        """It lies there now, and may be heard.

        Args:
            size: bytes before.

        Returns:
            False when somebody else changed it meanwhile: nothing was stored.
        """
        with self._database.transaction(f"silencing recording {due.id}") as transaction:
            rows = transaction.rows(
                "redactions.silenced",
                id=due.id,
                old_uri=due.uri,
                old_sha256=due.sha256,
                uri=now.uri,
                sha256=now.sha256,
                bytes=now.bytes,
                spans=Jsonb([list(span) for span in due.spans]),
            )
            if rows and due.spans:
                detail = {"recording": due.path, "spans": len(due.spans), "before": due.sha256, "bytes": size}
                entry = audit.Entry(
                    who=WHO,
                    node=self._node,
                    action="recording.silence",
                    subject=due.call_uuid,
                    detail=detail,
                    result=now.sha256,
                )
                audit.append(transaction, entry)
        return bool(rows)
