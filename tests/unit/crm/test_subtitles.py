"""Subtitles of strangers' words."""

import re

from hypothesis import given
from hypothesis import strategies as st

from fsctl.crm.subtitles import srt, vtt
from fsctl.transcribe.turns import Segment

SAID = [
    Segment("agent", 3_723_004, 3_724_500, "B & C"),
    Segment("caller", 0, 1500, "Hello <b>you</b> -->\n\nthere"),
    Segment("caller", 2000, 2010, "Hm"),
    Segment("caller", 2100, 2200, "  "),
]


def test_webvtt() -> None:
    assert vtt(SAID) == (
        "WEBVTT\n\n"
        "00:00:00.000 --> 00:00:01.500\n<v caller>Hello &lt;b&gt;you&lt;/b&gt; --&gt; there\n\n"
        "00:00:02.000 --> 00:00:02.500\n<v caller>Hm\n\n"
        "01:02:03.004 --> 01:02:04.500\n<v agent>B &amp; C\n"
    )


def test_subrip() -> None:
    assert srt(SAID).startswith("1\n00:00:00,000 --> 00:00:01,500\ncaller: Hello <b>you</b> -> there\n\n2\n")


@given(st.lists(st.text(max_size=40), max_size=5))
def test_words_never_make_a_cue_of_their_own(texts: list[str]) -> None:
    said = [Segment("caller", 1000 * i, 1000 * i + 900, text) for i, text in enumerate(texts)]
    spoken = sum(bool(text.strip()) for text in texts)
    assert len(re.findall("-->", vtt(said))) == len(re.findall("-->", srt(said))) == spoken
    assert len([block for block in vtt(said).split("\n\n") if block]) == spoken + 1
