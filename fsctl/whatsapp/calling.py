"""Calls as Meta saw them: the field ``calls``, in SIP mode and in Graph mode. Pure; see ``webhook``."""

from collections.abc import Iterator, Sequence

from fsctl.whatsapp import chat, values
from fsctl.whatsapp.change import MET, Change
from fsctl.whatsapp.facts import CallSeen, Direction, Fact
from fsctl.whatsapp.values import Json


def calls(change: Change) -> Iterator[Fact]:
    """What happened to calls. Errors stand beside the items: they are those of the calls in the same value."""
    errors = change.items("errors")
    for item in change.items("calls"):
        yield _call(change, item, errors)
    for item in change.items("statuses"):
        yield chat.status(change, {"type": "call", **item})
    if not change.items("calls"):
        for error in errors:
            yield change.unknown(MET, error)
    yield from change.leftovers("calls", "statuses", "errors")


def _call(change: Change, item: Json, errors: Sequence[Json]) -> Fact:
    wacid, event = values.name(item.get("id")).rstrip("="), _event(item)
    if not (wacid and event):
        return change.unknown("a call without id or event", item)
    direction, at = _direction(change, item), change.when(item)
    is_end = event == "terminate"
    told = {**item, "errors": [*values.mappings(item.get("errors")), *errors]} if errors else item
    return CallSeen(
        at=at,
        chat=change.chat(item, "from" if direction == "inbound" else "to"),
        wacid=wacid,
        event=event,
        direction=direction,
        # Meta prints it as an array, too.
        status=values.name(item.get("status")).upper() or None if is_end else None,
        duration_s=values.number(item.get("duration")) if is_end else None,
        ended_at=values.when(item.get("end_time"), at) if is_end else None,
        data=values.plain(told),
    )


def _event(item: Json) -> str:
    """What happened; a recording or transcript may be told by the object that it is."""
    said = values.name(item.get("event")) or next((key for key in item if key.startswith("call_")), "")
    return said.lower()


def _direction(change: Change, item: Json) -> Direction:
    told = values.name(item.get("direction")).upper()
    if told in ("USER_INITIATED", "BUSINESS_INITIATED"):
        return "inbound" if told == "USER_INITIATED" else "outbound"
    ours = values.digits(change.metadata.get("display_phone_number"))
    return "outbound" if ours and values.digits(item.get("from")) == ours else "inbound"
