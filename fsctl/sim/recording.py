"""Recordings that grow as FreeSWITCH writes them, all of them by one greenlet.

Shapes, measured in rec_growth_*.json (docs/freeswitch.md, recordings): a 44-byte header whose RIFF size is 8
and data size 0 until the file is closed; int16 LE; with RECORD_STEREO left is what the leg says and right
what it hears; one frame every 20 ms with ``enable_file_write_buffering=false``, else blocks of 65,536 bytes
(or of the number given); without RECORD_PRE_BUFFER_FRAMES=1 the second write comes only at the 27th frame;
now and then a step is split at an odd place.

Not modelled: LIMIT, silence detection, formats other than .wav.
"""

import os
import random
import re
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import gevent
import numpy as np
from gevent.event import Event as Flag

from fsctl.eventsocket.event import Headers
from fsctl.sim.channel import Channel
from fsctl.sim.clock import Clock
from fsctl.sim.plan import PLAN_RATE, Audio

FRAME_S = 0.02
#: Samples a second of an Opus leg, whatever is spoken.
LEG_RATE = 48_000
#: The write buffer of mod_sndfile when nothing turns it off.
BUFFERED_BYTES = 65_536
#: Frames that the media bug holds back at the start without RECORD_PRE_BUFFER_FRAMES=1.
HELD_FRAMES = 27
#: One write in so many is split, at the place seen in rec_growth (980 + 300).
SPLIT_ONE_IN = 400
SPLIT_AT = 980
#: The writer never wakes more often than this, in wall seconds; at high speed a wake writes several frames.
SHORTEST_TICK_S = 0.005
#: Recordings written before other greenlets get a turn.
TURN = 20
#: Wall seconds of rest for each second of writing: with hundreds of recordings a wake writes several frames.
REST = 2.0


def wav_header(rate: int, channels: int, data_bytes: int | None) -> bytes:
    """The 44 bytes; ``data_bytes`` None: the file still grows."""
    riff, data = (8, 0) if data_bytes is None else (36 + data_bytes, data_bytes)
    numbers = (16, 4), (1, 2), (channels, 2), (rate, 4), (rate * channels * 2, 4), (channels * 2, 2), (16, 2)
    form = b"".join(value.to_bytes(size, "little") for value, size in numbers)
    return b"RIFF" + riff.to_bytes(4, "little") + b"WAVEfmt " + form + b"data" + data.to_bytes(4, "little")


