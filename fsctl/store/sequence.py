"""Numbers for what is committed, from one sequence: events, and the last change of each thing.

An id is given when a row is written and seen when its transaction commits, in another order: who reads on from the
highest id misses rows. So rows are numbered afterwards, by one transaction at a time, which commits before the next
begins. A reader who asks for ``seq > cursor order by seq`` misses nothing, and sees no number twice. A number is
never given again, by a Postgres that was restarted neither: the commit that shows it has written the sequence, too.
"""

from dataclasses import dataclass
from datetime import datetime

from fsctl.store.db import Database, Transaction

LOCK = 0x66737365
"""Key of the advisory lock of who numbers: "fsse"."""
CHANNEL = "fsctl_event"
"""What Postgres notifies when something was numbered: a wake-up, never the truth."""
MOST = 2000
"""Rows numbered in one transaction."""


@dataclass(frozen=True)
class Item:
    """A thing that stands in a thread."""

    id: int
    thread_id: int | None
    """None: a call of which nobody knows who called."""
    at: datetime
    kind: str
    """``message``, ``call``, ``touch``, ``outcome``, ``followup``, ``callback`` or ``witness``."""
    ref: str
    """Key of its row in the table of that kind."""
    change_seq: int
    """Of its last change."""


class Sequence:
    """The table of changes, and who numbers it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def number(self, most: int = MOST) -> int:
        """Number what is committed and has no number; at most ``most`` rows of a kind.

        Returns:
            How many changes were taken; 0 also while another process numbers.

        Raises:
            DatabaseDown: nothing was numbered, or all of it was: who asks again loses nothing.
        """
        with self._database.transaction("numbering what happened") as transaction:
            row = transaction.one("sequence.lock", key=LOCK)
            if not row or not row["is_ours"]:
                return 0
            taken = transaction.run("sequence.number_events", most=most)
            taken += transaction.run("sequence.number_things", most=most)
            if taken:
                transaction.one("sequence.wake")
        return taken

    def head(self) -> int:
        """The highest number given so far; 0: none yet."""
        with self._database.statement("reading the last number") as transaction:
            row = transaction.one("sequence.head")
        return int(row["seq"]) if row else 0

    def changed(self, after: int, most: int) -> list[Item]:
        """Things whose last change has a higher number, in order of it."""
        with self._database.statement(f"reading changes after {after}") as transaction:
            return changed(transaction, after, most)

    def waiting(self) -> tuple[int, int]:
        """Events and changes that have no number yet: more than a few for long means that nobody numbers."""
        with self._database.statement("counting what is not numbered") as transaction:
            row = transaction.one("sequence.waiting")
        return (row["events"], row["changes"]) if row else (0, 0)


def changed(transaction: Transaction, after: int, most: int) -> list[Item]:
    """As ``Sequence.changed``, within a transaction."""
    return [Item(**row) for row in transaction.rows("sequence.changed_items", after=after, most=most)]
