"""Segments as they are stored, and the moment at which a recording has all its text."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from psycopg.types.json import Jsonb

from fsctl.store.db import Transaction
from fsctl.transcribe.turns import Segment, statistics

Pass = Literal["live", "final"]


@dataclass(frozen=True, kw_only=True)
class NewSegment:
    """Text to be stored; milliseconds from the start of the recording."""

    start_ms: int
    end_ms: int
    text: str
    confidence: float
    language: str
    model: str
    suppressed_by: str | None
    """The guard's rule; the text is empty where the engine heard nothing."""
    words: Sequence[tuple[int, int, str, float]] = ()
    """Beginning and end in milliseconds, the word, its probability."""
    redacted: Sequence[str] = ()
    """Kinds of text that were replaced in it."""
    utterance_id: int | None = None
    """In which it begins; None: the one that was decoded."""


@dataclass(frozen=True, kw_only=True)
class NewRedaction:
    """A stretch in which something was said that is not kept; milliseconds from the start of the recording."""

    start_ms: int
    end_ms: int
    kind: str


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where text belongs."""

    recording_id: int
    call_uuid: str
    leg: str


def add(
    transaction: Transaction,
    place: Place,
    pass_: Pass,
    segments: Iterable[tuple[int, NewSegment]],
    redactions: Iterable[NewRedaction],
) -> None:
    """Store segments, each with its utterance, and redactions. What is there already is left as it is."""
    rows = [
        asdict(segment)
        | {"utterance_id": utterance_id, "call_uuid": place.call_uuid, "leg": place.leg, "pass": pass_}
        | {"words": [list(word) for word in segment.words] or None, "redacted": list(segment.redacted)}
        for utterance_id, segment in segments
    ]
    if rows:
        transaction.run("segments.add_segments", segments=Jsonb(rows))
    spans = [
        asdict(one) | {"recording_id": place.recording_id, "leg": place.leg, "pass": pass_}
        for one in redactions
        if one.end_ms > one.start_ms
    ]
    if spans:
        transaction.run("segments.add_redactions", redactions=Jsonb(spans))


def others(transaction: Transaction, place: Place) -> list[tuple[int, str]]:
    """When each segment of the other leg ended, in milliseconds, and what it says."""
    rows = transaction.rows("segments.others", recording_id=place.recording_id, leg=place.leg)
    return [(row["end_ms"], row["text"]) for row in rows]


def settle(transaction: Transaction, recording_id: int) -> bool:
    """If all speech of a recording is accounted for, say so: in its row, and in the story as ``transcript_ready``.

    To be called in the transaction that stores the last text. Workers that end the two legs at once wait for
    each other here.

    Returns:
        Whether it was said now.
    """
    transaction.run("segments.lock_recording", recording_id=recording_id)
    told = transaction.one("segments.settle", recording_id=recording_id)
    if told is not None:
        _measure(transaction, recording_id)
    return told is not None


def _measure(transaction: Transaction, recording_id: int) -> None:
    """Who spoke how long, once every recording of the call has its text."""
    call = transaction.one("segments.call_to_measure", recording_id=recording_id)
    if call is None:
        return
    rows = transaction.rows("segments.segments_of_call", call_uuid=call["uuid"])
    spoken = [Segment(row["leg"], row["start_ms"], row["end_ms"], row["text"]) for row in rows]
    talk = statistics(spoken, call["duration_ms"])
    transaction.run("segments.keep_talk", call_uuid=call["uuid"], talk=Jsonb(talk.as_dict()))
