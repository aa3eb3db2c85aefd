"""Times that a customer can choose for a callback. Pure: hours, agents and bookings in, times out.

Knows: which times there are and how many callbacks each takes; the link to the page, signed. Refuses to know: rows,
HTML. Called by ``web/callback.py``, ``store/callbacks.py`` and ``whatsapp/followup.py``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from fsctl.call import payload
from fsctl.call.hours import Hours
from fsctl.call.policy import Followup

PREFIX = "s1"
WINDOW_S = 86_400
"""So long after a customer's call anything may be written (Meta, "Service messages"); later a template only."""
LEAD_S = 300
"""No time begins sooner: it would have passed before it is chosen."""
MOST = 200
"""Times shown on a page."""


@dataclass(frozen=True)
class Slot:
    """A time for callbacks."""

    starts_at: datetime
    """Aware, UTC; on the grid of the queue's ``slot_s``."""
    ends_at: datetime


@dataclass(frozen=True)
class Invitation:
    """What the link to the page says."""

    call_uuid: str
    """The missed call."""
    expires: datetime


def capacity(followup: Followup, agents: int) -> int:
    """Callbacks at one time: a share of the queue's agents, one at least; none where there are no agents."""
    return max(1, int(agents * followup.slot_share)) if agents > 0 else 0


def ahead(followup: Followup, hours: Hours | None, called_at: datetime, now: datetime) -> list[Slot]:
    """Every time that can be asked for, in order, whether it is taken or not.

    A time lies within the opening hours as a whole. The grid counts from 1970: it is the same for everybody.
    Without a template there is none at which we could not write any more.

    Args:
        called_at: when the customer called.
        now: the first time is after it.
    """
    length = timedelta(seconds=followup.slot_s)
    first = -(-(now.timestamp() + LEAD_S) // followup.slot_s) * followup.slot_s
    start = datetime.fromtimestamp(first, UTC)
    end = now + timedelta(days=followup.slot_days)
    if not followup.template:
        end = min(end, called_at + timedelta(seconds=WINDOW_S - LEAD_S))
    found: list[Slot] = []
    while start <= end:
        if is_open(hours, start, start + length):
            found.append(Slot(start, start + length))
        start += length
    return found


def is_open(hours: Hours | None, start: datetime, end: datetime) -> bool:
    """Whether somebody is there for all of it. Looked at every five minutes, as slots are multiples of that."""
    if hours is None:
        return True
    steps = int((end - start).total_seconds()) // 300
    moments = [start + timedelta(seconds=300 * step) for step in range(steps)]
    return all(hours.is_open(moment) for moment in (*moments, end - timedelta(seconds=1)))


def free(slots: Sequence[Slot], taken: Mapping[datetime, int], most: int) -> list[Slot]:
    """Those that take one more, the first MOST of them. Args: taken: start -> callbacks; most: per time."""
    return [slot for slot in slots if taken.get(slot.starts_at, 0) < most][:MOST]


def find(slots: Sequence[Slot], asked: str) -> Slot | None:
    """The one that a form names by its start, in seconds since 1970; whatever else it holds is none."""
    if not (asked.isascii() and asked.isdigit() and len(asked) <= 12):
        return None
    return next((slot for slot in slots if int(slot.starts_at.timestamp()) == int(asked)), None)


def invite(call_uuid: str, expires: datetime, secret: bytes) -> str:
    """The token in the link to the page."""
    return payload.seal(PREFIX, {"c": call_uuid, "e": int(expires.timestamp())}, secret)


def invitation(token: str, secrets: Sequence[bytes]) -> Invitation | None:
    """What a token says; None when it is not one of ours. It may have expired: that is for the page to say."""
    values = payload.unseal(PREFIX, token, secrets)
    if values is None or not isinstance(values.get("c"), str):
        return None
    try:
        return Invitation(values["c"], payload.moment(values.get("e")))
    except ValueError:
        return None
