"""The commands of ``api`` and ``bgapi``, in a literal dict of small functions.

Replies are those of api_transcript; syntax lines and what the transcript does not show are mod_commands.c.
They are not uniform, as FreeSWITCH's are not: some end in a line feed, some do not. A command that is missing
here is answered ``-ERR x Command not found!``. callcenter_config has its own file.
"""

import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import gevent

from fsctl.sim import callcenter_config, customer, db, playback, sip, stuck
from fsctl.sim.bus import HOSTNAME
from fsctl.sim.channel import Channel
from fsctl.sim.recording import parse_settings
from fsctl.sim.rows import call_rows, channel_rows
from fsctl.sim.words import split

if TYPE_CHECKING:
    from fsctl.sim.switch import Switch

VERSION = "1.11.2-release git 3f13ad1 2026-08-09 16:23:10Z 64bit"
VERSION_LONG = "1.11.2-release+git~20260809T162310Z~3f13ad1b1d~64bit"
SHOW_SYNTAX = (
    "codec|endpoint|application|api|dialplan|file|timer|calls [count]|channels [count|like <match string>]|"
    "calls|"
    "detailed_calls|bridged_calls|detailed_bridged_calls|aliases|complete|chat|management|modules|nat_map|say|"
    "interfaces|interface_types|tasks|limits|status"
)
NO_CHANNEL = "-ERR No such channel!\n"


def execute(switch: "Switch", line: str) -> str:
    """Run one command and return its output; an API event follows it, known or not (bgapi_background_job)."""
    name, _, arguments = line.partition(" ")
    command = COMMANDS.get(name.lower())
    output = f"-ERR {name} Command not found!\n" if command is None else command(switch, arguments.strip())
    headers = [("API-Command", name)]
    headers += [("API-Command-Argument", arguments.strip())] if arguments.strip() else []
    switch.bus.fire("API", headers)
    return output


def execute_job(switch: "Switch", line: str, job: str) -> None:
    """Run one command and deliver its output as BACKGROUND_JOB."""
    output = execute(switch, line) or "-ERR no reply\n"
    name, _, arguments = line.partition(" ")
    headers = [("Job-UUID", job), ("Job-Command", name)]
    headers += [("Job-Command-Arg", arguments)] if arguments else []
    switch.bus.fire("BACKGROUND_JOB", headers, body=output)


# The system -----------------------------------------------------------------------------------------------


def _status(switch: "Switch", _arguments: str) -> str:
    count = len(switch.channels)
    return (
        f"UP {switch.uptime_text()}\nFreeSWITCH (Version {VERSION}) is ready\n"
        f"{switch.sessions} session(s) since startup\n{count} session(s) - peak {count}, last 5min {count} \n"
        "0 session(s) per Sec out of max 100, peak 0, last 5min 0 \n1000 session(s) max\n"
        "min idle cpu 0.00/90.00\nCurrent Stack Size/Max 240K/8192K\n"
    )


def _version(_switch: "Switch", _arguments: str) -> str:
    return f"FreeSWITCH Version {VERSION_LONG} (git 3f13ad1 2026-08-09 16:23:10Z 64bit)\n"


def _uptime(switch: "Switch", _arguments: str) -> str:
    return f"{int(switch.clock.elapsed_s())}\n"


def _create_uuid(switch: "Switch", _arguments: str) -> str:
    return switch.new_uuid()


def _global_getvar(switch: "Switch", arguments: str) -> str:
    if arguments:
        return switch.globals.get(arguments, "")
    return "".join(f"{name}={value}\n" for name, value in switch.globals.items())


def _eval(switch: "Switch", arguments: str) -> str:
    """``${name}`` of a global; ``uuid:U ${name}`` of a channel."""
    found = re.match(r"uuid:(\S+)\s+(.*)", arguments)
    channel = switch.channels.get(found[1]) if found else None
    lookup = switch.lookup(channel) if channel else switch.globals.get
    text = found[2] if found else arguments
    return re.sub(r"\$\$?\{([^{}()]+)\}", lambda name: lookup(name[1]) or "", text)


def _reloadxml(switch: "Switch", _arguments: str) -> str:
    switch.reload_xml()
    return "+OK [Success]\n"


def _module_exists(_switch: "Switch", arguments: str) -> str:
    modules = (
        "mod_callcenter",
        "mod_commands",
        "mod_dptools",
        "mod_dialplan_xml",
        "mod_event_socket",
        "mod_sofia",
    )
    return "true" if arguments in modules else "false"


