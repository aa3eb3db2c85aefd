"""Utterances claimed, decoded and finished: the queue of the transcribers.

A claim is a lease with a fence. A worker that dies is outlived by its lease; one that was only slow finds
that its fence is old, and what it decoded is not stored twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fsctl.store.db import Database, Row

MAX_ATTEMPTS = 5
"""An utterance that could not be decoded so often is parked with its reason."""


@dataclass(frozen=True)
class Claimed:
    """An utterance that is ours until the lease ends."""

    id: int
    call_uuid: str
    leg: str
    start_sample: int
    end_sample: int
    rate: int
    fence: int
    attempts: int
    pcm: bytes
    """Mono int16 little-endian."""
    language: str | None
    """Of the call, where it is known."""


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


@dataclass(frozen=True)
class Progress:
    """How far the transcript of a call has come."""

    recordings: int
    recordings_cut: int
    utterances: int
    done: int
    failed: int

    @property
    def is_whole(self) -> bool:
        """Whether every recording is cut, and every utterance decoded or parked with its reason."""
        return (
            self.recordings > 0
            and self.recordings_cut == self.recordings
            and self.done + self.failed == self.utterances
        )


class Utterances:
    """What transcribers, and readers of transcripts, ask of Postgres."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(self, worker: str, *, limit: int, lease_s: float) -> list[Claimed]:
        """Take up to ``limit`` utterances, the oldest end of speech first."""
        with self._database.transaction("claiming utterances") as transaction:
            rows = transaction.rows("utterances.claim", worker=worker, limit=limit, lease_s=lease_s)
        return sorted((Claimed(**row) for row in rows), key=lambda claimed: claimed.id)

    def finish(self, claimed: Claimed, segments: Sequence[NewSegment]) -> bool:
        """Store what was said.

        Returns:
            False when the utterance was no longer ours: nothing was stored, another worker has it.
        """
        with self._database.transaction(f"storing text of call {claimed.call_uuid}") as transaction:
            if transaction.run("utterances.finish", id=claimed.id, fence=claimed.fence) == 0:
                return False
            for segment in segments:
                transaction.run("utterances.add_segment", **_segment_to_row(claimed, segment))
            transaction.run("utterances.drop_audio", id=claimed.id)
        return True

    def give_back(self, claimed: Claimed, error: str) -> None:
        """It could not be decoded: again later, or parked after MAX_ATTEMPTS."""
        with self._database.transaction(f"giving back utterance {claimed.id}") as transaction:
            transaction.run(
                "utterances.give_back",
                id=claimed.id,
                fence=claimed.fence,
                error=error[:500],
                max_attempts=MAX_ATTEMPTS,
            )

    def segments(self, call_uuid: str) -> list[Row]:
        """The call's segments that are shown, in order."""
        with self._database.transaction(f"reading transcript of call {call_uuid}") as transaction:
            return transaction.rows("utterances.segments_of_call", call_uuid=call_uuid)

    def progress(self, call_uuid: str) -> Progress:
        """How far the transcript has come."""
        with self._database.transaction(f"reading progress of call {call_uuid}") as transaction:
            row = transaction.one("utterances.progress_of_call", call_uuid=call_uuid)
        assert row is not None
        return Progress(**row)


def _segment_to_row(claimed: Claimed, segment: NewSegment) -> dict[str, Any]:
    return {
        "utterance_id": claimed.id,
        "call_uuid": claimed.call_uuid,
        "leg": claimed.leg,
        "start_ms": segment.start_ms,
        "end_ms": segment.end_ms,
        "text": segment.text,
        "confidence": segment.confidence,
        "language": segment.language,
        "model": segment.model,
        "pass": "live",
        "suppressed_by": segment.suppressed_by,
    }
