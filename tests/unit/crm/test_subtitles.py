"""Subtitles of strangers' words."""

import re

from hypothesis import given
from hypothesis import strategies as st

from fsctl.crm.subtitles import Cue, of_segments, srt, vtt
from fsctl.transcribe.turns import Segment

SAID = [
    Cue(3_723_004, 3_724_500, "agent", "B & C"),
    Cue(0, 1500, "caller", "Hello <b>you</b> -->\n\nthere"),
    Cue(2000, 2010, "caller", "Hm"),
    Cue(2100, 2200, "caller", "  "),
]


def test_webvtt() -> None:
    assert vtt(SAID) == (
        "WEBVTT\n\n"
        "00:00:00.000 --> 00:00:01.500\n<v caller>Hello &lt;b&gt;you&lt;/b&gt; --&gt; there\n\n"
        "00:00:02.000 --> 00:00:02.500\n<v caller>Hm\n\n"
        "01:02:03.004 --> 01:02:04.500\n<v agent>B &amp; C\n"
    )


def test_subrip() -> None:
    assert srt(SAID).startswith("1\n00:00:00,000 --> 00:00:01,500\ncaller: Hello ‹b›you‹/b› --› there\n\n2\n")


@given(st.lists(st.text(max_size=40), max_size=5))
def test_words_never_make_a_cue_of_their_own(texts: list[str]) -> None:
    said = [Cue(1000 * i, 1000 * i + 900, text, text, note=text) for i, text in enumerate(texts)]
    spoken = sum(bool(text.strip()) for text in texts)
    assert len(re.findall("-->", vtt(said))) == len(re.findall("-->", srt(said))) == spoken
    assert len([block for block in vtt(said).split("\n\n") if block]) == 2 * spoken + 1


def test_a_recordings_segments_speak_by_their_leg() -> None:
    assert list(of_segments([Segment("agent", 1, 2, "Hi")])) == [Cue(1, 2, "agent", "Hi")]


def test_who_has_no_name_is_unknown() -> None:
    assert "<v unknown>Hi" in vtt([Cue(0, 900, " \n", "Hi")])
    assert "\nunknown: Hi" in srt([Cue(0, 900, "", "Hi")])


def test_a_voice_ends_no_markup() -> None:
    assert "<v A&gt;&lt;b&gt; \\x1b[2J>Hi" in vtt([Cue(0, 900, "A><b>\n\x1b[2J", "Hi")])
