"""Contacts by their aliases, and the thread each has with one of our numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from fsctl.call.events import Alias
from fsctl.store.db import Database, Transaction


@dataclass(frozen=True)
class Contact:
    """A customer."""

    id: int
    display_name: str
    language: str | None


@dataclass(frozen=True)
class Thread:
    """A contact's chat with one of our numbers."""

    id: int
    contact_id: int
    business_number: str
    display_name: str
    language: str | None


@dataclass(frozen=True, kw_only=True)
class NewMessage:
    """A chat message to store."""

    wamid: str
    direction: str
    body: str
    sent_at: datetime
    type: str = "text"


def find_contact(
    transaction: Transaction, aliases: Sequence[Alias], display_name: str, *, language: str | None
) -> Contact:
    """The contact that one of the aliases names, or a new one that all of them name from now on.

    The first alias known decides. Aliases not known yet are added to that contact.
    """
    for alias in sorted(aliases, key=lambda alias: (alias.kind, alias.value)):
        transaction.run("threads.lock_aliases", key=f"{alias.kind}:{alias.value}")
    found = None
    for alias in aliases:
        row = transaction.one("threads.find_alias", kind=alias.kind, value=alias.value)
        if row is not None:
            found = Contact(row["contact_id"], row["display_name"], row["language"])
            break
    if found is None:
        row = transaction.one("threads.add_contact", display_name=display_name, language=language)
        assert row is not None
        found = Contact(row["id"], display_name, language)
    for alias in aliases:
        transaction.run("threads.add_alias", kind=alias.kind, value=alias.value, contact_id=found.id)
    return found


def known_contact(
    transaction: Transaction, aliases: Sequence[Alias], business_number: str
) -> tuple[Contact, int | None] | None:
    """The contact of a caller who comes again by names that we know: nothing to add, so nothing to lock.

    Returns:
        The contact, and its thread with this number where there is one; None when a name is new: ``find_contact``
        then.
    """
    row = transaction.one(
        "threads.find_known",
        kinds=[alias.kind for alias in aliases],
        values=[alias.value for alias in aliases],
        business_number=business_number,
    )
    if row is None or row["known"] < len(aliases):
        return None
    return Contact(row["contact_id"], row["display_name"], row["language"]), row["thread_id"]


def find_thread(transaction: Transaction, contact_id: int, business_number: str) -> int:
    """The id of the contact's thread with this number, made when new."""
    row = transaction.one("threads.find_thread", contact_id=contact_id, business_number=business_number)
    assert row is not None
    return int(row["id"])


class Threads:
    """What commands and pages ask about threads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add_messages(
        self,
        aliases: Sequence[Alias],
        display_name: str,
        language: str | None,
        business_number: str,
        messages: Sequence[NewMessage],
    ) -> int:
        """Store chat messages in the thread of these aliases; a wamid already there is left as it is.

        Returns:
            The thread's id.
        """
        with self._database.transaction(f"storing messages of {display_name}") as transaction:
            contact = find_contact(transaction, aliases, display_name, language=language)
            thread_id = find_thread(transaction, contact.id, business_number)
            for message in messages:
                transaction.run(
                    "threads.add_message",
                    thread_id=thread_id,
                    wamid=message.wamid,
                    direction=message.direction,
                    type=message.type,
                    body=message.body,
                    sent_at=message.sent_at,
                )
        return thread_id

    def find(self, who: str) -> list[Thread]:
        """Threads by thread id (``42`` up to 9 digits), alias or name; the newest first."""
        with self._database.transaction(f"looking for thread {who!r}") as transaction:
            rows = transaction.rows("threads.threads_of_contact", who=who)
            if not rows and who.isascii() and who.isdigit() and len(who) < 10:
                row = transaction.one("threads.thread_by_id", id=int(who))
                rows = [row] if row else []
        return [Thread(**row) for row in rows]
