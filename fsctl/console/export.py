"""``fsctl export``: a call or a thread as a file that other programs read."""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from fsctl.errors import BadInput
from fsctl.terminal import escape_json

if TYPE_CHECKING:
    from fsctl.store.db import Database
    from fsctl.store.items import ThreadView

FORMATS = ("json", "vtt", "srt", "txt", "vcon")
_OF_JSON = ("json", "vcon")


def add_parser(add: Callable[[str, str], argparse.ArgumentParser]) -> None:
    """Args: add: makes a command."""
    parser = add("export", "write a call or a thread as JSON, subtitles, text or vCon")
    parser.add_argument("who", help="uuid or wacid of a call; or a thread's id, number, user id or name")
    parser.add_argument("--format", choices=FORMATS, default="json", help="default json")
    parser.add_argument("--output", type=Path, metavar="FILE", help="default: standard output")
    parser.add_argument(
        "--redacted", action="store_true", help="vcon: its twin without names, numbers and words"
    )


def main(options: argparse.Namespace, database: "Database", public_url: str, who: str) -> int:
    """Write the export; it is audited before. Returns the exit code.

    Args:
        public_url: ``[web] public_url``; its host makes the ids of vCons unique.
        who: the account that asks.

    Raises:
        BadInput: no call or thread is called so, or more than one; or it cannot be had in this form.
    """
    from fsctl.store import audit
    from fsctl.store.exports import find

    if options.redacted and options.format != "vcon":
        raise BadInput("--redacted is for --format vcon")
    view = find(database, options.who)
    text = _render(view, options.format, public_url, redacted=options.redacted)
    subject = f"call {view.only_call}" if view.only_call else f"thread {view.thread.id}"
    detail = {"format": options.format, "redacted": options.redacted, "characters": len(text)}
    audit.Audit(database).append(audit.Entry(who=who, action="export.write", subject=subject, detail=detail))
    if options.output is None:
        sys.stdout.write(text)
    else:
        _write(options.output, text)
    return 0


def _render(view: "ThreadView", form: str, public_url: str, *, redacted: bool) -> str:
    """The whole text, with the end of its last line."""
    from fsctl import crm
    from fsctl.crm import as_vcon

    if form == "vcon":
        domain = urlsplit(public_url).hostname or as_vcon.NOWHERE
        text = as_vcon.render(view, domain=domain, redacted=redacted)
    else:
        text = crm.EXPORTS[form](view)
    text = escape_json(text) if form in _OF_JSON else text
    return text if text.endswith("\n") else f"{text}\n"


def _write(path: Path, text: str) -> None:
    """Whole or not at all, and for its owner only. Raises OSError."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
