"""Expected wait and service level: small sums with edges."""

import pytest

from fsctl.call import sla
from fsctl.call.known import Load


@pytest.mark.parametrize(
    ("load", "expected"),
    [
        (Load(), None),
        (Load(agents_staffed=2), None),
        (Load(handling_s=120.0), None),
        (Load(agents_staffed=2, agents_ready=1), 0.0),
        (Load(agents_staffed=2, agents_ready=1, handling_s=120.0), 0.0),
        (Load(agents_staffed=1, handling_s=120.0), 120.0),
        (Load(waiting=3, agents_staffed=2, handling_s=120.0), 240.0),
        # An agent is ready, yet somebody waits already: the queue is not empty.
        (Load(waiting=1, agents_staffed=2, agents_ready=1, handling_s=100.0), 100.0),
        (Load(waiting=5, handling_s=100.0), None),
        (Load(waiting=1, agents_staffed=4, handling_s=0.0), 0.0),
    ],
)
def test_expected_wait(load: Load, expected: float | None) -> None:
    assert sla.expected_wait_s(load) == expected


@pytest.mark.parametrize(
    ("in_time", "answered", "late", "level"),
    [(0, 0, 0, None), (8, 10, 0, 0.8), (8, 8, 2, 0.8), (0, 0, 3, 0.0), (5, 5, 0, 1.0)],
)
def test_service_level(in_time: int, answered: int, late: int, level: float | None) -> None:
    assert sla.service_level(in_time, answered, late) == level
