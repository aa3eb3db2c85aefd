"""An archived recording for those who listen: as a WAV file of which any stretch of bytes can be read.

What must not be heard is silence in the archive's file already (``silence``). Called by: the API.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import soundfile

from fsctl.errors import AudioError
from fsctl.media import header

PIECE_FRAMES = 1 << 13
"""Read at once: half a second, so that others get their turn in between."""
PIECE_BYTES = 1 << 16


class Listening(Protocol):
    """Something to listen to."""

    size: int
    """Bytes of the whole."""

    def read(self, start: int, end: int) -> Iterator[bytes]:
        """These bytes, in pieces. Raises AudioError: they cannot be read."""

    def close(self) -> None:
        """Let the file go."""


class AsItIs:
    """A file that is WAV already: the very bytes of which the archive has the hash."""

    def __init__(self, path: Path) -> None:
        """Raises FileNotFoundError."""
        self._file = path.open("rb")
        self.size = self._file.seek(0, 2)

    def read(self, start: int, end: int) -> Iterator[bytes]:
        """See Listening."""
        self._file.seek(start)
        while start < end:
            piece = self._file.read(min(PIECE_BYTES, end - start))
            if not piece:
                raise AudioError(f"{self._file.name}: it ends too early")
            start += len(piece)
            yield piece

    def close(self) -> None:
        """See Listening."""
        self._file.close()


class Decoded:
    """WAV made of whatever it is, of all channels or one."""

    def __init__(self, path: Path, channel: int | None = None) -> None:
        """
        Args:
            channel: the only one that is heard, from 0.

        Raises:
            FileNotFoundError: it is not there.
            AudioError: it cannot be read, or has no such channel.
        """
        with path.open("rb"):
            pass
        try:
            self._file = soundfile.SoundFile(path)
        except soundfile.SoundFileError as error:
            raise AudioError(f"{path}: {error}") from error
        if channel is not None and channel >= self._file.channels:
            self._file.close()
            raise AudioError(f"{path}: it was recorded in one channel, which has both in it")
        self._channel = channel
        channels = self._file.channels if channel is None else 1
        self._step = 2 * channels
        audio = self._file.frames * self._step
        self._header = header.render(self._file.samplerate, channels, audio)
        self.size = len(self._header) + audio

    def read(self, start: int, end: int) -> Iterator[bytes]:
        """See Listening."""
        head = len(self._header)
        if start < head:
            yield self._header[start:end]
        first, last = max(0, start - head), max(0, end - head)
        try:
            self._file.seek(first // self._step)
            skipped = first - first % self._step
            while skipped < last:
                piece = self._samples(min(PIECE_FRAMES, -(-(last - skipped) // self._step)))
                if not piece:
                    raise AudioError(f"{self._file.name}: it ends too early")
                yield piece[max(0, first - skipped) : last - skipped]
                skipped += len(piece)
        except soundfile.SoundFileError as error:
            raise AudioError(str(error)) from error

    def close(self) -> None:
        """See Listening."""
        self._file.close()

    def _samples(self, frames: int) -> bytes:
        found = self._file.read(frames, dtype="int16", always_2d=True)
        heard = found if self._channel is None else found[:, self._channel]
        return bytes(heard.astype("<i2", copy=False).tobytes())
