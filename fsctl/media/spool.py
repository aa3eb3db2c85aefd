"""The folder in which one FreeSWITCH's recordings grow, and the loop that reads them.

A recording is known by its row (the controller saw RECORD_START) or found by its file (nobody did). Either
way Postgres is asked a few times a second what is open and when agents were bridged. A recording is looked at
when something can end in it, not before; what ended in a round, of whatever call, is stored at its end in one
statement. While Postgres is away nothing is read ahead: the audio waits on disk, and is read on from the last
seam (``pipeline``).
"""

import logging
import os
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from math import ceil
from pathlib import Path

import gevent

from fsctl.backoff import Backoff
from fsctl.config import Media, Node
from fsctl.errors import ArchiveError, AudioError, DatabaseDown
from fsctl.logs import about
from fsctl.media import archive, beat, codec
from fsctl.media.fork import CHANNEL
from fsctl.media.pipeline import Pipeline
from fsctl.media.wav import GrowingWav
from fsctl.store.recordings import Cuts, LiveRecording, Recordings

log = logging.getLogger(__name__)

STEP_S = 0.02
"""In which a recording grows."""
ROUNDING = 1e-6
"""Of a step: floats are not exact."""
LIVE_S = 0.5
"""How often Postgres is asked what is open."""
SCAN_S = 2.0
TURN_S = 0.005
"""So long a round may hold the hub before others get a turn."""
MOST_BYTES = 3 << 17
"""Audio that is stored at once: more takes memory, and saves nothing."""
LONGEST_WAIT_S = 0.7
"""A file may grow faster than time passes: one that waited for the disk, or for the network."""
SETTLED_S = 1.0
"""A file whose size has not changed for so long, of a call that has ended, is whole."""
MISSING_S = 30.0
"""How long a recording may be said to exist before there is a file."""
ADOPT_AFTER_S = 3.0
"""RECORD_START tells the exact beginning; a file gets so long to be told of before its age is guessed."""
UNSEEN_AFTER_S = 180.0
"""A file that has not grown for so long, and that no call claims, is of a call that nobody saw: controllers ask
FreeSWITCH's ledger every half minute."""


class _Open:
    """A recording that is being read."""

    def __init__(self, recording: LiveRecording, pipeline: Pipeline) -> None:
        self.recording = recording
        """As Postgres told it last."""
        self.pipeline = pipeline
        self.due_at = 0.0
        """Nothing can end in it before, as far as is known."""
        self.size = -1
        self.changed_at = 0.0

    def settled(self, now: float) -> bool:
        """Whether the size has stood still long enough."""
        size = self.pipeline.wav.size
        if size != self.size:
            self.size, self.changed_at = size, now
        return now - self.changed_at >= SETTLED_S


