"""Commands become the text of the Event Socket. Nowhere else is such text put together.

Each command is a value with one method, ``render``. Text from outside (names, payloads, headers) is made fit
for exactly the place where it lands, or refused: a line feed in a command would start a second one.
"""

import re
from dataclasses import dataclass
from typing import Literal

from fsctl.call import commands
from fsctl.errors import Unencodable

EVENTS = (
    "CHANNEL_CREATE",
    "CHANNEL_ANSWER",
    "CHANNEL_BRIDGE",
    "CHANNEL_UNBRIDGE",
    "CHANNEL_HANGUP_COMPLETE",
    "RECORD_START",
    "RECORD_STOP",
    "BACKGROUND_JOB",
    "HEARTBEAT",
    "SHUTDOWN",
    "CHANNEL_EXECUTE",
    "API",
)
"""What the controller needs and no more: each event costs FreeSWITCH 4 to 13 KB a listener."""
SUBCLASSES = ("callcenter::info",)
FILTERS = (
    ("Event-Name", "/^(?!CHANNEL_EXECUTE$|API$)/"),
    ("Application", "/^record_session_(mask|unmask|pause|resume)$/"),
    ("API-Command", "uuid_record"),
)
"""Of the applications and commands that run, only those that leave a gap in a recording: FreeSWITCH tells of it in
no other way. One hit is enough, and an event with none is not even copied for us (mod_event_socket.c, 320-360)."""

_UUID = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}\Z")
_ROW = re.compile(r"[A-Za-z0-9._|-]{1,255}\Z")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class Auth:
    """``auth PASSWORD``."""

    password: str

    def render(self) -> str:
        return f"auth {line(self.password)}"


@dataclass(frozen=True)
class Subscribe:
    """``event json ...``; CUSTOM and its subclasses must stand last.

    JSON carries values exactly. Plain does not: a value that holds ``%0A`` already is sent as it is and would
    be decoded to what nobody said (switch_utils.c, switch_url_encode_opt without double encoding).
    """

    def render(self) -> str:
        return f"event json {' '.join(EVENTS)} CUSTOM {' '.join(SUBCLASSES)}"


@dataclass(frozen=True)
class Filter:
    """``filter HEADER VALUE``: of what is subscribed to, send what has this; /VALUE/ is an expression."""

    header: str
    value: str

    def render(self) -> str:
        return f"filter {name(self.header)} {line(self.value)}"


@dataclass(frozen=True)
class MaskRecording:
    """Have FreeSWITCH write silence into a recording, or what is heard again."""

    channel_uuid: str
    path: str
    masked: bool

    def render(self) -> str:
        action = "mask" if self.masked else "unmask"
        return f"api uuid_record {uuid(self.channel_uuid)} {action} {word(self.path)}"


@dataclass(frozen=True)
class ShowChannels:
    """Every channel of the switch, as JSON."""

    def render(self) -> str:
        return "api show channels as json"


@dataclass(frozen=True)
class DumpChannel:
    """All that FreeSWITCH knows of one channel, as the JSON of an event."""

    channel_uuid: str

    def render(self) -> str:
        return f"api uuid_dump {uuid(self.channel_uuid)} json"


@dataclass(frozen=True)
class ChannelExists:
    """Whether a channel is up: ``true`` or ``false``. ``show channels`` may list one that has hung up."""

    channel_uuid: str

    def render(self) -> str:
        return f"api uuid_exists {uuid(self.channel_uuid)}"


@dataclass(frozen=True)
class MeasureMedia:
    """Have FreeSWITCH write the counters of a channel's audio into its variables, as it does at the end."""

    channel_uuid: str

    def render(self) -> str:
        return f"api uuid_set_media_stats {uuid(self.channel_uuid)}"


@dataclass(frozen=True)
class SetVariables:
    """Set several channel variables at once (``uuid_setvar_multi``)."""

    channel_uuid: str
    variables: tuple[tuple[str, str], ...]

    def render(self) -> str:
        pairs = ";".join(f"{name(key)}={variable(value)}" for key, value in self.variables)
        return f"api uuid_setvar_multi {uuid(self.channel_uuid)} {pairs}"


