"""Recordings and the utterances cut from them, for the media reader and the recorder."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Any

from psycopg.types.json import Jsonb

from fsctl.call.events import GapKind
from fsctl.store.db import Database
from fsctl.store.keeping import (
    Archived,
    Format,
    KnownRecording,
    OldWav,
    Stale,
    Unheard,
    known_from_row,
)

MOST_LIVE = 4096
"""Recordings whose last row is remembered."""


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
    pauses_us: Sequence[tuple[int, int | None]] = ()
    """When the file did not grow on purpose, on the same clock."""
    masks_us: Sequence[tuple[int, int | None]] = ()
    """When silence was written on purpose, or should have been."""
    seams: Mapping[str, int] = field(default_factory=dict)
    """See ``fsctl.media.pipeline``."""


@dataclass(frozen=True, kw_only=True)
class NewUtterance:
    """A stretch of speech to be stored with its audio (mono int16 little-endian)."""

    leg: str
    start_sample: int
    end_sample: int
    rate: int
    pcm: bytes | memoryview
    no_speech: str | None = None
    """Why there is nothing to be decoded in it; its audio is not stored then."""


@dataclass(frozen=True)
class Cuts:
    """What was cut from a recording, to be stored together."""

    recording: LiveRecording
    utterances: Sequence[NewUtterance]
    seams: Mapping[str, int]

    @property
    def bytes(self) -> int:
        """Of audio."""
        return sum(len(cut.pcm) for cut in self.utterances)


@dataclass(frozen=True)
class LostAudio:
    """An utterance whose audio went with a crash of Postgres: to be cut out of its recording again."""

    id: int
    leg: str
    start_sample: int
    end_sample: int
    rate: int
    path: str


@lru_cache(maxsize=MOST_LIVE)
def _live(*, bridges: str, pauses: str, masks: str, seams: str, **plain: Any) -> LiveRecording:
    """From a row; of most nothing has changed since they were read last."""
    return LiveRecording(
        bridges_us=_spans(bridges),
        pauses_us=_spans(pauses),
        masks_us=_spans(masks),
        seams=json.loads(seams),
        **plain,
    )


def _spans(text: str) -> list[tuple[int, int | None]]:
    return [(start, end) for start, end in json.loads(text)]


class Recordings:
    """What the media reader and the recorder ask of Postgres."""

    def __init__(self, database: Database, node: str) -> None:
        self._database = database
        self._node = node

    def live(self) -> list[LiveRecording]:
        """Recordings of this node that grow, or are closed and not yet wholly cut."""
        with self._database.transaction("reading live recordings") as transaction:
            rows = transaction.rows("recordings.live_recordings", node=self._node)
        return [_live(**row) for row in rows]

    def adopt(self, path: Path, started_at: datetime) -> bool:
        """A file in the spool that no event told us of: its name begins with the call's uuid.

        Returns:
            False when there is no such call.
        """
        with self._database.transaction(f"adopting {path}") as transaction:
            transaction.run(
                "recordings.adopt_recording",
                call_uuid=_call_of(path),
                node=self._node,
                path=str(path),
                started_at=started_at,
            )
            return bool(transaction.rows("recordings.known_names", node=self._node, names=[path.name]))

    def adopt_unseen(
        self, path: Path, started_at: datetime, ended_at: datetime, redact: Sequence[str] = ()
    ) -> None:
        """A whole file whose call nobody saw and no ledger told of: the call is known by its recording alone.

        Args:
            redact: what must not be stored of it, since its queue is not known.
        """
        with self._database.transaction(f"adopting {path}") as transaction:
            transaction.run(
                "recordings.unseen_call",
                call_uuid=_call_of(path),
                node=self._node,
                started_at=started_at,
                ended_at=ended_at,
                redact=list(redact),
            )
        self.adopt(path, started_at)

    def unknown(self, names: Sequence[str]) -> set[str]:
        """Those of the files' names that are no recording of this node yet."""
        with self._database.transaction("comparing the spool") as transaction:
            rows = transaction.rows("recordings.known_names", node=self._node, names=list(names))
        return set(names) - {row["name"] for row in rows}

    def describe(self, recording_id: int, rate: int, channels: int) -> None:
        """Note what the header says."""
        with self._database.transaction(f"describing recording {recording_id}") as transaction:
            transaction.run("recordings.describe_recording", id=recording_id, rate=rate, channels=channels)

    def store(self, cuts: Sequence[Cuts]) -> int:
        """Store utterances with their audio, and from where to read on, of any recordings: all or none.

        An utterance already there is left as it is.

        Returns:
            How many were new and have audio.
        """
        found = [(batch.recording.id, cut) for batch in cuts for cut in batch.utterances]
        audio = [b"" if cut.no_speech else cut.pcm for _, cut in found]
        ends = list(accumulate(map(len, audio)))
        rows = [
            {
                "recording_id": id_,
                "leg": cut.leg,
                "start_sample": cut.start_sample,
                "end_sample": cut.end_sample,
                "rate": cut.rate,
                "reason": cut.no_speech,
                "place": end - len(pcm),
                "size": len(pcm),
            }
            for (id_, cut), pcm, end in zip(found, audio, ends)
        ]
        seams: dict[int, dict[str, int]] = {}
        for batch in cuts:
            if batch.seams:
                seams.setdefault(batch.recording.id, {}).update(batch.seams)
        doing = f"storing utterances of call {', '.join(batch.recording.call_uuid for batch in cuts[:3])}"
        with self._database.statement(doing) as transaction:
            return transaction.run(
                "utterances.store", cuts=Jsonb(rows), seams=Jsonb(seams), pcm=b"".join(audio)
            )

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

    def fail(self, recording_id: int, error: str) -> bool:
        """There is nothing to be had of the recording; says why, in the call's story too.

        Returns:
            False when that was said before.
        """
        with self._database.transaction(f"failing recording {recording_id}") as transaction:
            return bool(transaction.rows("recordings.fail_recording", id=recording_id, error=error))

    def cut(self) -> list[KnownRecording]:
        """Recordings of this node whose utterances are all stored: to be proven and archived."""
        return self._known("reading cut recordings", node=self._node, state="cut")

    def archive(self, recording_id: int, archived: Archived, stale: str) -> bool:
        """The archive has it, durably; ``stale`` is the file that may go.

        Returns:
            False when it was archived before.
        """
        with self._database.transaction(f"archiving recording {recording_id}") as transaction:
            rows = transaction.rows(
                "recordings.archive_recording",
                id=recording_id,
                uri=archived.uri,
                format=archived.format,
                sha256=archived.sha256,
                bytes=archived.bytes,
                duration_ms=archived.duration_ms,
                findings=Jsonb([dict(one) for one in archived.findings]),
                stale=stale,
            )
        return bool(rows)

    def stale(self) -> list[Stale]:
        """Files that the archive has replaced and that are still there, as far as we know."""
        with self._database.transaction("reading stale files") as transaction:
            return [Stale(**row) for row in transaction.rows("recordings.stale_files", node=self._node)]

    def forget_stale(self, recording_id: int) -> None:
        """The replaced file is gone."""
        with self._database.transaction(f"forgetting the old file of {recording_id}") as transaction:
            transaction.run("recordings.forget_stale", id=recording_id)

    def oldest_wav(self, without: Sequence[int]) -> OldWav | None:
        """The archived recording to be compressed first, but for these."""
        with self._database.transaction("looking for the oldest recording") as transaction:
            row = transaction.one("recordings.oldest_wav", node=self._node, without=list(without))
        return OldWav(**row) if row else None

    def recompress(self, old: OldWav, uri: str, format: Format, sha256: str, size: int) -> None:
        """It lies there now, smaller; its old file may go."""
        with self._database.transaction(f"compressing recording {old.id}") as transaction:
            transaction.run(
                "recordings.recompress", id=old.id, uri=uri, format=format, sha256=sha256, bytes=size,
                stale=old.uri,
            )  # fmt: skip

    def unheard(self, patience_s: float) -> list[Unheard]:
        """Answered calls of the last week that ended so long ago, without audio and without an alarm."""
        with self._database.transaction("looking for calls without audio") as transaction:
            rows = transaction.rows(
                "recordings.answered_without_audio", node=self._node, patience_s=patience_s
            )
        return [Unheard(**row) for row in rows]

    def of_call(self, call_uuid: str) -> list[KnownRecording]:
        """A call's recordings, on whatever node."""
        return self._known(f"reading recordings of call {call_uuid}", call_uuid=call_uuid)

    def known(
        self, *, state: str | None = None, node: str | None = None, limit: int = 1000
    ) -> list[KnownRecording]:
        """The newest recordings, the oldest of them first."""
        return self._known("reading recordings", state=state, node=node, limit=limit)

    def begin_gap(self, call_uuid: str, kind: GapKind, reason: str, at: datetime) -> bool:
        """From here on the call is not recorded on purpose. To be called before FreeSWITCH is told.

        Returns:
            False when it was so already.
        """
        with self._database.transaction(f"beginning a gap of call {call_uuid}") as transaction:
            return bool(
                transaction.run("recordings.open_gap", call_uuid=call_uuid, kind=kind, reason=reason, at=at)
            )

    def end_gap(self, call_uuid: str, kind: GapKind, at: datetime) -> bool:
        """The call is recorded again. To be called after FreeSWITCH was told.

        Returns:
            False when it was so already.
        """
        with self._database.transaction(f"ending a gap of call {call_uuid}") as transaction:
            return bool(transaction.run("recordings.close_gap", call_uuid=call_uuid, kind=kind, at=at))

    def forget_gap(self, call_uuid: str, at: datetime) -> None:
        """It did not come to it: FreeSWITCH refused."""
        with self._database.transaction(f"forgetting a gap of call {call_uuid}") as transaction:
            transaction.run("recordings.forget_gap", call_uuid=call_uuid, at=at)

    def is_standing(self, call_uuid: str) -> bool:
        """Whether this node has such a call now."""
        with self._database.transaction(f"asking for call {call_uuid}") as transaction:
            row = transaction.one("recordings.standing_call", call_uuid=call_uuid, node=self._node)
        return row is not None

    def open_fork(self, call_uuid: str, path: Path, started_at: datetime) -> bool:
        """A recording that we write ourselves begins; False when the call is not known or over."""
        with self._database.transaction(f"opening {path}") as transaction:
            row = transaction.one(
                "recordings.open_fork", call_uuid=call_uuid, node=self._node, path=str(path),
                started_at=started_at,
            )  # fmt: skip
        return row is not None

    def close_fork(self, call_uuid: str, path: Path, stopped_at: datetime) -> None:
        """It has its final size."""
        with self._database.transaction(f"closing {path}") as transaction:
            transaction.run(
                "recordings.close_recording", call_uuid=call_uuid, path=str(path), stopped_at=stopped_at,
                told_bytes=None,
            )  # fmt: skip

    def _known(self, doing: str, **given: Any) -> list[KnownRecording]:
        params = {"id": None, "call_uuid": None, "node": None, "state": None, "limit": 1000} | given
        with self._database.transaction(doing) as transaction:
            rows = transaction.rows("recordings.known_recordings", **params)
        return [known_from_row(row) for row in reversed(rows)]


def _call_of(path: Path) -> str:
    """``UUID.wav``, or ``UUID.2.wav`` for the second fork of a call."""
    return path.name.split(".", 1)[0]