class Spool:
    """Reads every recording of a node."""

    def __init__(
        self,
        node: Node,
        settings: Media,
        recordings: Recordings,
        clock: Callable[[], float] = time.monotonic,
        redact: Sequence[str] = (),
    ) -> None:
        """Args: redact: what must not be stored of a call of which only the recording is known."""
        self._redact = redact
        self._node = node
        self._settings = settings
        self._recordings = recordings
        self._clock = clock
        self._open: dict[int, _Open] = {}
        self._live_at = 0.0
        self._missing_since: dict[int, float] = {}
        self._scan_at = 0.0
        self._told: set[str] = set()
        """Files that have a row."""
        self._strangers: set[str] = set()
        """Files that no call claims; said once, looked at again: the controller may be catching up."""

    def run(self) -> None:
        """Read for ever."""
        backoff = Backoff()
        while True:
            try:
                self.tick()
                backoff.reset()
                gevent.sleep(beat.wait_s(self._clock(), beat.TICK))
            except DatabaseDown as error:
                log.warning("%s; the audio waits on disk", error)
                gevent.sleep(backoff.next_s())

    def tick(self) -> None:
        """One round: find recordings, read what is new of each, store what was said.

        Raises:
            DatabaseDown: nothing was lost; what was read since the last round is read again.
        """
        now = self._clock()
        try:
            if now >= self._scan_at:
                self._scan_at = now + SCAN_S
                self._scan()
                self._restore()
            if now >= self._live_at:
                self._live_at = now + LIVE_S
                self._look(now)
            self._read(now)
        except Exception:
            # What was cut and not stored, or stored and forgotten by a Postgres that crashed (``session``), is cut
            # again from the files: the same samples, the same utterances.
            self._forget()
            raise

    def _look(self, now: float) -> None:
        """What is open, and what became of it."""
        live = {recording.id: recording for recording in self._recordings.live()}
        for gone in self._open.keys() - live.keys():
            self._open.pop(gone).pipeline.close()
        for id_, recording in live.items():
            opened = self._open.get(id_)
            if opened is None:
                self._begin(recording, now)
            elif opened.recording != recording:
                opened.recording, opened.due_at = recording, now

    def _read(self, now: float) -> None:
        """Read what is due, and store what was said."""
        cuts: list[Cuts] = []
        turn = self._clock()
        for opened in [one for one in self._open.values() if one.due_at <= now]:
            done = self._advance(opened, cuts)
            if done or sum(batch.bytes for batch in cuts) > MOST_BYTES:
                self._store(cuts)
            if done:
                self._recordings.finish(opened.recording.id, opened.pipeline.wav.size)
                self._open.pop(opened.recording.id).pipeline.close()
            if self._clock() - turn > TURN_S:
                gevent.sleep(0)
                turn = self._clock()
        self._store(cuts)

    def _advance(self, opened: _Open, cuts: list[Cuts]) -> bool:
        """Read on in one recording; whether all of it is read."""
        recording, pipeline, now = opened.recording, opened.pipeline, self._clock()
        # A window that is still open ends when its controller says so; until then the file is not whole.
        told = recording.call_ended and recording.state == "closed"
        final = told and opened.settled(now)
        batch = pipeline.advance(recording.bridges_us, recording.pauses_us, recording.masks_us, final=final)
        if batch.utterances or batch.seams:
            cuts.append(Cuts(recording, batch.utterances, batch.seams))
        steps = ceil(min(pipeline.wait_s, LONGEST_WAIT_S) / STEP_S - ROUNDING)
        opened.due_at = now if told else now + steps * STEP_S
        return final and pipeline.is_done()

    def _store(self, cuts: list[Cuts]) -> None:
        if cuts:
            self._recordings.store(cuts)
            cuts.clear()

    def _begin(self, recording: LiveRecording, now: float) -> None:
        try:
            wav = GrowingWav(Path(self._node.seen(recording.path)))
        except FileNotFoundError:
            since = self._missing_since.setdefault(recording.id, now)
            if now - since > MISSING_S:
                self._fail(recording, f"there is no file {recording.path}, nor one of that name in the spool")
            return
        except AudioError as error:
            if recording.call_ended:
                self._fail(recording, str(error))
            return
        self._missing_since.pop(recording.id, None)
        self._recordings.describe(recording.id, wav.rate, wav.channels)
        self._open[recording.id] = _Open(recording, Pipeline(wav, self._settings, recording.seams))

    def _fail(self, recording: LiveRecording, why: str) -> None:
        with about(recording.call_uuid):
            log.error("call %s: recording failed: %s", recording.call_uuid, why)
        self._recordings.fail(recording.id, why)
        self._missing_since.pop(recording.id, None)

    def _scan(self) -> None:
        """Adopt files that nobody told us of: FreeSWITCH began them while the controller was down."""
        now = time.time()
        found: dict[str, os.stat_result] = {}
        entries = list(os.scandir(self._node.spool))
        self._told &= {entry.name for entry in entries}
        for entry in entries:
            if entry.name.endswith(".wav") and entry.name not in self._told:
                found[entry.name] = entry.stat()
        unknown = self._recordings.unknown(list(found)) if found else set()
        self._told |= found.keys() - unknown
        for name in sorted(unknown):
            path = self._node.spool / name
            started = _started(path, found[name])
            if started is None or now - started.timestamp() < ADOPT_AFTER_S:
                continue
            with about(path.stem):
                self._adopt(path, started, found[name].st_mtime, now)

    def _adopt(self, path: Path, started: datetime, ended_s: float, now: float) -> None:
        if self._recordings.adopt(path, started):
            log.info("found recording %s by its file", path)
        elif now - ended_s > UNSEEN_AFTER_S:
            ended = datetime.fromtimestamp(ended_s, UTC)
            self._recordings.adopt_unseen(path, started, ended, self._redact)
            log.warning("%s: nobody saw its call; only the recording tells of it", path)
        elif path.name not in self._strangers:
            self._strangers.add(path.name)
            log.info("%s: there is no call %s yet", path, path.stem)

    def _restore(self) -> None:
        """Postgres crashed and dropped the audio that waited: cut it from the recordings again."""
        for lost in self._recordings.without_audio():
            channel = CHANNEL["agent" if lost.leg == "agent" else "caller"]
            try:
                with archive.local_copy(self._node.seen(lost.path)) as path:
                    samples = codec.cut(path, channel, lost.start_sample, lost.end_sample)
            except (FileNotFoundError, AudioError, ArchiveError) as error:
                # The recorder may just have moved it; it is looked for again at the next scan.
                log.warning("utterance %s: its audio cannot be cut again now: %s", lost.id, error)
                continue
            self._recordings.restore_audio(lost.id, samples.astype("<i2", copy=False).tobytes())

    def _forget(self) -> None:
        for opened in self._open.values():
            opened.pipeline.close()
        self._open.clear()
        self._told.clear()
        self._live_at = 0.0


def _started(path: Path, status: os.stat_result) -> datetime | None:
    """When a recording began, from its last write and its length; None while its header is not whole."""
    try:
        wav = GrowingWav(path)
    except (FileNotFoundError, AudioError):
        return None
    length = timedelta(seconds=wav.frames / wav.rate)
    wav.close()
    return datetime.fromtimestamp(status.st_mtime, UTC) - length
