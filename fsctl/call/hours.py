"""Opening hours: when a queue takes calls. Pure; the time is an argument and the zone comes with the hours."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MINUTES_A_DAY = 24 * 60

Span = tuple[int, int]
"""From and until, in minutes since midnight; an end at or before the start is on the next day."""


@dataclass(frozen=True, kw_only=True)
class Hours:
    """A week of spans in one time zone, and the days on which nobody is there."""

    zone: tzinfo
    week: tuple[tuple[Span, ...], ...]
    """Seven, Monday first."""
    holidays: frozenset[date] = field(default_factory=frozenset)

    def is_open(self, at: datetime) -> bool:
        """Whether somebody is there at this instant (aware)."""
        local = at.astimezone(self.zone)
        minute = local.hour * 60 + local.minute
        today = self._spans(local.date())
        night_before = self._spans(local.date() - timedelta(days=1))
        return any(_within(minute, span) for span in today) or any(
            span[1] <= span[0] and minute < span[1] for span in night_before
        )

    def next_opening(self, at: datetime, days: int = 14) -> datetime | None:
        """The next instant after ``at`` (UTC) at which a span begins; None when not within ``days``."""
        today = at.astimezone(self.zone).date()
        for ahead in range(days + 1):
            day = today + timedelta(days=ahead)
            starts = [time(start // 60, start % 60) for start, _ in self._spans(day)]
            # Compared as instants: two times of one zone compare by their clocks, which go back once a year.
            opens = (datetime.combine(day, start, tzinfo=self.zone).astimezone(UTC) for start in starts)
            if later := [instant for instant in opens if instant > at]:
                return min(later)
        return None

    def _spans(self, day: date) -> tuple[Span, ...]:
        return () if day in self.holidays else self.week[day.weekday()]


def _within(minute: int, span: Span) -> bool:
    start, end = span
    return start <= minute < (end if end > start else MINUTES_A_DAY)


def span(text: str) -> Span:
    """``09:00-17:30`` -> minutes. ``00:00-24:00`` is a whole day.

    Raises:
        ValueError: with what is expected.
    """
    parts = [part.strip().split(":") for part in text.split("-")]
    if len(parts) == 2 and all(
        len(part) == 2 and all(p.isascii() and p.isdigit() for p in part) for part in parts
    ):
        start, end = (int(hour) * 60 + int(minute) for hour, minute in parts)
        if start < MINUTES_A_DAY and end <= MINUTES_A_DAY and all(int(minute) < 60 for _, minute in parts):
            return start, end
    raise ValueError(f"expected HH:MM-HH:MM, not {text!r}")
