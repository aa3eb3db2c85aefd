"""Opening hours as Meta takes them: what fits means the same, and what does not is said."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsctl.call.hours import Hours, Span, span
from fsctl.errors import BadInput
from fsctl.whatsapp import call_hours
from fsctl.whatsapp.call_hours import CLOSED, NAMES, CallHours

MADRID = ZoneInfo("Europe/Madrid")
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
TODAY = NOW.date()


def hours(*week: str, holidays: tuple[date, ...] = (), zone: str = "UTC") -> Hours:
    """A day a string, Monday first; spans in it with blanks between them; days that are left out are closed."""
    days = [tuple(span(one) for one in day.split()) for day in week] + [()] * (7 - len(week))
    return Hours(zone=ZoneInfo(zone), week=tuple(days), holidays=frozenset(holidays))


def meta_is_open(said: CallHours, at: datetime) -> bool:
    """What Meta's page says of a local time: an override replaces the day of the week."""
    clock, day = at.strftime("%H%M"), at.date().isoformat()
    entries = [one for one in said.dates if one[0] == day]
    entries = entries or [one for one in said.week if one[0] == NAMES[at.weekday()]]
    return any(start <= clock < end for _, start, end in entries)


def test_a_week_with_a_break_and_holidays() -> None:
    office = hours(
        *["09:00-13:00 14:00-18:00"] * 5,
        holidays=(date(2026, 12, 25), date(2026, 1, 1)),
        zone="Europe/Madrid",
    )
    said = call_hours.wanted(office, NOW)
    assert said.zone == "Europe/Madrid"
    assert said.week[:2] == (("MONDAY", "0900", "1300"), ("MONDAY", "1400", "1800"))
    assert len(said.week) == 10
    assert said.dates == (("2026-12-25", *CLOSED),)  # Meta refuses one that is over, and New Year is.
    assert str(said).startswith("Europe/Madrid; mon 0900-1300 1400-1800, tue")
    assert str(said).endswith("; closed 2026-12-25")


def test_no_hours_are_always_open_and_sent_as_disabled() -> None:
    said = call_hours.wanted(None, NOW)
    assert said.body()["status"] == "DISABLED"
    assert said.body()["weekly_operating_hours"]  # Meta refuses an empty one.
    assert said.is_same(None)
    assert not call_hours.wanted(hours("09:00-10:00"), NOW).is_same(said)


def test_a_night_is_parted_at_midnight_and_joined_with_the_morning() -> None:
    said = call_hours.wanted(hours("22:00-06:00", "06:00-14:00"), NOW)
    assert said.week == (("MONDAY", "2200", "2359"), ("TUESDAY", "0000", "1400"))


def test_the_morning_after_a_night_that_was_a_holiday_is_closed_too() -> None:
    monday = date(2026, 11, 30)
    said = call_hours.wanted(hours("22:00-06:00", "12:00-14:00", holidays=(monday,)), NOW)
    assert said.dates == (("2026-11-30", *CLOSED), ("2026-12-01", "1200", "1400"))


def test_a_holiday_on_a_day_that_is_closed_anyway_costs_none_of_the_twenty() -> None:
    sundays = tuple(date(2026, 11, 29) + timedelta(days=7 * week) for week in range(30))
    assert call_hours.wanted(hours("09:00-17:00", holidays=sundays), NOW).dates == ()


def test_the_day_that_counts_is_the_one_where_the_office_is() -> None:
    late = datetime(2026, 12, 24, 23, 30, tzinfo=UTC)  # It is Christmas in Madrid, and Boxing Day nowhere.
    eve = hours(*["09:00-17:00"] * 7, holidays=(date(2026, 12, 24),), zone="Europe/Madrid")
    assert call_hours.wanted(eve, late).dates == ()


@pytest.mark.parametrize(
    ("week", "holidays", "words"),
    [
        (("08:00-09:00 10:00-11:00 12:00-13:00",), 0, "[hours.o] mon: opens 3 times (08:00-09:00, 10:00"),
        (("22:00-02:00", "08:00-09:00 10:00-11:00"), 0, "[hours.o] tue: opens 3 times (00:00-02:00"),
        ((), 0, "[hours.o]: no day is open"),
        (
            ("09:00-17:00",) * 7,
            25,
            "25 entries for holidays ahead, and Meta takes 20: leave out those from 2026-1",
        ),
    ],
)
def test_what_does_not_fit_is_said_with_what_to_do(week: tuple[str, ...], holidays: int, words: str) -> None:
    days = tuple(date(2026, 11, 23) + timedelta(days=day) for day in range(holidays))
    with pytest.raises(BadInput) as caught:
        call_hours.wanted(hours(*week, holidays=days), NOW, "o")
    assert words in str(caught.value)


