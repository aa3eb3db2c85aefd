"""Who may have FreeSWITCH do what: the least role that a line of ``api`` asks for. Pure.

What is written here is allowed to the role beside it; everything else is for admins. Wrappers are taken off first,
as mod_event_socket.c, auth_api_command does, and with more care than it: it looks a name up as it was typed,
while FreeSWITCH finds commands whatever their case (switch_loadable_module.c, 2270), and it does not see that
``eval`` and ``expand`` run what stands in ``${...}``. So below admin a line is made of a few harmless characters
and single blanks, and it is sent exactly as it was judged.
"""

import re

from fsctl.console.commands.command import ROLES, Role

MAX_WRAPPERS = 8
"""Wrappers around wrappers that are taken off; nobody who means well has more."""

_PLAIN = re.compile(r"[A-Za-z0-9_ .@:+*/|,=()#'-]*")
"""What a line below admin is made of: no ``$`` that is expanded, no ``;``, no ``&``, no control character."""
_UUID = "[A-Za-z0-9-]{1,64}"
_NAME = r"[A-Za-z0-9_.@+-]{1,128}"
_WHEN = r"[+@]?[0-9]{1,9}"
_PLACE = r"(?:-bleg |-both )?[A-Za-z0-9_.@+*#]{1,64}(?: XML(?: [A-Za-z0-9_.-]{1,64})?)?"
"""Where to transfer to. Only the dialplan XML: ``inline`` would run any application."""
_AGENT_KEYS = (
    "status|state|max_no_answer|wrap_up_time|ready_time|"
    "reject_delay_time|busy_delay_time|no_answer_delay_time"
)
"""Not ``contact``: a dial string can run anything."""

VIEWER = (
    r"(?:status|version|uptime|hostname|switchname|help)(?: [A-Za-z ]{1,40})?",
    r"show [A-Za-z0-9_ .@:+*/,=-]{1,200}",
    rf"(?:uuid_exists|uuid_buglist|module_exists) {_NAME}",
    r"sofia(?: (?:xml|json)?status(?: [A-Za-z0-9_.@:+/ -]{1,200})?)",
    r"callcenter_config (?:agent|tier|queue) list(?: [A-Za-z0-9_.@+ -]{1,200})?",
    r"callcenter_config queue count(?: [A-Za-z0-9_.@+ -]{1,200})?",
    rf"callcenter_config agent get (?:status|state|uuid) {_NAME}",
    r"conference list(?: [A-Za-z]{1,20})?",
    r"limit_(?:usage|status)(?: [A-Za-z0-9_. -]{1,200})?",
    r"create_uuid|strftime|fsctl last_sps|fsctl sps",
)
"""They show; what they show holds no secret."""
OPERATOR = (
    rf"callcenter_config agent set (?:{_AGENT_KEYS}) {_NAME} (?:[A-Za-z0-9]{{1,32}}|'[A-Za-z ()]{{1,32}}')",
    rf"callcenter_config agent (?:add {_NAME} [Cc]allback|del {_NAME}|reload {_NAME})",
    rf"callcenter_config tier (?:add|del|reload) {_NAME} {_NAME}(?: [0-9]{{1,4}}){{0,2}}",
    rf"callcenter_config tier set (?:level|position|state) {_NAME} {_NAME} [A-Za-z0-9]{{1,32}}",
    rf"callcenter_config queue (?:load|unload|reload) {_NAME}",
    rf"uuid_kill {_UUID}(?: [A-Z_]{{1,64}})?",
    rf"uuid_transfer {_UUID} {_PLACE}",
    rf"uuid_hold (?:off |toggle )?{_UUID}",
    rf"uuid_break {_UUID}(?: all)?",
    rf"uuid_bridge {_UUID} {_UUID}",
    rf"sched_hangup {_WHEN} {_UUID}(?: [A-Z_]{{1,64}})?",
    rf"sched_transfer {_WHEN} {_UUID} {_PLACE}",
)
"""They steer agents, queues and calls."""
_LINES: tuple[tuple[Role, tuple[str, ...]], ...] = (("viewer", VIEWER), ("operator", OPERATOR))
ALLOWED: tuple[tuple[Role, re.Pattern[str]], ...] = tuple(
    (role, re.compile("|".join(f"(?:{one})" for one in lines))) for role, lines in _LINES
)
WRAPPERS: dict[str, tuple[re.Pattern[str], Role]] = {
    "bgapi": (re.compile("bgapi (.+)"), "viewer"),
    "eval": (re.compile(rf"eval (?:uuid:{_UUID} )?(.+)"), "viewer"),
    "expand": (re.compile(rf"expand (?:uuid:{_UUID} )?(.+)"), "viewer"),
    "xml_wrap": (re.compile("xml_wrap (?:encoded )?(.+)"), "viewer"),
    "sched_api": (re.compile(rf"sched_api {_WHEN} [A-Za-z0-9_.-]{{1,64}} (.+)"), "operator"),
}
"""Commands that run the one behind them, and the least role that may use them so."""


def settled(line: str) -> str:
    """A line with single blanks and its first word in lower case: what is judged, and what is sent below admin."""
    name, _, rest = " ".join(part for part in line.split(" ") if part).partition(" ")
    return f"{name.lower()} {rest}" if rest else name.lower()


def required(line: str) -> Role:
    """The least role that may have FreeSWITCH run a line.

    Args:
        line: as ``settled`` returns it: below admin no other text must be sent.
    """
    least: Role = "viewer"
    for _ in range(MAX_WRAPPERS):
        if not _PLAIN.fullmatch(line):
            return "admin"
        line = settled(line)
        wrapper = WRAPPERS.get(line.partition(" ")[0])
        if wrapper is None:
            return max(least, _named(line), key=ROLES.index)
        found = wrapper[0].fullmatch(line)
        if found is None:
            return "admin"
        line, least = found[1], max(least, wrapper[1], key=ROLES.index)
    return "admin"


def _named(line: str) -> Role:
    return next((role for role, lines in ALLOWED if lines.fullmatch(line)), "admin")


HIDDEN_EVENTS = frozenset(
    ("API", "BACKGROUND_JOB", "COMMAND", "PRIVATE_COMMAND", "REQUEST_PARAMS", "SOCKET_DATA", "LOG")
)
"""What others do on the switch, and how they log in: for admins. Of jobs each sees its own."""


def may_hear(name: str, role: Role) -> bool:
    """Whether a role gets FreeSWITCH's events of this name."""
    return role == "admin" or name not in HIDDEN_EVENTS
