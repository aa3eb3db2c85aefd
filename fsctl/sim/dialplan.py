"""FreeSWITCH's XML dialplan, read and hunted; nothing is executed here.

It is in charge of which actions a call gets: contexts, extensions, conditions (nested ones too), captures,
``break``, ``continue``, ``inline``. It does not know what an application does; an inline action is handed to
the caller as it is met, since later conditions may depend on it. Source: mod_dialplan_xml.c parse_exten,
110-618; expressions: switch_regex.c switch_regex_perform.

Not modelled, and refused when the file is loaded: applications that the simulator does not have, ``regex=``
rules, ``loop``, and date and time conditions.
"""

import re
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from defusedxml.ElementTree import fromstring

#: Attributes of a condition that this interpreter understands.
CONDITION_ATTRIBUTES = frozenset({"field", "expression", "break", "require-nested"})
#: Likewise of an action.
ACTION_ATTRIBUTES = frozenset({"application", "data", "inline"})
BREAKS = ("on-false", "on-true", "always", "never")

_VARIABLE = re.compile(r"(\\*)\$\{([^{}()]+)\}")

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
    """A test and what follows from it; without ``field`` it always passes.

    ``nested`` are asked when it passed; with ``require_nested`` false it counts as passed whatever they say.
    """

    field: str
    expression: str
    break_on: str
    actions: tuple[Action, ...]
    anti_actions: tuple[Action, ...]
    nested: tuple["Condition", ...] = ()
    require_nested: bool = True


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
    def load(
        cls, folder: Path, globals_: Mapping[str, str], applications: Container[str] | None = None
    ) -> "Dialplan":
        """Read every ``*.xml`` in name order; ``$${name}`` is replaced now, as the XML preprocessor does.

        Raises:
            ValueError: something in it is not modelled; with ``applications``, one that is not among them.
        """
        contexts: dict[str, tuple[Extension, ...]] = {}
        for path in sorted(folder.glob("*.xml")):
            text = re.sub(r"\$\$\{(\w+)\}", lambda found: globals_.get(found[1], ""), path.read_text("utf-8"))
            for context in fromstring(text).iter("context"):
                extensions = tuple(
                    _extension(element, path.name, applications) for element in context.findall("extension")
                )
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
    return _ask(extension.conditions, field, variable, inline, actions)


def _ask(
    conditions: tuple[Condition, ...], field: Lookup, variable: Lookup, inline: Inline, actions: list[Action]
) -> bool:
    """The conditions of one level, in order; tells whether the last that was asked passed."""
    proceed = False
    for condition in conditions:
        found = _test(condition, field, variable)
        proceed = found is not None
        for action in condition.actions if proceed else condition.anti_actions:
            proceed = True
            # Captures are put in only where the expression has a group (line 563).
            data = _substitute(action.data, found) if found and found.re.groups else action.data
            if action.inline:
                inline(action.application, data)
            else:
                actions.append(Action(action.application, data))
        if condition.break_on in ("always", "on-false" if found is None else "on-true"):
            break
        if proceed and condition.nested:
            inner = _ask(condition.nested, field, variable, inline, actions)
            proceed = inner or not condition.require_nested
            if not proceed and condition.break_on != "never":
                break
    return proceed


def _test(condition: Condition, field: Lookup, variable: Lookup) -> re.Match[str] | None:
    if not condition.field:
        return re.match("", "")
    value = expand(condition.field, variable) if "$" in condition.field else field(condition.field) or ""
    return search(expand(condition.expression, variable), value)


def search(expression: str, value: str) -> re.Match[str] | None:
    """switch_regex_perform: bare, or ``/expression/options``, of which only ``i`` and ``s`` are known.

    One that does not compile, or lacks its closing slash, matches nothing.
    """
    compiled = _compiled(expression)
    return compiled.search(value) if compiled else None


@lru_cache(maxsize=1024)
def _compiled(expression: str) -> re.Pattern[str] | None:
    flags = re.RegexFlag(0)
    if expression.startswith("/"):
        expression, slash, options = expression[1:].rpartition("/")
        if not slash:
            return None
        flags |= re.IGNORECASE if "i" in options else re.RegexFlag(0)
        flags |= re.DOTALL if "s" in options else re.RegexFlag(0)
    try:
        return re.compile(expression, flags)
    except re.error:
        return None


def _substitute(data: str, found: re.Match[str]) -> str:
    """``$1`` and its like, from the last expression."""

    def capture(reference: re.Match[str]) -> str:
        index = int(reference[1])
        return (found[index] or "") if index <= (found.re.groups or 0) else ""

    return re.sub(r"\$(\d)", capture, data) if "$" in data else data


def expand(text: str, variable: Lookup) -> str:
    """Replace ``${name}``; an unset variable becomes nothing. API calls as ``${api(x)}`` are not modelled."""
    if "${" not in text:
        return text
    return "".join([variable(part) or "" if is_name else part for part, is_name in _parts(text)])


@lru_cache(maxsize=4096)
def _parts(text: str) -> tuple[tuple[str, bool], ...]:
    """What stands as it is and names of variables, in order. A dialplan has the same texts for each call.

    Three backslashes before a name keep it for a later reader, one is dropped (seen with ``set`` in a dialplan on
    FreeSWITCH 1.11.2; tests/contract has a reporting hook that depends on it).
    """
    parts: list[tuple[str, bool]] = []
    begin = 0
    for found in _VARIABLE.finditer(text):
        slashes, name = len(found[1]), found[2]
        kept = slashes == 3
        before = text[begin : found.start()] + ("" if kept else "\\" * (slashes // 2))
        parts += [(before, False), (f"${{{name}}}" if kept else name, not kept)]
        begin = found.end()
    return tuple(part for part in [*parts, (text[begin:], False)] if part[0])


def _extension(element: Any, file: str, applications: Container[str] | None) -> Extension:
    name = element.get("name", "")
    try:
        conditions = tuple(_condition(child, applications) for child in element.findall("condition"))
    except ValueError as error:
        raise ValueError(f"{file}, extension {name!r}: the simulator does not model {error}") from None
    return Extension(name, element.get("continue") == "true", conditions)


def _condition(element: Any, applications: Container[str] | None) -> Condition:
    _refuse(element, CONDITION_ATTRIBUTES)
    expression = element.findtext("expression") or element.get("expression", "")
    break_on = element.get("break", "on-false").lower()
    return Condition(
        element.get("field", ""),
        expression,
        break_on if break_on in BREAKS else "on-false",
        tuple(_action(child, applications) for child in element.findall("action")),
        tuple(_action(child, applications) for child in element.findall("anti-action")),
        tuple(_condition(child, applications) for child in element.findall("condition")),
        element.get("require-nested", "true").lower() in ("true", "yes", "on", "1"),
    )


def _action(element: Any, applications: Container[str] | None) -> Action:
    _refuse(element, ACTION_ATTRIBUTES)
    application = element.get("application", "")
    if applications is not None and application not in applications:
        raise ValueError(f"the application {application!r}")
    data = (element.text or "").strip() or element.get("data", "")
    return Action(application, data, element.get("inline") == "true")


def _refuse(element: Any, known: frozenset[str]) -> None:
    if unknown := set(element.attrib) - known:
        raise ValueError(f"{element.tag} {sorted(unknown)}")
