"""One file of the journal, under its lock: whoever holds it may write, read and remove the file.

The lock goes with the process, however that ends; so a file that nobody holds was left by one that died.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Collection
from pathlib import Path

from fsctl.whatsapp import records
from fsctl.whatsapp.records import Found

MOST_BYTES = 16 << 20
MOST_S = 60.0
"""A file is ended by the first post after so long: what stands in the inbox need not stay on disk."""
READ_BYTES = 1 << 18
"""Read at once; more only where a single post is larger. The hub waits for it."""
SUFFIX = ".journal"
DAMAGED = ".damaged"


class File:
    """One file, whose lock we hold."""

    def __init__(self, path: Path, fd: int, synced: int) -> None:
        self.path = path
        self.fd = fd
        self.synced = synced
        """Bytes that are durable."""
        self.position = 0
        """Of them, bytes that stand in the inbox."""
        self.is_ended = False
        """Nothing more is written to it."""
        self.is_damaged = False
        """Something in it that was a record is none any more."""
        self.began_at = time.monotonic()

    @classmethod
    def begin(cls, folder: Path) -> "File":
        """A new one. Raises OSError: there is none."""
        while True:
            path = folder / f"{time.time_ns()}-{os.getpid()}{SUFFIX}"
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX)
                _sync_folder(folder)
                # Another process may have seen it first, and removed it as one that nobody holds.
                if os.fstat(fd).st_nlink:
                    return cls(path, fd, 0)
            except BaseException:
                os.close(fd)
                raise
            os.close(fd)

    @classmethod
    def take(cls, path: Path) -> "File | None":
        """One that nobody holds; None when somebody does, or it is gone."""
        try:
            fd = os.open(path, os.O_RDWR)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            found = os.fstat(fd)
        except OSError:
            os.close(fd)
            return None
        if not found.st_nlink:
            os.close(fd)
            return None
        file = cls(path, fd, found.st_size)
        file.is_ended = True
        return file

    @property
    def is_over(self) -> bool:
        """Whether the next post belongs into another."""
        return self.synced >= MOST_BYTES or time.monotonic() - self.began_at > MOST_S

    def write(self, data: bytes, sync: Callable[[int], None]) -> None:
        """Append and sync. Raises OSError: nothing of it counts, and nothing may follow it."""
        left = memoryview(data)
        while left:
            left = left[os.write(self.fd, left) :]
        sync(self.fd)
        self.synced += len(data)

    def read(self) -> Found:
        """The next posts that are durable."""
        size = READ_BYTES
        while True:
            end = min(self.position + size, self.synced)
            data = os.pread(self.fd, end - self.position, self.position)
            # What was synced is whole: at its end there is nothing to wait for.
            found = records.decode(data, is_end=end == self.synced)
            if found.records or end == self.synced:
                return found
            size += records.MOST

    def remove(self) -> None:
        """All of it stands in the inbox; what is damaged is kept for a person, under another name."""
        if self.is_damaged:
            self.path.rename(self.path.with_suffix(DAMAGED))
        else:
            self.path.unlink(missing_ok=True)
        os.close(self.fd)


def paths(folder: Path) -> list[Path]:
    """Every file in a folder, the oldest first."""
    return sorted(folder.glob(f"*{SUFFIX}"))


def size_of(folder: Path, besides: Collection[Path]) -> int:
    """Bytes of the files in a folder, those in ``besides`` left out."""
    size = 0
    for path in paths(folder):
        if path not in besides:
            with contextlib.suppress(FileNotFoundError):
                size += path.stat().st_size
    return size


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
