"""Calls: the machine's commands become rows, all of one step in one transaction."""

import dataclasses
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from fsctl.call import commands
from fsctl.call.commands import StoreCommand
from fsctl.call.events import Alias, CallEvent, ContactFound, Quality
from fsctl.call.state import Call, Disposition, Fault, Phase
from fsctl.store import audit, known, threads
from fsctl.store.db import Bell, Database, Row, Transaction

NO_FACT: Row = dict.fromkeys(("at", "kind", "key", "data"))
_CAMEL = re.compile(r"(?<!^)(?=[A-Z])")


class Calls:
    """What the controller asks of Postgres."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._bell = Bell(database, "calls.wake")

    def load(self, uuid: str) -> Call | None:
        """The call with this uuid, if it is one of ours."""
        with self._database.transaction(f"loading call {uuid}") as transaction:
            row = transaction.one("calls.load_call", uuid=uuid)
        return call_from_row(row) if row else None

    def open_calls(self, node: str) -> list[Call]:
        """Calls of a node that had not ended when we last looked."""
        with self._database.transaction(f"reading open calls of {node}") as transaction:
            return [call_from_row(row) for row in transaction.rows("calls.open_calls", node=node)]

    def apply(self, uuid: str, batch: Iterable[StoreCommand]) -> list[CallEvent]:
        """Carry out the commands of one step, all or none.

        Returns:
            Answers to questions among them, as events.
        """
        answers: list[CallEvent] = []
        joined = _joined(batch)
        one = len(joined) == 1 and isinstance(joined[0], _SaveStep)
        begin = self._database.statement if one else self._database.transaction
        with begin(f"saving call {uuid}") as transaction:
            for command in joined:
                answer = _apply(transaction, command)
                if answer is not None:
                    answers.append(answer)
        self._bell.ring()
        return answers


@dataclass(frozen=True, kw_only=True)
class _SaveStep(StoreCommand):
    """SaveCall and the AppendEvent behind it."""

    call: Call
    event: CallEvent


def _joined(batch: Iterable[StoreCommand]) -> list[StoreCommand]:
    """The call and the fact that changed it go in one statement."""
    joined: list[StoreCommand] = []
    for command in batch:
        last = joined[-1] if joined else None
        if isinstance(command, commands.AppendEvent) and isinstance(last, commands.SaveCall):
            joined[-1] = _SaveStep(uuid=last.uuid, call=last.call, event=command.event)
        else:
            joined.append(command)
    return joined


def _apply(transaction: Transaction, command: StoreCommand) -> CallEvent | None:
    match command:
        case _SaveStep(call=call, event=event):
            transaction.run("calls.save_call", **call_to_row(call), **_event_to_row(event))
        case commands.SaveCall(call=call):
            transaction.run("calls.save_call", **call_to_row(call), **NO_FACT)
        case commands.AppendEvent(event=event):
            transaction.run("calls.append_event", **_event_to_row(event))
        case commands.FindContact():
            return _find_contact(transaction, command)
        case commands.OpenRecording(uuid=uuid, at=at, node=node, path=path):
            transaction.run("recordings.open_recording", call_uuid=uuid, node=node, path=path, started_at=at)
        case commands.CloseRecording(uuid=uuid, at=at, path=path, size_bytes=size):
            transaction.run(
                "recordings.close_recording", call_uuid=uuid, path=path, stopped_at=at, told_bytes=size
            )
        case commands.OpenBridge(uuid=uuid, at=at, agent=agent, agent_uuid=agent_uuid):
            transaction.run(
                "calls.open_bridge", call_uuid=uuid, agent_uuid=agent_uuid, agent=agent, started_at=at
            )
        case commands.CloseBridge(uuid=uuid, at=at, agent_uuid=agent_uuid):
            transaction.run("calls.close_bridge", call_uuid=uuid, agent_uuid=agent_uuid, ended_at=at)
        case commands.Audit(uuid=uuid, node=node, action=action, detail=detail):
            audit.append(
                transaction,
                audit.Entry(who="controller", node=node, action=action, subject=uuid, detail=dict(detail)),
            )
    return None


def _find_contact(transaction: Transaction, command: commands.FindContact) -> ContactFound:
    contact = threads.find_contact(transaction, command.aliases, command.display_name, language=None)
    thread_id = threads.find_thread(transaction, contact.id, command.to_number)
    return ContactFound(
        uuid=command.uuid,
        at=command.at,
        contact_id=contact.id,
        thread_id=thread_id,
        name=contact.display_name,
        language=contact.language,
        known=known.read(transaction, contact.id, command.node),
    )


def call_to_row(call: Call) -> Row:
    """Call -> the parameters of ``save_call``."""
    row: Row = {field.name: getattr(call, field.name) for field in dataclasses.fields(call)}
    row["phase"] = call.phase.value
    row["disposition"] = call.disposition.value if call.disposition else None
    row["fault"] = call.fault.value if call.fault else None
    row["aliases"] = Jsonb([[alias.kind, alias.value] for alias in call.aliases])
    row["request_params"] = Jsonb(dict(call.request_params))
    return row


def call_from_row(row: Row) -> Call:
    """A row of ``call`` -> Call."""
    values = dict(row)
    values["phase"] = Phase(row["phase"])
    values["disposition"] = Disposition(row["disposition"]) if row["disposition"] else None
    values["fault"] = Fault(row["fault"]) if row["fault"] else None
    values["request_params"] = tuple(sorted(row["request_params"].items()))
    values["aliases"] = tuple(Alias(kind=kind, value=value) for kind, value in row["aliases"])
    return Call(**values)


def _event_to_row(event: CallEvent) -> Row:
    data = {
        field.name: _plain(getattr(event, field.name))
        for field in dataclasses.fields(event)
        if field.name not in ("uuid", "at")
        and field.metadata.get("story", True)
        and getattr(event, field.name) is not None
    }
    return {
        "call_uuid": event.uuid,
        "at": event.at,
        "kind": kind_of(type(event)),
        "key": event.key,
        "data": Jsonb(data),
    }


def kind_of(event: type[CallEvent]) -> str:
    """``CallOffered`` -> ``call_offered``: the kind as the story has it."""
    return _CAMEL.sub("_", event.__name__).lower()


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Alias):
        return [value.kind, value.value]
    if isinstance(value, Quality):
        return dataclasses.asdict(value)
    return value
