"""Is this recording what it should be? Listens to it once, and judges it by what is known of the call.

``listen`` reads a file and measures; ``judge`` is pure: measurements and facts give findings. A ``fault`` is
something a person must look at; a ``note`` explains what is seen.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from fsctl.media import codec, header
from fsctl.media.fork import CHANNEL, Leg
from fsctl.store.keeping import KnownRecording

CELL_S = 0.1
"""What is measured together."""
SOUND_RMS = 40.0
"""About -58 dBFS: quieter is the noise of codecs, as for the segmenter."""
SAME_MIX = 0.98
"""Correlation of the channels from which on they hold the same. Two people, or an echo, stay far below."""
SAME_LEAST_S = 2.0
"""So much sound is needed to say it."""
LENGTH_S = 1.5
"""The file and the clock may differ by this: the events that tell beginning and end, and the first frames."""
LENGTH_SHARE = 0.01
"""... or by this share of a long recording."""
KILLED_S = 2.0
"""The end of a killed FreeSWITCH's call may be told so much too early: it is when the next one started, in whole
seconds (esl/resync.py, ``up_since``)."""
DRIFT_LEAST_S = 60.0
DRIFT_PPM = 1000.0
"""Sound cards and RTP clocks stay below 200; above, the legs walk apart audibly within minutes."""
SILENT_LEAST_S = 8.0
"""A leg of a bridge so long says something, or breathes."""
UNFINISHED = ("open", "part")
"""What is as it should be while a recording grows."""
KILLED = "LOST"
"""Cause of calls whose end nobody saw: their times are of when it was found out."""

Levels = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Finding:
    """One thing that was found out."""

    code: str
    severity: Literal["fault", "note"]
    text: str

    def as_row(self) -> Mapping[str, str]:
        """As it is stored."""
        return asdict(self)


@dataclass(frozen=True)
class Sound:
    """What a file holds, measured."""

    path: Path
    rate: int
    channels: int
    frames: int
    file_bytes: int
    header: header.Header | None
    """Of a WAV."""
    peak: Levels
    """Highest sample of each CELL_S, a row a channel."""
    rms: Levels
    """The same, root of the mean square."""
    likeness: float
    """Correlation of the two channels where there is sound, 0 to 1; 0 for one channel or silence."""
    sounding_s: float
    """For how long there was sound on any channel."""

    @property
    def duration_s(self) -> float:
        """Length."""
        return self.frames / self.rate

    def sounds(self, channel: int, start_s: float, end_s: float) -> float:
        """For how many seconds of a stretch a channel is above the noise."""
        cells = self.rms[min(channel, self.channels - 1), int(start_s / CELL_S) : int(end_s / CELL_S)]
        return float(np.count_nonzero(cells > SOUND_RMS)) * CELL_S


def listen(path: Path) -> Sound:
    """Read a recording once: a WAV whatever its header says, FLAC or Opus.

    Raises:
        FileNotFoundError: it is not there.
        AudioError: it cannot be read.
    """
    rate = codec.rate_of(path)
    step = int(rate * CELL_S)
    peaks: list[Levels] = []
    energies: list[Levels] = []
    frames, cross, rest = 0, 0.0, None
    squares = np.zeros(2)
    for block in codec.blocks(path):
        frames += len(block)
        block = block if rest is None else np.concatenate((rest, block))
        whole = len(block) // step * step
        rest = block[whole:]
        _measure(block[:whole].reshape(-1, step, block.shape[1]), peaks, energies)
        if block.shape[1] == 2:
            left, right = block[:whole].astype(np.float32).T
            cross += float(left @ right)
            squares += (float(left @ left), float(right @ right))
    if rest is not None and len(rest):
        _measure(rest[np.newaxis], peaks, energies)
    channels = rest.shape[1] if rest is not None else 1
    peak = np.concatenate(peaks, axis=1) if peaks else np.zeros((channels, 0), np.float32)
    rms = np.sqrt(np.concatenate(energies, axis=1)) if energies else np.zeros((channels, 0), np.float32)
    both = float(np.sqrt(squares[0] * squares[1]))
    return Sound(
        path=path,
        rate=rate,
        channels=channels,
        frames=frames,
        file_bytes=path.stat().st_size,
        header=header.read(path) if path.suffix == ".wav" else None,
        peak=peak,
        rms=rms,
        likeness=max(0.0, cross / both) if both else 0.0,
        sounding_s=float(np.count_nonzero((rms > SOUND_RMS).any(axis=0))) * CELL_S,
    )


def _measure(cells: npt.NDArray[np.int16], peaks: list[Levels], energies: list[Levels]) -> None:
    """Args: cells: cell, sample, channel."""
    highest = np.maximum(cells.max(axis=1).astype(np.int32), -cells.min(axis=1).astype(np.int32))
    peaks.append(highest.T.astype(np.float32))
    floats = cells.astype(np.float32)
    energies.append((np.einsum("csk,csk->kc", floats, floats) / cells.shape[1]).astype(np.float32))


def judge(
    sound: Sound, known: KnownRecording | None, siblings: Sequence[KnownRecording] = ()
) -> list[Finding]:
    """What is wrong, and what is worth to be known.

    Args:
        known: what Postgres says of the recording; None for a file by itself.
        siblings: other recordings of the same call.
    """
    found = [*_of_file(sound), *(_of_call(sound, known, siblings) if known is not None else ())]
    if known is not None and known.state == "growing":
        return [finding for finding in found if finding.code not in UNFINISHED]
    return found


def is_silent(sound: Sound) -> bool:
    """Whether there is nothing to be heard in it."""
    return sound.sounding_s < CELL_S


def _of_file(sound: Sound) -> Iterator[Finding]:
    if sound.frames == 0:
        yield Finding("empty", "fault", "there is no audio in it")
        return
    if sound.header is not None:
        yield from _of_header(sound.header)
    if sound.channels == 2 and sound.likeness > SAME_MIX and sound.sounding_s >= SAME_LEAST_S:
        yield Finding(
            "one-mix", "fault",
            f"both channels hold the same (likeness {sound.likeness:.3f}): the legs cannot be told apart. "
            "The caller's offer had stereo Opus",
        )  # fmt: skip
    if is_silent(sound):
        yield Finding("silent", "fault", "nothing is to be heard on any channel")
    clipped = float(np.mean(sound.peak >= 32767)) if sound.peak.size else 0.0
    if clipped > 0.05:
        yield Finding("clipped", "note", f"the level is at its limit in {clipped:.0%} of the time")


def _of_header(found: header.Header) -> Iterator[Finding]:
    if found.is_open:
        yield Finding("open", "note", "the header was never closed: FreeSWITCH was killed, or still writes")
    elif not found.is_right:
        yield Finding(
            "header", "note",
            f"the header tells of {found.data_bytes} bytes of audio, there are {found.audio_bytes}",
        )  # fmt: skip
    if found.rest_bytes:
        yield Finding(
            "part", "note", f"the last frame was begun only: {found.rest_bytes} of {found.step} bytes"
        )


def _of_call(sound: Sound, known: KnownRecording, siblings: Sequence[KnownRecording]) -> Iterator[Finding]:
    yield from _of_size(sound, known)
    yield from _of_length(sound, known)
    yield from _of_siblings(sound, known, siblings)
    yield from _of_gaps(sound, known)
    yield from _of_speech(sound, known)


def _of_size(sound: Sound, known: KnownRecording) -> Iterator[Finding]:
    if known.told_bytes is not None and sound.header is not None and known.told_bytes != sound.file_bytes:
        yield Finding(
            "size", "fault", f"FreeSWITCH wrote {known.told_bytes} bytes, the file has {sound.file_bytes}"
        )
    if known.archived_audio_differs(sound.frames, sound.rate):
        yield Finding(
            "length-archived", "fault",
            f"{known.duration_ms} ms were archived, there are {sound.frames * 1000 // sound.rate}",
        )  # fmt: skip


def _of_length(sound: Sound, known: KnownRecording) -> Iterator[Finding]:
    if known.stopped_at is None:
        return
    clock_s = (known.stopped_at - known.started_at).total_seconds()
    paused = [gap for gap in known.gaps if gap.kind == "pause"]
    expected_s = clock_s - sum((clock_s if g.end_s is None else g.end_s) - g.start_s for g in paused)
    off_s = sound.duration_s - expected_s
    most_s = max(LENGTH_S, LENGTH_SHARE * expected_s)
    if abs(off_s) > most_s:
        was_guessed = off_s <= most_s + KILLED_S and _was_killed(sound, known)
        yield Finding(
            "length", "note" if was_guessed else "fault",
            f"it is {sound.duration_s:.1f} s long, by the clock it should be {expected_s:.1f}"
            + ("; its end was only found out afterwards" if was_guessed else ""),
        )  # fmt: skip
    elif (
        expected_s >= DRIFT_LEAST_S
        and abs(off_s) / expected_s * 1e6 > DRIFT_PPM
        and abs(off_s) > LENGTH_S / 3
    ):
        yield Finding(
            "drift", "note", f"{off_s * 1000:+.0f} ms against the clock, {off_s / expected_s * 1e6:+.0f} ppm"
        )


def _was_killed(sound: Sound, known: KnownRecording) -> bool:
    """Whether FreeSWITCH died over it: then the end of the call is when that was found out, or later."""
    never_closed = sound.header is not None and sound.header.is_open
    return (
        known.hangup_cause == KILLED or never_closed or any(one["code"] == "open" for one in known.findings)
    )


def _of_siblings(
    sound: Sound, known: KnownRecording, siblings: Sequence[KnownRecording]
) -> Iterator[Finding]:
    """Legs that are recorded apart must be of one length, less what one began later or ended sooner."""
    for other in siblings:
        if other.id == known.id or not other.duration_ms or not known.stopped_at or not other.stopped_at:
            continue
        clock_s = (known.stopped_at - known.started_at) - (other.stopped_at - other.started_at)
        off_s = sound.duration_s - other.duration_ms / 1000 - clock_s.total_seconds()
        if sound.duration_s >= DRIFT_LEAST_S and abs(off_s) / sound.duration_s * 1e6 > DRIFT_PPM:
            yield Finding(
                "legs-drift", "fault", f"{off_s * 1000:+.0f} ms against the call's recording {other.path}"
            )


def _of_gaps(sound: Sound, known: KnownRecording) -> Iterator[Finding]:
    for gap in known.gaps:
        end_s = sound.duration_s if gap.end_s is None else gap.end_s
        yield Finding(gap.kind, "note", f"not recorded from {gap.start_s:.1f} to {end_s:.1f} s: {gap.reason}")
        # The command and the word about it are not of one moment: the borders are left out.
        leaked_s = max(sound.sounds(c, gap.start_s + 0.5, end_s - 0.5) for c in range(sound.channels))
        if gap.kind == "mask" and leaked_s > CELL_S:
            yield Finding(
                "not-masked", "fault", f"what was to be masked is in the file: {leaked_s:.1f} s of sound"
            )


def _of_speech(sound: Sound, known: KnownRecording) -> Iterator[Finding]:
    beyond = [end for _, _, end in known.utterances if end > sound.frames]
    if beyond:
        yield Finding("beyond", "fault", f"{len(beyond)} utterances end after the file")
    masked = any(gap.kind == "mask" or gap.kind == "pause" for gap in known.gaps)
    for begun_s, end in known.bridges:
        start_s, end_s = max(0.0, begun_s), min(sound.duration_s, sound.duration_s if end is None else end)
        if end_s - start_s < SILENT_LEAST_S or masked:
            continue
        legs: tuple[Leg, ...] = ("caller", "agent") if sound.channels == 2 else ("caller",)
        for leg in legs:
            if sound.sounds(CHANNEL[leg], start_s, end_s) < CELL_S * 2:
                yield Finding(
                    "leg-silent", "fault",
                    f"the {leg} is not to be heard in a bridge of {end_s - start_s:.0f} s",
                )  # fmt: skip
