"""A WAV file that we write ourselves and that grows as FreeSWITCH's do: sizes stay open until it is closed."""

import errno
import os
from pathlib import Path

from fsctl.media import header

MOST_OF_A_CALL = 1000


class GrowingFile:
    """One recording of a call, in the spool."""

    def __init__(self, spool: Path, uuid: str, rate: int, channels: int) -> None:
        """Make ``UUID.wav``, or the next free ``UUID.2.wav``: nothing is written over.

        Raises:
            OSError: it cannot be made.
        """
        self.rate, self.channels = rate, channels
        self.bytes = 0
        """Of audio."""
        self._waiting: list[bytes] = []
        self.path, self._fd = _create(spool, uuid)
        self._write(header.render(rate, channels, 0))

    @property
    def step(self) -> int:
        """Bytes of one sample of every channel."""
        return 2 * self.channels

    @property
    def length_s(self) -> float:
        """How much audio there is."""
        return self.bytes / (self.step * self.rate)

    def add(self, data: bytes) -> None:
        """Append whole samples, with the next ``flush``."""
        self._waiting.append(data)
        self.bytes += len(data)

    def flush(self) -> None:
        """Write what was added, at once. Raises OSError when the disk is full."""
        if self._waiting:
            data = b"".join(self._waiting)
            self._waiting.clear()
            self._write(data)

    def close(self) -> None:
        """Give it its true size. Raises OSError when the disk is full; its header then stays open."""
        try:
            self.flush()
            if self.bytes:
                os.pwrite(self._fd, header.render(self.rate, self.channels, self.bytes), 0)
        finally:
            os.close(self._fd)

    def _write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._fd, data) :]


def _create(spool: Path, uuid: str) -> tuple[Path, int]:
    for number in range(1, MOST_OF_A_CALL):
        path = spool / (f"{uuid}.wav" if number == 1 else f"{uuid}.{number}.wav")
        try:
            return path, os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o640)
        except FileExistsError:
            continue
    raise OSError(errno.EEXIST, "too many forks of one call", uuid)
