"""Calls: what the controller asks of Postgres."""

from collections.abc import Sequence

from fsctl.call import commands
from fsctl.call.commands import StoreCommand
from fsctl.call.events import Alias, CallEvent, ContactFound
from fsctl.call.state import Call, Disposition, Fault, Phase
from fsctl.store import known, steps, threads
from fsctl.store.db import Bell, Database, Row, Transaction


class Calls:
    """The calls of all nodes."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._bell = Bell(database, "calls.wake")

    def load(self, uuid: str) -> Call | None:
        """The call with this uuid, if it is one of ours."""
        with self._database.statement(f"loading call {uuid}") as transaction:
            row = transaction.one("calls.load_call", uuid=uuid)
        return call_from_row(row) if row else None

    def open_calls(self, node: str) -> list[Call]:
        """Calls of a node that had not ended when we last looked."""
        with self._database.transaction(f"reading open calls of {node}") as transaction:
            return [call_from_row(row) for row in transaction.rows("calls.open_calls", node=node)]

    def apply(self, batch: Sequence[StoreCommand]) -> list[CallEvent]:
        """Carry out the commands of one step, or of several that came together: all or none.

        Returns:
            Answers to questions among them, as events. They are asked when the rest is stored; a question that
            is lost in between is asked again when the call is told again.
        """
        asked = [one for one in batch if isinstance(one, commands.FindContact)]
        wanted = list(steps.statements([one for one in batch if not isinstance(one, commands.FindContact)]))
        if wanted:
            self._store(wanted, f"saving call {', '.join(sorted({command.uuid for command in batch}))}")
        return [self._find_contact(question) for question in asked]

    def _store(self, wanted: Sequence[steps.Statement], doing: str) -> None:
        alone = len(wanted) == 1 and not wanted[0].audits
        begin = self._database.statement if alone else self._database.transaction
        with begin(doing) as transaction:
            for statement in wanted:
                statement.run(transaction)
        self._bell.ring()

    def _find_contact(self, question: commands.FindContact) -> ContactFound:
        doing = f"finding the contact of call {question.uuid}"
        with self._database.statement(doing) as transaction:
            found = threads.known_contact(transaction, question.aliases, question.to_number)
            if found is not None:
                return _answer(transaction, question, *found)
        with self._database.transaction(doing) as transaction:
            contact = threads.find_contact(
                transaction, question.aliases, question.display_name, language=None
            )
            return _answer(transaction, question, contact, None)


def _answer(
    transaction: Transaction, question: commands.FindContact, contact: threads.Contact, thread_id: int | None
) -> ContactFound:
    return ContactFound(
        uuid=question.uuid,
        at=question.at,
        contact_id=contact.id,
        thread_id=thread_id or threads.find_thread(transaction, contact.id, question.to_number),
        name=contact.display_name,
        language=contact.language,
        known=known.read(transaction, contact.id, question.node),
    )


def call_from_row(row: Row) -> Call:
    """A row of ``call`` -> Call."""
    values = dict(row)
    values["phase"] = Phase(row["phase"])
    values["disposition"] = Disposition(row["disposition"]) if row["disposition"] else None
    values["fault"] = Fault(row["fault"]) if row["fault"] else None
    values["request_params"] = tuple(row["request_params"].items())
    values["aliases"] = tuple(Alias(kind=kind, value=value) for kind, value in row["aliases"])
    return Call(**values)
