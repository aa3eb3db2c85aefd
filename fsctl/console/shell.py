"""``fsctl console``: commands typed in, or given by ``-x``, with what happens meanwhile beside the prompt.

Knows the terminal: completion, history, colours, the keys. Refuses to know what commands do (``console.commands``).
Runs under gevent: while a line is typed, another greenlet tells what happens.
"""

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import gevent
from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer
from prompt_toolkit.completion import Completion as Choice
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import ANSI
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.patch_stdout import patch_stdout

from fsctl.console.commands import COMMANDS, House, Result, Who, answer, audited, execute
from fsctl.console.commands.command import Parsed, parse
from fsctl.console.commands.completion import Completion
from fsctl.console.commands.tailing import CHANNEL
from fsctl.errors import DatabaseError, FsctlError
from fsctl.store.db import Wakeup
from fsctl.story import Story, tell
from fsctl.terminal import Printer, escape

Live = Literal["off", "calls", "all"]
"""What is told beside the prompt: nothing, what happens to calls, or what is said in them, too."""
LIVE: tuple[Live, ...] = ("off", "calls", "all")
ENDS = ("exit", "quit", "bye")
WATCH_S = 2.0
LOOK_S = 2.0
AGAIN_S = 2.0
"""After Postgres was away the story is told from then on."""
HISTORY_BYTES = 256 * 1024
"""A longer history loses its older half when a console begins."""


class Shell:
    """One person's console on one terminal."""

    def __init__(self, who: Who, house: House, printer: Printer, *, as_json: bool = False) -> None:
        """Args: printer: where answers go; as_json: every command answers for programs."""
        self._who, self._house, self._printer = who, house, printer
        self._as_json = as_json
        self._live: Live = "calls"
        self._is_quiet = False
        """While something fills the screen."""

    # --- lines that are given ------------------------------------------------------------------------------

    def batch(self, lines: Iterable[str]) -> int:
        """Run lines until one fails; returns the exit code."""
        for line in lines:
            if line.strip() and not line.lstrip().startswith("#") and not self.line(line.strip()):
                return 1
        return 0

    def line(self, line: str) -> bool:
        """Run one line and print its answer; whether it went well. Raises KeyboardInterrupt: it was stopped."""
        with interruptible():
            return self._line(line)

    def _line(self, line: str) -> bool:
        try:
            parsed = parse(line, COMMANDS)
        except FsctlError as error:
            told = escape(str(error))
            failed = Result(json.dumps({"error": told}, indent=2) if self._as_json else told, ok=False)
            return self._print(audited(line, "", self._who, self._house, failed))
        if self._as_json:
            parsed.options.json = True
        if parsed.watch:
            return self._watch(parsed)
        return self._print(execute(parsed, self._who, self._house))

    def _print(self, result: Result) -> bool:
        is_error = not result.ok and result.values is None and not self._as_json
        self._printer.line(self._printer.style(result.text, "red") if is_error else result.text)
        return result.ok

    def _watch(self, parsed: Parsed) -> bool:
        """Show it again and again, or what it streams, until Ctrl-C."""
        first = execute(parsed, self._who, self._house)
        if not first.ok and first.values is None:
            return self._print(first)
        shows = self._streamed(parsed) if parsed.command.stream else self._repeated(parsed, first)
        self._is_quiet = True
        try:
            for text in shows:
                self._printer.line(text)
        except FsctlError as error:
            return self._print(Result(escape(str(error)), ok=False))
        except KeyboardInterrupt:
            return True
        finally:
            self._is_quiet = False
        return True

    def _repeated(self, parsed: Parsed, result: Result) -> Iterator[str]:
        in_place = self._printer.is_terminal and not parsed.options.json
        while True:
            # Home, the text with each line cleared to its end, and nothing below it.
            shown = result.text.replace("\n", "\x1b[K\n")
            yield f"\x1b[H{shown}\x1b[K\x1b[J" if in_place else _in_a_line(result, parsed)
            time.sleep(WATCH_S)
            result = answer(parsed, self._who, self._house)

    def _streamed(self, parsed: Parsed) -> Iterator[str]:
        assert parsed.command.stream is not None
        for result in parsed.command.stream(parsed.options, self._house, self._printer):
            yield "\n".join(map(json.dumps, result.values)) if parsed.options.json else result.text

    # --- lines that are typed ------------------------------------------------------------------------------

    def run(self, history: Path) -> int:
        """Ask for lines until Ctrl-D; returns the exit code. Args: history: lines of former days."""
        session: PromptSession[str] = PromptSession(
            history=open_history(history), completer=_Tab(self._who, self._house), complete_while_typing=False
        )
        self._house.ask = self._ask
        with patch_stdout(raw=True):
            self._printer.stream = sys.stdout
            telling = gevent.spawn(self._tell)
            try:
                while (line := self._typed(session)) is not None:
                    if line:
                        self._typed_line(line)
            finally:
                telling.kill()
        return 0

    def _typed(self, session: "PromptSession[str]") -> str | None:
        """A line; None when the person leaves. Ctrl-C drops what was typed."""
        while True:
            try:
                line: str = session.prompt(ANSI(self._prompt())).strip()
            except KeyboardInterrupt:
                continue
            except EOFError:
                return None
            return None if line in ENDS else line

    def _prompt(self) -> str:
        return self._printer.style(f"fsctl {escape(self._house.node or 'all')}> ", "bold")

    def _typed_line(self, line: str) -> None:
        try:
            if line.split()[0] == "live":
                self._choose_live(line.split()[1:])
            else:
                self.line(line)
        except KeyboardInterrupt:
            self._printer.line("stopped; what was sent is sent")

    def _choose_live(self, words: Sequence[str]) -> None:
        chosen = next((one for one in LIVE if words == [one]), None)
        if chosen is None:
            self._printer.line(f"live {self._live}; `live {'|'.join(LIVE)}` chooses")
            return
        self._live = chosen
        self._printer.line(f"live {chosen}")

    def _ask(self, question: str) -> bool:
        """Whoever leaves the question says no."""
        with contextlib.suppress(KeyboardInterrupt, EOFError):
            answered: str = PromptSession[str]().prompt(f"{question} [y/N] ")
            return answered.strip().lower() in ("y", "yes")
        return False

    # --- beside the prompt ---------------------------------------------------------------------------------

    def _tell(self) -> None:
        """What happens, for as long as the console stands; while Postgres is away, nothing."""
        while True:
            try:
                self._tell_while_there()
            except DatabaseError:
                gevent.sleep(AGAIN_S)

    def _tell_while_there(self) -> None:
        story = Story(self._house.database)
        wakeup = Wakeup(self._house.database.dsn, [CHANNEL])
        try:
            while True:
                wakeup.wait(LOOK_S)
                for row in story.news():
                    wanted = self._live == "all" or (self._live == "calls" and row["source"] == "event")
                    line = tell(row, self._printer) if wanted and not self._is_quiet else None
                    if line is not None:
                        self._printer.line(line)
        finally:
            wakeup.close()


