"""The header of a WAV file and its repair: what it says of its own size, and what it should say.

FreeSWITCH leaves RIFF size 8 and data size 0 until it closes the file; killed, it never does. The audio behind
such a header is whole but for the last sample or so.
"""

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from fsctl.errors import AudioError
from fsctl.media.wav import HEADER_BYTES, SAMPLE_BYTES, GrowingWav, audio_bytes

HEAD_BYTES = 4096
BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class Header:
    """What the header says, and what is there."""

    channels: int
    rate: int
    data_at: int
    """Offset of the first sample."""
    riff_bytes: int
    data_bytes: int
    """As the header says."""
    audio_bytes: int
    """What there is of audio: all behind an open, boastful or modest header, but for other chunks."""
    file_bytes: int

    @property
    def step(self) -> int:
        """Bytes of one sample of every channel."""
        return SAMPLE_BYTES * self.channels

    @property
    def is_open(self) -> bool:
        """Whether it is the header of a file that nobody closed."""
        return self.data_bytes == 0 and self.file_bytes > self.data_at

    @property
    def is_right(self) -> bool:
        """Whether every reader will find all of the audio and nothing else."""
        return self.data_bytes == self.audio_bytes and self.rest_bytes == 0

    @property
    def frames(self) -> int:
        """Whole frames."""
        return self.audio_bytes // self.step

    @property
    def rest_bytes(self) -> int:
        """Bytes of a frame that was not finished."""
        return self.audio_bytes % self.step


def read(path: Path) -> Header:
    """Read the header of a file that no longer grows, or still does.

    Raises:
        FileNotFoundError: it is not there.
        AudioError: it is not such a WAV file as FreeSWITCH writes.
    """
    wav = GrowingWav(path)
    wav.close()
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
        size = os.fstat(file.fileno()).st_size
        offset = 12
        while head[offset : offset + 4] != b"data":
            chunk = struct.unpack_from("<I", head, offset + 4)[0]
            offset += 8 + chunk + chunk % 2
        told = struct.unpack_from("<I", head, offset + 4)[0]
        audio = audio_bytes(file.fileno(), offset + 8, told, size - offset - 8)
    return Header(
        channels=wav.channels,
        rate=wav.rate,
        data_at=offset + 8,
        riff_bytes=struct.unpack_from("<I", head, 4)[0],
        data_bytes=told,
        audio_bytes=audio,
        file_bytes=size,
    )


def render(rate: int, channels: int, data_bytes: int) -> bytes:
    """The 44 bytes of a plain header; ``data_bytes`` 0 gives that of a file that grows."""
    form = struct.pack("<HHIIHH", 1, channels, rate, rate * channels * 2, channels * 2, 16)
    riff = 36 + data_bytes if data_bytes else 8
    return (
        b"RIFF" + struct.pack("<I", riff) + b"WAVEfmt " + struct.pack("<I", len(form)) + form
        + b"data" + struct.pack("<I", data_bytes)
    )  # fmt: skip


def write_repaired(path: Path, to: BinaryIO) -> None:
    """Write a copy with a true header. Every byte of audio is kept; a last frame in part is filled with zeros.

    Raises:
        AudioError: there is no audio, or more than a WAV file can hold (4 GiB).
    """
    header = read(path)
    filler = -header.audio_bytes % header.step
    size = header.audio_bytes + filler
    if size == 0:
        raise AudioError(f"{path}: there is no audio in it")
    if size + HEADER_BYTES > 0xFFFFFFFF:
        raise AudioError(f"{path}: {size} bytes of audio are more than a WAV file can hold")
    to.write(render(header.rate, header.channels, size))
    with path.open("rb") as file:
        file.seek(header.data_at)
        left = header.audio_bytes
        while left and (block := file.read(min(left, BLOCK_BYTES))):
            to.write(block)
            left -= len(block)
    to.write(bytes(filler))


def repair_in_place(path: Path) -> None:
    """Give the file itself a true header; the audio is not touched, but that a last frame is filled.

    Raises:
        AudioError: its header has other chunks too, or there is no audio: repair a copy.
    """
    header = read(path)
    is_plain = header.data_at == HEADER_BYTES and header.audio_bytes == header.file_bytes - HEADER_BYTES
    if not is_plain or header.audio_bytes == 0:
        raise AudioError(f"{path}: cannot be repaired in place; repair it into a new file")
    filler = -header.audio_bytes % header.step
    with path.open("r+b") as file:
        file.seek(header.data_at + header.audio_bytes)
        file.write(bytes(filler))
        file.flush()
        os.fsync(file.fileno())
        file.seek(0)
        file.write(render(header.rate, header.channels, header.audio_bytes + filler))
        file.flush()
        os.fsync(file.fileno())
