"""Utterances claimed, decoded and finished: the queue of the transcribers.

A claim is a lease with a fence. A worker that dies is outlived by its lease; one that was only slow finds
that its fence is old, and what it decoded is not stored twice.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from fsctl.store import segments
from fsctl.store.db import Database, Row, Transaction
from fsctl.store.segments import NewRedaction, NewSegment, Place
from fsctl.transcribe.language import told

MAX_ATTEMPTS = 5
"""An utterance that could not be decoded so often is parked with its reason."""
LOST = "its worker ended each time that it was decoded"


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """An utterance that nobody decodes."""

    id: int
    call_uuid: str
    leg: str
    seconds: float
    """Its length."""
    age_s: float
    """Since it was cut, which is half a second after the end of speech, by Postgres' clock."""
    attempts: int
    live: bool
    """Its call goes on, or has just ended: its recording is not wholly cut."""


@dataclass(frozen=True, kw_only=True)
class Context:
    """What is known of the call that helps to decode, and what of it must not be stored."""

    language: str | None = None
    """In which it is decoded, or None: see ``transcribe.language.told``."""
    languages: tuple[str, ...] = ()
    """What its queues allow to be chosen among; none where none says it."""
    heard: Mapping[str, float] = field(default_factory=dict)
    """Language -> evidence so far."""
    redact: tuple[str, ...] = ()
    display_name: str = ""
    messages: tuple[str, ...] = ()
    """The thread's last messages, where they were asked for."""


@dataclass(frozen=True, kw_only=True)
class Claimed:
    """An utterance that is ours until the lease ends."""

    id: int
    recording_id: int
    call_uuid: str
    leg: str
    start_sample: int
    end_sample: int
    rate: int
    fence: int
    attempts: int
    pcm: bytes = field(repr=False)
    """Mono int16 little-endian."""
    context: Context

    @property
    def place(self) -> Place:
        """Where its text belongs."""
        return Place(recording_id=self.recording_id, call_uuid=self.call_uuid, leg=self.leg)


@dataclass(frozen=True)
class Progress:
    """How far the transcript of a call has come."""

    recordings: int
    recordings_cut: int
    utterances: int
    done: int
    failed: int
    shed: int = 0
    """Waiting to be decoded after the call."""
    transcribed: int = 0
    """Recordings of which all speech is accounted for."""

    @property
    def is_whole(self) -> bool:
        """Whether all speech of every recording is accounted for: text, suppressed by a rule, or failed."""
        return self.recordings > 0 and self.transcribed == self.recordings


