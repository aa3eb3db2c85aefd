"""Times for callbacks: within the hours, on one grid, and no more than the agents can take."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from fsctl.call import payload, slots
from fsctl.call.hours import Hours, span
from fsctl.call.policy import Followup
from fsctl.call.slots import Invitation, Slot

NOW = datetime(2026, 11, 23, 10, 2, tzinfo=UTC)  # A Monday.
SECRET = b"a secret of ours, long enough"


def hours(*spans: str, zone: str = "UTC") -> Hours:
    return Hours(zone=ZoneInfo(zone), week=((tuple(span(one) for one in spans)),) * 7)


def starts(found: list[Slot]) -> list[str]:
    return [f"{slot.starts_at:%a %H:%M}" for slot in found]


def test_times_are_on_the_grid_and_none_begins_at_once() -> None:
    found = slots.ahead(Followup(template="t", slot_days=1), None, NOW, NOW)
    assert starts(found)[:3] == ["Mon 10:15", "Mon 10:30", "Mon 10:45"]
    assert found[0].ends_at - found[0].starts_at == timedelta(minutes=15)
    assert (
        starts(slots.ahead(Followup(template="t", slot_days=1), None, NOW, NOW + timedelta(minutes=9)))[0]
        == "Mon 10:30"
    )
    assert found[-1].starts_at <= NOW + timedelta(days=1)


def test_without_a_template_there_is_no_time_at_which_we_may_not_write() -> None:
    called = NOW - timedelta(hours=20)
    assert starts(slots.ahead(Followup(), None, called, NOW))[-1] == "Mon 13:45"
    later = slots.ahead(Followup(template="t", slot_days=2), None, called, NOW)
    assert later[-1].starts_at == datetime(2026, 11, 25, 10, 0, tzinfo=UTC)


def test_a_time_lies_within_the_hours_as_a_whole() -> None:
    found = slots.ahead(
        Followup(template="t", slot_days=1, slot_s=1800), hours("09:00-11:45", "14:10-15:00"), NOW, NOW
    )
    assert starts(found)[:4] == ["Mon 10:30", "Mon 11:00", "Mon 14:30", "Tue 09:00"]


def test_hours_after_midnight_are_of_the_day_before() -> None:
    night = slots.ahead(Followup(template="t", slot_days=1, slot_s=3600), hours("22:00-02:00"), NOW, NOW)
    assert starts(night) == ["Mon 22:00", "Mon 23:00", "Tue 00:00", "Tue 01:00"]


def test_on_the_day_when_clocks_go_back_the_hour_is_there_twice() -> None:
    before = datetime(2026, 10, 24, 23, 50, tzinfo=UTC)  # Madrid: 01:50 in summer time.
    zone = ZoneInfo("Europe/Madrid")
    found = slots.ahead(
        Followup(template="t", slot_days=1, slot_s=3600),
        hours("02:00-03:00", zone="Europe/Madrid"),
        before,
        before,
    )
    assert [slot.starts_at.astimezone(zone).strftime("%H:%M%z") for slot in found] == [
        "02:00+0200",
        "02:00+0100",
    ]


@pytest.mark.parametrize(
    ("agents", "share", "most"), [(0, 1.0, 0), (1, 0.5, 1), (5, 0.5, 2), (4, 0.0, 1), (3, 1.0, 3)]
)
def test_a_share_of_the_agents_is_for_callbacks(agents: int, share: float, most: int) -> None:
    assert slots.capacity(Followup(slot_share=share), agents) == most


def test_a_time_that_is_full_is_not_free() -> None:
    found = slots.ahead(Followup(template="t", slot_days=1), None, NOW, NOW)
    taken = {found[0].starts_at: 2, found[1].starts_at: 1}
    assert slots.free(found, taken, 2)[0] == found[1]
    assert slots.free(found, {}, 0) == []
    many = slots.ahead(Followup(template="t", slot_days=14, slot_s=300), None, NOW, NOW)
    assert len(slots.free(many, {}, 1)) == slots.MOST


def test_a_form_can_name_only_a_time_that_there_is() -> None:
    found = slots.ahead(Followup(template="t", slot_days=1), None, NOW, NOW)
    asked = str(int(found[3].starts_at.timestamp()))
    assert slots.find(found, asked) == found[3]
    for other in ("", "1", "-1", "١٢", asked + "0", f" {asked}", "9" * 400, str(int(asked) + 1)):
        assert slots.find(found, other) is None


def test_an_invitation_is_read_as_it_was_signed_and_as_nothing_else() -> None:
    expires = NOW + timedelta(days=1)
    token = slots.invite("call-1", expires, SECRET)
    assert slots.invitation(token, [SECRET]) == Invitation("call-1", expires)
    assert slots.invitation(token, [b"another secret of the same kind"]) is None
    assert slots.invitation(token[:-1], [SECRET]) is None
    assert payload.read(token, [SECRET]) is None
    ticket = payload.sign(payload.Ticket(expires=expires), SECRET)
    assert slots.invitation(ticket, [SECRET]) is None
    for values in ({}, {"c": 1, "e": 1}, {"c": "x"}, {"c": "x", "e": "1"}, {"c": "x", "e": 10**30}):
        assert slots.invitation(payload.seal("s1", values, SECRET), [SECRET]) is None
    assert len(slots.invite("u" * 64, expires, SECRET)) < 512
