"""Strangers' text on a terminal."""

import json

import pytest

from fsctl.terminal import escape, escape_json


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


def test_json_stays_what_it_was_and_moves_no_cursor() -> None:
    value = {"name": "Zoë 👩\u200d👧\u202e\x7f\x9b\U000e0041", "lines": ["a\nb", "\x1b"]}
    shown = escape_json(json.dumps(value, ensure_ascii=False, indent=1))
    assert json.loads(shown) == value
    assert "Zoë 👩\u200d👧" in shown
    assert not set(shown) & set("\u202e\x7f\x9b\U000e0041\x1b")