class Utterances:
    """What transcribers, and readers of transcripts, ask of Postgres."""

    def __init__(self, database: Database, *, messages: int = 0) -> None:
        """Args: messages: how many of a thread's last messages come with a claim."""
        self._database = database
        self._messages = messages

    def waiting(self, limit: int) -> list[Waiting]:
        """What can be claimed: of live calls first, the oldest first. Parks what ended its worker too often."""
        with self._database.statement("looking for utterances") as transaction:
            found = [Waiting(**row) for row in transaction.rows("utterances.waiting", limit=limit)]
        lost = [one.id for one in found if one.attempts >= MAX_ATTEMPTS]
        if lost:
            self._park(lost)
        return [one for one in found if one.attempts < MAX_ATTEMPTS]

    def claim(self, worker: str, ids: Collection[int], *, lease_s: float) -> list[Claimed]:
        """Take those of the utterances that nobody else took meanwhile, in the order given."""
        with self._database.statement("claiming utterances") as transaction:
            rows = transaction.rows(
                "utterances.claim", worker=worker, ids=list(ids), lease_s=lease_s, messages=self._messages
            )
        place = {id: index for index, id in enumerate(ids)}
        return sorted((_claimed(row) for row in rows), key=lambda one: place[one.id])

    def shed(self, ids: Collection[int]) -> int:
        """Leave these to be decoded after their calls; returns how many there still were."""
        with self._database.statement("shedding utterances") as transaction:
            return transaction.run("utterances.shed", ids=list(ids))

    def finish(
        self,
        claimed: Claimed,
        found: Sequence[NewSegment],
        redactions: Sequence[NewRedaction] = (),
        evidence: Mapping[str, float] | None = None,
        sure: str | None = None,
    ) -> bool:
        """Store what was said.

        Args:
            evidence: for each language, to be added to what the leg has.
            sure: the leg's language from now on.

        Returns:
            False when the utterance was no longer ours: nothing was stored, another worker has it.
        """
        with self._database.transaction(f"storing text of call {claimed.call_uuid}") as transaction:
            row = transaction.one("utterances.finish", id=claimed.id, fence=claimed.fence)
            if row is None:
                return False
            segments.add(transaction, claimed.place, "live", ((claimed.id, one) for one in found), redactions)
            transaction.run("utterances.drop_audio", ids=[claimed.id])
            for language, weight in (evidence or {}).items():
                transaction.run(
                    "utterances.hear", recording_id=claimed.recording_id, leg=claimed.leg, language=language,
                    weight=weight, sure=sure,
                )  # fmt: skip
            _settle_where_last(transaction, claimed.recording_id, row)
        return True

    def give_back(self, claimed: Claimed, error: str) -> None:
        """It could not be decoded: again later, or parked after MAX_ATTEMPTS."""
        with self._database.transaction(f"giving back utterance {claimed.id}") as transaction:
            row = transaction.one(
                "utterances.give_back", id=claimed.id, fence=claimed.fence, error=error[:500],
                max_attempts=MAX_ATTEMPTS,
            )  # fmt: skip
            if row is not None:
                _settle_where_last(transaction, claimed.recording_id, row)

    def leave(self, claimed: Claimed) -> None:
        """Nothing is wrong with it: others may have it at once."""
        with self._database.statement(f"leaving utterance {claimed.id}") as transaction:
            transaction.run("utterances.leave", id=claimed.id, fence=claimed.fence)

    def others(self, place: Place) -> list[tuple[int, str]]:
        """See ``segments.others``."""
        with self._database.statement(f"reading the other leg of call {place.call_uuid}") as transaction:
            return segments.others(transaction, place)

    def segments(self, call_uuid: str) -> list[Row]:
        """The call's segments that are shown, in order."""
        with self._database.transaction(f"reading transcript of call {call_uuid}") as transaction:
            return transaction.rows("segments.segments_of_call", call_uuid=call_uuid)

    def progress(self, call_uuid: str) -> Progress:
        """How far the transcript has come."""
        with self._database.transaction(f"reading progress of call {call_uuid}") as transaction:
            row = transaction.one("utterances.progress_of_call", call_uuid=call_uuid)
        assert row is not None
        return Progress(**row)

    def _park(self, lost: Collection[int]) -> None:
        with self._database.transaction("parking utterances") as transaction:
            rows = transaction.rows(
                "utterances.park", ids=sorted(lost), error=LOST, max_attempts=MAX_ATTEMPTS
            )
            for row in rows:
                _settle_where_last(transaction, row["recording_id"], row)


def _settle_where_last(transaction: Transaction, recording_id: int, row: Row) -> None:
    """Without a final pass the last utterance completes the transcript."""
    if row["settles"]:
        segments.settle(transaction, recording_id)


def context_from_row(row: Row) -> Context:
    """The context's columns of a claim -> Context."""
    return Context(
        language=told(row["of_leg"], row["spoken"], row["of_call"]),
        languages=tuple(row["spoken"]),
        heard=row["heard"],
        redact=tuple(row["redact"]),
        display_name=row["display_name"],
        messages=tuple(row["messages"]),
    )


def _claimed(row: Row) -> Claimed:
    context = {"of_leg", "of_call", "spoken", "heard", "redact", "display_name", "messages"}
    own = {name: value for name, value in row.items() if name not in context}
    return Claimed(**own, context=context_from_row(row))
