"""An object store as an archive, by fsspec (``pip install 'fsctl[store]'`` and what the kind of address needs).

fsspec's asynchronous stores (s3, gcs, abfs, http) have an event loop in a thread of its own. Where gevent has made
threads greenlets that cannot be, so there a child without gevent asks the store (``_in_child``, ``main``); the
recorder, which puts recordings into it, has no gevent at all.
"""

import contextlib
import os
import secrets
import subprocess
import sys
from collections.abc import Sequence
from errno import ENOENT
from pathlib import Path
from typing import Any

from fsctl.errors import ArchiveError
from fsctl.media.archive import PROBE, our_errors, sha256_of

NOT_THERE = 3
"""Exit code of a child that found no such file."""


class Store:
    """An address of fsspec."""

    def __init__(self, url: str, staging: Path) -> None:
        self._url = url.rstrip("/")
        self.staging = staging
        _filesystem(self._url)

    def put(self, source: Path, name: str, sha256: str) -> str:
        """See Archive. Read back whole before it counts."""
        uri = f"{self._url}/{name}"
        filesystem, there = _filesystem(uri)
        with our_errors(uri):
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
        with contextlib.suppress(FileNotFoundError), our_errors(uri):
            return bool(filesystem.size(there) == size)
        return False

    def prove(self) -> None:
        """See Archive."""
        uri = f"{self._url}/fsctl-check-{secrets.token_hex(4)}"
        filesystem, there = _filesystem(uri)
        if _needs_child(filesystem):
            _in_child("prove", self._url)
            return
        with our_errors(self._url):
            filesystem.makedirs(there.rpartition("/")[0], exist_ok=True)
            filesystem.pipe_file(there, PROBE)
            filesystem.invalidate_cache()
            came_back = filesystem.cat_file(there)
            filesystem.rm_file(there)
        if came_back != PROBE:
            raise ArchiveError(f"{self._url}: what came back is not what was sent")

    def _hash(self, filesystem: Any, there: str) -> str:
        filesystem.invalidate_cache()
        with filesystem.open(there, "rb") as file:
            return sha256_of(file)


def fetch(uri: str, to: str) -> None:
    """Copy an object into a file.

    Raises:
        FileNotFoundError: it is not there.
        ArchiveError: the store does not give it.
    """
    filesystem, there = _filesystem(uri)
    if _needs_child(filesystem):
        _in_child("fetch", uri, to)
        return
    with our_errors(uri):
        filesystem.get_file(there, to)


def _needs_child(filesystem: Any) -> bool:
    gevents = sys.modules.get("gevent.monkey")
    return bool(filesystem.async_impl and gevents and gevents.is_module_patched("threading"))


def _in_child(*arguments: str) -> None:
    """Do it in a process without gevent; see ``main``. Other greenlets run meanwhile."""
    command = [sys.executable, "-m", "fsctl.media.objects", *arguments]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode == NOT_THERE:
        raise FileNotFoundError(ENOENT, os.strerror(ENOENT), arguments[1])
    if done.returncode:
        raise ArchiveError((done.stderr.strip().splitlines() or [f"{arguments[1]}: {done.returncode}"])[-1])


def main(arguments: Sequence[str]) -> int:
    """``fetch URI FILE`` or ``prove URL``; what is wrong is the last line of standard error."""
    try:
        match arguments:
            case ["fetch", uri, to]:
                fetch(uri, to)
            case ["prove", url]:
                Store(url, Path()).prove()
    except FileNotFoundError:
        return NOT_THERE
    except ArchiveError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def discard(uri: str) -> None:
    """See ``archive``; for processes without gevent."""
    filesystem, there = _filesystem(uri)
    with contextlib.suppress(FileNotFoundError), our_errors(uri):
        filesystem.rm_file(there)


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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
