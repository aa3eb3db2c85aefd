"""Where recordings lie for good: a folder, or an object store that fsspec knows.

What ``put`` returns is durable: written, read again, of the hash that it should have, and under its final
name. Nothing is ever written over: the same bytes again are the same place, others get another name. So it may
be killed at any point and done again.

For processes without gevent: fsspec's asynchronous stores have an event loop in a thread of its own, which
stands still where threads are greenlets.
"""

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from fsctl.errors import ArchiveError

BLOCK_BYTES = 1 << 20


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


def open_archive(url: str, staging: Path) -> Archive:
    """The archive at a path, or at an address of fsspec; ``file:`` is a path.

    Raises:
        ArchiveError: fsspec, or what it needs for this kind of address, is not installed.
    """
    path = url.removeprefix("file://")
    return Store(url, staging) if "://" in path else Folder(Path(path))


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
    with tempfile.TemporaryDirectory(prefix="fsctl-") as folder:
        found = Path(folder) / Path(uri).name
        filesystem, there = _filesystem(uri)
        with _our_errors(uri):
            filesystem.get_file(there, str(found))
        yield found


def sha256_of(file: BinaryIO) -> str:
    """The hash of the rest of a file."""
    digest = hashlib.sha256()
    while block := file.read(BLOCK_BYTES):
        digest.update(block)
    return digest.hexdigest()


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

    def put(self, source: Path, name: str, sha256: str) -> str:
        """See Archive. On the same file system it costs no copy: both names are of one file until the old goes."""
        with _our_errors(name):
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


class Store:
    """An object store, by fsspec (``pip install 'fsctl[store]'`` and what the kind of address needs)."""

    def __init__(self, url: str, staging: Path) -> None:
        self._url = url.rstrip("/")
        self.staging = staging
        _filesystem(self._url)

    def put(self, source: Path, name: str, sha256: str) -> str:
        """See Archive. Read back whole before it counts."""
        uri = f"{self._url}/{name}"
        filesystem, there = _filesystem(uri)
        with _our_errors(uri):
            if filesystem.exists(there):
                if self._hash(filesystem, there) == sha256:
                    return uri
                root, dot, suffix = uri.rpartition(".")
                uri = f"{root}.{sha256[:8]}{dot}{suffix}"
                filesystem, there = _filesystem(uri)
            filesystem.makedirs(there.rpartition("/")[0], exist_ok=True)
            filesystem.put_file(str(source), there)
            if self._hash(filesystem, there) != sha256:
                filesystem.rm_file(there)
                raise ArchiveError(f"{uri}: what came back is not what was sent")
        return uri

    def holds(self, uri: str, size: int) -> bool:
        """See Archive."""
        filesystem, there = _filesystem(uri)
        with contextlib.suppress(FileNotFoundError), _our_errors(uri):
            return bool(filesystem.size(there) == size)
        return False

    def _hash(self, filesystem: Any, there: str) -> str:
        filesystem.invalidate_cache()
        with filesystem.open(there, "rb") as file:
            return sha256_of(file)


def _filesystem(url: str) -> tuple[Any, str]:
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise ArchiveError(f"{url}: fsspec is not installed: pip install 'fsctl[store]'") from error
    try:
        filesystem, there = url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise ArchiveError(f"{url}: {error}") from error
    return filesystem, there


@contextlib.contextmanager
def _our_errors(what: str) -> Iterator[None]:
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
