"""What waits is handled together, in order."""

from collections.abc import Sequence
from datetime import UTC, datetime

from fsctl.call import events
from fsctl.call.events import CallEvent
from fsctl.esl.lanes import BATCH, Lanes

AT = datetime(2026, 11, 22, tzinfo=UTC)


class Handled:
    """What a lane handed over, batch by batch."""

    def __init__(self) -> None:
        self.batches: list[list[CallEvent]] = []
        self.lanes = Lanes(self.take)

    def take(self, facts: Sequence[CallEvent]) -> None:
        """The handler."""
        self.batches.append(list(facts))


def test_a_batch_is_bounded_and_keeps_the_order() -> None:
    handled = Handled()
    told = [events.CallAnswered(uuid="c", at=AT, encryption=str(number)) for number in range(3 * BATCH)]
    for fact in told:
        handled.lanes.put(fact)
    handled.lanes.flush()
    assert max(map(len, handled.batches)) <= BATCH
    assert [fact for batch in handled.batches for fact in batch] == told
    handled.lanes.stop()
