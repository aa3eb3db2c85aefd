"""What comes together is handled together, and who waits for it is not kept waiting."""

from collections.abc import Sequence
from datetime import UTC, datetime

import gevent
import pytest

from fsctl.call import events
from fsctl.call.events import CallEvent
from fsctl.esl import lanes
from fsctl.esl.lanes import BATCH, LINGER_S, Lanes

AT = datetime(2026, 11, 22, tzinfo=UTC)
ANSWERED = events.CallAnswered(uuid="c", at=AT)
RINGS = events.AgentOffered(uuid="c", at=AT, queue="q", agent="agent1")


class Handled:
    """What a lane handed over, batch by batch."""

    def __init__(self) -> None:
        self.batches: list[list[CallEvent]] = []
        self.lanes = Lanes(self.take)

    def take(self, facts: Sequence[CallEvent]) -> None:
        """The handler."""
        self.batches.append(list(facts))

    def until(self, count: int) -> None:
        """Wait for so many batches."""
        while len(self.batches) < count:
            gevent.sleep(0.001)


def test_facts_of_one_moment_are_one_batch() -> None:
    handled = Handled()
    handled.lanes.put(ANSWERED)
    gevent.sleep(LINGER_S / 4)
    handled.lanes.put(ANSWERED)
    handled.lanes.flush()
    assert handled.batches == [[ANSWERED, ANSWERED]]
    assert handled.lanes.depth == 0
    handled.lanes.stop()


def test_who_waits_is_served_at_once_with_what_came_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "LINGER_S", 60.0)
    handled = Handled()
    with gevent.Timeout(10):
        handled.lanes.put(RINGS)
        handled.until(1)
        handled.lanes.put(ANSWERED)
        gevent.sleep(0.05)
        assert len(handled.batches) == 1
        handled.lanes.put(RINGS)
        handled.until(2)
    assert handled.batches == [[RINGS], [ANSWERED, RINGS]]
    handled.lanes.stop()


def test_a_batch_is_bounded_and_keeps_the_order() -> None:
    handled = Handled()
    told = [events.CallAnswered(uuid="c", at=AT, encryption=str(number)) for number in range(3 * BATCH)]
    for fact in told:
        handled.lanes.put(fact)
    handled.lanes.flush()
    assert max(map(len, handled.batches)) <= BATCH
    assert [fact for batch in handled.batches for fact in batch] == told
    handled.lanes.stop()
