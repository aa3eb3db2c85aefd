"""Calls: what the controller asks of Postgres."""

import dataclasses
from collections.abc import Sequence

from fsctl.call import commands
from fsctl.call.commands import StoreCommand
from fsctl.call.events import Alias, ContactFound
from fsctl.call.identity import names
from fsctl.call.known import Known, Past
from fsctl.call.state import Call, Disposition, Fault, Phase
from fsctl.store import contacts, known, steps
from fsctl.store.db import Bell, Database, Row, Transaction
from fsctl.store.writer import Writer

STORY_EVERY_S = 0.05
"""Who watches the story reads: no eye sees the difference."""
_FIELDS = tuple(field.name for field in dataclasses.fields(Call))


class Calls:
    """The calls of all nodes."""

    def __init__(self, database: Database, portfolio: str = "") -> None:
        """Args: portfolio: of the callers' names; see ``store.contacts``."""
        self._database = database
        self._portfolio = portfolio
        self._loads = known.Loads(database)
        self._story = Bell(database, "calls.wake", every_s=STORY_EVERY_S)
        self._offers = Bell(database, "offers.wake")
        self._writer = Writer(self._write)

    def load(self, uuid: str) -> Call | None:
        """The call with this uuid, if it is one of ours."""
        with self._database.statement(f"loading call {uuid}") as transaction:
            row = transaction.one("calls.load_call", uuid=uuid)
        return call_from_row(row) if row else None

    def open_calls(self, node: str) -> list[Call]:
        """Calls of a node that had not ended when we last looked."""
        with self._database.transaction(f"reading open calls of {node}") as transaction:
            return [call_from_row(row) for row in transaction.rows("calls.open_calls", node=node)]

    def apply(self, batch: Sequence[StoreCommand]) -> None:
        """Carry out the commands of one step, or of several that came together: all or none."""
        if batch:
            self._writer.apply(batch)

    def _write(self, batch: Sequence[StoreCommand]) -> None:
        wanted = list(steps.statements(batch))
        queries = [query for statement in wanted for query in statement.queries()]
        # Not in a pipeline: psycopg 3.3.9 makes an error of its own of a greenlet's end in the middle of one, and
        # who waits patiently for Postgres would outlive being killed.
        begin = self._database.statement if len(queries) == 1 else self._database.transaction
        with begin(f"saving call {', '.join(sorted({command.uuid for command in batch}))}") as transaction:
            for name, given in queries:
                transaction.run(name, **given)
        self._story.ring()
        if any(statement.has_offer for statement in wanted):
            self._offers.ring()

    def answer(self, question: commands.FindContact) -> ContactFound:
        """Who calls; contact and thread are made when new. Asked twice, the answer is the same."""
        found = self._caller(question)
        assert found.thread_id is not None
        return ContactFound(
            uuid=question.uuid,
            at=question.at,
            contact_id=found.contact_id,
            thread_id=found.thread_id,
            name=found.name,
            language=found.language,
            known=Known(past=found.past, loads=self._loads.of(question.node)),
        )

    def _caller(self, question: commands.FindContact) -> known.Caller:
        """With a thread. Somebody known, or new, is one statement each; else it is decided who is who."""
        doing = f"finding the contact of call {question.uuid}"
        who = contacts.Who(
            aliases=question.aliases,
            at=question.at,
            name=question.display_name,
            portfolio=self._portfolio,
            is_hint=True,
        )
        with self._database.statement(doing) as transaction:
            found = known.caller(
                transaction,
                names(question.aliases),
                question.to_number,
                question.node,
                portfolio=self._portfolio,
                at=question.at,
            )
        if found is None:
            with self._database.statement(doing) as transaction:
                found = _welcome(transaction, who, question.to_number)
        if found is None or found.thread_id is None:
            with self._database.transaction(doing) as transaction:
                contact_id = contacts.find(transaction, who, question.to_number).contact_id
                found = known.caller(transaction, (), question.to_number, question.node, contact_id)
            assert found is not None
        if question.display_name and not found.name:
            with self._database.statement(doing) as transaction:
                contacts.name_if_none(transaction, found.contact_id, question.display_name)
            found = dataclasses.replace(found, name=question.display_name)
        return found


def _welcome(transaction: Transaction, who: contacts.Who, business_number: str) -> known.Caller | None:
    """Of somebody new there is nothing else to know."""
    place = contacts.welcome(transaction, who, business_number)
    return known.Caller(place.contact_id, who.name, None, place.thread_id, Past()) if place else None


def call_from_row(row: Row) -> Call:
    """A row of ``call`` -> Call; it has columns that are not the machine's, too."""
    values = {name: row[name] for name in _FIELDS}
    values["phase"] = Phase(row["phase"])
    values["disposition"] = Disposition(row["disposition"]) if row["disposition"] else None
    values["fault"] = Fault(row["fault"]) if row["fault"] else None
    values["request_params"] = tuple(row["request_params"].items())
    values["redact"] = tuple(row["redact"])
    values["spoken"] = tuple(row["spoken"])
    values["aliases"] = tuple(Alias(kind=kind, value=value) for kind, value in row["aliases"])
    return Call(**values)
