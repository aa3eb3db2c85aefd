"""What steps of the machine ask of Postgres, many of them in few statements.

Knows the rows that a command becomes. Refuses to know who asked; questions (FindContact) are not answered here.
"""

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any

from psycopg.types.json import Jsonb

from fsctl.call import commands
from fsctl.call.commands import StoreCommand
from fsctl.call.events import EVENTS, AgentOffered, Alias, CallEvent, Quality
from fsctl.call.state import Call
from fsctl.store import audit
from fsctl.store.db import Row

_CALL = tuple(field.name for field in dataclasses.fields(Call))
_CAMEL = re.compile(r"(?<!^)(?=[A-Z])")
_KINDS: Mapping[type[CallEvent], str] = {one: _CAMEL.sub("_", one.__name__).lower() for one in EVENTS}
_TOLD: Mapping[type[CallEvent], Sequence[str]] = {
    one: tuple(
        field.name
        for field in dataclasses.fields(one)
        if field.name not in ("uuid", "at") and field.metadata.get("story", True)
    )
    for one in EVENTS
}
"""What the story keeps of each kind of fact."""


@dataclass
class Statement:
    """Commands that can be carried out at once."""

    calls: dict[str, Row] = field(default_factory=dict)
    facts: list[Row] = field(default_factory=list)
    bridged: list[Row] = field(default_factory=list)
    parted: list[Row] = field(default_factory=list)
    recorded: list[Row] = field(default_factory=list)
    stopped: list[Row] = field(default_factory=list)
    hidden: list[Row] = field(default_factory=list)
    shown: list[Row] = field(default_factory=list)
    audits: list[audit.Entry] = field(default_factory=list)
    has_offer: bool = False
    """Whether an agent's phone rings in it."""

    def takes(self, command: StoreCommand) -> bool:
        """Whether the command may go with those before it: one that closes must see what they opened.

        A gap is opened in a recording that is known, and where none is open.
        """
        opened: Sequence[Row] = {
            commands.CloseBridge: self.bridged,
            commands.CloseRecording: self.recorded,
            commands.OpenGap: [*self.shown, *self.recorded],
            commands.CloseGap: self.hidden,
        }.get(type(command), [])
        return all(row["call_uuid"] != command.uuid for row in opened)

    def add(self, command: StoreCommand) -> None:
        """Put a command among the others. Of a call saved twice the last counts."""
        match command:
            case commands.SaveCall(call=call):
                self.calls[call.uuid] = call_to_row(call)
            case commands.AppendEvent(event=event):
                self.facts.append(fact_to_row(event))
                self.has_offer = self.has_offer or isinstance(event, AgentOffered)
            case commands.OpenBridge(uuid=uuid, at=at, agent=agent, agent_uuid=agent_uuid):
                self.bridged.append(
                    {
                        "call_uuid": uuid,
                        "agent_uuid": agent_uuid,
                        "agent": agent,
                        "started_at": at.isoformat(),
                    }
                )
            case commands.CloseBridge(uuid=uuid, at=at, agent_uuid=agent_uuid):
                self.parted.append({"call_uuid": uuid, "agent_uuid": agent_uuid, "ended_at": at.isoformat()})
            case commands.OpenRecording(uuid=uuid, at=at, node=node, path=path):
                self.recorded.append(
                    {"call_uuid": uuid, "node": node, "path": path, "started_at": at.isoformat()}
                )
            case commands.CloseRecording(uuid=uuid, at=at, path=path, size_bytes=size):
                self.stopped.append(
                    {"call_uuid": uuid, "path": path, "stopped_at": at.isoformat(), "told_bytes": size}
                )
            case commands.OpenGap(uuid=uuid, at=at, kind=kind, path=path, reason=reason):
                row = {"call_uuid": uuid, "kind": kind, "path": path, "reason": reason}
                self.hidden.append({**row, "started_at": at.isoformat()})
            case commands.CloseGap(uuid=uuid, at=at, kind=kind):
                self.shown.append({"call_uuid": uuid, "kind": kind, "ended_at": at.isoformat()})
            case commands.Audit(uuid=uuid, node=node, action=action, detail=detail):
                entry = audit.Entry(
                    who="controller", node=node, action=action, subject=uuid, detail=dict(detail)
                )
                self.audits.append(entry)

    def queries(self) -> Iterator[tuple[str, Row]]:
        """Those that are needed, in order, with what they are given."""
        given: Sequence[tuple[str, dict[str, Sequence[Row]]]] = (
            ("calls.save", {"calls": list(self.calls.values()), "facts": self.facts}),
            ("calls.bridge", {"bridged": self.bridged, "parted": self.parted}),
            (
                "calls.record",
                {
                    "recorded": self.recorded,
                    "stopped": self.stopped,
                    "hidden": self.hidden,
                    "shown": self.shown,
                },
            ),
        )
        for name, lists in given:
            if any(lists.values()):
                yield name, {key: Jsonb(rows) for key, rows in lists.items()}
        for entry in self.audits:
            yield "audit.append", audit.row_of(entry)


def statements(batch: Sequence[StoreCommand]) -> Iterator[Statement]:
    """The commands in as few statements as their order allows."""
    statement = Statement()
    for command in batch:
        if not statement.takes(command):
            yield statement
            statement = Statement()
        statement.add(command)
    if batch:
        yield statement


def call_to_row(call: Call) -> Row:
    """Call -> a row of ``call`` as JSON has it; what is not known is left out, and NULL there."""
    values = ((name, getattr(call, name)) for name in _CALL)
    row: Row = {name: _plain(value) for name, value in values if value is not None}
    row["request_params"] = dict(call.request_params)
    return row


def fact_to_row(event: CallEvent) -> Row:
    """A fact -> a row of ``call_event`` as JSON has it."""
    values = ((name, getattr(event, name)) for name in _TOLD[type(event)])
    return {
        "call_uuid": event.uuid,
        "at": event.at.isoformat(),
        "kind": kind_of(type(event)),
        "key": event.key,
        "data": {name: _plain(value) for name, value in values if value is not None},
    }


def kind_of(event: type[CallEvent]) -> str:
    """``CallOffered`` -> ``call_offered``: the kind as the story has it."""
    return _KINDS[event]


def _plain(value: Any) -> Any:
    match value:
        case str() | int() | float():
            return value
        case datetime():
            return value.isoformat()
        case tuple():
            return [_plain(item) for item in value]
        case Alias():
            return [value.kind, value.value]
        case Quality():
            return dataclasses.asdict(value)
        case Enum():
            return value.value
    return value