@dataclass(frozen=True)
class HangUp:
    """``uuid_kill``, with a cause."""

    channel_uuid: str
    cause: str = "MANAGER_REQUEST"

    def render(self) -> str:
        return f"api uuid_kill {uuid(self.channel_uuid)} {name(self.cause)}"


@dataclass(frozen=True)
class Transfer:
    """Have a channel leave what it does and go on at an extension of the dialplan.

    With a context named, ``force_transfer_context`` of the channel does not count (switch_ivr.c,
    switch_ivr_session_transfer). A leg that it was bridged to hangs up.
    """

    channel_uuid: str
    extension: str
    context: str

    def render(self) -> str:
        return f"api uuid_transfer {uuid(self.channel_uuid)} {name(self.extension)} XML {name(self.context)}"


@dataclass(frozen=True)
class Play:
    """Play a file on a channel, over what it hears else.

    A path with ``::`` would name an application to run, and ``!`` before it a cause to hang up with
    (switch_ivr_async.c, switch_ivr_broadcast); a variable in it would be expanded.
    """

    channel_uuid: str
    path: str
    legs: Literal["aleg", "both"] = "aleg"

    def render(self) -> str:
        if "::" in self.path or "${" in self.path:
            raise Unencodable(f"{self.path[:80]!r} is not a file")
        return f"api uuid_broadcast {uuid(self.channel_uuid)} {word(self.path)} {self.legs}"


@dataclass(frozen=True)
class Typed:
    """What a person typed for ``api``, as it stands. Who may have it run is not decided here."""

    text: str

    def render(self) -> str:
        return f"api {line(self.text)}"


@dataclass(frozen=True)
class GlobalVariable:
    """A global variable of the switch; empty when it is not set."""

    variable: str

    def render(self) -> str:
        return f"api global_getvar {name(self.variable)}"


@dataclass(frozen=True)
class Status:
    """Is it there?"""

    def render(self) -> str:
        return "api status"


@dataclass(frozen=True)
class CoreUuid:
    """Which process of FreeSWITCH this is: another one after a restart."""

    def render(self) -> str:
        return "api global_getvar core_uuid"


@dataclass(frozen=True)
class ReadLedger:
    """The keys of calls that ended, as FreeSWITCH wrote them down itself: dialplan/path.xml."""

    def render(self) -> str:
        return "api db list/fsctl_ended"


@dataclass(frozen=True)
class ReadRow:
    """What the ledger holds under a key."""

    key: str

    def render(self) -> str:
        return f"api db select/fsctl_ended/{row(self.key)}"


@dataclass(frozen=True)
class StrikeOut:
    """Take a row out of the ledger."""

    key: str

    def render(self) -> str:
        return f"api db delete/fsctl_ended/{row(self.key)}"


@dataclass(frozen=True)
class ListMembers:
    """Members of a queue, as mod_callcenter's ``|`` list."""

    queue: str

    def render(self) -> str:
        return f"api callcenter_config queue list members {word(self.queue)}"


@dataclass(frozen=True)
class ListAgents:
    """mod_callcenter's agents as its ``|`` list, or one of them."""

    agent: str = ""

    def render(self) -> str:
        return f"api callcenter_config agent list {word(self.agent) if self.agent else ''}".rstrip()


@dataclass(frozen=True)
class ListTiers:
    """Which agent serves which queue."""

    def render(self) -> str:
        return "api callcenter_config tier list"


@dataclass(frozen=True)
class ListQueues:
    """mod_callcenter's queues with their settings."""

    def render(self) -> str:
        return "api callcenter_config queue list"


@dataclass(frozen=True)
class SetTierState:
    """Set the state of an agent's place in a queue: ``Ready``, ..."""

    queue: str
    agent: str
    state: str

    def render(self) -> str:
        place = f"{word(self.queue)} {word(self.agent)}"
        return f"api callcenter_config tier set state {place} {word(self.state)}"


