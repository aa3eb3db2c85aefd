"""Strangers' text on a terminal."""

import pytest

from fsctl.terminal import escape


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Zoë 👩‍👧 ñandú हिन्दी", "Zoë 👩‍👧 ñandú हिन्दी"),
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("two\nlines\r", "two\\x0alines\\x0d"),
        ("\x9b31m", "\\x9b31m"),
        ("abc\u202edcba", "abc\\u202edcba"),
        ("\u2066x\u2069\u200f", "\\u2066x\\u2069\\u200f"),
        ("a\u2028b\x00", "a\\u2028b\\x00"),
    ],
)
def test_what_moves_the_cursor_or_turns_text_round_becomes_visible(text: str, shown: str) -> None:
    assert escape(text) == shown
