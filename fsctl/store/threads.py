"""Contacts by their aliases, and the thread each has with one of our numbers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from fsctl.call.events import Alias
from fsctl.store.db import Database, Transaction
from fsctl.transcribe.redact import redact


@dataclass(frozen=True)
class Place:
    """Where what a customer does belongs."""

    contact_id: int
    thread_id: int


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
    transaction: Transaction,
    aliases: Sequence[Alias],
    display_name: str,
    business_number: str,
    language: str | None = None,
) -> Place:
    """The contact that one of the aliases names, or a new one that all of them name from now on; and its thread
    with this number, made when new.

    The first alias known decides. Aliases not known yet are added to that contact.
    """
    names = {"kinds": [alias.kind for alias in aliases], "values": [alias.value for alias in aliases]}
    transaction.run("threads.lock_aliases", **names)
    row = transaction.one(
        "threads.find_contact",
        **names, display_name=display_name, business_number=business_number, language=language,
    )  # fmt: skip
    assert row is not None
    return Place(**row)


class Threads:
    """What commands and pages ask about threads."""

    def __init__(
        self, database: Database, redaction: Callable[[str], Sequence[str]] = lambda _number: ()
    ) -> None:
        """Args: redaction: business number -> what is taken out of its chat (``Policy.redaction_of_chat``)."""
        self._database = database
        self._redaction = redaction

    def add_messages(
        self,
        aliases: Sequence[Alias],
        display_name: str,
        language: str | None,
        business_number: str,
        messages: Sequence[NewMessage],
    ) -> int:
        """Store chat messages in the thread of these aliases; a wamid already there is left as it is.

        What must not be stored is taken out first: a card number typed in a chat is never written.

        Returns:
            The thread's id.
        """
        kinds = self._redaction(business_number)
        with self._database.transaction(f"storing messages of {display_name}") as transaction:
            thread_id = find_contact(transaction, aliases, display_name, business_number, language).thread_id
            for message in messages:
                transaction.run(
                    "threads.add_message",
                    thread_id=thread_id,
                    wamid=message.wamid,
                    direction=message.direction,
                    type=message.type,
                    body=redact(message.body, kinds, language=language).text,
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
