"""Reads what stands in mod_callcenter and beside it, over a connection for commands.

Knows the columns of its lists. FreeSWITCH writes ``show channels`` and ``show registrations`` a fifth of a second
behind (86 to 226 ms were measured), and the lists are read one after the other: what is seen once may be about to
change, so nobody should act upon one snapshot.
"""

import dataclasses
import json
import time
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from typing import Any

from fsctl.errors import ProtocolError, Unencodable
from fsctl.esl import decode, encode
from fsctl.esl.callcenter import ABANDONED, Agent, Channel, Member, Queue, Snapshot, Tier
from fsctl.esl.connection import Reply
from fsctl.esl.phones import Phones

Request = Callable[[encode.Request], Reply]


class Reader:
    """Reads snapshots of one switch; remembers what does not change, so that a round asks little."""

    def __init__(self, request: Request, origin: decode.Origin) -> None:
        """Args: request: sends a command; origin: the node's name and the contexts that are ours."""
        self._request = request
        self._origin = origin
        self._legs: dict[str, tuple[str, str]] = {}
        """Outbound channel -> agent and member that it is for, where it is an agent's leg."""
        self._phones = Phones(request)

    def snapshot(self, open_calls: Container[str] = ()) -> Snapshot:
        """What stands now. Without mod_callcenter, or with nothing in it, it is empty.

        Args:
            open_calls: channels of which we know that they are there.

        Raises:
            LinkError: the link went, or FreeSWITCH does not answer as FreeSWITCH does.
        """
        at = self._clock()
        rows = self._table(encode.ListAgents(), "contact")
        queues = tuple(_queue(row) for row in self._table(encode.ListQueues(), "moh_sound"))
        tiers = tuple(_tier(row) for row in self._table(encode.ListTiers()))
        members = tuple(member for queue in queues for member in self._members(queue.name))
        channels = {one.uuid: one for one in self._channels()}
        for ghost in self._ghosts(members, channels, open_calls):
            channels.pop(ghost, None)
        users = self._users() if rows else set()
        agents = [_agent(row, self._phones.registered(_text(row, "contact"), users)) for row in rows]
        return Snapshot(
            at=at,
            queues=queues,
            agents=tuple(agents),
            tiers=tiers,
            members=members,
            channels=self._with_legs(agents, members, channels),
        )

    def agent(self, name: str) -> Agent | None:
        """One agent as it is now; whether the phone is there is not asked."""
        rows = self._table(encode.ListAgents(name), "contact")
        return next((_agent(row) for row in rows if row["name"] == name), None)

    # --- asking ------------------------------------------------------------------------------------------

    def _table(self, command: encode.Request, free: str = "") -> list[dict[str, str]]:
        reply = self._request(command)
        return list(decode.table(reply.text, free)) if reply.ok else []

    def _clock(self) -> int:
        """The switch's clock; ours where an allow-list keeps us from asking."""
        text = self._request(encode.ReadClock()).text.strip()
        return int(text) if decode.is_number(text, 11) else int(time.time())

    def _members(self, queue: str) -> Iterator[Member]:
        try:
            rows = self._table(encode.ListMembers(queue), "cid_name")
        except Unencodable:
            return
        yield from (_member(row) for row in rows)

    def _users(self) -> set[str]:
        """Who has a phone registered."""
        return {f"{row.get('reg_user')}@{row.get('realm')}" for row in self._rows(encode.ShowRegistrations())}

    def _rows(self, command: encode.Request) -> list[dict[str, Any]]:
        """The rows of a ``show ... as json``; none at all have no ``rows``."""
        text = self._request(command).text
        try:
            rows = json.loads(text).get("rows", [])
            if all(isinstance(row, dict) for row in rows):
                return list(rows)
        except (RecursionError, ValueError, AttributeError, TypeError):
            pass
        raise ProtocolError(f"{self._origin.node}: not the JSON of FreeSWITCH: {text[:80]!r}")

    def _channels(self) -> Iterator[Channel]:
        contexts = self._origin.contexts
        for row in self._rows(encode.ShowChannels()):
            yield Channel(
                uuid=str(row.get("uuid")),
                is_outbound=row.get("direction") == "outbound",
                is_parked=row.get("application") == "park" or row.get("state") in ("CS_PARK", "CS_HIBERNATE"),
                is_ours=row.get("context") in contexts or row.get("initial_context") in contexts,
            )

    def _ghosts(
        self, members: Iterable[Member], channels: Container[str], open_calls: Container[str]
    ) -> Iterator[str]:
        """Callers' channels that were hung up and stay in the list because mod_callcenter holds them.

        It does so for as long as the agent's leg lives (outbound_agent_thread_run).
        """
        for member in members:
            uuid = member.channel_uuid
            if member.state == ABANDONED or uuid not in channels or uuid in open_calls:
                continue
            if self._ask(encode.ChannelExists(uuid)) == "false":
                yield uuid

    def _with_legs(
        self, agents: list[Agent], members: tuple[Member, ...], channels: dict[str, Channel]
    ) -> dict[str, Channel]:
        """While an agent's leg or a caller is missed, ask each outbound channel, once, whose it is."""
        self._legs = {uuid: leg for uuid, leg in self._legs.items() if uuid in channels}
        if any(agent.is_busy and agent.channel_uuid not in channels for agent in agents) or any(
            member.state != ABANDONED and member.channel_uuid not in channels for member in members
        ):
            for channel in channels.values():
                if channel.is_outbound and channel.uuid not in self._legs:
                    self._legs[channel.uuid] = self._leg(channel.uuid)
        legs = {uuid: self._legs.get(uuid, ("", "")) for uuid in channels}
        return {
            uuid: dataclasses.replace(one, agent=legs[uuid][0], member=legs[uuid][1])
            for uuid, one in channels.items()
        }

    def _leg(self, channel_uuid: str) -> tuple[str, str]:
        agent = self._variable(channel_uuid, "cc_agent")
        return agent, self._variable(channel_uuid, "cc_member_uuid") if agent else ""

    def _variable(self, channel_uuid: str, name: str) -> str:
        text = self._ask(encode.GetVariable(channel_uuid, name))
        return "" if text == "_undef_" else text

    def _ask(self, command: encode.Request) -> str:
        """The answer; nothing where there is none, or where the uuid is of a kind that cannot be asked for."""
        try:
            reply = self._request(command)
        except Unencodable:
            return ""
        return reply.text.strip() if reply.ok else ""