def _sofia(_switch: "Switch", arguments: str) -> str:
    """Only ``sofia status``: the two profiles."""
    if arguments != "status":
        return "-ERR sofia Command not found!\n"
    rule = "=" * 97
    rows = [
        ("agents", f"sip:mod_sofia@{sip.SIP_IP}:5080", ""),
        ("whatsapp", f"sip:mod_sofia@{sip.SIP_IP}:5061", " (TLS)"),
    ]
    lines = [f"{name:>25}\tprofile\t{uri:>42}\tRUNNING (0){tls}\n" for name, uri, tls in rows]
    title = f"{'Name':>25}\t   Type\t{'Data':>42}\tState\n"
    return f"{title}{rule}\n{''.join(lines)}{rule}\n2 profiles 0 aliases\n"


def _hupall(switch: "Switch", arguments: str) -> str:
    cause = arguments.split(" ")[0] or "MANAGER_REQUEST"
    for channel in tuple(switch.channels.values()):
        channel.hangup(cause)
    return f"+OK hangup all channels with cause {cause}\n"


def _show(switch: "Switch", arguments: str) -> str:
    """channels, calls and registrations: delimited, ``count``, or ``as json``."""
    words = arguments.split()
    table = TABLES.get(words[0].lower() if words else "")
    if table is None:
        return f"-USAGE: {SHOW_SYNTAX}\n"
    rows = table(switch)
    if words[1:2] == ["count"]:
        return f'{{"row_count":{len(rows)}}}' if words[2:] == ["as", "json"] else f"\n{len(rows)} total.\n"
    if words[1:] == ["as", "json"]:
        result = {"row_count": len(rows), "rows": rows}
        return json.dumps(result, ensure_ascii=False, separators=(",", ":")) if rows else '{"row_count": 0}\n'
    lines = [",".join(row.values()) + "\n" for row in rows]
    title = ",".join(rows[0]) + "\n" if rows else ""
    return f"{title}{''.join(lines)}\n{len(rows)} total.\n"


def _reload(switch: "Switch", arguments: str) -> str:
    """Only mod_callcenter; the XML is read again first (mod_commands.c reload_function)."""
    if arguments != "mod_callcenter":
        return "-ERR reload Command not found!\n"
    switch.reload_xml()
    return "+OK Reloading XML\n" + stuck.reload(switch.callcenter)


TABLES: dict[str, Callable[["Switch"], list[dict[str, str]]]] = {
    "channels": channel_rows,
    "calls": call_rows,
    "registrations": lambda switch: switch.phones.rows(),
}


# One channel ----------------------------------------------------------------------------------------------


def _user_data(switch: "Switch", arguments: str) -> str:
    """Only ``USER@DOMAIN param dial-string``: agents are called where their phones registered."""
    user, _, rest = arguments.partition(" ")
    known = user.partition("@")[0] in switch.callcenter.agents and rest == "param dial-string"
    return "${sofia_contact(agents/${dialed_user}@${dialed_domain})}" if known else "-ERR no reply\n"


def _uuid_exists(switch: "Switch", arguments: str) -> str:
    return "true" if arguments in switch.channels else "false"


def _on_channel(
    usage: str, least: int, run: Callable[["Switch", Channel, list[str]], str]
) -> Callable[["Switch", str], str]:
    """A command whose first argument is a uuid."""

    def command(switch: "Switch", arguments: str) -> str:
        words = split(arguments)
        if len(words) < least:
            return f"-USAGE: {usage}\n"
        channel = switch.channels.get(words[0])
        return NO_CHANNEL if channel is None else run(switch, channel, words[1:])

    return command


def _getvar(_switch: "Switch", channel: Channel, words: list[str]) -> str:
    value = channel.get(words[0])
    return "_undef_" if value is None else value


def _setvar(_switch: "Switch", channel: Channel, words: list[str]) -> str:
    channel.set(words[0], " ".join(words[1:]))
    return "+OK\n"


def _setvar_multi(switch: "Switch", arguments: str) -> str:
    """``UUID a=1;b=two``: the pairs may hold blanks, so they are not split on them.

    A value with ``${`` is not set, though the answer is +OK; blanks at the end of a value are dropped (both
    seen on FreeSWITCH 1.11.2 by tests/contract).
    """
    usage = "-USAGE: <uuid> <var>=<value>;<var>=<value>...\n"
    uuid, _, pairs = arguments.partition(" ")
    if not uuid:
        return usage
    if not pairs:
        return "-ERR no reply\n"
    channel = switch.channels.get(uuid)
    if channel is None:
        return NO_CHANNEL + usage
    for pair in filter(None, pairs.split(";")):
        name, _, value = pair.partition("=")
        if not name:
            return "-ERR No variable specified\n" + usage
        if "${" not in value:
            channel.set(name, value.rstrip())
    return "+OK\n"


