"""FreeSWITCH's XML dialplan, read and hunted; nothing is executed here.

It is in charge of which actions a call gets: contexts, extensions, conditions, captures, ``break``,
``continue``, ``inline``. It does not know what an application does; an inline action is handed to the caller
as it is met, since later conditions may depend on it. Source: mod_dialplan_xml.c parse_exten, 110-480.

Not modelled, and refused when the file is loaded: nested conditions, ``regex=`` rules, date and time
conditions, and X-PRE-PROCESS.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from defusedxml.ElementTree import fromstring

#: Attributes of a condition that this interpreter understands.
CONDITION_ATTRIBUTES = frozenset({"field", "expression", "break"})

Lookup = Callable[[str], str | None]
Inline = Callable[[str, str], None]


@dataclass(frozen=True)
class Action:
    """An application with its data, before captures and variables are put in."""

    application: str
    data: str
    inline: bool = False


@dataclass(frozen=True)
class Condition:
    """A test and what follows from it; without ``field`` it always passes."""

    field: str
    expression: str
    break_on: str
    actions: tuple[Action, ...]
    anti_actions: tuple[Action, ...]


@dataclass(frozen=True)
class Extension:
    """Conditions in order. The hunt ends at the first that matches, unless ``goes_on``."""

    name: str
    goes_on: bool
    conditions: tuple[Condition, ...]


class Dialplan:
    """All contexts found in a folder of XML files."""

    def __init__(self, contexts: Mapping[str, tuple[Extension, ...]]) -> None:
        self.contexts = contexts

    @classmethod
    def load(cls, folder: Path, globals_: Mapping[str, str]) -> "Dialplan":
        """Read every ``*.xml`` in name order; ``$${name}`` is replaced now, as the XML preprocessor does."""
        contexts: dict[str, tuple[Extension, ...]] = {}
        for path in sorted(folder.glob("*.xml")):
            text = re.sub(r"\$\$\{(\w+)\}", lambda found: globals_.get(found[1], ""), path.read_text("utf-8"))
            for context in fromstring(text).iter("context"):
                extensions = tuple(_extension(element) for element in context.findall("extension"))
                contexts[context.get("name", "")] = contexts.get(context.get("name", ""), ()) + extensions
        return cls(contexts)

    def hunt(self, context: str, field: Lookup, variable: Lookup, inline: Inline) -> list[Action] | None:
        """The actions for a call, or None when no extension matches.

        ``field`` reads the caller profile, ``variable`` the channel. Actions of a condition that passed stay
        in the list even if a later condition of the same extension fails, as in FreeSWITCH.
        """
        actions: list[Action] = []
        for extension in self.contexts.get(context, ()):
            if _run(extension, field, variable, inline, actions) and not extension.goes_on:
                return actions
        return actions or None


def _run(
    extension: Extension, field: Lookup, variable: Lookup, inline: Inline, actions: list[Action]
) -> bool:
    """parse_exten: collect the extension's actions; tells whether it matched."""
    proceed = False
    for condition in extension.conditions:
        found = _test(condition, field, variable)
        proceed = found is not None
        for action in condition.actions if proceed else condition.anti_actions:
            proceed = True
            data = _substitute(action.data, found) if found else action.data
            if action.inline:
                inline(action.application, data)
            else:
                actions.append(Action(action.application, data))
        if condition.break_on in ("always", "on-false" if found is None else "on-true"):
            break
    return proceed


def _test(condition: Condition, field: Lookup, variable: Lookup) -> re.Match[str] | None:
    if not condition.field:
        return re.match("", "")
    value = expand(condition.field, variable) if "$" in condition.field else field(condition.field) or ""
    return re.search(expand(condition.expression, variable), value)


def _substitute(data: str, found: re.Match[str]) -> str:
    """``$1`` and its like, from the last expression."""

    def capture(reference: re.Match[str]) -> str:
        index = int(reference[1])
        return (found[index] or "") if index <= (found.re.groups or 0) else ""

    return re.sub(r"\$(\d)", capture, data)


def expand(text: str, variable: Lookup) -> str:
    """Replace ``${name}``; an unset variable becomes nothing. API calls as ``${api(x)}`` are not modelled.

    Three backslashes before it keep it for a later reader, one is dropped (seen with ``set`` in a dialplan on
    FreeSWITCH 1.11.2; tests/contract has a reporting hook that depends on it).
    """

    def put(found: re.Match[str]) -> str:
        slashes, name = len(found[1]), found[2]
        if slashes == 3:
            return f"${{{name}}}"
        return "\\" * (slashes // 2) + (variable(name) or "")

    return re.sub(r"(\\*)\$\{([^{}()]+)\}", put, text)


def _extension(element: Any) -> Extension:
    conditions = tuple(_condition(child, element.get("name", "")) for child in element.findall("condition"))
    return Extension(element.get("name", ""), element.get("continue") == "true", conditions)


def _condition(element: Any, extension: str) -> Condition:
    unknown = set(element.attrib) - CONDITION_ATTRIBUTES
    if unknown or element.find("condition") is not None:
        raise ValueError(
            f"extension {extension!r}: the simulator does not model {sorted(unknown) or 'nested conditions'}"
        )
    expression = element.findtext("expression") or element.get("expression", "")
    return Condition(
        element.get("field", ""),
        expression,
        element.get("break", "on-false"),
        tuple(_action(child) for child in element.findall("action")),
        tuple(_action(child) for child in element.findall("anti-action")),
    )


def _action(element: Any) -> Action:
    data = (element.text or "").strip() or element.get("data", "")
    return Action(element.get("application", ""), data, element.get("inline") == "true")
