"""Opening hours as Meta takes them for calls. Pure.

Meta's are poorer than ours: at most two windows a day, none over midnight, and at most twenty dates that differ
from the week. What does not fit is an error that says how (Meta, "Configure call settings", call_hours).

A date that differs is given with the hours *open* on it: an override with opening and closing times (the same page;
Amazon's description of the same field, WhatsAppHolidayScheduleEntry, says it in plain words). Closed all day cannot
be said, since a window must end after it begins: it becomes the first minute of the day, in which our own routing
still says that nobody is there.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any

from fsctl.call.hours import DAYS, MINUTES_A_DAY, Hours
from fsctl.errors import BadInput

MOST_WINDOWS = 2
MOST_DATES = 20
LAST = MINUTES_A_DAY - 1
"""Meta's own samples end a day with 2359; there is no 2400."""
CLOSED = ("0000", "0001")
MOST_READ = 200
"""Entries looked at in Meta's answer."""

NAMES = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")

Minutes = tuple[int, int]
Entry = tuple[str, str, str]
"""A day's name or a date, from, until: as Meta writes them."""
ALWAYS: tuple[Entry, ...] = tuple((name, "0000", "2359") for name in NAMES)


@dataclass(frozen=True, kw_only=True)
class CallHours:
    """One ``call_hours`` of Meta."""

    enabled: bool
    """False: calls are taken at any time, whatever else it says."""
    zone: str = "UTC"
    week: tuple[Entry, ...] = ALWAYS
    dates: tuple[Entry, ...] = ()
    today: date = field(default=date.min, compare=False)
    """Of those that we want: where the office is. What Meta has of days before does not count any more."""

    def body(self) -> dict[str, Any]:
        """As it is sent: whole, for what is left out is deleted."""
        week = [{"day_of_week": day, "open_time": start, "close_time": end} for day, start, end in self.week]
        dates = [{"date": day, "start_time": start, "end_time": end} for day, start, end in self.dates]
        return {
            "status": "ENABLED" if self.enabled else "DISABLED",
            "timezone_id": self.zone,
            "weekly_operating_hours": week,
            "holiday_schedule": dates,
        }

    def is_same(self, there: "CallHours | None") -> bool:
        """Whether Meta has these. Disabled ones, and none at all, are all alike."""
        if there is None or not there.enabled:
            return not self.enabled
        ahead = tuple(entry for entry in there.dates if entry[0] >= self.today.isoformat())
        return self == replace(there, dates=ahead)

    def __str__(self) -> str:
        if not self.enabled:
            return "always"
        week = {day: [f"{start}-{end}" for name, start, end in self.week if name == day] for day in NAMES}
        open_days = [f"{day[:3].lower()} {' '.join(spans)}" for day, spans in week.items() if spans]
        closed = [day for day, start, end in self.dates if (start, end) == CLOSED]
        other = [f"{day} {start}-{end}" for day, start, end in self.dates if (start, end) != CLOSED]
        parts = [self.zone, ", ".join(open_days)]
        parts += [f"closed {' '.join(closed)}"] if closed else []
        return "; ".join([*parts, *other])


def wanted(hours: Hours | None, now: datetime, name: str = "") -> CallHours:
    """What Meta shall have so that it calls when we are there.

    Args:
        hours: None: always open.
        now: aware; dates before its day are left out, for Meta refuses them.
        name: of the hours in the config, for errors.

    Raises:
        BadInput: they do not fit into what Meta takes; says what to change.
    """
    if hours is None:
        return CallHours(enabled=False)
    where = f"[hours.{name}]" if name else "these hours"
    week = [_weekly(hours, weekday) for weekday in range(7)]
    if not any(week):
        raise BadInput(
            f"{where}: no day is open, and Meta takes no such week: hide the call icon instead "
            "(whatsapp.calling: call_icon = false), or leave Meta's hours alone (call_hours = false)"
        )
    for day, windows in zip(DAYS, week):
        _require_few(windows, f"{where} {day}")
    today = now.astimezone(hours.zone).date()
    dates = tuple(_dates(hours, week, today, where))
    if len(dates) > MOST_DATES:
        raise BadInput(
            f"{where}: {len(dates)} entries for holidays ahead, and Meta takes {MOST_DATES}: "
            f"leave out those from {dates[MOST_DATES][0]} on, and add them when earlier ones are over"
        )
    return CallHours(
        enabled=True,
        zone=str(hours.zone),
        week=tuple(_entry(NAMES[day], window) for day, windows in enumerate(week) for window in windows),
        dates=dates,
        today=today,
    )


