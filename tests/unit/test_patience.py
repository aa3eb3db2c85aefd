"""A loop outlasts a Postgres that is away; what else goes wrong ends it."""

import logging

import pytest

from fsctl.errors import DatabaseDown, DatabaseError
from fsctl.patience import Patience

log = logging.getLogger(__name__)


class Waits:
    """Stands for sleeping, and remembers for how long it was."""

    def __init__(self) -> None:
        self.s: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.s.append(seconds)


def test_a_postgres_that_is_away_is_told_and_waited_for_longer_each_time(
    caplog: pytest.LogCaptureFixture,
) -> None:
    waits = Waits()
    patience = Patience(log, "the work waits", sleep=waits)
    for _ in range(3):
        with patience:
            raise DatabaseDown("nobody answers")
    assert [record.getMessage() for record in caplog.records] == ["nobody answers; the work waits"] * 3
    assert 0.1 <= waits.s[0] <= 0.2
    assert 0.2 <= waits.s[1] <= 0.4 <= waits.s[2]


def test_after_a_success_the_next_wait_is_short_again() -> None:
    waits = Waits()
    patience = Patience(log, sleep=waits)
    for is_away in (True, True, True, False, True):
        with patience:
            if is_away:
                raise DatabaseDown("away")
    assert waits.s[2] >= 0.4
    assert waits.s[3] <= 0.2


def test_what_postgres_refuses_is_waited_out_only_where_that_was_asked_for() -> None:
    waits = Waits()
    with pytest.raises(DatabaseError), Patience(log, sleep=waits):
        raise DatabaseError("no such column")
    assert not waits.s
    with Patience(log, waits_for=DatabaseError, sleep=waits):
        raise DatabaseError("no such column")
    assert len(waits.s) == 1


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_another_error_is_not_ours_to_wait_for(error: type[BaseException]) -> None:
    with pytest.raises(error), Patience(log, waits_for=DatabaseError, sleep=Waits()):
        raise error


def test_a_deed_is_tried_until_it_is_done() -> None:
    answers = iter((DatabaseDown("away"), DatabaseDown("away"), 7))

    def deed() -> int:
        answer = next(answers)
        if isinstance(answer, DatabaseDown):
            raise answer
        return answer

    waits = Waits()
    assert Patience(log, sleep=waits).until_done(deed) == 7
    assert len(waits.s) == 2
