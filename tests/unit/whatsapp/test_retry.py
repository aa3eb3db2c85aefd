"""The table of Meta's errors, and what follows from a row of it."""

import pytest

from fsctl.store.outbox import OPTED_OUT, Again, Failed
from fsctl.whatsapp import retry
from fsctl.whatsapp.retry import RULES, WAYS, Then
from fsctl.whatsapp.sender import WINDOW_CLOSED


def decide(code: int, attempts: int = 1, status: int = 400, least_s: float | None = None) -> Again | Failed:
    return retry.decide(retry.rule_of(code, status), "why", attempts, code, least_s)


@pytest.mark.parametrize(
    "code", [2, 131000, 131016, 130429, 131056, 131057, 190, 10, 200, 299, 131042, 131048, 368]
)
def test_what_may_pass_is_tried_again(code: int) -> None:
    assert isinstance(decide(code), Again)


@pytest.mark.parametrize(
    "code", [131026, 131047, 131049, 131050, 131051, 131008, 131009, 100, 132000, 132001, 131062]
)
def test_what_will_not_pass_fails_with_its_code(code: int) -> None:
    assert decide(code) == Failed("why", code)


def test_the_pair_rate_waits_as_meta_says_four_to_the_power_of_x() -> None:
    waits = [decide(131056, attempts) for attempts in range(1, 6)]
    assert [one.after_s for one in waits if isinstance(one, Again)] == [1, 4, 16, 64, 256]
    assert not any(one.whole_number for one in waits if isinstance(one, Again))


def test_what_concerns_the_whole_number_stops_it() -> None:
    for code in (130429, 131057, 131048, 190):
        found = decide(code)
        assert isinstance(found, Again)
        assert found.whole_number, code


def test_only_what_a_person_can_mend_raises_an_alarm() -> None:
    assert {code for code, rule in RULES.items() if rule.alarm and code not in range(200, 300)} == {
        10, 190, 131005, 131031, 131042, 131048, 133010, 368,
    }  # fmt: skip


@pytest.mark.parametrize("code", [code for code in RULES if RULES[code].then is Then.AGAIN])
def test_waiting_grows_and_is_bounded(code: int) -> None:
    waits = [RULES[code].after_s(attempts) for attempts in range(1, 200)]
    assert waits == sorted(waits)
    assert waits[0] > 0
    assert waits[-1] == RULES[code].most_s


def test_meta_may_ask_for_a_longer_wait() -> None:
    found = decide(130429, least_s=30)
    assert isinstance(found, Again)
    assert found.after_s == 30


def test_a_code_that_nobody_knows_is_judged_by_its_status() -> None:
    assert isinstance(decide(999_999, status=400), Failed)
    assert isinstance(decide(999_999, status=500), Again)
    assert isinstance(decide(0, status=429), Again)
    assert isinstance(decide(0, status=404), Failed)


def test_every_code_has_one_way() -> None:
    assert sorted(code for codes in WAYS.values() for code in codes) == sorted(RULES)
    assert WAYS[Then.TEMPLATE] == (WINDOW_CLOSED,)
    assert OPTED_OUT in WAYS[Then.FAIL]
