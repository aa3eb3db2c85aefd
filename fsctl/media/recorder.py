"""What becomes of a recording when every utterance in it is stored: proven, archived, and only then removed.

Each step can be done again, so the recorder may be killed between any two:

1. ``listen`` and ``judge``: the file is measured and compared with what is known of the call.
2. What is to be kept is made in the archive's staging folder if it is not the file itself (a header to be
   repaired, FLAC, Opus), and proven by reading it again.
3. ``Archive.put``: durable under its final name. The same bytes again are the same place.
4. One transaction: the row says where it is, of what hash, and which file may go; the call's story has a line
   ``recording_ready``. The outbox reads the story.
5. The old file is removed, if the archive still holds the new one; the row forgets it.

When the text of a call is known, what must not be kept of its audio is silenced there (``silence``).

A process of its own, without gevent: it hashes and encodes, and libraries for object stores have threads. The
spool's file is never written. What cannot be kept now stays there, with an alarm, and is tried again.
"""

import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from fsctl.backoff import Backoff
from fsctl.config import Archive as Settings
from fsctl.config import Node
from fsctl.errors import ArchiveError, AudioError
from fsctl.logs import about
from fsctl.media import codec, header, proof
from fsctl.media.archive import Archive, discard, name_for, sha256_of
from fsctl.media.disk import Disk
from fsctl.media.silence import Silencer
from fsctl.patience import Patience
from fsctl.store.alarms import Alarms
from fsctl.store.keeping import Archived, Format, KnownRecording
from fsctl.store.recordings import Recordings

log = logging.getLogger(__name__)

TICK_S = 1.0
LOOK_S = 10.0
"""How often calls without audio, and the disks, are looked at."""
UNHEARD_AFTER_S = 60.0
"""A call that ended so long ago has its recording, or will never have one."""


