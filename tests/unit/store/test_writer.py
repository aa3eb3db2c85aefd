"""Steps of many calls in few writes."""

from collections.abc import Callable, Sequence

import gevent
import pytest
from gevent.event import Event

from fsctl.call.commands import Audit, StoreCommand
from fsctl.errors import DatabaseDown, DatabaseError
from fsctl.store import writer
from fsctl.store.writer import Writer


def step(name: str, length: int = 1) -> list[StoreCommand]:
    return [Audit(uuid=name, node="fs1", action=f"{i}", detail=()) for i in range(length)]


class Postgres:
    """Writes only when it is let."""

    def __init__(self, fail: Callable[[set[str]], Exception | None] = lambda _names: None) -> None:
        self.open, self.writes, self.fail = Event(), list[list[str]](), fail

    def write(self, commands: Sequence[StoreCommand]) -> None:
        names = [command.uuid for command in commands]
        self.writes.append(names)
        assert self.open.wait(5)
        if (error := self.fail(set(names))) is not None:
            raise error


def told(wanted: Writer, name: str, length: int = 1) -> gevent.Greenlet:
    greenlet = gevent.spawn(wanted.apply, step(name, length))
    gevent.sleep(0.005)
    return greenlet


def test_steps_that_come_meanwhile_are_written_together_in_their_order() -> None:
    postgres = Postgres()
    wanted = Writer(postgres.write, writers=1)
    greenlets = [told(wanted, name) for name in "abcd"]
    assert postgres.writes == [["a"]]
    assert not any(one.ready() for one in greenlets)
    postgres.open.set()
    gevent.joinall(greenlets, timeout=5, raise_error=True)
    assert postgres.writes == [["a"], ["b", "c", "d"]]


def test_a_step_is_never_parted_and_a_write_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "MOST", 4)
    postgres = Postgres()
    wanted = Writer(postgres.write, writers=1)
    greenlets = [told(wanted, name, 3) for name in "abcd"]
    postgres.open.set()
    gevent.joinall(greenlets, timeout=5, raise_error=True)
    assert [len(one) for one in postgres.writes] == [3, 6, 3]


def test_one_that_is_refused_does_not_take_the_others_with_it() -> None:
    postgres = Postgres(lambda names: DatabaseError("no") if "bad" in names else None)
    wanted = Writer(postgres.write, writers=1)
    first, good, bad = told(wanted, "first"), told(wanted, "good"), told(wanted, "bad")
    postgres.open.set()
    gevent.joinall([first, good, bad], timeout=5)
    assert (first.successful(), good.successful()) == (True, True)
    assert isinstance(bad.exception, DatabaseError)
    assert postgres.writes == [["first"], ["good", "bad"], ["good"], ["bad"]]


def test_when_postgres_is_away_everybody_is_told_and_nothing_is_tried_again_here() -> None:
    postgres = Postgres(lambda _names: DatabaseDown("away"))
    wanted = Writer(postgres.write, writers=1)
    greenlets = [told(wanted, name) for name in "abc"]
    postgres.open.set()
    gevent.joinall(greenlets, timeout=5)
    assert all(isinstance(one.exception, DatabaseDown) for one in greenlets)
    assert len(postgres.writes) == 2


def test_who_is_killed_while_waiting_is_gone_and_the_rest_goes_on() -> None:
    postgres = Postgres()
    wanted = Writer(postgres.write, writers=1)
    first, killed, last = told(wanted, "first"), told(wanted, "killed"), told(wanted, "last")
    killed.kill(timeout=1)
    assert killed.dead
    postgres.open.set()
    gevent.joinall([first, last], timeout=5, raise_error=True)
    assert postgres.writes[-1] == ["killed", "last"]


def test_two_writers_work_at_once() -> None:
    postgres = Postgres()
    wanted = Writer(postgres.write)
    greenlets = [told(wanted, name) for name in "abc"]
    assert postgres.writes == [["a"], ["b"]]
    postgres.open.set()
    gevent.joinall(greenlets, timeout=5, raise_error=True)
    assert sorted(map(sorted, postgres.writes)) == [["a"], ["b"], ["c"]]