@dataclass(frozen=True)
class ReleaseAgent:
    """Have mod_callcenter let go of an agent's channel: its queue call is over, the channel itself stays.

    It answers nothing when it does so, which the Event Socket shows as ``-ERR no reply``
    (mod_callcenter.c, cc_break_api_function).
    """

    channel_uuid: str

    def render(self) -> str:
        return f"api callcenter_break agent {uuid(self.channel_uuid)}"


@dataclass(frozen=True)
class ShowRegistrations:
    """Every registered phone of the switch, as JSON."""

    def render(self) -> str:
        return "api show registrations as json"


@dataclass(frozen=True)
class ReadDialString:
    """How the directory has a user called, not expanded."""

    user: str

    def render(self) -> str:
        return f"api user_data {word(self.user)} param dial-string"


@dataclass(frozen=True)
class ReadPassword:
    """The password of a user of the directory, in clear; an error when there is no such user."""

    user: str

    def render(self) -> str:
        return f"api user_data {word(self.user)} param password"


@dataclass(frozen=True)
class ReadGlobal:
    """A global variable of the switch; empty when it is not set."""

    variable: str

    def render(self) -> str:
        return f"api global_getvar {name(self.variable)}"


@dataclass(frozen=True)
class ForgetGateway:
    """Have a SIP profile drop a gateway; calls that are up stay."""

    profile: str
    gateway: str

    def render(self) -> str:
        return f"api sofia profile {name(self.profile)} killgw {name(self.gateway)}"


@dataclass(frozen=True)
class StartGateway:
    """Have a SIP profile read a gateway's settings and use it."""

    profile: str
    gateway: str

    def render(self) -> str:
        return f"api sofia profile {name(self.profile)} startgw {name(self.gateway)}"


@dataclass(frozen=True)
class ReloadXml:
    """Have the configuration and the directory read again."""

    def render(self) -> str:
        return "api reloadxml"


@dataclass(frozen=True)
class FindPhone:
    """Where a user's phone is: an endpoint, or ``error/user_not_registered``."""

    function: Literal["sofia_contact", "verto_contact"]
    user: str

    def render(self) -> str:
        return f"api {self.function} {word(self.user)}"


@dataclass(frozen=True)
class GetVariable:
    """One channel variable; ``_undef_`` when it is not set."""

    channel_uuid: str
    variable: str

    def render(self) -> str:
        return f"api uuid_getvar {uuid(self.channel_uuid)} {name(self.variable)}"


@dataclass(frozen=True)
class ReadClock:
    """The switch's clock, in seconds since 1970."""

    def render(self) -> str:
        return "api strepoch"


@dataclass(frozen=True)
class ReadUptime:
    """Seconds since FreeSWITCH started."""

    def render(self) -> str:
        return "api uptime s"


@dataclass(frozen=True)
class SetAgent:
    """Set one property of an agent: ``status``, ``state``, ``contact``, ..."""

    key: str
    agent: str
    value: str

    def render(self) -> str:
        return f"api callcenter_config agent set {name(self.key)} {word(self.agent)} {word(self.value)}"


@dataclass(frozen=True)
class Originate:
    """Call an endpoint and send it to an extension of the dialplan. Takes as long as it rings: for Background."""

    endpoint: str
    extension: str
    context: str
    variables: tuple[tuple[str, str], ...] = ()

    def render(self) -> str:
        pairs = ",".join(f"{name(key)}={braces(value)}" for key, value in self.variables)
        where = f"{word(self.extension)} XML {name(self.context)}"
        return f"api originate {{{pairs}}}{word(self.endpoint)} {where}"


@dataclass(frozen=True)
class Background:
    """Any ``api`` command, run beside others; its result comes as an event with our Job-UUID."""

    request: "Request"
    job_uuid: str

    def render(self) -> str:
        return f"bg{self.request.render()}\nJob-UUID: {uuid(self.job_uuid)}"


