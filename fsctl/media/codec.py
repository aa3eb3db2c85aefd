"""Recordings made smaller through libsndfile, and read again whatever they are: WAV, FLAC, Opus.

FLAC is proven bit for bit by decoding it again. Opus loses on purpose: proven are its length and that it sounds
like what went in.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import soundfile

from fsctl.errors import AudioError
from fsctl.media import header
from fsctl.media.wav import GrowingWav, Samples
from fsctl.store.keeping import Format

BLOCK_FRAMES = 1 << 16
"""Opus and Vorbis overflow libsndfile's stack when much is written at once (libsndfile issue 431)."""
OPUS_RATES = (8000, 12000, 16000, 24000, 48000)
OPUS_LIKENESS = 0.9
"""Least correlation of levels between an Opus file and what went in; speech gives more than 0.95."""
SUFFIX: dict[Format, str] = {"wav": ".wav", "flac": ".flac", "opus": ".opus"}
_KINDS: dict[Format, tuple[str, str]] = {"flac": ("FLAC", "PCM_16"), "opus": ("OGG", "OPUS")}


def blocks(path: Path) -> Iterator[Samples]:
    """The audio, a row a moment and a column a channel, in pieces; of a WAV all that is there, header or not.

    Raises:
        AudioError: it cannot be read.
    """
    if _is_wav(path):
        yield from _wav_blocks(path)
        return
    try:
        with soundfile.SoundFile(path) as file:
            yield from file.blocks(BLOCK_FRAMES, dtype="int16", always_2d=True)
    except soundfile.SoundFileError as error:
        raise AudioError(f"{path}: {error}") from error


def rate_of(path: Path) -> int:
    """Samples a second."""
    if _is_wav(path):
        return header.read(path).rate
    try:
        with soundfile.SoundFile(path) as file:
            return int(file.samplerate)
    except soundfile.SoundFileError as error:
        raise AudioError(f"{path}: {error}") from error


def encode(path: Path, to: BinaryIO, kind: Format) -> None:
    """Encode a recording.

    Raises:
        AudioError: it cannot be read, or not written at its rate.
    """
    container, subtype = _KINDS[kind]
    rate = rate_of(path)
    if kind == "opus" and rate not in OPUS_RATES:
        raise AudioError(f"{path}: Opus has no rate of {rate} Hz")
    first = next(blocks(path), None)
    if first is None:
        raise AudioError(f"{path}: there is no audio in it")
    channels = first.shape[1]
    try:
        with soundfile.SoundFile(to, "w", rate, channels, subtype=subtype, format=container) as file:
            for block in blocks(path):
                file.write(block)
    except soundfile.SoundFileError as error:
        raise AudioError(f"{path}: not encoded as {kind}: {error}") from error


def require_same(path: Path, encoded: Path, kind: Format) -> None:
    """Decode again and compare.

    Raises:
        AudioError: it is not what went in.
    """
    if kind == "opus":
        _require_alike(path, encoded)
    elif _fingerprint(path) != _fingerprint(encoded):
        raise AudioError(f"{encoded}: decoded again it is not the same audio as {path}")


def cut(path: Path, channel: int, start: int, end: int) -> Samples:
    """Samples ``start`` to ``end`` of one channel, or of the only one."""
    if _is_wav(path):
        wav = GrowingWav(path)
        samples = wav.read(min(channel, wav.channels - 1), start, end)
        wav.close()
        return samples
    try:
        with soundfile.SoundFile(path) as file:
            file.seek(min(start, file.frames))
            found = file.read(max(0, end - start), dtype="int16", always_2d=True)
    except soundfile.SoundFileError as error:
        raise AudioError(f"{path}: {error}") from error
    return np.ascontiguousarray(found[:, min(channel, found.shape[1] - 1)])


def _is_wav(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"RIFF"


def _wav_blocks(path: Path) -> Iterator[Samples]:
    found = header.read(path)
    with path.open("rb") as file:
        file.seek(found.data_at)
        left = found.frames
        while left > 0:
            data = file.read(min(left, BLOCK_FRAMES) * found.step)
            whole = len(data) - len(data) % found.step
            if whole == 0:
                return
            left -= whole // found.step
            yield np.frombuffer(data[:whole], dtype="<i2").reshape(-1, found.channels)


def _fingerprint(path: Path) -> tuple[int, str]:
    digest, frames = hashlib.sha256(), 0
    for block in blocks(path):
        digest.update(block.tobytes())
        frames += len(block)
    return frames, digest.hexdigest()


def _levels(path: Path) -> tuple[int, npt.NDArray[np.float32]]:
    """Frames, and the level of every tenth of a second."""
    step, frames = rate_of(path) // 10, 0
    rest = np.zeros(0, dtype=np.float32)
    levels = [rest]
    for block in blocks(path):
        frames += len(block)
        loud = np.abs(block.astype(np.float32)).mean(axis=1)
        loud = np.concatenate((rest, loud))
        whole = len(loud) // step * step
        levels.append(loud[:whole].reshape(-1, step).mean(axis=1))
        rest = loud[whole:]
    return frames, np.concatenate(levels)


def _require_alike(path: Path, encoded: Path) -> None:
    (frames, levels), (found, heard) = _levels(path), _levels(encoded)
    if frames != found:
        raise AudioError(f"{encoded}: {found} frames instead of {frames}")
    if len(levels) > 1 and levels.std() > 1.0:
        likeness = float(np.corrcoef(levels, heard[: len(levels)])[0, 1])
        if not likeness >= OPUS_LIKENESS:
            raise AudioError(f"{encoded}: does not sound like {path} (likeness {likeness:.2f})")
