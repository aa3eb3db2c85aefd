"""The journal: posts on disk before they are answered, until they stand in the inbox.

``append`` returns when its post is durable. Those that come together are written and synced together: a sync costs
milliseconds, however much it covers. A process writes files of its own in a folder that several may share; whoever
holds a file's lock may read and remove it, so the files of a process that died are taken over by another.

A post that was answered with 200 is in a file that was synced, or in the inbox. One that was cut off by a crash was
never answered, and comes again.
"""

import logging
import os
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import gevent
from gevent.event import Event
from gevent.threadpool import ThreadPool

from fsctl.errors import JournalFull
from fsctl.whatsapp import journal_file, records
from fsctl.whatsapp.journal_file import DAMAGED, File
from fsctl.whatsapp.records import Found, Record

log = logging.getLogger(__name__)

MOST_BYTES = 1 << 30
"""Of the folder. At 20 posts of 2 kB a second Postgres may be away for 7 hours, then Meta keeps them."""
GATHER_S = 0.002
"""The first post of a group waits so long for others: a group costs what it costs, however many are in it."""
REST_S = 1.0
"""After a disk refused, so long nothing is tried."""
REFUSED_S = 60.0
CLOSE_S = 5.0
"""A disk gets so long to take what is under way."""
MOST_FILES = 128
"""Held at the same time; more of others wait until these are read."""


class _Group:
    """Posts that are written together."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.settled = Event()
        self.error: Exception | None = None


class Journal:
    """Writes this process's files, and reads them and those that others left."""

    def __init__(
        self,
        folder: Path,
        most_bytes: int = MOST_BYTES,
        sync: Callable[[int], None] = os.fdatasync,
    ) -> None:
        """
        Args:
            folder: made if it is not there. On a disk that survives what a post must survive.
            most_bytes: of all files in it.
            sync: makes a file durable.
        """
        self.written = Event()
        """Set when there is something to read."""
        self.damaged_bytes = 0
        """Read where a record was; its file is kept."""
        self.folder = folder
        self._refused_at: float | None = None
        self._most_bytes = most_bytes
        self._sync = sync
        self._files: list[File] = []
        self._file: File | None = None
        self._others = 0
        """Bytes of files that are not ours."""
        self._pending = 0
        self._group = _Group()
        self._wake = Event()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        # A disk may take its time, and no call may wait for it.
        self._thread = ThreadPool(1)
        self._writer = gevent.spawn(self._write_groups)

    def append(self, body: bytes, received_at: datetime) -> None:
        """Make a post durable; waits until it is.

        Raises:
            JournalFull: there is no room, or the disk refuses. It must not be answered with 200.
        """
        data = records.encode(Record(body, received_at))
        self._require_room(len(data))
        group = self._group
        group.parts.append(data)
        self._pending += len(data)
        self._wake.set()
        group.settled.wait()
        if group.error is not None:
            raise JournalFull(f"the journal {self.folder} cannot be written: {group.error}") from group.error

    @property
    def is_full(self) -> bool:
        """Whether posts were refused in the last minute."""
        return self._refused_at is not None and time.monotonic() - self._refused_at < REFUSED_S

    @property
    def used_bytes(self) -> int:
        """Of the whole folder, as far as we know."""
        return self._others + sum(file.synced for file in self._files) + self._pending

    def _require_room(self, size: int) -> None:
        now = time.monotonic()
        resting = self._refused_at is not None and now - self._refused_at < REST_S
        if not resting and self.used_bytes + size > self._most_bytes:
            self._refused_at, resting = now, True
        if resting:
            raise JournalFull(f"the journal {self.folder} is full ({self.used_bytes} bytes)")

    # --- writing -----------------------------------------------------------------------------------------------

    def _write_groups(self) -> None:
        while True:
            self._wake.wait()
            gevent.sleep(GATHER_S)
            self._wake.clear()
            group, self._group = self._group, _Group()
            data = b"".join(group.parts)
            try:
                self._thread.apply(self._write, (data,))
                self.written.set()
            except Exception as error:
                log.error("the journal %s cannot be written: %s", self.folder, error)
                group.error, self._refused_at = error, time.monotonic()
            self._pending -= len(data)
            group.settled.set()

    def _write(self, data: bytes) -> None:
        file = self._file
        if file is not None and file.is_over:
            file.is_ended, file = True, None
        if file is None:
            self._file = file = self._begin()
        try:
            file.write(data, self._sync)
        except OSError:
            # After a failed sync nobody knows what is on disk (the kernel forgets): never write behind it.
            file.is_ended, self._file = True, None
            raise

    def _begin(self) -> File:
        file = File.begin(self.folder)
        self._files.append(file)
        self._look_at_others()
        return file

    def _look_at_others(self) -> None:
        self._others = journal_file.size_of(self.folder, {file.path for file in self._files})

    # --- reading -----------------------------------------------------------------------------------------------

    def adopt(self) -> int:
        """Take the files that nobody holds any more; returns how many. They are read like ours."""
        ours = {file.path for file in self._files}
        adopted = 0
        for path in journal_file.paths(self.folder):
            if path in ours or len(self._files) >= MOST_FILES:
                continue
            file = File.take(path)
            if file is not None:
                log.info("taking over %s (%d bytes)", path, file.synced)
                self._files.append(file)
                adopted += 1
        if adopted:
            self._look_at_others()
        return adopted

    def unread(self) -> File | None:
        """A file with posts that are not in the inbox yet."""
        return next((file for file in self._files if file.position < file.synced), None)

    def imported(self, file: File, found: Found) -> None:
        """What ``file.read`` found is in the inbox, committed. A file that is through is removed."""
        file.position += found.used
        if found.torn:
            log.info("%s: the last %d bytes were not written to their end", file.path, found.torn)
        if found.damaged:
            log.error("%s: %d bytes are damaged; the file is kept as *%s", file.path, found.damaged, DAMAGED)
            file.is_damaged = True
            self.damaged_bytes += found.damaged
        self.tidy()

    def set_aside(self, file: File) -> None:
        """A file that cannot be read: kept for a person, lest it keeps the others waiting."""
        file.is_damaged = file.is_ended = True
        self.damaged_bytes += file.synced - file.position
        file.position = file.synced
        self.tidy()

    def tidy(self) -> None:
        """Remove what is ended and through."""
        for file in [one for one in self._files if one.is_ended and one.position >= one.synced]:
            self._files.remove(file)
            file.remove()

    def end_file(self) -> None:
        """Nothing more is written to the file of now: for a process that ends, which appends no more."""
        if self._file is not None:
            self._file.is_ended, self._file = True, None
        self.tidy()

    def close(self) -> None:
        """Let go of all files; what is in them is for the next process. Nothing is appended any more."""
        with gevent.Timeout(CLOSE_S, False):
            while self._pending:
                gevent.sleep(0.01)
        self._writer.kill()
        if not self._pending:
            self._thread.kill()
        for file in self._files:
            os.close(file.fd)
        self._files.clear()
        self._file = None