Request = (
    Auth
    | Subscribe
    | Filter
    | MaskRecording
    | ShowChannels
    | DumpChannel
    | MeasureMedia
    | SetVariables
    | HangUp
    | Transfer
    | Play
    | Typed
    | GlobalVariable
    | Status
    | CoreUuid
    | ReadLedger
    | ReadRow
    | StrikeOut
    | ListMembers
    | ListAgents
    | ListTiers
    | ListQueues
    | SetTierState
    | ReleaseAgent
    | ShowRegistrations
    | ReadDialString
    | ReadPassword
    | ReloadXml
    | ReadGlobal
    | ForgetGateway
    | StartGateway
    | FindPhone
    | ChannelExists
    | GetVariable
    | ReadClock
    | ReadUptime
    | SetAgent
    | Originate
    | Background
)


def encode(command: commands.SwitchCommand) -> Request:
    """What the machine asks of the switch, as FreeSWITCH's command."""
    match command:
        case commands.SetVariables(uuid=channel_uuid, variables=variables):
            return SetVariables(channel_uuid, variables)
        case commands.HangUp(leg_uuid=leg_uuid, cause=cause):
            return HangUp(leg_uuid, cause)
    raise TypeError(f"no ESL for {type(command).__name__}")


def uuid(text: str) -> str:
    """A channel's uuid; refuses anything that could end an argument."""
    if not _UUID.match(text):
        raise Unencodable(f"{text[:80]!r} is not a channel uuid")
    return text


def name(text: str) -> str:
    """The name of a variable or a cause."""
    if not _NAME.match(text):
        raise Unencodable(f"{text[:80]!r} is not a name")
    return text


def row(text: str) -> str:
    """The key of a row of the ledger; mod_db splits its line at slashes and honours quotes."""
    if not _ROW.match(text):
        raise Unencodable(f"{text[:80]!r} is not a key of the ledger")
    return text


def line(text: str) -> str:
    """Text that ends with its line; refuses control characters."""
    if _CONTROL.search(text):
        raise Unencodable("a line break or control character in a command")
    return text


def command(text: str) -> str:
    """A whole command: a line, then header lines. A blank line would end it and begin another."""
    for part in text.split("\n"):
        if not part:
            raise Unencodable("a blank line in a command")
        line(part)
    return text


def word(text: str) -> str:
    """An argument of its own. The line is split at blanks, quotes are taken off and nothing else can be said.

    switch_utils.c, switch_separate_string: ``'a b'`` is one argument, and a quote in it cannot be escaped for
    every command that reads it; a ``|`` would end a column of mod_callcenter's lists.
    """
    if not text or _CONTROL.search(text) or set(text) & set("'\"\\|`"):
        raise Unencodable(f"{text[:80]!r} cannot stand as one argument of a command")
    return f"'{text}'" if " " in text else text


def braces(text: str) -> str:
    """A value within ``{a=1,b=2}`` of originate: the line is split at blanks first, the pairs at commas after.

    Measured (tests/data/esl/originate_quoting.bin): quotes keep blanks together and are taken off, a backslash
    keeps a comma. A quote in the value breaks the command, so it becomes a look-alike; what is left of ``${``
    would be expanded.
    """
    seen = _CONTROL.sub(" ", text)[:1024].replace("\\", "/").replace("'", "\u2019").replace('"', "\u201d")
    seen = seen.replace("${", "$(").replace("{", "(").replace("}", ")").replace("[", "(").replace("]", ")")
    return "'" + seen.replace(",", "\\,") + "'"


def variable(text: str) -> str:
    """A value within ``uuid_setvar_multi``, where ``;`` parts the pairs and there is no way to escape it.

    mod_commands.c, uuid_setvar_multi_function: split at ``;`` honouring quotes, then at the first ``=``, and
    blanks at the end are dropped. A value with ``${`` is not set at all (switch_channel.c,
    switch_string_var_check_const). So these become look-alikes that change no command: text of strangers is
    for eyes, not for logic.
    """
    seen = _CONTROL.sub(" ", text)[:1024].replace("\\", "/").replace("${", "$(")
    return seen.replace(";", ",").replace("'", "\u2019").replace('"', "\u201d").strip()
