"""What a console has FreeSWITCH do, as the text of the Event Socket: words that people choose.

Here the words are the commands: who may say them was decided before (``fsctl.console.roles``). A line break in them
would begin another command, so it is refused here as everywhere.
"""

from dataclasses import dataclass

from fsctl.esl.encode.quoting import line, name


@dataclass(frozen=True)
class Api:
    """``api LINE``."""

    text: str
    as_console: bool = False
    """Whether aliases are expanded, as for a line that is typed at FreeSWITCH's own console."""

    def render(self) -> str:
        """Raises Unencodable."""
        head = f"api {line(self.text)}"
        return f"{head}\nconsole_execute: true" if self.as_console else head


@dataclass(frozen=True)
class Listen:
    """``event json ...``; in JSON values are exact."""

    names: tuple[str, ...]
    subclasses: tuple[str, ...] = ()

    def render(self) -> str:
        """Raises Unencodable."""
        custom = ["CUSTOM", *(name_of_subclass(one) for one in self.subclasses)] if self.subclasses else []
        return " ".join(["event", "json", *(name(one) for one in self.names), *custom])


@dataclass(frozen=True)
class Deaf:
    """``noevents``."""

    def render(self) -> str:
        return "noevents"


@dataclass(frozen=True)
class Unfiltered:
    """``filter delete all``."""

    def render(self) -> str:
        return "filter delete all"


@dataclass(frozen=True)
class Log:
    """``log LEVEL``; without a level no more of it."""

    level: str | None

    def render(self) -> str:
        """Raises Unencodable."""
        return f"log {name(self.level)}" if self.level else "nolog"


@dataclass(frozen=True)
class PassedOn:
    """``sendevent`` or ``sendmsg`` with its headers, as it came; the body goes apart."""

    head: str
    headers: tuple[tuple[str, str], ...]

    def render(self) -> str:
        """Raises Unencodable."""
        lines = [line(self.head)]
        lines += [f"{name(key)}: {line(value)}" for key, value in self.headers]
        return "\n".join(lines)


def name_of_subclass(text: str) -> str:
    """A subclass such as ``callcenter::info``. Raises Unencodable."""
    for part in text.split("::"):
        name(part)
    return text
