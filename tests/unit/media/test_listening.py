"""Recordings for those who listen: every stretch of bytes is that of the whole."""

import io
import random
import wave
from pathlib import Path

import numpy as np
import pytest

from fsctl.errors import AudioError
from fsctl.media import codec, header
from fsctl.media.listening import AsItIs, Decoded, Listening
from fsctl.store.keeping import Format

RATE = 16000
FRAMES = 3 * RATE + 7
SOUND = np.random.default_rng(1).integers(-3000, 3000, (FRAMES, 2)).astype("<i2")


@pytest.fixture
def wav(tmp_path: Path) -> Path:
    """Stereo: noise, another one on each channel."""
    path = tmp_path / "c-1.wav"
    path.write_bytes(header.render(RATE, 2, SOUND.nbytes) + SOUND.tobytes())
    return path


def archived(wav: Path, kind: Format) -> Path:
    if kind == "wav":
        return wav
    path = wav.with_suffix(codec.SUFFIX[kind])
    with path.open("w+b") as file:
        codec.encode(wav, file, kind)
    return path


def whole(one: Listening) -> bytes:
    return b"".join(one.read(0, one.size))


@pytest.mark.parametrize("kind", ["wav", "flac"])
def test_what_loses_nothing_is_the_recording_again(wav: Path, kind: Format) -> None:
    for one in (Decoded(archived(wav, kind)), AsItIs(wav)):
        assert whole(one) == wav.read_bytes()
        assert one.size == wav.stat().st_size
        one.close()


@pytest.mark.parametrize("kind", ["wav", "flac", "opus"])
@pytest.mark.parametrize("channel", [0, 1])
def test_one_channel_is_a_wav_of_its_own(wav: Path, kind: Format, channel: int) -> None:
    one = Decoded(archived(wav, kind), channel)
    with wave.open(io.BytesIO(whole(one))) as found:
        assert (found.getnchannels(), found.getframerate(), found.getnframes()) == (1, RATE, FRAMES)
        heard = np.frombuffer(found.readframes(FRAMES), "<i2")
    if kind != "opus":
        assert np.array_equal(heard, SOUND[:, channel])
    one.close()


@pytest.mark.parametrize("kind", ["wav", "flac"])
@pytest.mark.parametrize("channel", [None, 0, 1])
def test_every_stretch_is_that_of_the_whole(wav: Path, kind: Format, channel: int | None) -> None:
    one = Decoded(archived(wav, kind), channel)
    told, by_chance = whole(one), random.Random(1)
    edges = [(0, 1), (0, 44), (43, 45), (44, 45), (45, 46), (one.size - 1, one.size), (10, 10)]
    for start, end in edges + [sorted(by_chance.choices(range(one.size + 1), k=2)) for _ in range(30)]:
        assert b"".join(one.read(start, end)) == told[start:end], (start, end)
    one.close()


def test_it_is_read_in_pieces(wav: Path) -> None:
    for one in (AsItIs(wav), Decoded(wav)):
        pieces = list(one.read(0, one.size))
        assert max(map(len, pieces)) <= 65536
        assert len(pieces) > 2
        one.close()


def test_what_cannot_be_heard_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Decoded(tmp_path / "none.wav")
    with pytest.raises(FileNotFoundError):
        AsItIs(tmp_path / "none.wav")
    (tmp_path / "text.wav").write_text("no sound" * 100)
    with pytest.raises(AudioError):
        Decoded(tmp_path / "text.wav")
    mono = tmp_path / "mono.wav"
    mono.write_bytes(header.render(RATE, 1, 200) + bytes(200))
    with pytest.raises(AudioError, match="one channel"):
        Decoded(mono, 1)


def test_a_file_that_shrinks_is_no_short_answer(wav: Path) -> None:
    one = AsItIs(wav)
    pieces = one.read(0, one.size)
    next(pieces)
    wav.write_bytes(b"")
    with pytest.raises(AudioError, match="too early"):
        list(pieces)
    one.close()
