"""The dialplan applications that are modelled, in a literal dict.

Each gets the session and its data with variables put in, and returns when FreeSWITCH's would. A dialplan that
names another one is refused when it is loaded; from the inline dialplan it is an invalid one to the session.
"""

import ipaddress
from collections.abc import Callable
from typing import TYPE_CHECKING

from fsctl.sim import digits, playback
from fsctl.sim.asking import play_and_get_digits
from fsctl.sim.member import wait_in_queue
from fsctl.sim.recording import parse_settings
from fsctl.sim.words import split

if TYPE_CHECKING:
    from fsctl.sim.session import Session

Field = Callable[[str], str | None]


def is_true(text: str | None) -> bool:
    """switch_true: one of its words, or a number that is not 0."""
    value = (text or "").lower()
    if value.isdigit():
        return int(value) != 0
    return value in ("true", "yes", "on", "t", "enabled", "active", "allow")


def _set(session: "Session", data: str) -> None:
    name, _, value = data.partition("=")
    session.channel.set(name.strip(), value)


def _unset(session: "Session", data: str) -> None:
    session.channel.set(data, None)


def _export(session: "Session", data: str) -> None:
    name, _, value = data.partition("=")
    name = name.strip().removeprefix("nolocal:")
    session.channel.set(name, value)
    exported = session.channel.get("export_vars")
    session.channel.set("export_vars", f"{exported},{name}" if exported else name)


def _answer(session: "Session", _data: str) -> None:
    session.answer()


def _playback(session: "Session", data: str) -> None:
    """Reads every key; one of playback_terminators (``*`` by default) ends it (mod_dptools.c 2351)."""
    channel = session.channel
    session.pre_answer()
    channel.set("playback_terminator_used", None)
    terminators = channel.get("playback_terminators") or "*"
    ends = {"any": "1234567890*#", "none": ""}.get(terminators.lower(), terminators)

    def on_digit(digit: str) -> bool:
        if digit in ends:
            channel.set("playback_terminator_used", digit)
        return digit in ends

    played = playback.play(channel, data, on_digit=on_digit)
    channel.set("current_application_response", "FILE NOT FOUND" if played is None else "FILE PLAYED")


def _sleep(session: "Session", data: str) -> None:
    """A key ends it and stays unread (switch_ivr.c switch_ivr_sleep)."""
    channel, clock = session.channel, session.switch.clock
    deadline = clock.now_s() + (int(data) / 1000 if data.isdigit() else 0.0)
    while channel.ready and not channel.digits and (left := deadline - clock.now_s()) > 0:
        channel.wait(left)


def _flush_dtmf(session: "Session", _data: str) -> None:
    """No event tells of the keys that nobody read."""
    session.channel.digits.clear()


def _record_session(session: "Session", data: str) -> None:
    """``PATH [+LIMIT] [{VARS}]``; the limit is not modelled."""
    path, *rest = data.split(" ", 2)
    if path:
        session.switch.recorder.start(session.channel, path, parse_settings(rest[-1]) if rest else {})


def _mask_recording(session: "Session", data: str) -> None:
    """Nothing tells whether there was such a recording (mod_dptools.c 3294)."""
    session.switch.recorder.hide(session.channel, data, masked=True)


def _unmask_recording(session: "Session", data: str) -> None:
    session.switch.recorder.hide(session.channel, data, masked=False)


def _pause_recording(session: "Session", data: str) -> None:
    session.switch.recorder.hide(session.channel, data, paused=True)


def _resume_recording(session: "Session", data: str) -> None:
    session.switch.recorder.hide(session.channel, data, paused=False)


def _execute_extension(session: "Session", data: str) -> None:
    """``EXTEN [DIALPLAN [CONTEXT]]``: conditions are read now; the channel's destination stays."""
    channel = session.channel
    extension, dialplan, context = ([*data.split(), "", "", ""])[:3]
    context = context or channel.profile_field("context") or ""
    own = {"destination_number": extension, "dialplan": dialplan or "XML", "context": context}

    def field(name: str) -> str | None:
        return own.get(name) or channel.profile_field(name)

    actions = session.hunt(context, field)
    session.execute_actions(actions or [])


def _transfer(session: "Session", data: str) -> None:
    destination, dialplan, context = ([*data.split(), "", "", ""])[:3]
    session.channel.transfer_to(destination, dialplan, context, session.switch.new_uuid())


def _callcenter(session: "Session", data: str) -> None:
    """Answers first; an unknown queue only makes a warning, and the dialplan goes on."""
    queue = session.switch.callcenter.queues.get(data.split(" ")[0])
    if queue is not None:
        session.answer()
        session.agent = wait_in_queue(session.switch.callcenter, session.channel, queue)


def _check_acl(session: "Session", data: str) -> None:
    """``IP LIST [CAUSE]``: hang up who is not in the list; one that does not exist has nobody in it."""
    words = split(data)
    if len(words) < 2:
        return
    networks = session.switch.options.acl.get(words[1], ())
    address = ipaddress.ip_address(words[0])
    if not any(address in ipaddress.ip_network(network) for network in networks):
        session.channel.hangup(words[2] if len(words) > 2 else "CALL_REJECTED")


def _bridge(_session: "Session", data: str) -> None:
    """Known, so that a dialplan may have it for phones that dial; no simulated phone does."""
    raise NotImplementedError(f"bridge {data}: the simulator rings phones for mod_callcenter only")


def _hangup(session: "Session", data: str) -> None:
    session.channel.hangup(data or "NORMAL_CLEARING")


def _park(session: "Session", _data: str) -> None:
    channel = session.channel
    channel.fire("CHANNEL_PARK")
    while channel.ready:
        if channel.digits:
            digits.take(channel)
        else:
            channel.wait()
    channel.fire("CHANNEL_UNPARK")


def _nothing(session: "Session", _data: str) -> None:
    """log, info: they write to a log that the simulator does not have."""


APPLICATIONS: dict[str, Callable[["Session", str], None]] = {
    "set": _set,
    "unset": _unset,
    "export": _export,
    "answer": _answer,
    "playback": _playback,
    "play_and_get_digits": play_and_get_digits,
    "flush_dtmf": _flush_dtmf,
    "sleep": _sleep,
    "record_session": _record_session,
    "record_session_mask": _mask_recording,
    "record_session_unmask": _unmask_recording,
    "record_session_pause": _pause_recording,
    "record_session_resume": _resume_recording,
    "execute_extension": _execute_extension,
    "transfer": _transfer,
    "callcenter": _callcenter,
    "check_acl": _check_acl,
    "bridge": _bridge,
    "hangup": _hangup,
    "park": _park,
    "log": _nothing,
    "info": _nothing,
}