def _in_a_line(result: Result, parsed: Parsed) -> str:
    return json.dumps(result.values, default=str) if parsed.options.json else result.text


class _Tab(Completer):
    """prompt_toolkit's view of Completion, with the shell's own words."""

    def __init__(self, who: Who, house: House) -> None:
        self._completion = Completion(who, house)

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Choice]:  # noqa: ARG002
        """What the word before the cursor may become."""
        line = document.text_before_cursor
        last = line.rpartition(" ")[2]
        own: list[str] = []
        if " " not in line.lstrip():
            own = [word for word in ("live", *ENDS[:1]) if word.startswith(last)]
        elif line.split()[:1] == ["live"]:
            own = [word for word in LIVE if word.startswith(last)]
        for word in [*self._completion.of(line), *own]:
            yield Choice(word, start_position=-len(last))


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Ctrl-C stops what this greenlet does, whichever one runs as it comes: another would die of it instead."""
    me = gevent.getcurrent()

    def interrupt(_number: int, _frame: object) -> None:
        if gevent.getcurrent() is me:
            raise KeyboardInterrupt
        gevent.get_hub().loop.run_callback(me.throw, KeyboardInterrupt())

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def open_history(path: Path) -> History:
    """Lines of former days, for their owner's eyes only; none where they cannot be kept."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600), "r+b") as file:
            os.fchmod(file.fileno(), 0o600)
            if (size := os.fstat(file.fileno()).st_size) > HISTORY_BYTES:
                file.seek(size // 2)
                kept = file.read().partition(b"\n\n")[2]
                file.seek(0)
                file.write(kept)
                file.truncate()
    except OSError as error:
        print(f"fsctl: no history: {escape(str(error))}", file=sys.stderr)
        return InMemoryHistory()
    return FileHistory(str(path))


def ask_plainly(question: str) -> bool:
    """A question on a terminal where no shell stands, for ``-x``."""
    with contextlib.suppress(EOFError):
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
    return False


def asker() -> Callable[[str], bool] | None:
    """``ask_plainly`` where somebody is there to answer."""
    return ask_plainly if sys.stdin.isatty() else None
