"""A WAV file that still grows, as FreeSWITCH writes it through libsndfile.

44 bytes of header with RIFF size 8 and data size 0 until the file is closed; then interleaved int16,
little-endian, a frame of 20 ms at a time, now and then split at an odd byte. So the size of the file, not its
header, says how much there is (real growth, measured: tests/data/growth).
"""

import os
import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fsctl.errors import AudioError

Samples = npt.NDArray[np.int16]

HEADER_BYTES = 44
SAMPLE_BYTES = 2
PIECE_FRAMES = 1 << 14
"""Read at once: both channels of a long utterance would be most of the memory that a reader takes."""


class GrowingWav:
    """Random access to what is there of a recording."""

    def __init__(self, path: Path) -> None:
        """Open the file.

        Raises:
            FileNotFoundError: it is not there (yet).
            AudioError: it is not 16-bit PCM in a RIFF file, or its header is not whole yet.
        """
        self.path = path
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self.channels, self.rate, self._data, told = _read_header(path, os.pread(self._fd, 4096, 0))
            behind = self.size - self._data
            self._more = behind - audio_bytes(self._fd, self._data, told, behind)
            """Bytes of chunks that stand after the audio; only a closed file has such."""
        except BaseException:
            os.close(self._fd)
            raise

    @property
    def frames(self) -> int:
        """Whole frames (one sample of every channel) that can be read now."""
        behind = os.fstat(self._fd).st_size - self._data - self._more
        return max(0, behind // (SAMPLE_BYTES * self.channels))

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return os.fstat(self._fd).st_size

    def read(self, channel: int, start: int, end: int) -> Samples:
        """Samples ``start`` to ``end`` of one channel, fewer if the file ends before.

        Args:
            channel: 0 is left.
            start: first sample, from the beginning of the recording.
            end: one past the last.
        """
        if end - start <= PIECE_FRAMES:
            return self._piece(channel, start, end)
        found = np.empty(end - start, dtype=np.int16)
        for at in range(0, len(found), PIECE_FRAMES):
            piece = self._piece(channel, start + at, min(end, start + at + PIECE_FRAMES))
            found[at : at + len(piece)] = piece
            if at + len(piece) < min(len(found), at + PIECE_FRAMES):
                return found[: at + len(piece)]
        return found

    def _piece(self, channel: int, start: int, end: int) -> Samples:
        """Read at once; a view of both channels."""
        step = SAMPLE_BYTES * self.channels
        data = os.pread(self._fd, max(0, end - start) * step, self._data + start * step)
        return np.frombuffer(data, "<i2", len(data) // step * self.channels)[channel :: self.channels]

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)


def audio_bytes(fd: int, start: int, told: int, behind: int) -> int:
    """How much of what stands behind a header is audio.

    All of it, unless the header tells of less and nothing but whole chunks follows: a file that is appended to has
    the size of before in its header until it is closed.

    Args:
        fd: the file.
        start: offset of the first sample.
        told: bytes of audio as the header says.
        behind: bytes of the file from there on.
    """
    if not 0 < told < behind:
        return behind
    at, size = start + told + told % 2, start + behind
    while at < size:
        head = os.pread(fd, 8, at)
        if len(head) < 8 or not all(32 <= byte < 127 for byte in head[:4]):
            return behind
        chunk = struct.unpack_from("<I", head, 4)[0]
        at += 8 + chunk + chunk % 2
    return told if at == size else behind


def _read_header(path: Path, head: bytes) -> tuple[int, int, int, int]:
    """Channels, rate, the offset of the first sample, and the bytes of audio that the header tells of."""
    if len(head) < HEADER_BYTES:
        raise AudioError(f"{path}: {len(head)} bytes, a WAV header has {HEADER_BYTES}")
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        raise AudioError(f"{path}: not a WAV file")
    offset, form = 12, None
    while offset + 8 <= len(head):
        name, size = head[offset : offset + 4], struct.unpack_from("<I", head, offset + 4)[0]
        if name == b"fmt ":
            form = struct.unpack_from("<HHIIHH", head, offset + 8)
        elif name == b"data":
            break
        offset += 8 + size + size % 2
    else:
        raise AudioError(f"{path}: no data chunk in its first {len(head)} bytes")
    if form is None or form[0] not in (1, 0xFFFE) or form[5] != 16:
        raise AudioError(f"{path}: not 16-bit PCM")
    channels, rate = form[1], form[2]
    if not 1 <= channels <= 2 or not 8000 <= rate <= 48000:
        raise AudioError(f"{path}: {channels} channels at {rate} Hz; 1 or 2 at 8000 to 48000 are read")
    return channels, rate, offset + 8, size
