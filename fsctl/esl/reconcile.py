"""Findings get time, one repair, and a rest. Pure.

FreeSWITCH's lists lag and events are in flight: what is seen once may be about to change. So a finding is acted
upon when it stands in two rounds, once. What comes back soon, or has no repair, is left to a person and reported.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from fsctl.esl.callcenter import Snapshot
from fsctl.esl.findings import RULES, Finding, Ours

ROUNDS = 2
"""In so many rounds, one after the other, a finding must stand."""
REST_S = 300.0
"""What comes back within this is not repaired again."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A finding, and what became of it so far."""

    finding: Finding
    rounds: int = 1
    tried: bool = False
    """Whether it was repaired already, this time or lately."""

    @property
    def is_due(self) -> bool:
        """To be repaired now."""
        return self.rounds >= ROUNDS and not self.tried and bool(self.finding.repair)

    @property
    def is_left(self) -> bool:
        """It stands, and no repair of ours is to come."""
        return self.rounds >= ROUNDS and not self.is_due


@dataclass(frozen=True, kw_only=True)
class Memory:
    """What one round leaves to the next."""

    cases: tuple[Case, ...] = ()
    tried_at: Mapping[tuple[str, str], float] = field(default_factory=dict)
    """When each was repaired last, by key, in monotonic seconds."""

    def tried(self, finding: Finding, now: float) -> "Memory":
        """The same after a repair was sent; it gets as long to take effect as the finding got to stand."""
        cases = tuple(
            replace(one, tried=True, rounds=0) if one.finding == finding else one for one in self.cases
        )
        return Memory(cases=cases, tried_at={**self.tried_at, finding.key: now})


def compare(snapshot: Snapshot, ours: Ours, memory: Memory, now: float) -> Memory:
    """One round: what is found, how long it has stood, and what is due.

    Args:
        now: any clock in seconds that only goes forward.
    """
    tried_at = {key: at for key, at in memory.tried_at.items() if now - at < REST_S}
    before = {(one.finding.key, one.finding.before): one.rounds for one in memory.cases}
    return Memory(
        cases=tuple(
            Case(
                finding=finding,
                rounds=before.get((finding.key, finding.before), 0) + 1,
                tried=finding.key in tried_at,
            )
            for rule in RULES
            for finding in rule(snapshot, ours)
        ),
        tried_at=tried_at,
    )