# --- rows --------------------------------------------------------------------------------------------------


def _queue(row: Mapping[str, str]) -> Queue:
    return Queue(
        name=row["name"],
        tier_rules_apply=row.get("tier_rules_apply") == "true",
        tier_rule_wait_s=_number(row, "tier_rule_wait_second"),
        skips_external=row.get("skip_agents_with_external_calls") != "false",
    )


def _agent(row: Mapping[str, str], registered: bool | None = None) -> Agent:
    return Agent(
        registered=registered,
        name=row["name"],
        status=row.get("status", ""),
        state=row.get("state", ""),
        contact=_text(row, "contact"),
        channel_uuid=_text(row, "uuid"),
        wrap_up_s=_number(row, "wrap_up_time"),
        last_bridge_start=_number(row, "last_bridge_start"),
        last_bridge_end=_number(row, "last_bridge_end"),
        last_offered=_number(row, "last_offered_call"),
        status_since=_number(row, "last_status_change"),
        ready_at=_number(row, "ready_time"),
        external_calls=_number(row, "external_calls_count"),
    )


def _tier(row: Mapping[str, str]) -> Tier:
    return Tier(
        queue=row.get("queue", ""),
        agent=row.get("agent", ""),
        state=row.get("state", ""),
        level=_number(row, "level"),
        position=_number(row, "position"),
    )


def _member(row: Mapping[str, str]) -> Member:
    return Member(
        queue=row.get("queue", ""),
        uuid=row.get("uuid", ""),
        channel_uuid=_text(row, "session_uuid"),
        state=row.get("state", ""),
        agent=_text(row, "serving_agent"),
        joined=max(_number(row, "joined_epoch"), _number(row, "rejoined_epoch")),
    )


def _text(row: Mapping[str, str], column: str) -> str:
    """A column that may be NULL, which C prints as ``(null)``."""
    text = row.get(column, "")
    return "" if text == "(null)" else text


def _number(row: Mapping[str, str], column: str) -> int:
    text = row.get(column, "")
    return int(text) if decode.is_number(text, 11) else 0
