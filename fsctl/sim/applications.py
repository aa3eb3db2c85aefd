"""The dialplan applications that are modelled, in a literal dict.

Each gets the session and its data with variables put in, and returns when FreeSWITCH's would. A missing
application is an invalid one to the session.
"""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from fsctl.sim.audio import tone
from fsctl.sim.callcenter import playback_variables
from fsctl.sim.recording import parse_settings

if TYPE_CHECKING:
    from fsctl.sim.session import Session

Field = Callable[[str], str | None]

#: How long a prompt lasts that the simulator does not have.
PROMPT_S = 1.0


def is_true(text: str | None) -> bool:
    """switch_true: one of its words, or a number that is not 0."""
    value = (text or "").lower()
    if value.isdigit():
        return int(value) != 0
    return value in ("true", "yes", "on", "t", "enabled", "active", "allow")


def _set(session: "Session", data: str) -> None:
    name, _, value = data.partition("=")
    session.channel.set(name.strip(), value)


def _export(session: "Session", data: str) -> None:
    name, _, value = data.partition("=")
    name = name.strip().removeprefix("nolocal:")
    session.channel.set(name, value)
    exported = session.channel.get("export_vars")
    session.channel.set("export_vars", f"{exported},{name}" if exported else name)


def _answer(session: "Session", _data: str) -> None:
    session.answer()


def _playback(session: "Session", data: str) -> None:
    """The file's type is named only for local_stream and tone_stream (switch_ivr_play_say.c 1640)."""
    channel, clock = session.channel, session.switch.clock
    session.pre_answer()
    kind, _, rest = data.partition("://")
    typed = [("Playback-File-Type", kind)] if kind in ("local_stream", "tone_stream") else []
    playback = [*typed, ("Playback-File-Path", data)]
    channel.heard.play(channel.position(), None if kind == "silence_stream" else tone(), loop=True)
    channel.fire("PLAYBACK_START", after=playback)
    started_us = clock.now_us()
    channel.pause(_duration_s(kind, rest))
    channel.heard.play(channel.position(), None)
    channel.update(playback_variables(clock.now_us() - started_us))
    channel.fire("PLAYBACK_STOP", after=[*playback, ("Playback-Status", "done")])
    channel.set("current_application_response", "FILE PLAYED")


def _duration_s(kind: str, rest: str) -> float:
    """Seconds of a stream; ``-1`` and an endless tone last until the channel is taken elsewhere."""
    if kind == "silence_stream":
        milliseconds = int(re.match(r"-?\d*", rest)[0] or 0)  # type: ignore[index]
        return float("inf") if milliseconds < 0 else milliseconds / 1000
    if kind == "tone_stream":
        tones = re.findall(r"%\((\d+),(\d+)", rest)
        loops = int((re.findall(r"loops=(-?\d+)", rest) or ["1"])[0])
        total_ms = sum(int(on) + int(off) for on, off in tones)
        return float("inf") if loops < 0 else total_ms * max(loops, 1) / 1000
    return float("inf") if kind == "local_stream" else PROMPT_S


def _sleep(session: "Session", data: str) -> None:
    session.channel.pause(int(data) / 1000 if data.isdigit() else 0.0)


def _record_session(session: "Session", data: str) -> None:
    """``PATH [+LIMIT] [{VARS}]``; the limit is not modelled."""
    path, *rest = data.split(" ", 2)
    if path:
        session.switch.recorder.start(session.channel, path, parse_settings(rest[-1]) if rest else {})


def _execute_extension(session: "Session", data: str) -> None:
    """``EXTEN [DIALPLAN [CONTEXT]]``: conditions are read now; the channel's destination stays."""
    channel = session.channel
    extension, _dialplan, context = ([*data.split(), "", "", ""])[:3]

    def field(name: str) -> str | None:
        return extension if name == "destination_number" else channel.profile_field(name)

    actions = session.hunt(context or channel.profile_field("context") or "", field)
    session.execute_actions(actions or [])


def _transfer(session: "Session", data: str) -> None:
    channel = session.channel
    destination, dialplan, context = ([*data.split(), "", "", ""])[:3]
    context = context or channel.profile_field("context") or ""
    channel.transfer_to(destination, dialplan or "XML", context, session.switch.new_uuid())


def _callcenter(session: "Session", data: str) -> None:
    """Answers first; an unknown queue only makes a warning, and the dialplan goes on."""
    queue = data.split(" ")[0]
    if queue in session.switch.callcenter.queues:
        session.answer()
        session.agent = session.switch.callcenter.join(session.channel, queue)


def _hangup(session: "Session", data: str) -> None:
    session.channel.hangup(data or "NORMAL_CLEARING")


def _park(session: "Session", _data: str) -> None:
    channel = session.channel
    channel.fire("CHANNEL_PARK")
    while channel.ready:
        channel.wait()
    channel.fire("CHANNEL_UNPARK")


def _nothing(session: "Session", _data: str) -> None:
    """log, info: they write to a log that the simulator does not have."""


APPLICATIONS: dict[str, Callable[["Session", str], None]] = {
    "set": _set,
    "export": _export,
    "answer": _answer,
    "playback": _playback,
    "sleep": _sleep,
    "record_session": _record_session,
    "execute_extension": _execute_extension,
    "transfer": _transfer,
    "callcenter": _callcenter,
    "hangup": _hangup,
    "park": _park,
    "log": _nothing,
    "info": _nothing,
}
