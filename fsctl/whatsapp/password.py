"""The SIP password of a number as a file that FreeSWITCH's directory includes.

Meta makes the password; FreeSWITCH must know it to challenge Meta's calls, and to call by Meta. Two files for each
number, readable for their owner only and replaced as a whole: a reader sees the old one or the new one.
``NUMBER.xml`` is the user of the directory: it stands before the one of ``vars.xml`` in ``directory/whatsapp.xml``,
and the first of a name counts (switch_xml.c, find_user_in_tag). ``NUMBER.vars`` sets the variable that the
gateway's password is made of, and is included by ``vars.xml`` for the number that calls.
"""

import contextlib
import os
import re
import tempfile
from pathlib import Path
from xml.sax.saxutils import escape

from fsctl.errors import BadInput, ConfigError

PASSWORD = re.compile(r"[!-~]{8,256}")
"""Printable, and no blanks."""
VARIABLE = "fsctl_whatsapp_password"
"""Of vars.xml."""


def render(number: str, password: str) -> dict[str, str]:
    """The files, by the ends of their names.

    Raises:
        BadInput: a number or a password that cannot stand there; the password is not said.
    """
    if not re.fullmatch(r"[0-9]{5,20}", number):
        raise BadInput(f"{number!r} is not a number's digits")
    # A preprocessor reads the file before XML does, and would expand this.
    if not PASSWORD.fullmatch(password) or "${" in password:
        raise BadInput(f"+{number}: Meta's SIP password cannot stand in FreeSWITCH's configuration")
    value = in_xml(password)
    user = (
        f'  <user id="{number}">\n    <params>\n'
        f'      <param name="password" value="{value}"/>\n'
        '      <param name="allow-empty-password" value="false"/>\n'
        "    </params>\n  </user>\n"
    )
    variable = f'  <X-PRE-PROCESS cmd="set" data="{VARIABLE}={value}"/>\n'
    head = "<!-- Written by `fsctl whatsapp rotate-password`. -->\n<include>\n"
    return {"xml": f"{head}{user}</include>\n", "vars": f"{head}{variable}</include>\n"}


def in_xml(password: str) -> str:
    """As it stands in both files: a variable of FreeSWITCH is put into XML as it is."""
    return escape(password, {'"': "&quot;"})


def write(folder: Path, number: str, password: str) -> None:
    """Replace the number's files; mode 0600, and of the folder's owner where we may give them away.

    Raises:
        BadInput: see ``render``.
        ConfigError: the folder is not there, or cannot be written.
    """
    texts = render(number, password)
    try:
        for end, text in texts.items():
            _replace(folder / f"{number}.{end}", text)
        _sync(folder)
    except OSError as error:
        raise ConfigError(
            f"whatsapp.calling.users_dir: {folder}: {error.strerror}; it is the folder of passwords that "
            "FreeSWITCH's directory/whatsapp.xml includes"
        ) from error


def _replace(target: Path, text: str) -> None:
    folder = target.parent
    descriptor, name = tempfile.mkstemp(prefix=f".{target.stem}.", suffix=".new", dir=folder)
    try:
        with os.fdopen(descriptor, "w") as file:
            if os.geteuid() == 0:
                os.fchown(descriptor, folder.stat().st_uid, folder.stat().st_gid)
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        os.replace(name, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