spans: st.SearchStrategy[Span] = st.tuples(st.integers(0, 1439), st.integers(0, 1440))
weeks = st.lists(st.lists(spans, max_size=2).map(tuple), min_size=7, max_size=7).map(tuple)
near = st.dates(TODAY - timedelta(days=3), TODAY + timedelta(days=12))


@settings(max_examples=300, deadline=None)
@given(week=weeks, holidays=st.frozensets(near, max_size=6), minutes=st.lists(st.integers(0, 14 * 1440 - 1)))
def test_what_fits_means_the_same(
    week: tuple[tuple[Span, ...], ...], holidays: frozenset[date], minutes: list[int]
) -> None:
    """But for the last minute of a day, which Meta cannot say, and the first of one that is closed."""
    ours = Hours(zone=UTC, week=week, holidays=holidays)
    try:
        said = call_hours.wanted(ours, NOW)
    except BadInput:
        return
    midnight = datetime(TODAY.year, TODAY.month, TODAY.day, tzinfo=UTC)
    edges = [start for day in week for one in day for start in one]
    for minute in [*minutes, *(day * 1440 + edge for day in range(14) for edge in edges)]:
        at = midnight + timedelta(minutes=minute)
        if at.strftime("%H%M") not in ("2359", "0000"):
            assert meta_is_open(said, at) == ours.is_open(at), at


@settings(max_examples=200, deadline=None)
@given(week=weeks, holidays=st.frozensets(near, max_size=6))
def test_what_meta_is_told_fits_its_page_and_reads_back_the_same(
    week: tuple[tuple[Span, ...], ...], holidays: frozenset[date]
) -> None:
    try:
        said = call_hours.wanted(Hours(zone=UTC, week=week, holidays=holidays), NOW)
    except BadInput:
        return
    body = said.body()
    for day in NAMES:
        entries = [one for one in body["weekly_operating_hours"] if one["day_of_week"] == day]
        assert len(entries) <= 2
        ends = [one["close_time"] for one in entries]
        assert all(one["open_time"] < one["close_time"] for one in entries)
        assert all(end < later["open_time"] for end, later in zip(ends, entries[1:]))
    assert len(body["holiday_schedule"]) <= 20
    assert all(one["date"] >= TODAY.isoformat() for one in body["holiday_schedule"])
    assert said.is_same(call_hours.read(body))


@pytest.mark.parametrize(
    "answer",
    [None, {}, [], "x", 7, {"weekly_operating_hours": 5}, {"holiday_schedule": [1, None, {"date": []}]}],
)
def test_an_answer_of_any_shape_is_read(answer: object) -> None:
    found = call_hours.read(answer)
    assert found is None or not found.enabled


def test_numbers_for_times_and_other_names_are_understood() -> None:
    answer = {
        "status": "ENABLED",
        "timezone_id": "UTC",
        "weekly_operating_hours": [{"day_of_week": "MONDAY", "open_time": 900, "close_time": 1700}],
        "holiday_schedule": [
            {"date": "2026-12-25", "open_time": "0000", "close_time": "0001"},
            {"date": "2026-01-01", "start_time": "0000", "end_time": "0001"},
        ],
    }
    ours = hours("09:00-17:00", holidays=(date(2026, 12, 25),))
    # Christmas is a Friday, which is closed anyway: Meta has an entry more than we want.
    assert not call_hours.wanted(ours, NOW).is_same(call_hours.read(answer))
    whole = hours("09:00-17:00", "", "", "", "10:00-11:00", holidays=(date(2026, 12, 25),))
    answer["weekly_operating_hours"] = [
        {"day_of_week": "FRIDAY", "open_time": "1000", "close_time": "1100"},
        {"day_of_week": "MONDAY", "open_time": 900, "close_time": 1700},
    ]
    assert call_hours.wanted(whole, NOW).is_same(call_hours.read(answer))
