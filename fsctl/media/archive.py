"""Where recordings lie for good: a folder, or an object store that fsspec knows.

What ``put`` returns is durable: written, read again, of the hash that it should have, and under its final
name. Nothing is ever written over: the same bytes again are the same place, others get another name. So it may
be killed at any point and done again. Object stores are in ``objects``, which is loaded where an address is one.
"""

import contextlib
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Protocol

from fsctl.errors import ArchiveError

BLOCK_BYTES = 1 << 20
PROBE = b"fsctl check: this file may be removed\n"


class Archive(Protocol):
    """A place for recordings."""

    staging: Path
    """A folder for what is being made; emptied when a recorder starts."""

    def put(self, source: Path, name: str, sha256: str) -> str:
        """Take a copy of a file under a name such as ``2026/11/22/UUID.wav``; the source stays.

        Returns:
            Its address.

        Raises:
            ArchiveError: it could not be kept; what was there before is as it was.
        """

    def holds(self, uri: str, size: int) -> bool:
        """Whether there is a file of this size at the address."""

    def prove(self) -> None:
        """Write a small file, read it again and remove it.

        Raises:
            ArchiveError: it cannot be written there now, or does not come back.
        """


def open_archive(url: str, staging: Path) -> Archive:
    """The archive at a path, or at an address of fsspec; ``file:`` is a path.

    Raises:
        ArchiveError: fsspec, or what it needs for this kind of address, is not installed.
    """
    path = url.removeprefix("file://")
    if "://" not in path:
        return Folder(Path(path))
    from fsctl.media.objects import Store

    return Store(url, staging)


@contextlib.contextmanager
def local_copy(uri: str) -> Iterator[Path]:
    """The file at an archive's address, as long as the block lasts; a path is itself.

    Raises:
        FileNotFoundError: it is not there.
        ArchiveError: the store does not give it.
    """
    if "://" not in uri:
        yield Path(uri)
        return
    from fsctl.media import objects

    with tempfile.TemporaryDirectory(prefix="fsctl-") as folder:
        found = Path(folder) / Path(uri).name
        objects.fetch(uri, str(found))
        yield found


def sha256_of(file: BinaryIO) -> str:
    """The hash of the rest of a file."""
    digest = hashlib.sha256()
    while block := file.read(BLOCK_BYTES):
        digest.update(block)
    return digest.hexdigest()


def name_for(path: str, offered_at: datetime, suffix: str, number: int) -> str:
    """What a recording is called in the archive: the day of its call, and its file's name as far as it is safe."""
    stem = re.sub(r"[^\w.-]", "_", Path(path).stem, flags=re.ASCII).lstrip(".") or str(number)
    return f"{offered_at.astimezone(UTC):%Y/%m/%d}/{stem}{suffix}"


def discard(uri: str) -> None:
    """Remove what the archive has replaced, wherever it lies; gone already is well.

    Raises:
        ArchiveError: the store does not let it go.
    """
    if "://" not in uri:
        remove(Path(uri))
        return
    from fsctl.media import objects

    objects.discard(uri)


def remove(path: Path) -> None:
    """Remove a local file, durably; gone already is well."""
    path.unlink(missing_ok=True)
    if path.parent.is_dir():
        _sync(path.parent)


class Folder:
    """A folder of this machine, or one that is mounted."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.staging = self.root / ".staging"

    @property
    def standing(self) -> Path:
        """The folder itself or, before the first recording, the one below which it will be."""
        return next(folder for folder in (self.root, *self.root.parents) if folder.exists())

    def put(self, source: Path, name: str, sha256: str) -> str:
        """See Archive. On the same file system it costs no copy: both names are of one file until the old goes."""
        with our_errors(name):
            target = self.root / name
            if target.exists() and _hash(target) != sha256:
                target = target.with_stem(f"{target.stem}.{sha256[:8]}")
            if not target.exists():
                self._make(target.parent)
                self._take(source, target, sha256)
            # Again after a kill: the name may be there and not yet be durable.
            _sync(target)
            _sync(target.parent)
            return str(target)

    def holds(self, uri: str, size: int) -> bool:
        """See Archive."""
        with contextlib.suppress(FileNotFoundError):
            return Path(uri).stat().st_size == size
        return False

    def prove(self) -> None:
        """See Archive. Nothing is made that is not there yet."""
        with (
            our_errors(str(self.root)),
            tempfile.NamedTemporaryFile(dir=self.standing, prefix=".fsctl-check-") as file,
        ):
            file.write(PROBE)
            file.flush()
            os.fsync(file.fileno())
            if Path(file.name).read_bytes() != PROBE:
                raise ArchiveError(f"{self.root}: what was written is not what is read")

    def _take(self, source: Path, target: Path, sha256: str) -> None:
        part = target.with_name(target.name + ".part")
        part.unlink(missing_ok=True)
        try:
            try:
                os.link(source, part)
            except OSError:
                # Another file system, or the kernel lets only the owner link.
                shutil.copyfile(source, part)
            _sync(part)
            if _hash(part) != sha256:
                raise ArchiveError(f"{target}: what was written is not what was read")
            part.rename(target)
        except BaseException:
            part.unlink(missing_ok=True)
            raise

    def _make(self, folder: Path) -> None:
        """Make the folder and those above it, each durable in its parent."""
        if not folder.is_dir():
            self._make(folder.parent)
            folder.mkdir(exist_ok=True)
            _sync(folder.parent)


@contextlib.contextmanager
def our_errors(what: str) -> Iterator[None]:
    """A library for each kind of store means errors of any kind; a missing file stays one."""
    try:
        yield
    except (ArchiveError, FileNotFoundError):
        raise
    except Exception as error:
        raise ArchiveError(f"{what}: {type(error).__name__}: {error}") from error


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return sha256_of(file)


def _sync(path: Path) -> None:
    """Make a file's bytes, or a folder's names, durable."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