def read(found: object) -> CallHours | None:
    """What Meta answers as ``call_hours``; None where it is nothing, or nothing that we know."""
    if not isinstance(found, Mapping) or not found:
        return None
    week = _entries(found.get("weekly_operating_hours"), "day_of_week", ("open_time", "close_time"))
    dates = _entries(found.get("holiday_schedule"), "date", ("start_time", "end_time"))
    order = {day: number for number, day in enumerate(NAMES)}
    return CallHours(
        enabled=str(found.get("status", "")).upper() == "ENABLED",
        zone=str(found.get("timezone_id", ""))[:64],
        week=tuple(sorted(week, key=lambda entry: (order.get(entry[0], 7), *entry))),
        dates=tuple(sorted(dates)),
    )


def _entries(found: object, key: str, times: tuple[str, str]) -> Iterator[Entry]:
    """Times come as "0400", 400 and, by another page of Meta's, under ``open_time`` for dates too."""
    for one in found[:MOST_READ] if isinstance(found, Sequence) and not isinstance(found, str) else ():
        if isinstance(one, Mapping):
            start = one.get(times[0], one.get("open_time", ""))
            end = one.get(times[1], one.get("close_time", ""))
            yield str(one.get(key, ""))[:16].upper(), str(start)[:8].zfill(4), str(end)[:8].zfill(4)


def _weekly(hours: Hours, weekday: int) -> tuple[Minutes, ...]:
    return _joined([*_evenings(hours.week[weekday]), *_mornings(hours.week[weekday - 1])])


def _dates(hours: Hours, week: Sequence[tuple[Minutes, ...]], today: date, where: str) -> Iterator[Entry]:
    """Days that differ from their weekday: holidays, and the morning after a night that was one."""
    touched = {day for holiday in hours.holidays for day in (holiday, holiday + timedelta(days=1))}
    for day in sorted(day for day in touched if day >= today):
        before = day - timedelta(days=1)
        own = () if day in hours.holidays else hours.week[day.weekday()]
        night = () if before in hours.holidays else hours.week[before.weekday()]
        windows = _joined([*_evenings(own), *_mornings(night)])
        if windows == week[day.weekday()]:
            continue
        _require_few(windows, f"{where} {day}")
        yield from (_entry(day.isoformat(), window) for window in windows)
        if not windows:
            yield (day.isoformat(), *CLOSED)


def _evenings(spans: Iterable[Minutes]) -> Iterator[Minutes]:
    """Spans until midnight at most."""
    for start, end in spans:
        if start < LAST:
            yield start, min(end if end > start else LAST, LAST)


def _mornings(spans: Iterable[Minutes]) -> Iterator[Minutes]:
    """What is left of the spans of the night before."""
    return ((0, end) for start, end in spans if 0 < end <= start)


def _joined(spans: Iterable[Minutes]) -> tuple[Minutes, ...]:
    """In order, and those that touch as one."""
    found: list[Minutes] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return tuple(found)


def _require_few(windows: Sequence[Minutes], where: str) -> None:
    if len(windows) > MOST_WINDOWS:
        listed = ", ".join(f"{_clock(start)}-{_clock(end)}" for start, end in windows)
        raise BadInput(
            f"{where}: opens {len(windows)} times ({listed}), and Meta takes {MOST_WINDOWS} windows a day: "
            "join two of them, or leave Meta's hours alone (whatsapp.calling: call_hours = false)"
        )


def _entry(day: str, window: Minutes) -> Entry:
    start, end = (_clock(minutes).replace(":", "") for minutes in window)
    return day, start, end


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"
