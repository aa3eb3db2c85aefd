"""Contacts as people ask for them: who is meant, what is known of one, what became of it. Changes nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from fsctl.call import identity
from fsctl.call.events import Alias
from fsctl.errors import BadInput
from fsctl.store.db import Database, Transaction

MOST = 200
"""Entries of the log that are shown: the latest."""


@dataclass(frozen=True, kw_only=True)
class Named:
    """A name of a contact."""

    portfolio: str
    kind: str
    value: str
    said: str | None
    """As Meta writes it, where that differs."""
    seen_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Lost:
    """A name that was the contact's, and is another's now."""

    kind: str
    value: str
    last_at: datetime
    """When it was still the contact's."""
    contact_id: int


@dataclass(frozen=True, kw_only=True)
class ThreadCount:
    """A thread, and how much is in it."""

    id: int
    business_number: str
    messages: int
    calls: int


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What became of a contact or one of its names."""

    at: datetime
    what: str
    contact_id: int
    other_id: int | None
    who: str
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Contact:
    """All of it."""

    id: int
    display_name: str
    language: str | None
    vip: bool
    opted_out_at: datetime | None
    created_at: datetime
    merged: tuple[int, ...]
    """Contacts that became this one."""
    aliases: Sequence[Named]
    lost: Sequence[Lost]
    threads: Sequence[ThreadCount]
    log: Sequence[Entry]


def which(transaction: Transaction, who: str) -> int:
    """The contact that is meant: one of its names, what it calls itself, or an id of up to 9 digits.

    Raises:
        BadInput: nobody, or more than one.
    """
    rows = transaction.rows("directory.by_name", who=who, names=identity.spellings(who))
    by_alias = [row["id"] for row in rows if row["is_alias"]]
    found = by_alias or [row["id"] for row in rows]
    if not found and who.isascii() and who.isdigit() and len(who) < 10:
        found = [row["id"] for row in transaction.rows("directory.by_id", id=int(who))]
    if len(found) == 1:
        return int(found[0])
    if not found:
        raise BadInput(f"no contact is known as {who!r}")
    raise BadInput(f"{who!r} may be contact {', '.join(map(str, sorted(found)))}: say its id")


def alias_of(contact: Contact, text: str) -> tuple[Alias, str]:
    """The contact's name that is meant by ``15550100142`` or ``wa_id:15550100142``, and its portfolio.

    Raises:
        BadInput: it has no such name, or two of different kinds.
    """
    kind, colon, value = text.partition(":")
    values = identity.spellings(value if colon else text)
    found = [
        (Alias(kind=one.kind, value=one.value), one.portfolio)  # type: ignore[arg-type]
        for one in contact.aliases
        if one.value in values and (not colon or one.kind == kind)
    ]
    if len(found) == 1:
        return found[0]
    if not found:
        raise BadInput(f"contact {contact.id} has no name {text!r}")
    kinds = ", ".join(f"{alias.kind}:{alias.value}" for alias, _ in found)
    raise BadInput(f"contact {contact.id} has more than one such name: say which ({kinds})")


def read(transaction: Transaction, contact_id: int) -> Contact:
    """A contact. Raises BadInput: there is none."""
    row = transaction.one("directory.contact", id=contact_id)
    if row is None:
        raise BadInput(f"contact {contact_id}: there is none")
    return Contact(
        **row | {"merged": tuple(row["merged"])},
        aliases=[Named(**one) for one in transaction.rows("directory.aliases", id=contact_id)],
        lost=[Lost(**one) for one in transaction.rows("directory.lost", id=contact_id)],
        threads=[ThreadCount(**one) for one in transaction.rows("directory.threads", id=contact_id)],
        log=log(transaction, contact_id),
    )


def log(transaction: Transaction, contact_id: int | None) -> list[Entry]:
    """What became of one contact, or of any; the oldest first."""
    rows = transaction.rows("directory.log", id=contact_id, most=MOST)
    return [Entry(**row) for row in reversed(rows)]


class Directory:
    """The same for commands."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def contact(self, who: str) -> Contact:
        """Who is meant. Raises BadInput: nobody, or more than one."""
        with self._database.transaction(f"looking for contact {who!r}") as transaction:
            return read(transaction, which(transaction, who))

    def log(self, who: str) -> list[Entry]:
        """The log of one contact, or of all when ``who`` is empty. Raises BadInput."""
        with self._database.transaction("reading the log of contacts") as transaction:
            return log(transaction, which(transaction, who) if who else None)
