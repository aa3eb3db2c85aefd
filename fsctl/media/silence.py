"""What was said and must not be kept is silenced in the archive's copy of a recording.

Text tells the milliseconds (``transcribe.redact``), and it is final only after the call, when the recording may
be in the archive already. A recording of a call of which something is redacted is ready (``recording_ready`` in
the story) only when this has looked at it. Each step can be done again, so it may be killed between any two:

1. A file is made in the archive's staging folder: the same samples, but for zeros in one leg's channel.
2. It is proven by reading both: silent where it must be, the same everywhere else.
3. ``Archive.put``: durable, under a name of its own, since another file has the old one.
4. One transaction: the row says where it is and of what hash, the audit who did it, the story that it is ready;
   the old file is one to be removed (``recorder``).

The spool's file is never written; it goes when the archive has it, as always. Called by: ``recorder``.
"""

import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fsctl.backoff import Backoff
from fsctl.errors import ArchiveError, AudioError
from fsctl.logs import about
from fsctl.media import archive, codec, header
from fsctl.media.archive import Archive
from fsctl.media.fork import CHANNEL
from fsctl.media.wav import Samples
from fsctl.store.alarms import Alarms
from fsctl.store.keeping import Format
from fsctl.store.redactions import Due, Redactions, Silenced

log = logging.getLogger(__name__)

WAITS_TOO_LONG_S = 3600.0
EDGE_MS = 40
"""Opus rings so long into silence: it is proven a little within."""
QUIET = 300
"""Most that is left in a silenced stretch of Opus, of 32768; WAV and FLAC have nothing."""


@dataclass(frozen=True)
class Stretch:
    """Samples of one channel."""

    channel: int
    start: int
    end: int


