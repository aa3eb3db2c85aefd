"""Recordings of a call for those who listen: which there are, and which may be heard. Called by: the API."""

from dataclasses import dataclass
from datetime import datetime

from fsctl.store.db import Database
from fsctl.store.keeping import Format


@dataclass(frozen=True)
class Audible:
    """A recording of a call."""

    state: str
    """``growing``, ``closed``, ``cut``, ``archived`` or ``failed``."""
    uri: str | None
    format: Format | None
    sha256: str | None
    """Of the archived file, in hex."""
    duration_ms: int | None
    channels: int | None
    rate: int | None
    started_at: datetime
    is_ready: bool
    """Whether it may be heard: it is archived, and what must not be heard is silenced in it."""


def of_call(database: Database, call_uuid: str) -> list[Audible]:
    """In order of their beginning, on whatever node. Raises DatabaseDown."""
    with database.statement(f"reading recordings of call {call_uuid}") as transaction:
        return [Audible(**row) for row in transaction.rows("audible.of_call", call_uuid=call_uuid)]
