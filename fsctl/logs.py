"""The log of every process: one line an event on standard error, as text or as JSON.

A line says when (UTC), how grave, who says it and what; and of which call and thread it is where that is known:
who works on one says so once (``about``). Nothing in a line can break it or move a terminal. An error that nobody
caught is a line too. Of errors that are not ours only the kind and the place are told: their words may be a
customer's, or a row. Libraries are heard from warnings on: below, some tell what they send. Everybody logs by
``logging`` as always; set up by cli.py.
"""

import argparse
import json
import logging
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Literal

from fsctl.errors import FsctlError
from fsctl.terminal import escape

log = logging.getLogger(__name__)

MOST = 8192
"""Characters of a message, before they are escaped."""
MOST_ERRORS = 5
"""Errors told of a chain: each was raised from the next."""
MOST_PLACES = 12
"""Places told of an error, the innermost."""
OF_CODE = (FsctlError, OSError, RuntimeError, TypeError, AttributeError, NameError, ImportError, MemoryError)
"""Errors that say what is wrong with code or machine. Others quote what they were given."""
_NOTHING: Mapping[str, str | int] = {}


@dataclass(frozen=True, kw_only=True)
class Log:
    """What processes that run for long say on standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["text", "json"] = "text"
    """A line an event in both; see docs/operations.md."""


DEFAULTS = Log()

_about: ContextVar[Mapping[str, str | int]] = ContextVar("about", default=_NOTHING)


@contextmanager
def about(call: str | None = None, thread: int | None = None) -> Iterator[None]:
    """What this greenlet or thread logs in the block is of a call, a thread, or both.

    Args:
        call: its uuid; thread: its id. None: what stands around the block holds.
    """
    known = {name: one for name, one in (("call", call), ("thread", thread)) if one is not None}
    token = _about.set({**_about.get(), **known})
    try:
        yield
    finally:
        _about.reset(token)


# --- setting up --------------------------------------------------------------------------------------------


def set_up(options: argparse.Namespace, settings: Log = DEFAULTS) -> Log:
    """Begin to log, or go on in another way. Who logs by itself already, such as a test runner, is left so.

    Args:
        options: ``verbose``; and ``log_json`` of commands that run for long: others log text, for a person.
        settings: ``[log]``.

    Returns:
        The settings, as the command line has changed them.
    """
    if getattr(options, "log_json", False):
        settings = replace(settings, format="json")
    root = logging.getLogger()
    handler = next((one for one in root.handlers if isinstance(one, _Handler)), None)
    if handler is None:
        if root.handlers:
            return settings
        root.addHandler(handler := _Handler())
    runs_long = hasattr(options, "log_json")
    handler.as_json = runs_long and settings.format == "json"
    root.setLevel(logging.DEBUG if options.verbose else settings.level.upper())
    logging.captureWarnings(True)
    if runs_long:
        _catch_all()
    return settings


def arguments(settings: Log) -> list[str]:
    """What a child is told on its command line, to log as we do."""
    return ["--log-json"] if settings.format == "json" else []


def last_words(error: FsctlError) -> None:
    """Why a command ends: a line for a person, or one of the log where that is JSON."""
    if any(isinstance(one, _Handler) and one.as_json for one in logging.getLogger().handlers):
        log.error("%s", error)
    else:
        print(f"fsctl: {escape(str(error))}", file=sys.stderr)


def _catch_all() -> None:
    def excepthook(_kind: type[BaseException], error: BaseException, _trace: TracebackType | None) -> None:
        log.critical("not caught; this process ends", exc_info=error)

    def of_greenlet(
        _hub: object, context: object, kind: type, error: BaseException | None, _trace: object
    ) -> None:
        what = type(context).__name__ if context is not None else "the hub"
        log.error("not caught by a %s: %s", what, kind.__name__, exc_info=error)

    sys.excepthook = excepthook
    threading.excepthook = lambda told: log.error("not caught by a thread", exc_info=told.exc_value)
    # Where gevent runs; this module is used without it, too.
    if "gevent.hub" in sys.modules:
        sys.modules["gevent.hub"].Hub.print_exception = of_greenlet


class _Handler(logging.Handler):
    """Writes lines to standard error, whichever that is at the moment."""

    as_json = False

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno < logging.WARNING and not record.name.startswith("fsctl"):
            return
        try:
            sys.stderr.write((as_json if self.as_json else as_text)(record) + "\n")
            sys.stderr.flush()
        except Exception:
            self.handleError(record)


# --- lines -------------------------------------------------------------------------------------------------


def as_json(record: logging.LogRecord) -> str:
    """An object on one line: ``time``, ``level``, ``logger``, ``message``; ``call`` and ``thread`` where they are
    known; ``error`` (a text) and ``trace`` (places, the innermost first) where there was one."""
    return json.dumps(_told(record))


def as_text(record: logging.LogRecord) -> str:
    """``TIME LEVEL LOGGER: MESSAGE``, and behind it what of the rest the message has not said."""
    told = _told(record)
    line = f"{told['time']} {told['level']:7} {told['logger']}: {told['message']}"
    for name in ("call", "thread"):
        if name in told and str(told[name]) not in told["message"]:
            line += f" {name}={told[name]}"
    return f"{line} | {told['error']} | at {' < '.join(told['trace'])}" if "error" in told else line


def read(line: str) -> tuple[str, str]:
    """Level and message of a line of either form; empty where it is none of ours."""
    if line.startswith("{"):
        try:
            told = json.loads(line)
            return str(told["level"]), str(told["message"])
        except (ValueError, KeyError):
            return "", ""
    words = line.split(maxsplit=3)
    if len(words) < 4 or not words[0].endswith("Z") or not words[2].endswith(":"):
        return "", ""
    return words[1], words[3]


def _told(record: logging.LogRecord) -> dict[str, Any]:
    at = datetime.fromtimestamp(record.created, UTC)
    told: dict[str, Any] = {
        "time": f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z",
        "level": record.levelname,
        "logger": record.name,
        "message": escape(record.getMessage()[:MOST]),
    }
    told |= {name: escape(one) if isinstance(one, str) else one for name, one in _about.get().items()}
    error = record.exc_info[1] if record.exc_info else None
    if error is not None:
        told["error"] = "; from ".join(_words(one) for one in _chain(error))
        told["trace"] = list(_places(error))
    return told


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error, what it was raised from, and so on."""
    one: BaseException | None = error
    for _ in range(MOST_ERRORS):
        if one is None:
            return
        yield one
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)


def _words(error: BaseException) -> str:
    kind = type(error).__name__
    return f"{kind}: {escape(str(error)[:MOST])}" if isinstance(error, OF_CODE) else kind


def _places(error: BaseException) -> Iterator[str]:
    trace, found = error.__traceback__, []
    while trace is not None:
        frame = trace.tb_frame
        found.append(f"{frame.f_globals.get('__name__')}:{trace.tb_lineno} {frame.f_code.co_name}")
        trace = trace.tb_next
    yield from found[: -MOST_PLACES - 1 : -1]