class Silencer:
    """Silences the archived recordings of one node."""

    def __init__(
        self,
        redactions: Redactions,
        alarms: Alarms,
        place: Archive,
        staging: Path,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._redactions = redactions
        self._alarms = alarms
        self._archive = place
        self._staging = staging
        self._clock = clock
        self._again: dict[int, tuple[float, Backoff]] = {}

    def tick(self) -> None:
        """One round.

        Raises:
            DatabaseDown: what was not finished is done again.
        """
        now = self._clock()
        for due in self._redactions.due():
            if now >= self._again.get(due.id, (0.0, None))[0]:
                with about(due.call_uuid):
                    self._try(due, now)
        for call_uuid in self._redactions.overdue(WAITS_TOO_LONG_S):
            with about(call_uuid):
                self._raise(call_uuid, "its recording may not be heard: its text is not known yet")

    def _try(self, due: Due, now: float) -> None:
        try:
            self._silence(due)
        except (AudioError, ArchiveError, OSError) as error:
            _, backoff = self._again.get(due.id, (0.0, Backoff(first_s=2.0, most_s=300.0)))
            self._again[due.id] = (now + backoff.next_s(), backoff)
            self._raise(due.call_uuid, f"not silenced, nobody may hear it: {error}")
        else:
            self._again.pop(due.id, None)
            self._alarms.clear("redaction", due.call_uuid)

    def _silence(self, due: Due) -> None:
        with archive.local_copy(due.uri) as found:
            size = found.stat().st_size
            if not due.spans:
                self._redactions.silenced(due, Silenced(uri=due.uri, sha256=due.sha256, bytes=size), size)
                return
            self._staging.mkdir(parents=True, exist_ok=True)
            made = self._staging / f"silenced-{due.id}{codec.SUFFIX[due.format]}"
            try:
                silence(found, made, due.format, due.spans)
                with made.open("rb") as file:
                    sha256 = archive.sha256_of(file)
                name = archive.name_for(due.path, due.offered_at, codec.SUFFIX[due.format], due.id)
                uri = self._archive.put(made, name, sha256)
                now = Silenced(uri=uri, sha256=sha256, bytes=made.stat().st_size)
            finally:
                made.unlink(missing_ok=True)
        if self._redactions.silenced(due, now, size):
            log.info("call %s: %d stretches of its recording are silenced", due.call_uuid, len(due.spans))

    def _raise(self, call_uuid: str, detail: str) -> None:
        if self._alarms.put_up("redaction", call_uuid, detail):
            log.error("call %s: %s", call_uuid, detail)


def silence(source: Path, to: Path, kind: Format, spans: Sequence[tuple[str, int, int]]) -> None:
    """Write a recording again without what was said in some stretches, and prove it.

    Args:
        spans: leg, first and last millisecond.

    Raises:
        AudioError: it cannot be read, or what was written is not what it should be.
    """
    plain = to.with_name(f"{to.stem}.plain.wav")
    try:
        rate, channels, frames = _shape(source)
        stretches = [stretch(leg, start, end, rate, channels) for leg, start, end in spans]
        _write(plain, _silenced(source, stretches), rate, channels, frames)
        _prove(source, plain, stretches)
        if kind == "wav":
            plain.replace(to)
            return
        with to.open("w+b") as file:
            codec.encode(plain, file, kind)
            file.flush()
            os.fsync(file.fileno())
        codec.require_same(plain, to, kind)
        _require_quiet(to, stretches, rate, QUIET if kind == "opus" else 0)
    finally:
        plain.unlink(missing_ok=True)


def stretch(leg: str, start_ms: int, end_ms: int, rate: int, channels: int) -> Stretch:
    """Milliseconds of a leg as samples of its channel; a recording of one channel has both legs in it."""
    channel = CHANNEL["agent" if leg == "agent" else "caller"]
    return Stretch(min(channel, channels - 1), max(0, start_ms) * rate // 1000, -(-end_ms * rate // 1000))


def _shape(path: Path) -> tuple[int, int, int]:
    """Rate, channels and frames."""
    channels = frames = 0
    for block in codec.blocks(path):
        channels, frames = block.shape[1], frames + len(block)
    if not frames:
        raise AudioError(f"{path}: there is no audio in it")
    return codec.rate_of(path), channels, frames


def _silenced(path: Path, stretches: Sequence[Stretch]) -> Iterator[Samples]:
    at = 0
    for block in codec.blocks(path):
        quiet = block.copy()
        for one in stretches:
            quiet[max(0, one.start - at) : max(0, one.end - at), one.channel] = 0
        at += len(block)
        yield quiet


def _write(path: Path, audio: Iterator[Samples], rate: int, channels: int, frames: int) -> None:
    with path.open("wb") as file:
        file.write(header.render(rate, channels, frames * channels * 2))
        for block in audio:
            file.write(block.astype("<i2", copy=False).tobytes())
        file.flush()
        os.fsync(file.fileno())


def _prove(source: Path, made: Path, stretches: Sequence[Stretch]) -> None:
    """Read both again: the same, but for the stretches."""
    for expected, block in zip(_silenced(source, stretches), _as_read(source, made), strict=True):
        if not np.array_equal(expected, block):
            raise AudioError(f"{made}: is not {source} with {len(stretches)} stretches silenced")
    _require_quiet(made, stretches, codec.rate_of(made), 0)


def _as_read(source: Path, made: Path) -> Iterator[Samples]:
    """The made file in pieces of the same sizes as the source's."""
    rest = np.zeros((0, 0), dtype=np.int16)
    blocks = codec.blocks(made)
    for block in codec.blocks(source):
        while len(rest) < len(block):
            more = next(blocks, None)
            if more is None:
                raise AudioError(f"{made}: is shorter than {source}")
            rest = np.concatenate((rest, more)) if len(rest) else more
        yield rest[: len(block)]
        rest = rest[len(block) :]


def _require_quiet(path: Path, stretches: Sequence[Stretch], rate: int, most: int) -> None:
    edge = EDGE_MS * rate // 1000 if most else 0
    for one in stretches:
        heard = codec.cut(path, one.channel, one.start + edge, max(one.start + edge, one.end - edge))
        if len(heard) and int(np.abs(heard.astype(np.int32)).max()) > most:
            raise AudioError(f"{path}: can still be heard where it must not")
