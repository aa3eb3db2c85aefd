"""Live workers that run as one."""

import threading
import time
from collections.abc import Callable
from typing import cast

import pytest

from fsctl.errors import ModelError
from fsctl.transcribe.crew import Crew
from fsctl.transcribe.worker import Worker


class Idle:
    """A worker that does nothing until it is stopped, or raises."""

    def __init__(self, load: float = 0.0, error: Exception | None = None) -> None:
        self.load, self.error = load, error
        self.thread: threading.Thread | None = None
        self._stopped = threading.Event()

    def run(self, _sleep: Callable[[float], None]) -> None:
        self.thread = threading.current_thread()
        if self.error is not None:
            raise self.error
        assert self._stopped.wait(5)

    def stop(self) -> None:
        self._stopped.set()

    def busy(self) -> float:
        return self.load


def crew(*workers: Idle) -> Crew:
    return Crew([cast(Worker, one) for one in workers])


def test_each_has_a_thread_and_the_first_has_ours() -> None:
    workers = [Idle(), Idle(), Idle()]
    wanted = crew(*workers)
    stopping = threading.Timer(0.1, wanted.stop)
    stopping.start()
    wanted.run(time.sleep)
    assert workers[0].thread is threading.current_thread()
    assert len({one.thread for one in workers}) == 3


@pytest.mark.parametrize("broken", [0, 1])
def test_what_ends_one_ends_all_and_is_raised(broken: int) -> None:
    workers = [Idle(), Idle()]
    workers[broken].error = ModelError("gone")
    with pytest.raises(ModelError, match="gone"):
        crew(*workers).run(time.sleep)


def test_a_crew_of_one_needs_no_thread() -> None:
    only = Idle()
    only.stop()
    crew(only).run(time.sleep)
    assert only.thread is threading.current_thread()


def test_how_busy_they_are_is_their_mean() -> None:
    assert crew(Idle(0.9), Idle(0.1)).busy() == pytest.approx(0.5)
