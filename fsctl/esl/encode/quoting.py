"""Text from outside, made fit for the one place in a command where it lands, or refused.

Knows how FreeSWITCH splits each kind of line; refuses to know commands. All of it raises Unencodable.
"""

import re

from fsctl.errors import Unencodable

_UUID = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}\Z")
_ROW = re.compile(r"[A-Za-z0-9._|-]{1,255}\Z")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


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
