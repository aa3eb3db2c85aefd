"""Headers of killed recordings, and what is made of them."""

import io
import struct
from pathlib import Path

import pytest
import soundfile

from fsctl.errors import AudioError
from fsctl.media import header
from fsctl.media.wav import GrowingWav
from tests.unit.media.test_wav import header as freeswitchs

PCM = bytes(range(200)) * 2


def test_ours_is_freeswitchs() -> None:
    assert header.render(16000, 2, 0) == freeswitchs()
    assert header.render(8000, 1, 20) == freeswitchs(channels=1, rate=8000, data=20, riff=56)


@pytest.mark.parametrize("rest", [0, 1, 2, 3])
def test_a_killed_recording_is_repaired_into_a_new_file_with_every_byte(rest: int, tmp_path: Path) -> None:
    path = tmp_path / "k.wav"
    path.write_bytes(freeswitchs() + PCM + b"\x07" * rest)
    before = path.read_bytes()
    found = header.read(path)
    assert (found.is_open, found.is_right, found.rest_bytes, found.frames) == (True, False, rest, 100)
    with (tmp_path / "r.wav").open("wb") as out:
        header.write_repaired(path, out)
    repaired = (tmp_path / "r.wav").read_bytes()
    assert repaired[44:] == PCM + b"\x07" * rest + bytes(-rest % 4)
    assert header.read(tmp_path / "r.wav").is_right
    assert len(soundfile.read(tmp_path / "r.wav", dtype="int16")[0]) == (100 if rest == 0 else 101)
    assert path.read_bytes() == before


@pytest.mark.parametrize("rest", [0, 3])
def test_in_place_the_audio_is_not_touched(rest: int, tmp_path: Path) -> None:
    path = tmp_path / "k.wav"
    path.write_bytes(freeswitchs() + PCM + b"\x07" * rest)
    header.repair_in_place(path)
    assert path.read_bytes()[44:] == PCM + b"\x07" * rest + bytes(-rest % 4)
    assert header.read(path).is_right


def test_a_header_that_boasts_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "b.wav"
    path.write_bytes(freeswitchs(data=1_000_000, riff=1_000_036) + PCM)
    found = header.read(path)
    assert (found.is_right, found.audio_bytes) == (False, len(PCM))


def test_what_follows_the_audio_is_not_audio(tmp_path: Path) -> None:
    path = tmp_path / "l.wav"
    path.write_bytes(
        freeswitchs(data=len(PCM), riff=36 + len(PCM)) + PCM + b"LIST" + struct.pack("<I", 2) + b"ab"
    )
    found = header.read(path)
    assert (found.is_right, found.audio_bytes) == (True, len(PCM))
    wav = GrowingWav(path)
    assert wav.frames == len(PCM) // 4
    wav.close()
    with pytest.raises(AudioError, match="cannot be repaired in place"):
        header.repair_in_place(path)


@pytest.mark.parametrize("more", [b"\xff\x00" * 60, b"LIST" + struct.pack("<I", 999) + b"ab", b"LIST"])
def test_a_header_of_before_the_file_was_appended_to_hides_nothing(more: bytes, tmp_path: Path) -> None:
    """RECORD_APPEND: the header keeps the old size until the file is closed, and for ever if it never is."""
    path = tmp_path / "a.wav"
    path.write_bytes(freeswitchs(data=len(PCM), riff=36 + len(PCM)) + PCM + more)
    found = header.read(path)
    assert (found.is_right, found.audio_bytes) == (False, len(PCM + more))
    wav = GrowingWav(path)
    assert wav.frames == len(PCM + more) // 4
    wav.close()
    with (tmp_path / "r.wav").open("wb") as out:
        header.write_repaired(path, out)
    assert (tmp_path / "r.wav").read_bytes()[44:] == PCM + more + bytes(-len(more) % 4)


def test_no_audio_cannot_be_repaired(tmp_path: Path) -> None:
    path = tmp_path / "e.wav"
    path.write_bytes(freeswitchs())
    with pytest.raises(AudioError, match=r"e\.wav: there is no audio"):
        header.write_repaired(path, io.BytesIO())
    with pytest.raises(AudioError, match="cannot be repaired in place"):
        header.repair_in_place(path)
