"""What to decode together next, how carefully, and what to leave for later.

Pure: what waits goes in, a plan comes out. Knows no database, no model and no clock.
Called by: ``worker``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from fsctl.store.utterances import Waiting
from fsctl.transcribe.context import context_s

LOOK = 64
"""So many that wait are looked at: more than a few batches of them change no decision."""
TRIED = 2
"""One that was tried so often and is still here may be what broke: it is decoded alone."""


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What the scheduler was told."""

    batch: int = 4
    """Most utterances decoded together."""
    shed_after_s: float = 20.0
    """Text of a call that goes on and that would be older than this is not decoded live."""
    beam: int = 2
    """Readings followed at once while there is no hurry: on telephone utterances 5 are no better."""
    final_below: float = 0.6
    """Share of the time spent on live text up to which final passes are decoded beside it."""
    final_after_s: float = 30.0
    """A window of a final pass is decoded after so long whatever there is to do live: none starves."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to do with what waits."""

    decode: tuple[int, ...] = ()
    """Utterances of one context length, the oldest first."""
    shed: tuple[int, ...] = ()
    """Utterances that are decoded after their calls."""
    beam: int = 1
    more: bool = False
    """Others wait beside these."""


def plan(waiting: Sequence[Waiting], policy: Policy) -> Plan:
    """The next batch.

    The one that has waited longest is always in it, those of live calls before all others. With it go those of its
    context length. When that one is too old already, it and all that are half as old are shed: the text of the rest
    then comes in time again, instead of all of it late.

    Args:
        waiting: in any order.
    """
    ordered = sorted(waiting, key=lambda one: (not one.live, -one.age_s, one.id))
    shed = _too_late(ordered, policy)
    rest = [one for one in ordered if one.id not in shed]
    together = _together(rest, policy)
    return Plan(
        decode=tuple(one.id for one in together),
        shed=tuple(sorted(shed)),
        beam=beam(len(rest), policy),
        more=len(rest) > len(together),
    )


def beam(waiting: int, policy: Policy) -> int:
    """How many readings to follow: fewer, the more utterances wait; greedy takes two thirds of the time."""
    if waiting <= policy.batch / 2:
        return policy.beam
    return min(2, policy.beam) if waiting <= policy.batch else 1


def is_final_due(busy: float, age_s: float, policy: Policy) -> bool:
    """Whether a window of a final pass may be decoded now.

    Args:
        busy: share of the last time that went into live text.
        age_s: since the last window, or since there could have been one.
    """
    return busy < policy.final_below or age_s > policy.final_after_s


def _too_late(ordered: Sequence[Waiting], policy: Policy) -> set[int]:
    live = [one for one in ordered if one.live]
    if not live or live[0].age_s <= policy.shed_after_s:
        return set()
    return {one.id for one in live if one.age_s > policy.shed_after_s / 2}


def _together(rest: Sequence[Waiting], policy: Policy) -> Sequence[Waiting]:
    if not rest or rest[0].attempts >= TRIED:
        return rest[:1]
    context = context_s(rest[0].seconds)
    alike = [one for one in rest if context_s(one.seconds) == context and one.attempts < TRIED]
    return alike[: policy.batch]
