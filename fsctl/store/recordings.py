"""Recordings and the utterances cut from them, for the media reader."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from fsctl.store.db import Database


@dataclass(frozen=True)
class LiveRecording:
    """A recording that still has speech to be read."""

    id: int
    call_uuid: str
    path: str
    state: str
    """``growing`` or ``closed``."""
    started_at: datetime
    call_ended: bool
    bridges_us: Sequence[tuple[int, int | None]]
    """When an agent was bridged, in microseconds from the start of the recording."""


@dataclass(frozen=True, kw_only=True)
class NewUtterance:
    """A stretch of speech to be stored with its audio (mono int16 little-endian)."""

    leg: str
    start_sample: int
    end_sample: int
    rate: int
    pcm: bytes


@dataclass(frozen=True)
class LostAudio:
    """An utterance whose audio went with a crash of Postgres: to be cut out of its recording again."""

    id: int
    leg: str
    start_sample: int
    end_sample: int
    rate: int
    path: str


class Recordings:
    """What the media reader asks of Postgres."""

    def __init__(self, database: Database, node: str) -> None:
        self._database = database
        self._node = node

    def live(self) -> list[LiveRecording]:
        """Recordings of this node that grow, or are closed and not yet wholly cut."""
        with self._database.transaction("reading live recordings") as transaction:
            rows = transaction.rows("recordings.live_recordings", node=self._node)
        return [
            LiveRecording(
                id=row["id"],
                call_uuid=row["call_uuid"],
                path=row["path"],
                state=row["state"],
                started_at=row["started_at"],
                call_ended=row["call_ended"],
                bridges_us=[(start, end) for start, end in row["bridges"]],
            )
            for row in rows
        ]

    def adopt(self, path: Path, started_at: datetime) -> bool:
        """A file in the spool that no event told us of: its name is the call's uuid.

        Returns:
            False when there is no such call.
        """
        with self._database.transaction(f"adopting {path}") as transaction:
            transaction.run(
                "recordings.adopt_recording",
                call_uuid=path.stem,
                node=self._node,
                path=str(path),
                started_at=started_at,
            )
            return bool(transaction.rows("recordings.known_paths", paths=[str(path)]))

    def adopt_unseen(self, path: Path, started_at: datetime, ended_at: datetime) -> None:
        """A whole file whose call nobody saw and no ledger told of: the call is known by its recording alone."""
        with self._database.transaction(f"adopting {path}") as transaction:
            transaction.run(
                "recordings.unseen_call",
                call_uuid=path.stem,
                node=self._node,
                started_at=started_at,
                ended_at=ended_at,
            )
        self.adopt(path, started_at)

    def unknown(self, paths: Sequence[str]) -> set[str]:
        """Those of the paths that are no recording of ours yet."""
        with self._database.transaction("comparing the spool") as transaction:
            known = {row["path"] for row in transaction.rows("recordings.known_paths", paths=list(paths))}
        return set(paths) - known

    def describe(self, recording_id: int, rate: int, channels: int) -> None:
        """Note what the header says."""
        with self._database.transaction(f"describing recording {recording_id}") as transaction:
            transaction.run("recordings.describe_recording", id=recording_id, rate=rate, channels=channels)

    def add_utterances(self, recording: LiveRecording, cuts: Iterable[NewUtterance]) -> int:
        """Store utterances with their audio, all or none; one already there is left as it is.

        Returns:
            How many were new.
        """
        added = 0
        with self._database.transaction(f"storing utterances of call {recording.call_uuid}") as transaction:
            for cut in cuts:
                row = transaction.one(
                    "utterances.add_utterance",
                    recording_id=recording.id,
                    call_uuid=recording.call_uuid,
                    leg=cut.leg,
                    start_sample=cut.start_sample,
                    end_sample=cut.end_sample,
                    rate=cut.rate,
                )
                if row is not None:
                    added += 1
                    transaction.run("utterances.add_audio", utterance_id=row["id"], pcm=cut.pcm)
        return added

    def without_audio(self) -> list[LostAudio]:
        """Utterances still to be decoded whose audio is gone."""
        with self._database.transaction("looking for lost audio") as transaction:
            rows = transaction.rows("utterances.without_audio", node=self._node)
        return [LostAudio(**row) for row in rows]

    def restore_audio(self, utterance_id: int, pcm: bytes) -> None:
        """Give an utterance its audio again."""
        with self._database.transaction(f"restoring audio of utterance {utterance_id}") as transaction:
            transaction.run("utterances.add_audio", utterance_id=utterance_id, pcm=pcm)

    def finish(self, recording_id: int, size_bytes: int) -> None:
        """Every utterance of the recording is stored."""
        with self._database.transaction(f"finishing recording {recording_id}") as transaction:
            transaction.run("recordings.finish_recording", id=recording_id, bytes=size_bytes)

    def fail(self, recording_id: int, error: str) -> None:
        """The recording cannot be read; says why."""
        with self._database.transaction(f"failing recording {recording_id}") as transaction:
            transaction.run("recordings.fail_recording", id=recording_id, error=error)
