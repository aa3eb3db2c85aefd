"""What a recording looks like, in a terminal and as an image."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from fsctl.media import header, picture, proof

RATE = 16000


@pytest.fixture
def sound(tmp_path: Path) -> proof.Sound:
    """The left hums in the first half, the right in the second, softer."""
    hum = (10000 * np.sin(np.arange(10 * RATE) / 10)).astype(np.int16)
    silence = np.zeros_like(hum)
    legs = np.stack([np.concatenate([hum, silence]), np.concatenate([silence, hum // 10])], axis=1)
    path = tmp_path / "c.wav"
    path.write_bytes(header.render(RATE, 2, legs.nbytes) + legs.astype("<i2").tobytes())
    return proof.listen(path)


UTTERANCES = [("caller", 0, 10 * RATE), ("agent", 15 * RATE, 20 * RATE)]


def test_in_a_terminal(sound: proof.Sound) -> None:
    lines = list(picture.as_text(sound, UTTERANCES, 50))
    assert lines == [
        "  caller " + "▆" * 20 + " " * 20,
        " " * 9 + "─" * 20,
        "   agent " + " " * 20 + "▄" * 20,
        " " * 9 + " " * 30 + "─" * 10,
        " " * 9 + "0:00      0:05      0:10      0:15  0:20",
    ]


def test_what_is_masked_is_shown_where_nothing_is_to_be_heard(sound: proof.Sound) -> None:
    caller, _, agent, *_ = picture.as_text(sound, [], 50, [(5.0, 15.0)])
    assert caller == "  caller " + "▆" * 20 + "░" * 10 + " " * 10
    assert agent == "   agent " + " " * 10 + "░" * 10 + "▄" * 20
    still = next(picture.as_text(sound, [], 50, [(15.0, None)]))
    assert still == "  caller " + "▆" * 20 + " " * 10 + "░" * 10
    plain, shaded = (decode(picture.as_png(sound, [], gaps)) for gaps in ([], [(5.0, 15.0)]))
    changed = (plain != shaded).any(axis=2)
    assert set(map(tuple, shaded[changed])) == {picture.COLOURS["gap"]}
    columns = np.flatnonzero(changed.any(axis=0)) - picture.EDGE
    share = (picture.WIDTH - 2 * picture.EDGE) / 20
    assert (columns.min(), columns.max() + 1) == (int(5 * share), int(15 * share))


def decode(png: bytes) -> np.ndarray:
    """A PNG as any reader would see it; checks every chunk."""
    stream = io.BytesIO(png)
    assert stream.read(8) == b"\x89PNG\r\n\x1a\n"
    chunks: dict[bytes, bytes] = {}
    while size := stream.read(4):
        kind = stream.read(4)
        data = stream.read(struct.unpack(">I", size)[0])
        assert struct.unpack(">I", stream.read(4)) == (zlib.crc32(kind + data),)
        chunks[kind] = data
    assert list(chunks) == [b"IHDR", b"IDAT", b"IEND"]
    width, height, *form = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert form == [8, 2, 0, 0, 0]
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), dtype=np.uint8).reshape(height, 1 + 3 * width)
    assert not rows[:, 0].any()
    return rows[:, 1:].reshape(height, width, 3)


def test_as_an_image(sound: proof.Sound) -> None:
    image = decode(picture.as_png(sound, UTTERANCES))
    assert image.shape[1] == picture.WIDTH

    def columns(colour: str, top: int, height: int) -> np.ndarray:
        area = image[top : top + height]
        return np.flatnonzero((area == picture.COLOURS[colour]).all(axis=2).any(axis=0))

    middle = picture.WIDTH / 2
    band = picture.EDGE + picture.BAND + picture.BAR
    assert columns("caller", picture.EDGE, picture.BAND).max() < middle + 2
    assert columns("agent", band + picture.EDGE, picture.BAND).min() > middle - 2
    bar = columns("utterance", band + picture.EDGE + picture.BAND, picture.BAR)
    assert bar.min() == pytest.approx(picture.EDGE + 0.75 * (picture.WIDTH - 2 * picture.EDGE), abs=2)
    tall = (
        (image[picture.EDGE : picture.EDGE + picture.BAND] == picture.COLOURS["caller"])
        .all(axis=2)
        .sum(axis=0)
    )
    assert tall.max() == pytest.approx(picture.BAND * 10000 / 32768, abs=2)


@pytest.mark.parametrize("frames", [0, 1, 1600, 1601])
def test_the_shortest_recordings_have_a_picture_too(frames: int, tmp_path: Path) -> None:
    path = tmp_path / "s.wav"
    path.write_bytes(header.render(RATE, 1, 2 * frames) + bytes(2 * frames))
    found = proof.listen(path)
    assert len(list(picture.as_text(found, [], 80))) == 3
    decode(picture.as_png(found, []))
