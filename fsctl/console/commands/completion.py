"""What may come next in a line: commands, and the names of calls, queues, agents, nodes and prompts.

For the shell's tab and for an ESL client's. Never raises: a line that cannot be completed has no completions.
"""

import time
from collections.abc import Callable, Iterable, Mapping

from fsctl.call.state import Disposition, Phase
from fsctl.console.commands import COMMANDS
from fsctl.console.commands.command import Command, House, Kind, Who
from fsctl.console.commands.steering import prompts
from fsctl.errors import FsctlError
from fsctl.store.agents import Agents
from fsctl.store.call_view import CallsView
from fsctl.store.queues import Queues
from fsctl.terminal import escape

FRESH_S = 2.0
"""Names are read again after this: somebody who presses tab thrice asks once."""
VALUES: Mapping[str, Kind] = {
    "queue": "queue",
    "agent": "agent",
    "node": "node",
    "uuid": "call",
    "call": "call",
}
"""Key of a condition -> what its values name."""
WORDS: Mapping[str, tuple[str, ...]] = {
    "phase": tuple(one.value for one in Phase),
    "disposition": tuple(one.value for one in Disposition),
    "state": ("growing", "closed", "cut", "archived", "failed"),
    "status": ("available", "on-demand", "break", "out"),
}
"""Key of a condition -> its values, where they are always the same."""


class Completion:
    """Completes the lines of one console."""

    def __init__(self, who: Who, house: House) -> None:
        self._who = who
        self._house = house
        self._read: dict[Kind, tuple[float, list[str]]] = {}

    def of(self, line: str) -> list[str]:
        """Whole words that the last word of ``line`` may become, in order."""
        *before, last = line.lstrip().removeprefix("fsctl ").lstrip().split(" ")
        words = [word for word in before if word]
        try:
            found = [word for word in self._candidates(words, last) if word.startswith(last)]
        except FsctlError:
            return []
        return list(dict.fromkeys(found))

    def _candidates(self, words: list[str], last: str) -> Iterable[str]:
        if not words:
            return self._names("command")
        command = COMMANDS.get(words[0])
        if command is None or not self._who.may(command.role):
            return ()
        if last.startswith("-"):
            return [option for action in command.parser()._actions for option in action.option_strings]
        if command.keys:
            return self._conditions(command, words[1:], last)
        place = len([word for word in words[1:] if not word.startswith("-")])
        if place >= len(command.places):
            return ()
        here = command.places[place]
        return here if isinstance(here, tuple) else self._names(here)

    def _conditions(self, command: Command, words: list[str], last: str) -> Iterable[str]:
        if "where" not in words:
            return ["where"]
        key, equals, _ = last.partition("=")
        if not equals:
            return [
                f"{one}=" for one in command.keys if not any(word.startswith(f"{one}=") for word in words)
            ]
        values = self._names(VALUES[key]) if key in VALUES else WORDS.get(key, ())
        return [f"{key}={value}" for value in values]

    def _names(self, kind: Kind) -> list[str]:
        at, names = self._read.get(kind, (0.0, []))
        if not at or time.monotonic() - at > FRESH_S:
            names = [name for name in self._readers()[kind]() if name == escape(name) and " " not in name]
            self._read[kind] = time.monotonic(), names
        return names

    def _readers(self) -> Mapping[Kind, Callable[[], Iterable[str]]]:
        house = self._house
        nodes = [node.name for node in house.config.nodes]
        served = [house.node] if house.node else nodes
        return {
            "call": lambda: CallsView(house.database).open_uuids(),
            "queue": lambda: sorted({name for node in served for name in Queues(house.database).names(node)}),
            "agent": lambda: [one.name for one in Agents(house.database).all(house.node)],
            "node": lambda: [*nodes, "all"],
            "prompt": lambda: next(iter(prompts().values()), {}),
            "command": lambda: [one.name for one in COMMANDS.values() if self._who.may(one.role)],
        }
