"""What mod_callcenter tells (``callcenter::info``), and its lists."""

from collections.abc import Iterator, Mapping

from fsctl.call import events
from fsctl.call.events import CallEvent
from fsctl.esl.decode import values
from fsctl.esl.decode.origin import Origin, Reader
from fsctl.esl.messages import Event


def table(text: str, free: str = "") -> Iterator[dict[str, str]]:
    """A ``|`` list of mod_callcenter as rows: a header line, rows, ``+OK``. An empty one has no header.

    Args:
        free: the column with text of others, such as a caller's name. Nothing is escaped, so a ``|`` too many is
            part of it. A row with too few columns is left out.
    """
    lines = [line for line in text.split("\n") if line and not line.startswith(("+OK", "-ERR", "-USAGE"))]
    columns = lines[0].split("|") if lines else []
    at = columns.index(free) if free in columns else len(columns) - 1
    for line in lines[1:]:
        cells = line.split("|")
        surplus = len(cells) - len(columns)
        if surplus >= 0:
            cells[at : at + surplus + 1] = ["|".join(cells[at : at + surplus + 1])]
            yield dict(zip(columns, cells))


def _member_joined(event: Event, _origin: Origin) -> CallEvent | None:
    return events.MemberJoined(
        uuid=_member(event),
        at=values.at(event),
        queue=event.get("CC-Queue") or "",
        member_uuid=event.get("CC-Member-UUID") or "",
    )


def _agent_offered(event: Event, _origin: Origin) -> CallEvent | None:
    return events.AgentOffered(
        uuid=_member(event), at=values.at(event), queue=event.get("CC-Queue") or "", agent=_agent(event)
    )


def _agent_bridged(event: Event, _origin: Origin) -> CallEvent | None:
    return events.AgentBridged(
        uuid=_member(event),
        at=values.at(event),
        agent=_agent(event),
        agent_uuid=event.get("CC-Agent-UUID") or "",
    )


def _agent_failed(event: Event, _origin: Origin) -> CallEvent | None:
    return events.AgentFailed(
        uuid=_member(event),
        at=values.at(event),
        agent=_agent(event),
        cause=event.get("CC-Hangup-Cause") or "UNKNOWN",
    )


def _member_left(event: Event, _origin: Origin) -> CallEvent | None:
    return events.MemberLeft(
        uuid=_member(event),
        at=values.at(event),
        cause=event.get("CC-Cause") or "",
        reason=event.get("CC-Cancel-Reason"),
    )


def _member(event: Event) -> str:
    return event.get("CC-Member-Session-UUID") or ""


def _agent(event: Event) -> str:
    return event.get("CC-Agent") or ""


READERS: Mapping[str, Reader] = {
    "member-queue-start": _member_joined,
    "agent-offering": _agent_offered,
    "bridge-agent-start": _agent_bridged,
    "bridge-agent-fail": _agent_failed,
    "member-queue-end": _member_left,
}
