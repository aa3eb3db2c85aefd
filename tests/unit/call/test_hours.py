"""Opening hours: nights, holidays, and the two days a year on which clocks change."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from fsctl.call.hours import Hours, Span, span

MADRID = ZoneInfo("Europe/Madrid")
NEVER: tuple[Span, ...] = ()


def week(**days: list[str]) -> tuple[tuple[Span, ...], ...]:
    names = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    return tuple(tuple(span(one) for one in days.get(name, [])) for name in names)


def madrid(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=MADRID)


OFFICE = Hours(
    zone=MADRID,
    week=week(**{day: ["14:00-18:00", "09:00-13:00"] for day in ("mon", "tue", "wed", "thu", "fri")}),
    holidays=frozenset({date(2026, 12, 25)}),
)
NIGHT = Hours(
    zone=MADRID, week=week(fri=["22:00-06:00"], sat=["22:00-24:00"]), holidays=frozenset({date(2026, 12, 26)})
)


@pytest.mark.parametrize(
    ("at", "is_open"),
    [
        ("2026-11-23T08:59:59", False),
        ("2026-11-23T09:00", True),
        ("2026-11-23T12:59:59", True),
        ("2026-11-23T13:00", False),
        ("2026-11-23T14:00", True),
        ("2026-11-22T10:00", False),
        ("2026-12-25T10:00", False),
    ],
)
def test_office_hours(at: str, is_open: bool) -> None:
    assert OFFICE.is_open(madrid(at)) is is_open
    assert OFFICE.is_open(madrid(at).astimezone(ZoneInfo("Asia/Kolkata"))) is is_open


@pytest.mark.parametrize(
    ("at", "is_open"),
    [
        ("2026-11-27T21:59", False),
        ("2026-11-27T23:59:59", True),
        ("2026-11-28T00:00", True),
        ("2026-11-28T05:59", True),
        ("2026-11-28T06:00", False),
        ("2026-11-28T23:59", True),
        ("2026-11-29T00:00", False),
        # The night that began on a working day goes on into the holiday; the holiday begins none.
        ("2026-12-26T05:00", True),
        ("2026-12-26T22:30", False),
    ],
)
def test_a_span_may_end_on_the_next_day(at: str, is_open: bool) -> None:
    assert NIGHT.is_open(madrid(at)) is is_open


def test_the_clock_on_the_wall_counts_in_summer_and_in_winter() -> None:
    assert not OFFICE.is_open(datetime(2026, 3, 27, 7, 30, tzinfo=UTC))
    assert OFFICE.is_open(datetime(2026, 3, 30, 7, 30, tzinfo=UTC))


def test_a_whole_day_is_open_at_every_minute_of_it() -> None:
    always = Hours(zone=UTC, week=(((0, 1440),),) * 7)
    assert all(always.is_open(datetime(2026, 11, 23, hour, 59, 59, 999999, tzinfo=UTC)) for hour in range(24))


@pytest.mark.parametrize(
    ("at", "opens"),
    [
        ("2026-11-23T08:00", "2026-11-23T09:00"),
        ("2026-11-23T09:00", "2026-11-23T14:00"),
        ("2026-11-23T12:00", "2026-11-23T14:00"),
        ("2026-11-27T18:00", "2026-11-30T09:00"),
        ("2026-12-24T20:00", "2026-12-28T09:00"),
    ],
)
def test_it_opens_next(at: str, opens: str) -> None:
    found = OFFICE.next_opening(madrid(at))
    assert found == madrid(opens)
    assert found.tzinfo is UTC


def test_it_opens_next_across_a_change_of_the_clock() -> None:
    friday = madrid("2026-03-27T19:00")
    assert OFFICE.next_opening(friday) == datetime(2026, 3, 30, 7, 0, tzinfo=UTC)


def test_the_hour_that_comes_twice_opens_once() -> None:
    """02:30 comes twice on 25 October 2026 in Madrid; the second time, 02:45 has been already."""
    nightly = Hours(zone=MADRID, week=week(sun=["02:45-04:00"]))
    second = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    assert second.astimezone(MADRID).hour == 2
    assert nightly.next_opening(second, days=6) is None
    assert nightly.next_opening(second, days=7) == datetime(2026, 11, 1, 1, 45, tzinfo=UTC)


def test_hours_that_never_open_have_no_next_opening() -> None:
    assert Hours(zone=UTC, week=(NEVER,) * 7).next_opening(datetime(2026, 11, 23, tzinfo=UTC)) is None


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("09:00-17:30", (540, 1050)), ("00:00-24:00", (0, 1440)), (" 22:00 - 06:00 ", (1320, 360))],
)
def test_a_span_is_read(text: str, minutes: Span) -> None:
    assert span(text) == minutes


@pytest.mark.parametrize(
    "text",
    ["", "09:00", "9-17", "24:00-25:00", "09:60-10:00", "-1:00-02:00", "٠٩:٠٠-17:00", "²:00-03:00",
     "09:00-10:00-11:00", "9" * 5000 + ":00-10:00"],
)  # fmt: skip
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected HH:MM|Exceeds the limit"):
        span(text)
