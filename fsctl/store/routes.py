"""What is known of a call and its caller, for those who ask why it goes where it goes. Changes nothing."""

from fsctl.call.events import ContactFound
from fsctl.call.identity import names
from fsctl.call.known import Known, Past
from fsctl.call.state import Call
from fsctl.store import known
from fsctl.store.calls import call_from_row
from fsctl.store.db import Database, Transaction

NOBODY = 0
"""Id of a contact or thread that would be made if the call came."""


class Routes:
    """Reads; a caller who is not known stays so."""

    def __init__(self, database: Database, portfolio: str = "") -> None:
        self._database = database
        self._portfolio = portfolio
        self._loads = known.Loads(database)

    def call(self, id_: str) -> Call | None:
        """The stored call with this wacid (with or without its trailing ``=``) or uuid."""
        with self._database.transaction(f"looking for call {id_!r}") as transaction:
            row = transaction.one("routes.call_by_id", id=id_.rstrip("="))
        return call_from_row(row) if row else None

    def contact(self, call: Call) -> ContactFound:
        """What FindContact would answer for this call now; ids are NOBODY where it would make something new."""
        with self._database.statement("looking for the caller") as transaction:
            who = _caller(transaction, call, self._portfolio)
        return ContactFound(
            uuid=call.uuid,
            at=call.offered_at,
            contact_id=who.contact_id if who else NOBODY,
            thread_id=who.thread_id or NOBODY if who else NOBODY,
            name=who.name if who else call.display_name,
            language=who.language if who else None,
            known=Known(past=who.past if who else Past(), loads=self._loads.of(call.node)),
        )


def _caller(transaction: Transaction, call: Call, portfolio: str) -> known.Caller | None:
    """The call's contact where it has one; else that of its strongest name that is known."""
    if call.contact_id is not None:
        return known.caller(transaction, (), call.to_number, call.node, call.contact_id)
    found = (
        known.caller(transaction, [alias], call.to_number, call.node, portfolio=portfolio)
        for alias in names(call.aliases)
    )
    return next((one for one in found if one is not None), None)
