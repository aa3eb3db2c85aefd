"""What is asked of the switch as a whole: its clock, variables and configuration; the ledger of ended calls."""

from dataclasses import dataclass

from fsctl.esl.encode.quoting import name, row


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
class ReadGlobal:
    """A global variable of the switch; empty when it is not set."""

    variable: str

    def render(self) -> str:
        return f"api global_getvar {name(self.variable)}"


@dataclass(frozen=True)
class ReloadXml:
    """Have the configuration and the directory read again."""

    def render(self) -> str:
        return "api reloadxml"


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
