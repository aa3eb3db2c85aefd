"""Getting in, and what the controller wants to hear."""

from dataclasses import dataclass

from fsctl.esl.encode.quoting import line, name

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
    ("Event-Name", "/^(?!CHANNEL_EXECUTE$|API$|CUSTOM$)/"),
    ("CC-Action", "/^(member-queue-(start|end)|agent-offering|bridge-agent-(start|fail))$/"),
    ("Application", "/^record_session_(mask|unmask|pause|resume)$/"),
    ("API-Command", "uuid_record"),
)
"""Of what mod_callcenter tells, less than half is of a call; of the applications and commands that run, only those
count that leave a gap in a recording, of which FreeSWITCH tells in no other way. One hit is enough, and an event
with none is not even copied for us (mod_event_socket.c, 320-360)."""


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
