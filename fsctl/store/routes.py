"""What is known of a call and its caller, for those who ask why it goes where it goes. Changes nothing."""

from fsctl.call.events import ContactFound
from fsctl.call.state import Call
from fsctl.store import known
from fsctl.store.calls import call_from_row
from fsctl.store.db import Database, Row, Transaction

NOBODY = 0
"""Id of a contact or thread that would be made if the call came."""


class Routes:
    """Reads; a caller who is not known stays so."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def call(self, id_: str) -> Call | None:
        """The stored call with this wacid (with or without its trailing ``=``) or uuid."""
        with self._database.transaction(f"looking for call {id_!r}") as transaction:
            row = transaction.one("routes.call_by_id", id=id_.rstrip("="))
        return call_from_row(row) if row else None

    def contact(self, call: Call) -> ContactFound:
        """What FindContact would answer for this call now; ids are NOBODY where it would make something new."""
        with self._database.transaction("looking for the caller") as transaction:
            contact_id = call.contact_id or _by_alias(transaction, call)
            row: Row | None = None
            if contact_id is not None:
                row = transaction.one("routes.contact", contact_id=contact_id, business_number=call.to_number)
            found = known.read(transaction, contact_id or NOBODY, call.node)
        return ContactFound(
            uuid=call.uuid,
            at=call.offered_at,
            contact_id=row["contact_id"] if row else NOBODY,
            thread_id=row["thread_id"] or NOBODY if row else NOBODY,
            name=row["name"] if row else call.display_name,
            language=row["language"] if row else None,
            known=found,
        )


def _by_alias(transaction: Transaction, call: Call) -> int | None:
    """The first alias known decides, as in ``threads.find_contact``."""
    for alias in call.aliases:
        row = transaction.one("threads.find_alias", kind=alias.kind, value=alias.value)
        if row is not None:
            return int(row["contact_id"])
    return None
