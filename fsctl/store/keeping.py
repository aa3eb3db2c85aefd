"""What is known of a recording when it is proven and kept: for the recorder, and for those who look at it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from fsctl.call.events import GapKind
from fsctl.store.db import Row

Format = Literal["wav", "flac", "opus"]


@dataclass(frozen=True, kw_only=True)
class Gap:
    """A stretch that is not recorded on purpose; seconds from the start of the recording."""

    kind: GapKind
    start_s: float
    end_s: float | None
    reason: str


@dataclass(frozen=True, kw_only=True)
class KnownRecording:
    """A recording with all that is known of it and of its call. Spans are seconds from its start."""

    id: int
    call_uuid: str
    node: str
    path: str
    source: str
    state: str
    started_at: datetime
    stopped_at: datetime | None
    rate: int | None
    channels: int | None
    bytes: int | None
    uri: str | None
    format: Format | None
    sha256: str | None
    duration_ms: int | None
    findings: Sequence[Mapping[str, str]]
    error: str | None
    offered_at: datetime
    answered_at: datetime | None
    ended_at: datetime | None
    hangup_cause: str | None
    consent: str | None
    display_name: str
    told_bytes: int | None
    """The file's size in FreeSWITCH's own words, at RECORD_STOP."""
    bridges: Sequence[tuple[float, float | None]]
    gaps: Sequence[Gap]
    utterances: Sequence[tuple[str, int, int]]
    """Leg, first sample, one past the last."""

    @property
    def length_s(self) -> float | None:
        """How long it is, as far as it is known: when it is cut, from the size of its file."""
        if self.duration_ms is not None:
            return self.duration_ms / 1000
        if self.bytes is None or not self.rate or not self.channels:
            return None
        return self.bytes / (2 * self.rate * self.channels)

    def archived_audio_differs(self, frames: int, rate: int) -> bool:
        """Whether the archived file is not of the length that was archived."""
        return self.duration_ms is not None and self.duration_ms != frames * 1000 // rate


@dataclass(frozen=True, kw_only=True)
class Archived:
    """Where a recording lies now, and what it is."""

    uri: str
    format: Format
    sha256: str
    bytes: int
    duration_ms: int
    findings: Sequence[Mapping[str, str]]


@dataclass(frozen=True)
class Stale:
    """A file that the archive has replaced, to be removed."""

    id: int
    stale: str
    uri: str
    bytes: int


@dataclass(frozen=True)
class OldWav:
    """An archived recording that could be smaller."""

    id: int
    call_uuid: str
    uri: str
    sha256: str


@dataclass(frozen=True)
class Unheard:
    """A call that was answered and of which there is no audio."""

    uuid: str
    answered_at: datetime
    ended_at: datetime


def known_from_row(row: Row) -> KnownRecording:
    """A row of ``known_recordings`` -> KnownRecording."""
    values = dict(row)
    values["bridges"] = [(float(a), None if b is None else float(b)) for a, b in row["bridges"]]
    values["gaps"] = [
        Gap(kind=kind, start_s=float(a), end_s=None if b is None else float(b), reason=reason)
        for kind, a, b, reason in row["gaps"]
    ]
    values["utterances"] = [(leg, start, end) for leg, start, end in row["utterances"]]
    return KnownRecording(**values)
