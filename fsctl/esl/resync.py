"""What stands on a switch, read over a command connection and told as events.

``show channels`` is a table that FreeSWITCH writes a fifth of a second behind its channels (86 to 226 ms were
measured), so it may lack the youngest channel and still hold one that is gone; ``uuid_dump`` asks the channel.
"""

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from fsctl.call import events
from fsctl.call.events import CallEvent
from fsctl.errors import ProtocolError, Unencodable
from fsctl.esl import decode, encode
from fsctl.esl.connection import Connection
from fsctl.esl.messages import Event, JsonFields

ROWS_LAG_S = 0.5
"""Longer than ``show channels`` lags."""


def up_since(commands: Connection) -> datetime | None:
    """When this FreeSWITCH started, by its own clock, or a little before; None when it does not say."""
    clock, uptime = (commands.must(one).strip() for one in (encode.ReadClock(), encode.ReadUptime()))
    if not (decode.is_number(clock, 11) and decode.is_number(uptime, 11)):
        return None
    # Both are cut to whole seconds, so the difference may be one too late.
    return datetime.fromtimestamp(int(clock) - int(uptime) - 1, UTC)


def channels(commands: Connection, origin: decode.Origin) -> list[str]:
    """Uuids of the inbound channels in our contexts that are up.

    The table holds a caller who has hung up for as long as the agent's leg lives, so each is asked (measured:
    the agent's leg parked, then the caller hangs up).

    Raises:
        ProtocolError: not the JSON of FreeSWITCH. With no channels there are no ``rows`` at all.
    """
    text = commands.must(encode.ShowChannels())
    try:
        listed = [
            str(row["uuid"])
            for row in json.loads(text).get("rows", [])
            if row.get("direction") == "inbound"
            and (row.get("context") in origin.contexts or row.get("initial_context") in origin.contexts)
        ]
    except (RecursionError, ValueError, AttributeError, KeyError, TypeError) as error:
        raise ProtocolError(f"show channels: not the JSON of FreeSWITCH: {text[:80]!r}") from error
    return [one for one in listed if _is_up(commands, one)]


def _is_up(commands: Connection, uuid: str) -> bool:
    try:
        return commands.request(encode.ChannelExists(uuid)).text.strip() == "true"
    except Unencodable:
        return False


def tell(commands: Connection, origin: decode.Origin, uuids: Iterable[str]) -> Iterator[CallEvent]:
    """What must have happened to these channels, in order for each; nothing for one that is gone meanwhile."""
    waiting: dict[str, events.MemberJoined] = {}
    for uuid in uuids:
        try:
            dump = commands.request(encode.DumpChannel(uuid))
        except Unencodable:
            continue
        if not dump.ok:
            continue
        for fact in decode.snapshot(Event(JsonFields(dump.text.encode()), b""), origin):
            yield fact
            if isinstance(fact, events.MemberJoined):
                waiting[uuid] = fact
            elif isinstance(fact, events.LegsBridged):
                waiting.pop(uuid, None)
    yield from _ringing(commands, waiting)


def _ringing(commands: Connection, waiting: dict[str, events.MemberJoined]) -> Iterator[CallEvent]:
    """For members whose agent's phone rings now: mod_callcenter's own list says which."""
    for queue in sorted({fact.queue for fact in waiting.values()}):
        listed = commands.request(encode.ListMembers(queue))
        for member in decode.table(listed.text, "cid_name") if listed.ok else ():
            joined = waiting.get(member.get("session_uuid", ""))
            agent = member.get("serving_agent", "")
            if joined is not None and member.get("state") == "Trying" and agent:
                yield events.AgentOffered(uuid=joined.uuid, at=joined.at, queue=queue, agent=agent)