class Recorder:
    """Archives the recordings of one node."""

    def __init__(
        self,
        node: Node,
        settings: Settings,
        recordings: Recordings,
        alarms: Alarms,
        archive: Archive,
        disk: Disk,
        clock: Callable[[], float] = time.monotonic,
        silencer: Silencer | None = None,
    ) -> None:
        self._node = node
        self._settings = settings
        self._recordings = recordings
        self._alarms = alarms
        self._archive = archive
        self._disk = disk
        self._clock = clock
        self._silencer = silencer
        self._look_at = 0.0
        self._again: dict[int, tuple[float, Backoff]] = {}
        """Recordings that could not be kept, and when to try again."""
        self._incompressible: list[int] = []
        """Recordings that could not be made smaller: no reason to leave the others as they are."""
        self._staging = archive.staging / node.name
        self._stopping = False

    def stop(self) -> None:
        """End after the recording in hand. Safe in a signal handler."""
        self._stopping = True

    def run(self, sleep: Callable[[float], None]) -> None:
        """Archive until stopped."""
        shutil.rmtree(self._staging, ignore_errors=True)
        patience = Patience(log, "recordings wait in the spool", sleep=sleep)
        while not self._stopping:
            with patience:
                self.tick()
                sleep(TICK_S)

    def tick(self) -> None:
        """One round.

        Raises:
            DatabaseDown: what was not finished is done again.
        """
        now = self._clock()
        self._remove_stale()
        for known in self._recordings.cut():
            if self._stopping:
                return
            if now >= self._again.get(known.id, (0.0, None))[0]:
                with about(known.call_uuid):
                    self._try(known, now)
        if self._silencer is not None:
            self._silencer.tick()
        if now >= self._look_at:
            self._look_at = now + LOOK_S
            self._look_for_unheard()
            if self._watch_disk():
                # There may be more to do; what was recorded meanwhile comes first.
                self._look_at = now

    def _try(self, known: KnownRecording, now: float) -> None:
        source = Path(self._node.seen(known.path))
        if not source.exists():
            self._fail(known, f"its file is gone: {source}")
            return
        try:
            self._keep(known, source)
        except (AudioError, ArchiveError, OSError) as error:
            _, backoff = self._again.get(known.id, (0.0, Backoff(first_s=2.0, most_s=300.0)))
            self._again[known.id] = (now + backoff.next_s(), backoff)
            if self._alarms.put_up("archive", known.call_uuid, str(error)):
                log.error("call %s: not archived, it stays in the spool: %s", known.call_uuid, error)
        else:
            if self._again.pop(known.id, None):
                self._alarms.clear("archive", known.call_uuid)

    def _keep(self, known: KnownRecording, source: Path) -> None:
        sound = proof.listen(source)
        if sound.frames == 0:
            self._fail(known, "there is no audio in it")
            return
        findings = proof.judge(sound, known, self._recordings.of_call(known.call_uuid))
        with self._prepared(source, sound, findings) as (path, kind):
            uri, sha256, size = self._put(path, _name(known, kind))
        archived = Archived(
            uri=uri,
            format=kind,
            sha256=sha256,
            bytes=size,
            duration_ms=sound.frames * 1000 // sound.rate,
            findings=[finding.as_row() for finding in findings],
        )
        if self._recordings.archive(known.id, archived, str(source)):
            log.info("call %s: recording archived as %s", known.call_uuid, uri)
            self._tell(known, sound, findings)
        self._remove_stale()

    @contextmanager
    def _prepared(
        self, source: Path, sound: proof.Sound, findings: list[proof.Finding]
    ) -> Iterator[tuple[Path, Format]]:
        """The file to be kept: the source itself if it is right, else one made from it and proven."""
        made: list[Path] = []
        try:
            found = source
            if sound.header is not None and not sound.header.is_right:
                made.append(found := self._stage(f"{source.stem}.wav"))
                _repair(source, found)
            wanted = self._settings.format
            if wanted == "wav":
                yield found, "wav"
                return
            made.append(small := self._stage(f"{source.stem}{codec.SUFFIX[wanted]}"))
            try:
                _encode(found, small, wanted)
            except AudioError as error:
                findings.append(proof.Finding("not-encoded", "note", str(error)))
                yield found, "wav"
            else:
                yield small, wanted
        finally:
            for path in made:
                path.unlink(missing_ok=True)

    def _put(self, path: Path, name: str) -> tuple[str, str, int]:
        with path.open("rb") as file:
            sha256 = sha256_of(file)
        return self._archive.put(path, name, sha256), sha256, path.stat().st_size

    def _tell(self, known: KnownRecording, sound: proof.Sound, findings: list[proof.Finding]) -> None:
        """Alarms for what a person must look at."""
        faults = "; ".join(finding.text for finding in findings if finding.severity == "fault")
        if known.answered_at is not None and proof.is_silent(sound):
            self._raise("no-audio", known.call_uuid, faults)
        elif faults:
            self._raise("recording", known.call_uuid, faults)
        else:
            self._alarms.clear("no-audio", known.call_uuid)

    def _fail(self, known: KnownRecording, why: str) -> None:
        self._again.pop(known.id, None)
        if self._recordings.fail(known.id, why):
            self._raise("recording", known.call_uuid, why)

    def _raise(self, kind: str, subject: str, detail: str) -> None:
        if self._alarms.put_up(kind, subject, detail):
            log.error("alarm %s: %s: %s", kind, subject, detail)

    def _remove_stale(self) -> None:
        """Remove what the archive has replaced, but never the last copy."""
        for old in self._recordings.stale():
            try:
                if not self._archive.holds(old.uri, old.bytes):
                    raise ArchiveError(f"it is not there, or not whole; {old.stale} is kept")
                if old.stale != old.uri:
                    discard(old.stale)
            except (ArchiveError, OSError) as error:
                self._raise("archive", old.uri, str(error))
            else:
                self._recordings.forget_stale(old.id)
                self._alarms.clear("archive", old.uri)

    def _look_for_unheard(self) -> None:
        for call in self._recordings.unheard(UNHEARD_AFTER_S):
            talked = (call.ended_at - call.answered_at).total_seconds()
            with about(call.uuid):
                self._raise("no-audio", call.uuid, f"answered for {talked:.0f} s, and nothing was recorded")

    def _watch_disk(self) -> bool:
        """Alarm early; then make the oldest recording smaller. Whether one was."""
        for folder, used in self._disk.used().items():
            if used >= self._settings.disk_alarm:
                self._raise("disk", str(folder), f"{used:.0%} are used; recording goes on")
            else:
                self._alarms.clear("disk", str(folder))
        return self._disk.archive_used() >= self._settings.disk_compress and self._compress_oldest()

    def _compress_oldest(self) -> bool:
        old = self._recordings.oldest_wav(self._incompressible)
        if old is None:
            return False
        wav = Path(old.uri)
        small = self._stage(f"{wav.stem}.flac")
        try:
            _encode(wav, small, "flac")
            name = self._disk.name_of(wav.with_suffix(".flac"))
            uri, sha256, size = self._put(small, name)
        except (AudioError, ArchiveError, OSError) as error:
            self._raise("archive", old.uri, f"not compressed: {error}")
            self._incompressible.append(old.id)
            return True
        finally:
            small.unlink(missing_ok=True)
        self._recordings.recompress(old, uri, "flac", sha256, size)
        self._alarms.clear("archive", old.uri)
        with about(old.call_uuid):
            log.info("call %s: recording compressed to %s: the disk is filling", old.call_uuid, uri)
        self._remove_stale()
        return True

    def _stage(self, name: str) -> Path:
        self._staging.mkdir(parents=True, exist_ok=True)
        return self._staging / name


def _name(known: KnownRecording, kind: Format) -> str:
    return name_for(known.path, known.offered_at, codec.SUFFIX[kind], known.id)


def _repair(source: Path, to: Path) -> None:
    with to.open("wb") as file:
        header.write_repaired(source, file)
        file.flush()
        os.fsync(file.fileno())


def _encode(source: Path, to: Path, kind: Format) -> None:
    with to.open("w+b") as file:
        codec.encode(source, file, kind)
        file.flush()
        os.fsync(file.fileno())
    codec.require_same(source, to, kind)
