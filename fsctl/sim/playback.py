"""What a channel plays to its far end: files and streams with their true length, and the two events about it.

It knows how long a sound lasts and what ends it early. It does not know what a key means: whoever plays says
so. Source: switch_ivr_play_say.c switch_ivr_play_file, 1632-2050; keys: digits.py.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import soundfile

from fsctl.eventsocket.event import Headers
from fsctl.sim import digits
from fsctl.sim.audio import hold_music, tone
from fsctl.sim.channel import Channel
from fsctl.sim.plan import PLAN_RATE, Audio

#: ``Playback-Status``: ``break`` when a key or FreeSWITCH's CF_BREAK ended it, ``done`` else, even at a hangup.
Status = Literal["done", "break"]
ENDLESS = float("inf")


class Sound(NamedTuple):
    """What is heard and for how many seconds."""

    seconds: float
    audio: Audio | None = None
    loop: bool = False


def find(name: str) -> Sound | None:
    """The sound behind a name, None when there is none to play.

    Known are a file that soundfile reads, ``silence_stream://``, ``tone_stream://``, ``local_stream://``, and
    ``file_string://`` with ``!`` between files (mod_dptools.c next_file: those that are missing are skipped).
    """
    kind, _, rest = name.partition("://")
    if kind == "silence_stream":
        milliseconds = int((re.match(r"-?\d+", rest) or ["0"])[0])
        return Sound(ENDLESS if milliseconds < 0 else milliseconds / 1000)
    if kind == "tone_stream":
        return Sound(_tone_s(rest), tone(), True)
    if kind == "local_stream":
        return Sound(ENDLESS, hold_music(), True)
    names = rest.split("!") if kind == "file_string" else [name]
    found = [audio for audio in map(_read, names) if audio is not None]
    if not found:
        return None
    joined = found[0] if len(found) == 1 else np.concatenate(found)
    return Sound(len(joined) / PLAN_RATE, joined)


def _tone_s(rest: str) -> float:
    """Seconds of a tone: its ons and offs, times ``loops``; ``loops=-1`` never ends."""
    tones = re.findall(r"%\((\d+),(\d+)", rest)
    loops = int((re.findall(r"loops=(-?\d+)", rest) or ["1"])[0])
    total_ms = sum(int(on) + int(off) for on, off in tones)
    return ENDLESS if loops < 0 else total_ms * max(loops, 1) / 1000


def _read(name: str) -> Audio | None:
    path = Path(name)
    return _decoded(name, path.stat().st_mtime_ns) if path.is_file() else None


@lru_cache(maxsize=128)
def _decoded(name: str, _changed_ns: int) -> Audio | None:
    """The first channel of a file, at the plans' rate."""
    try:
        samples, rate = soundfile.read(name, dtype="int16", always_2d=True)
    except soundfile.LibsndfileError:
        return None
    index = np.arange(len(samples) * PLAN_RATE // rate) * rate // PLAN_RATE
    return np.ascontiguousarray(samples[:, 0][index])


def play(
    channel: Channel,
    name: str,
    *,
    on_digit: Callable[[str], bool] | None = None,
    watch: Callable[[], Status | None] = lambda: None,
) -> Status | None:
    """Play to the end, or until the channel is needed elsewhere; None when there is nothing to play.

    Args:
        on_digit: gets each key as it is read; True ends the playing. None: keys stay where they are.
        watch: asked at each sign of life of the channel; an answer ends it.
    """
    sound = find(name)
    if sound is None:
        return None
    playback = _named(name)
    channel.heard.play(channel.position(), sound.audio, loop=sound.loop)
    channel.fire("PLAYBACK_START", after=playback)
    started_us = channel.bus.clock.now_us()
    status = _listen(channel, sound.seconds, on_digit, watch)
    channel.heard.play(channel.position(), None)
    channel.update(_variables(channel.bus.clock.now_us() - started_us))
    channel.fire("PLAYBACK_STOP", after=[*playback, ("Playback-Status", status)])
    return status


def over(channel: Channel, name: str) -> None:
    """Play over what is heard, as uuid_broadcast does: its two events. The sound is not mixed into a recording."""
    sound = find(name)
    if sound is None or sound.seconds == ENDLESS:
        return
    channel.fire("PLAYBACK_START", after=_named(name))
    channel.bus.clock.sleep(sound.seconds)
    if channel.ready:
        channel.fire("PLAYBACK_STOP", after=[*_named(name), ("Playback-Status", "done")])


def _named(name: str) -> Headers:
    typed = [("Playback-File-Type", name.partition("://")[0])] if _is_typed(name) else []
    return [*typed, ("Playback-File-Path", name)]


def _is_typed(name: str) -> bool:
    """The file's type is named for these two only (line 1649)."""
    return name.startswith(("local_stream:", "tone_stream:"))


def _listen(
    channel: Channel,
    seconds: float,
    on_digit: Callable[[str], bool] | None,
    watch: Callable[[], Status | None],
) -> Status:
    deadline = channel.bus.clock.now_s() + seconds
    while channel.ready and (left := deadline - channel.bus.clock.now_s()) > 0:
        if status := watch():
            return status
        if on_digit is not None and channel.digits:
            if on_digit(digits.take(channel)):
                return "break"
        else:
            channel.wait(left)
    return "done"


def _variables(elapsed_us: int) -> Headers:
    """What PLAYBACK_STOP finds on the channel; 48 samples a millisecond (park_dtmf_hold_transfer)."""
    milliseconds = elapsed_us // 20_000 * 20
    return [
        ("playback_last_offset_pos", str(milliseconds * 48)),
        ("playback_seconds", str(milliseconds // 1000)),
        ("playback_ms", str(milliseconds)),
        ("playback_samples", str(milliseconds * 48)),
    ]
