"""The ledger of ended calls: one line a call, written by FreeSWITCH itself when the call ends.

``dialplan/whatsapp.xml`` sets an api_reporting_hook that inserts the line into mod_hash, before
CHANNEL_HANGUP_COMPLETE is fired. So a call that ended while nobody listened is known with its cause and times;
a call is struck out when it is stored.
"""

from collections.abc import Iterator, Mapping

from fsctl.call import events
from fsctl.call.events import CallEvent
from fsctl.esl import decode

FIELDS = (
    "cause", "start", "answer", "bridge", "end", "agent_uuid", "agent", "queue", "channel", "to", "from", "wacid",
)  # fmt: skip


def read(text: str, origin: decode.Origin) -> Iterator[tuple[str, list[CallEvent]]]:
    """Each call of the ledger, with all that must have happened to it, its end last.

    Lines ``D/fsctl_ended_UUID/CAUSE|start|answer|bridge|end|agent uuid|agent|queue|channel|to|from|wacid``,
    times in microseconds; written by the api_reporting_hook of dialplan/whatsapp.xml. An empty ledger is
    ``-ERR no reply``; a switch without mod_hash does not know the command. Both read as no calls.
    """
    for line in text.split("\n"):
        head, _, rest = line.removeprefix("D/fsctl_ended_").partition("/")
        values = rest.split("|")
        if line.startswith("D/fsctl_ended_") and len(values) == len(FIELDS):
            told = list(_told(head, dict(zip(FIELDS, values)), origin))
            if told:
                yield head, told


def _told(uuid: str, line: Mapping[str, str], origin: decode.Origin) -> Iterator[CallEvent]:
    start, answer, bridge, end = (decode.instant(line[key]) for key in ("start", "answer", "bridge", "end"))
    if start is None or end is None or not line["cause"]:
        return
    channel = line["channel"] or "whatsapp"
    yield events.CallOffered(
        uuid=uuid,
        at=start,
        node=origin.node,
        channel=channel,
        aliases=tuple(decode.aliases_of(line["from"], channel)),
        display_name="",
        to_number=decode.digits_of(line["to"]),
        wacid=line["wacid"].rstrip("=") or None,
        found="ledger",
    )
    if answer is not None:
        yield events.CallAnswered(uuid=uuid, at=answer)
    if line["queue"] and answer is not None:
        yield events.MemberJoined(uuid=uuid, at=answer, queue=line["queue"], member_uuid="")
    if bridge is not None and line["agent_uuid"]:
        yield events.AgentBridged(uuid=uuid, at=bridge, agent=line["agent"], agent_uuid=line["agent_uuid"])
        yield events.LegsBridged(uuid=uuid, at=bridge, agent_uuid=line["agent_uuid"])
    yield events.LegHungUp(uuid=uuid, at=end, leg="caller", leg_uuid=uuid, cause=line["cause"])
