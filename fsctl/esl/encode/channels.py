"""What is asked of one channel, and the call that makes a new one."""

from dataclasses import dataclass
from typing import Literal

from fsctl.errors import Unencodable
from fsctl.esl.encode.quoting import braces, name, uuid, variable, word


@dataclass(frozen=True)
class ShowChannels:
    """Every channel of the switch, as JSON."""

    def render(self) -> str:
        return "api show channels as json"


@dataclass(frozen=True)
class ChannelExists:
    """Whether a channel is up: ``true`` or ``false``. ``show channels`` may list one that has hung up."""

    channel_uuid: str

    def render(self) -> str:
        return f"api uuid_exists {uuid(self.channel_uuid)}"


@dataclass(frozen=True)
class DumpChannel:
    """All that FreeSWITCH knows of one channel, as the JSON of an event."""

    channel_uuid: str

    def render(self) -> str:
        return f"api uuid_dump {uuid(self.channel_uuid)} json"


@dataclass(frozen=True)
class GetVariable:
    """One channel variable; ``_undef_`` when it is not set."""

    channel_uuid: str
    variable: str

    def render(self) -> str:
        return f"api uuid_getvar {uuid(self.channel_uuid)} {name(self.variable)}"


@dataclass(frozen=True)
class SetVariables:
    """Set several channel variables at once (``uuid_setvar_multi``)."""

    channel_uuid: str
    variables: tuple[tuple[str, str], ...]

    def render(self) -> str:
        pairs = ";".join(f"{name(key)}={variable(value)}" for key, value in self.variables)
        return f"api uuid_setvar_multi {uuid(self.channel_uuid)} {pairs}"


@dataclass(frozen=True)
class MeasureMedia:
    """Have FreeSWITCH write the counters of a channel's audio into its variables, as it does at the end."""

    channel_uuid: str

    def render(self) -> str:
        return f"api uuid_set_media_stats {uuid(self.channel_uuid)}"


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
class HangUp:
    """``uuid_kill``, with a cause."""

    channel_uuid: str
    cause: str = "MANAGER_REQUEST"

    def render(self) -> str:
        return f"api uuid_kill {uuid(self.channel_uuid)} {name(self.cause)}"


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
