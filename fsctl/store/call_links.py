"""Links that begin a call: those that we made, with who made them. A call by one brings its payload back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from fsctl.store.db import Database, Transaction

Kind = Literal["link", "qr"]

MOST = 1000
"""Links shown at once: the latest."""


@dataclass(frozen=True, kw_only=True)
class CallLink:
    """One link."""

    payload: str
    """Signed; what the call brings back."""
    url: str
    kind: Kind
    """Where it is: on a page, or on paper."""
    number: str
    """Digits of the business number that it calls."""
    campaign: str
    queue: str | None
    language: str | None
    expires_at: datetime
    made_by: str
    id: int | None = None
    made_at: datetime | None = None


@dataclass(frozen=True)
class Used:
    """A link, and how many calls came by it."""

    link: CallLink
    calls: int


def add(transaction: Transaction, link: CallLink) -> CallLink | None:
    """Store a link; None when there is one with this payload already, which another one must not share."""
    row = transaction.one(
        "call_links.add",
        payload=link.payload,
        url=link.url,
        kind=link.kind,
        number=link.number,
        campaign=link.campaign,
        queue=link.queue,
        language=link.language,
        expires_at=link.expires_at,
        made_by=link.made_by,
    )
    return CallLink(**row) if row else None


def known(transaction: Transaction, payloads: Sequence[str]) -> Mapping[str, CallLink]:
    """Of these payloads those that links of ours were made with."""
    if not payloads:
        return {}
    rows = transaction.rows("call_links.known", payloads=list(payloads))
    return {row["payload"]: CallLink(**row) for row in rows}


class CallLinks:
    """The table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> list[Used]:
        """The latest MOST links, the newest first, with the calls that came by each."""
        with self._database.transaction("reading call links") as transaction:
            rows = transaction.rows("call_links.all_links", most=MOST)
        return [
            Used(CallLink(**{k: v for k, v in row.items() if k != "calls"}), row["calls"]) for row in rows
        ]
