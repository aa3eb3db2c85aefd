"""The thread that a contact has with one of our numbers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from fsctl.call import identity
from fsctl.call.events import Alias
from fsctl.store import contacts
from fsctl.store.contacts import Who
from fsctl.store.db import Database
from fsctl.transcribe.redact import redact

NOBODY = 0
"""Id of thread and contact of a call whose caller nobody could tell; Postgres counts from 1."""


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


class Threads:
    """What commands and pages ask about threads."""

    def __init__(
        self,
        database: Database,
        redaction: Callable[[str], Sequence[str]] = lambda _number: (),
        portfolio: str = "",
    ) -> None:
        """
        Args:
            redaction: business number -> what is taken out of its chat (``Policy.redaction_of_chat``).
            portfolio: of the names; see ``store.contacts``.
        """
        self._database = database
        self._redaction = redaction
        self._portfolio = portfolio

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
            who = Who(
                aliases=tuple(aliases),
                at=max((message.sent_at for message in messages), default=datetime.now(UTC)),
                name=display_name,
                language=language,
                portfolio=self._portfolio,
            )
            thread_id = contacts.find(transaction, who, business_number).thread_id
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
            rows = transaction.rows("threads.threads_of_contact", who=who, names=identity.spellings(who))
            if not rows and who.isascii() and who.isdigit() and len(who) < 10:
                row = transaction.one("threads.thread_by_id", id=int(who))
                rows = [row] if row else []
        return [Thread(**row) for row in rows]
