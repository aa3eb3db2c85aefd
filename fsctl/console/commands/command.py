"""What a console command is: words that become rows, for people or for programs.

Knows who asks and what the house has; refuses to know by which door the words came in (``fsctl console``, an ESL
client, the command line) and how an answer travels. A command is a function from its parsed arguments to a Result;
``@command`` says beside it who may give it, what it takes, and whether it changes something.
"""

import argparse
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Literal, NoReturn, Protocol, get_args

from fsctl.config import Config, Node
from fsctl.errors import BadInput, ConfigError
from fsctl.esl import encode
from fsctl.esl.connection import COMMAND_TIMEOUT_S, Reply
from fsctl.store.db import Database
from fsctl.terminal import Printer

Role = Literal["viewer", "operator", "admin"]
"""viewer sees, operator steers agents, queues and calls, admin may everything."""
ROLES: tuple[Role, ...] = get_args(Role)
"""Each may what those before it may."""
MAX_LINE = 4096
"""Characters of a command; a longer one is no command."""
_UNTYPED = re.compile("[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")
"""What nobody types in a line; Postgres would not take all of it either."""


@dataclass(frozen=True)
class Who:
    """The person at the console."""

    user: str
    """For the audit: ``ann@example.com`` of an ESL client, the Unix account of a shell."""
    role: Role

    def may(self, role: Role) -> bool:
        """Whether what asks for ``role`` is allowed."""
        return ROLES.index(self.role) >= ROLES.index(role)


@dataclass(frozen=True)
class Result:
    """What came of a command."""

    text: str
    """For people: lines without one at the end, fit for a terminal. JSON where it was asked for."""
    ok: bool = True
    values: Any = None
    """For programs: what JSON can hold."""
    node: str | None = None
    """The FreeSWITCH that it was about, for the audit; None: the one that the console has chosen."""


class Switch(Protocol):
    """A FreeSWITCH that takes commands: a Connection or a Link."""

    def request(self, command: encode.Request, timeout_s: float = COMMAND_TIMEOUT_S) -> Reply:
        """Raises LinkError."""


@dataclass
class House:
    """What commands may use; one for each console, since ``use`` changes it."""

    config: Config
    database: Database
    connect: Callable[[str], AbstractContextManager[Switch]]
    """A node's name -> a connection for as long as the block lasts. Raises LinkError."""
    node: str | None = None
    """The FreeSWITCH that ``use`` chose; None: the first of the config."""
    ask: Callable[[str], bool] | None = None
    """Asks the person a question; None where nobody can be asked, as on an ESL connection."""

    def chosen(self) -> Node:
        """The node that commands without a call go to. Raises ConfigError: the config has none."""
        if self.node is None and not self.config.nodes:
            raise ConfigError(f"{self.config.source}: no [[node]]: which FreeSWITCH is meant?")
        return self.config.node(self.node) if self.node else self.config.nodes[0]

    def wrap_ups(self) -> dict[str, int]:
        """Seconds of wrap-up by queue, where the config says one."""
        queues = self.config.queues.items()
        return {name: queue.wrap_up_s for name, queue in queues if queue.wrap_up_s is not None}


@dataclass(frozen=True)
class Asked:
    """What a command is given."""

    options: argparse.Namespace
    who: Who
    house: House


Run = Callable[[Asked], Result]
Stream = Callable[[argparse.Namespace, House, Printer], Iterator[Result]]
Kind = Literal["call", "queue", "agent", "node", "prompt", "command"]
"""What a word of a line may name; completion knows the names of each."""
Places = Sequence[Kind | tuple[str, ...]]


@dataclass(frozen=True)
class Command:
    """One command of the registry."""

    run: Run
    about: str
    """One line for ``help``; no capital, no full stop."""
    role: Role
    arguments: Callable[["Arguments"], None]
    changes: bool
    """Whether it does something: it takes ``--dry-run`` then."""
    question: Callable[[argparse.Namespace], str] | None
    """What is asked before it is done; None or an empty question: nothing."""
    follows: bool
    """Whether a console may repeat it: ``--watch``."""
    stream: Stream | None
    """What ``--watch`` tells, where it is more than the same again and again."""
    places: Places
    """What its words are, in order, for completion."""
    keys: Sequence[str]
    """Of its conditions: ``where KEY=VALUE``; see ``where.conditions``."""

    @property
    def name(self) -> str:
        """As it is typed."""
        return self.run.__name__

    def parser(self) -> "Arguments":
        """Reads its arguments."""
        parser = Arguments(
            prog=self.name,
            description=self.about,
            add_help=False,
            allow_abbrev=False,
            formatter_class=_format,
        )
        self.arguments(parser)
        if self.keys:
            known = ", ".join(self.keys)
            parser.add_argument("where", nargs="*", metavar="where KEY=VALUE", help=f"KEY is one of {known}")
        parser.add_argument("--json", action="store_true", help="for programs")
        if self.follows:
            parser.add_argument("--watch", action="store_true", help="again and again, until it is ended")
        if self.changes:
            parser.add_argument("--dry-run", action="store_true", help="say what would be sent")
        if self.question is not None:
            parser.add_argument("--yes", action="store_true", help="do not ask")
        return parser


def command(
    about: str,
    *,
    role: Role = "viewer",
    arguments: Callable[["Arguments"], None] = lambda _parser: None,
    changes: bool = False,
    question: Callable[[argparse.Namespace], str] | None = None,
    follows: bool = False,
    stream: Stream | None = None,
    places: Places = (),
    keys: Sequence[str] = (),
) -> Callable[[Run], Command]:
    """Make a command of a function; see Command."""
    return lambda run: Command(run, about, role, arguments, changes, question, follows, stream, places, keys)


class Arguments(argparse.ArgumentParser):
    """argparse that raises instead of ending the process: many people share it."""

    def error(self, message: str) -> NoReturn:
        """Raises BadInput."""
        raise BadInput(f"{message}; {' '.join(self.format_usage().split())}")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:  # noqa: ARG002
        """Raises BadInput."""
        raise BadInput(message or "nothing to do")


def _format(prog: str) -> argparse.HelpFormatter:
    """As wide whoever asks: not as the terminal of this process."""
    return argparse.HelpFormatter(prog, width=100, max_help_position=30)


@dataclass(frozen=True)
class Parsed:
    """A line that is a command."""

    line: str
    command: Command
    options: argparse.Namespace = field(default_factory=argparse.Namespace)

    @property
    def watch(self) -> bool:
        """Whether it shall be shown again and again."""
        return bool(getattr(self.options, "watch", False))

    @property
    def dry_run(self) -> bool:
        """Whether it only says what it would do."""
        return bool(getattr(self.options, "dry_run", False))


def parse(line: str, registry: Mapping[str, Command]) -> Parsed:
    """Read a line: words as a shell parts them, a leading ``fsctl`` is left out; none are ``help``.

    Raises:
        BadInput: no such command, or not what it takes.
    """
    if len(line) > MAX_LINE:
        raise BadInput(f"a command has at most {MAX_LINE} characters")
    if _UNTYPED.search(line):
        raise BadInput("a command is one line of text, without control characters")
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise BadInput(f"{error}: quotes come in pairs") from error
    if words[:1] == ["fsctl"]:
        words = words[1:]
    name, *rest = words or ["help"]
    if name not in registry:
        raise BadInput(f"no command is named {name[:40]!r}; `help` lists them")
    if "--help" in rest:
        name, rest = "help", [name]
    found = registry[name]
    return Parsed(line, found, found.parser().parse_intermixed_args(rest))