def _dump(switch: "Switch", channel: Channel, words: list[str]) -> str:
    """The channel's event data: encoded by default, raw as ``plain``, or json (mod_commands.c)."""
    event = switch.bus.make("CHANNEL_DATA", channel.headers(full=True))
    form = words[0].lower() if words else "txt"
    if form == "json":
        return event.json().decode("utf-8", "surrogateescape")
    if form == "plain":
        return "".join(f"{name}: {value}\n" for name, value in event.headers) + "\n"
    return event.plain().decode("utf-8", "surrogateescape")


def _set_media_stats(switch: "Switch", arguments: str) -> str:
    """The answer has a colon, and the refusal names the channel."""
    if not arguments:
        return "-USAGE: <uuid>\n"
    channel = switch.channels.get(arguments)
    if channel is None:
        return f"-ERR No such channel {arguments}!\n"
    channel.measure()
    return "+OK:\n"


def _kill(_switch: "Switch", channel: Channel, words: list[str]) -> str:
    channel.hangup(words[0] if words else "NORMAL_CLEARING")
    return "+OK\n"


def _uuid_transfer(switch: "Switch", channel: Channel, words: list[str]) -> str:
    """``DEST [DIALPLAN [CONTEXT]]``; -bleg and -both are not modelled."""
    if words[0].startswith("-") or channel.hangup_cause or channel.profile is None:
        return "-ERR\n"
    destination, dialplan, context = ([*words, "", "", ""])[:3]
    channel.transfer_to(destination, dialplan, context, switch.new_uuid())
    return "+OK\n"


def _uuid_record(switch: "Switch", arguments: str) -> str:
    """start, stop, mask, unmask, pause, resume; braces are the fifth word, LIMIT is ignored."""
    words = split(arguments)
    if len(words) < 3 or words[1].lower() not in ("start", "stop", "mask", "unmask", "pause", "resume"):
        return "-USAGE: <uuid> [start|stop|mask|unmask] <path> [<limit>] [<recording_vars>]\n"
    channel, action, path = switch.channels.get(words[0]), words[1].lower(), words[2]
    if channel is None:
        return "-ERR Cannot locate session!\n"
    recorder = switch.recorder
    if action == "start":
        settings = parse_settings(words[4]) if len(words) > 4 else {}
        done = bool(channel.has_codec and recorder.start(channel, path, settings))
        return "+OK Success\n" if done else "-ERR Cannot record session!\n"
    if action == "stop":
        return "+OK Success\n" if recorder.stop(channel, path) else "-ERR Cannot stop record session!\n"
    done = (
        recorder.hide(channel, path, masked=action == "mask")
        if action in ("mask", "unmask")
        else recorder.hide(channel, path, paused=action == "pause")
    )
    return "+OK Success\n" if done else f"-ERR Cannot {action} recording session!\n"


def _uuid_broadcast(switch: "Switch", arguments: str) -> str:
    """On the named channel only, whichever legs are asked for."""
    words = split(arguments)
    if len(words) < 2:
        return "-USAGE: <uuid> <path> [aleg|bleg|holdb|both]\n"
    channel = switch.channels.get(words[0])
    if channel is None:
        return "-ERR invalid uuid\n"
    gevent.spawn(playback.over, channel, words[1])
    return "+OK Message sent\n"


COMMANDS: dict[str, Callable[["Switch", str], str]] = {
    "status": _status,
    "version": _version,
    "uptime": _uptime,
    "hostname": lambda _switch, _arguments: HOSTNAME,
    "create_uuid": _create_uuid,
    "global_getvar": _global_getvar,
    "eval": _eval,
    "reloadxml": _reloadxml,
    "module_exists": _module_exists,
    "sofia": _sofia,
    "hupall": _hupall,
    "show": _show,
    "reload": _reload,
    "user_data": _user_data,
    "strepoch": lambda switch, _arguments: str(switch.callcenter.now()),
    "sofia_contact": lambda switch, arguments: switch.phones.contact(arguments),
    "uuid_set_media_stats": _set_media_stats,
    "callcenter_config": lambda switch, arguments: callcenter_config.execute(
        switch.callcenter, split(arguments)
    ),
    "db": lambda switch, arguments: db.command(switch.db, arguments),
    "uuid_exists": _uuid_exists,
    "uuid_getvar": _on_channel("<uuid> <var>", 2, _getvar),
    "uuid_setvar": _on_channel("<uuid> <var> [value]", 2, _setvar),
    "uuid_setvar_multi": _setvar_multi,
    "uuid_dump": _on_channel("<uuid> [format]", 1, _dump),
    "uuid_kill": _on_channel("<uuid> [cause]", 1, _kill),
    "uuid_transfer": _on_channel(
        "<uuid> [-bleg|-both] <dest-exten> [<dialplan>] [<context>]", 2, _uuid_transfer
    ),
    "originate": customer.originate,
    "uuid_record": _uuid_record,
    "uuid_broadcast": _uuid_broadcast,
}
