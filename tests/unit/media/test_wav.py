"""Files that grow, as FreeSWITCH's were seen to grow."""

import json
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from fsctl.errors import AudioError
from fsctl.media.wav import HEADER_BYTES, GrowingWav

GROWTH = sorted((Path(__file__).parent.parent.parent / "data" / "growth").glob("*.json"))


def header(channels: int = 2, rate: int = 16000, data: int = 0, riff: int = 8) -> bytes:
    """FreeSWITCH's header: sizes 8 and 0 until the file is closed."""
    form = struct.pack("<HHIIHH", 1, channels, rate, rate * channels * 2, channels * 2, 16)
    return (
        b"RIFF"
        + struct.pack("<I", riff)
        + b"WAVEfmt "
        + struct.pack("<I", 16)
        + form
        + b"data"
        + struct.pack("<I", data)
    )


def ramp(frames: int) -> bytes:
    """Left counts up, right counts down."""
    left = np.arange(frames) % 30000
    return np.stack([left, -left], axis=1).astype("<i2").tobytes()


def test_a_long_read_ends_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    path.write_bytes(header() + ramp(20_000) + b"\x01")
    wav = GrowingWav(path)
    assert np.array_equal(wav.read(1, 3, 50_000), -(np.arange(3, 20_000)))
    assert len(wav.read(0, 19_000, 99_000)) == 1000
    assert len(wav.read(0, 20_000, 90_000)) == 0
    wav.close()


def sizes(trace: Path) -> list[int]:
    """The sizes a real recording had one after the other, from its empty header on.

    Some traces begin with what lay there before: FreeSWITCH truncates an older file of the same name.
    """
    found = [size for _, size in json.loads(trace.read_text())]
    return found[found.index(HEADER_BYTES) :]


def grow(file: Path, whole: bytes, trace: Path) -> Iterator[int]:
    """Write a file as the trace grew, byte for byte; says each size after it is there."""
    written = 0
    with file.open("wb", buffering=0) as out:
        for size in sizes(trace):
            assert size >= written
            out.write(whole[written:size])
            written = size
            yield size


@pytest.mark.parametrize("path", GROWTH, ids=lambda path: path.stem)
def test_a_real_growth_trace_is_read_as_it_grows(path: Path, tmp_path: Path) -> None:
    whole = header() + ramp((max(sizes(path)) - HEADER_BYTES) // 4 + 1)
    file = tmp_path / "grows.wav"
    read: list[np.ndarray] = []
    wav, position, reads = None, 0, 0
    for size in grow(file, whole, path):
        wav = wav or GrowingWav(file)
        assert wav.frames == (size - HEADER_BYTES) // 4
        samples = wav.read(0, position, wav.frames)
        position += len(samples)
        reads += len(samples) > 0
        read.append(samples)
    assert wav is not None
    together = np.concatenate(read)
    assert np.array_equal(together, np.arange(len(together)) % 30000)
    assert len(together) == (sizes(path)[-1] - HEADER_BYTES) // 4
    assert reads > 5
    wav.close()


def test_half_a_frame_is_left_for_later(tmp_path: Path) -> None:
    file = tmp_path / "odd.wav"
    file.write_bytes(header() + ramp(10) + b"\x01\x02\x03")
    wav = GrowingWav(file)
    assert wav.frames == 10
    assert len(wav.read(1, 0, 100)) == 10
    wav.close()


def test_each_channel_is_read_by_itself_from_anywhere(tmp_path: Path) -> None:
    file = tmp_path / "both.wav"
    file.write_bytes(header() + ramp(1000))
    wav = GrowingWav(file)
    assert list(wav.read(0, 500, 503)) == [500, 501, 502]
    assert list(wav.read(1, 500, 503)) == [-500, -501, -502]
    assert len(wav.read(0, 5000, 6000)) == 0
    wav.close()


def test_a_closed_file_with_other_chunks_before_the_data(tmp_path: Path) -> None:
    plain = header(channels=1, rate=8000, data=20, riff=56)
    file = tmp_path / "list.wav"
    file.write_bytes(plain[:36] + b"LIST" + struct.pack("<I", 3) + b"abc\x00" + plain[36:] + bytes(20))
    wav = GrowingWav(file)
    assert (wav.channels, wav.rate, wav.frames) == (1, 8000, 10)
    wav.close()


BAD = {
    "empty": b"",
    "half a header": header()[:30],
    "no RIFF": b"OggS" + bytes(60),
    "8 bit": header().replace(struct.pack("<HH", 4, 16), struct.pack("<HH", 4, 8)),
    "six channels": header(channels=6),
    "a rate nobody records": header(rate=192000),
    "no data": header()[:36] + b"junk" + struct.pack("<I", 1 << 30) + bytes(100),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_recording_is_refused_with_its_path(name: str, tmp_path: Path) -> None:
    file = tmp_path / "bad.wav"
    file.write_bytes(BAD[name])
    with pytest.raises(AudioError, match=r"bad\.wav"):
        GrowingWav(file)