class Recording:
    """One file of one channel. ``settings`` are the braces' variables; without one the channel's counts."""

    def __init__(self, channel: Channel, path: str, settings: Mapping[str, str], start_s: float) -> None:
        self.channel = channel
        self.path = path
        self.settings = dict(settings)
        self.start_s = start_s
        self.start_position = int(start_s * PLAN_RATE)
        self.rate = int(self.setting("record_sample_rate") or LEG_RATE)
        self.channels = 2 if _true(self.setting("RECORD_STEREO")) else 1
        self.chunk = _chunk(self.setting("enable_file_write_buffering"))
        self.held = 0 if self.setting("RECORD_PRE_BUFFER_FRAMES") == "1" else HELD_FRAMES
        self.paused = self.masked = False
        self.frames_due = 0
        self.frames = 0
        self.bytes = 0
        self._pending = b""
        self._held_back = False
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_CREAT | os.O_TRUNC | os.O_RDWR, 0o644)
        os.write(self._file, wav_header(self.rate, self.channels, None))

    def setting(self, name: str) -> str:
        """From the braces, else from the channel (switch_ivr_async.c get_recording_var)."""
        return self.settings.get(name) or self.channel.get(name) or ""

    def catch_up(self, now_s: float, rng: random.Random | None) -> None:
        """Render the frames that are due by now, and write what buffering lets out."""
        due = int((now_s - self.start_s) / FRAME_S)
        first, self.frames_due = self.frames_due, max(due, self.frames_due)
        if first == self.frames_due:
            self._held_back = False
            self._flush(self.chunk)
            return
        if not self.paused:
            self._pending += self._render(first, self.frames_due).tobytes()
            self.frames += self.frames_due - first
        if 1 < self.frames_due < self.held:
            return
        split = bool(rng and not self._held_back and self.chunk == 1 and rng.randrange(SPLIT_ONE_IN) == 0)
        self._held_back = split
        if split and len(self._pending) > SPLIT_AT:
            self._write(SPLIT_AT)
        else:
            self._flush(self.chunk)

    def close(self) -> None:
        """Write the rest and put the true sizes into the header."""
        self._flush(1)
        os.pwrite(self._file, wav_header(self.rate, self.channels, self.bytes), 0)
        os.close(self._file)

    def abandon(self) -> None:
        """Leave the file as it is, header open: the process died."""
        os.close(self._file)

    def variables(self, completion: str) -> Headers:
        """What RECORD_STOP finds on the channel (park_dtmf_hold_transfer, event 141).

        record_samples counts before resampling, so at the leg's rate whatever the file's is; record_ms is
        right (switch_core_file.c 723, switch_ivr_async.c 1230).
        """
        milliseconds = round(self.frames * FRAME_S * 1000)
        return [
            ("record_file_size", str(self.bytes + 44)),
            ("record_samples", str(milliseconds * LEG_RATE // 1000)),
            ("record_seconds", str(milliseconds // 1000)),
            ("record_ms", str(milliseconds)),
            ("record_completion_cause", completion),
        ]

    def _flush(self, chunk: int) -> None:
        if self._pending and len(self._pending) >= chunk:
            self._write(len(self._pending) // chunk * chunk)

    def _write(self, size: int) -> None:
        os.write(self._file, self._pending[:size])
        self._pending = self._pending[size:]
        self.bytes += size

    def _render(self, first: int, last: int) -> Audio:
        frame = int(FRAME_S * PLAN_RATE)
        start, end = (self.start_position + index * frame for index in (first, last))
        if self.masked:
            left = right = np.zeros(end - start, dtype=np.int16)
        else:
            left, right = self.channel.said.block(start, end), self.channel.heard.block(start, end)
        left, right = _resample(left, self.rate), _resample(right, self.rate)
        if self.channels == 2:
            return np.column_stack((left, right)).astype(np.int16)
        mixed = left.astype(np.int32) + right
        return np.asarray(np.clip(mixed, -32768, 32767), dtype=np.int16)


class Recorder:
    """All recordings of the switch, and the greenlet that writes them."""

    def __init__(self, clock: Clock, rng: random.Random) -> None:
        self.clock = clock
        self.rng = rng
        self.running: dict[tuple[str, str], Recording] = {}
        self._some = Flag()

    def run(self) -> None:
        """Greenlet: every 20 simulated ms, write what each recording is due."""
        tick_s = max(FRAME_S / self.clock.speed, SHORTEST_TICK_S)
        worked_s = 0.0
        while True:
            self._some.wait()
            gevent.sleep(max(tick_s, REST * worked_s))
            recordings, worked_s = tuple(self.running.values()), 0.0
            for first in range(0, len(recordings), TURN):
                began_s = time.monotonic()
                self._catch_up(recordings[first : first + TURN])
                worked_s += time.monotonic() - began_s
                gevent.sleep(0)

    def _catch_up(self, recordings: Iterable[Recording]) -> None:
        """Those that still run: one may have been stopped since this round began."""
        for recording in recordings:
            if self.running.get((recording.channel.uuid, recording.path)) is recording:
                recording.catch_up(self.clock.elapsed_s(), self.rng)

    def start(self, channel: Channel, path: str, settings: Mapping[str, str]) -> bool:
        """RECORD_START and MEDIA_BUG_START. The same path again does nothing; an unknown extension fails."""
        if (channel.uuid, path) in self.running:
            return True
        if not path.endswith(".wav"):
            return False
        recording = Recording(channel, path, settings, self.clock.elapsed_s())
        self.running[channel.uuid, path] = recording
        self._some.set()
        channel.fire("RECORD_START", after=_record_headers(recording))
        channel.fire("MEDIA_BUG_START", after=_bug_headers(recording))
        return True

    def stop(self, channel: Channel, path: str, completion: str = "success-maxtime") -> bool:
        """Close a recording (``all``: every one of the channel), then RECORD_STOP and MEDIA_BUG_STOP."""
        found = [
            rec
            for (uuid, name), rec in self.running.items()
            if uuid == channel.uuid and path in ("all", name)
        ]
        for recording in found:
            del self.running[channel.uuid, recording.path]
            recording.catch_up(self.clock.elapsed_s(), None)
            recording.close()
            channel.update(recording.variables(completion))
            after = [*_record_headers(recording), ("Record-Completion-Cause", completion)]
            channel.fire("RECORD_STOP", after=after)
            channel.fire("MEDIA_BUG_STOP", after=_bug_headers(recording))
        if not self.running:
            self._some.clear()
        return bool(found)

    def abandon(self) -> None:
        """Every recording stays as it is on disk (SIGKILL)."""
        for recording in self.running.values():
            recording.abandon()
        self.running.clear()

    def hide(
        self, channel: Channel, path: str, *, masked: bool | None = None, paused: bool | None = None
    ) -> bool:
        """From here on silence is written, or nothing at all, or again what is heard; False: no such recording.

        No event tells of it (switch_ivr_async.c 1889-1918).
        """
        recording = self.running.get((channel.uuid, path))
        if recording is None:
            return False
        recording.catch_up(self.clock.elapsed_s(), None)
        recording.masked = recording.masked if masked is None else masked
        recording.paused = recording.paused if paused is None else paused
        return True


def _record_headers(recording: Recording) -> Headers:
    given = [(f"Recording-Variable-{name}", value) for name, value in recording.settings.items()]
    return [("Record-File-Path", recording.path), *given]


def _bug_headers(recording: Recording) -> Headers:
    return [("Media-Bug-Function", "session_record"), ("Media-Bug-Target", recording.path)]


def parse_settings(text: str) -> dict[str, str]:
    """``{RECORD_STEREO=true,record_sample_rate=16000}`` -> its pairs; anything else is no settings."""
    found = re.fullmatch(r"\{(.*)\}", text.strip())
    pairs = found[1].split(",") if found else []
    return {name: value for name, _, value in (pair.partition("=") for pair in pairs) if name}


def _chunk(buffering: str) -> int:
    if buffering.isdigit() and int(buffering) > 1:
        return int(buffering)
    return 1 if buffering and not _true(buffering) else BUFFERED_BYTES


def _true(text: str) -> bool:
    return text.lower() in ("true", "yes", "on", "t", "enabled", "1")


def _resample(audio: Audio, rate: int) -> Audio:
    """16 kHz to the file's rate, by repeating or dropping samples; the usual rate costs nothing."""
    if rate == PLAN_RATE:
        return audio
    index = np.arange(len(audio) * rate // PLAN_RATE) * PLAN_RATE // rate
    return np.take(audio, index)
