"""Text on its way to a terminal: strangers' text made harmless, and a little colour."""

import json
import re
import sys
import unicodedata
from typing import TextIO

STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "blue": "34", "cyan": "36"}

_HARMFUL = {"Cc", "Cf", "Zl", "Zp", "Cs", "Co", "Cn"}
_JOINERS = {"\u200d", "\u200c"}
"""Part of emoji and of some scripts; they move nothing."""


def escape(text: str) -> str:
    """Names, chat and speech as they can be printed: no control, escape or direction characters.

    Each becomes visible (``\\x1b``), so that a name cannot clear the screen, forge a line or
    turn text round.
    """
    return "".join(
        character
        if unicodedata.category(character) not in _HARMFUL or character in _JOINERS
        else _visible(character)
        for character in text
    )


_MOVES = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff"
    "\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]|\r(?!\n)"
)


def escape_lines(text: str) -> str:
    """The same for text of many lines, which stay: quick, for what a switch answers."""
    return text if text.isprintable() else _MOVES.sub(lambda found: _visible(found[0]), text)


def escape_json(text: str) -> str:
    """The same for JSON of many lines, which keeps its value: such characters become JSON's own escapes."""
    return "\n".join(
        line if line.isprintable() else "".join(map(_escaped, line)) for line in text.split("\n")
    )


def _escaped(character: str) -> str:
    return character if escape(character) == character else json.dumps(character)[1:-1]


def _visible(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


class Printer:
    """Writes lines to a stream, with colour if it is a terminal."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stdout
        self.is_terminal = self.stream.isatty()
        self._bar = False

    def style(self, text: str, *names: str) -> str:
        """Text in colours, or as it is where nobody would see them."""
        if not self.is_terminal or not names:
            return text
        return f"\x1b[{';'.join(STYLES[name] for name in names)}m{text}\x1b[0m"

    def line(self, text: str = "") -> None:
        """One line."""
        self.end_bar()
        print(text, file=self.stream, flush=True)

    def bar(self, what: str, done: float, total: float, unit: str = "MB") -> None:
        """A progress bar in place of the last one; on anything but a terminal nothing but the last state.

        Args:
            done: bytes where the unit is MB, else what the unit says.
        """
        if not self.is_terminal:
            return
        share = min(1.0, done / total) if total else 0.0
        filled = round(share * 30)
        amount = f"{done / 1e6 if unit == 'MB' else done:6.1f} {unit}"
        drawn = f"{'█' * filled}{'·' * (30 - filled)} {amount}" if total else amount
        print(f"\r\x1b[2K  {what}  {drawn}", end="", file=self.stream, flush=True)
        self._bar = True

    def end_bar(self) -> None:
        """Leave the bar's line."""
        if self._bar:
            print("\r\x1b[2K", end="", file=self.stream, flush=True)
            self._bar = False
