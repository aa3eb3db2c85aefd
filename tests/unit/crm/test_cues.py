"""Calls of a thread as subtitles: who speaks, and from when the time counts."""

from dataclasses import replace
from datetime import timedelta

from fsctl.console.export import FORMATS
from fsctl.crm import EXPORTS
from fsctl.crm.cues import cues
from fsctl.store.items import CallItem, MessageItem
from fsctl.transcribe.turns import Segment
from tests.unit.crm.test_thread import CALL, MESSAGE, PROGRESS, T0, around
from tests.unit.crm.test_vcon import spoken


def later(seconds: float, *segments: Segment, agent: str | None = "agent1") -> CallItem:
    """A call of which the recording began so many seconds after T0."""
    began = T0 + timedelta(seconds=seconds)
    return CallItem(began, replace(CALL, agent=agent), spoken(*segments, began=began), PROGRESS)


def test_the_time_of_a_call_counts_from_its_recording_however_late_it_spoke() -> None:
    item = later(
        77, Segment("caller", 3_600_000, 3_601_000, "Hola"), Segment("agent", 3_602_000, 3_602_001, "Hi")
    )
    assert EXPORTS["vtt"](around(MessageItem(T0, MESSAGE), item)) == (
        "WEBVTT\n\n"
        "NOTE call c-1, recorded from 2026-11-23T09:01:17+00:00\n\n"
        "01:00:00.000 --> 01:00:01.000\n<v Ann>Hola\n\n"
        "01:00:02.000 --> 01:00:02.500\n<v agent1>Hi\n"
    )


def test_the_time_of_a_thread_counts_from_its_first_call() -> None:
    first = later(100, Segment("caller", 0, 1000, "one"))
    second = later(100 + 100 * 3600, Segment("agent", 500, 1500, "two"), agent=None)
    assert EXPORTS["srt"](around(first, second)) == (
        "1\n00:00:00,000 --> 00:00:01,000\nAnn: one\n\n2\n100:00:00,500 --> 100:00:01,500\nagent: two\n"
    )


def test_a_note_stands_before_the_first_words_even_behind_silence() -> None:
    item = later(0, Segment("caller", 0, 900, " "), Segment("agent", 1000, 2000, "Hi"))
    assert [(cue.text, bool(cue.note)) for cue in cues(around(item))] == [("Hi", True)]


def test_a_name_is_no_markup_and_none_is_needed() -> None:
    item = later(0, Segment("caller", 0, 900, "a --> b\n\nNOTE <i>&"))
    shown = EXPORTS["vtt"](around(item, name="\u202e<c.x>\n-->"))
    assert shown.count("-->") == 1
    assert "<v \\u202e&lt;c.x&gt; --&gt;>a --&gt; b NOTE &lt;i&gt;&amp;\n" in shown
    assert "<v customer>" in EXPORTS["vtt"](around(item, name=" "))


def test_without_words_there_is_a_file_without_cues() -> None:
    assert EXPORTS["vtt"](around(later(0))) == "WEBVTT\n"
    assert EXPORTS["srt"](around(MessageItem(T0, MESSAGE))) == ""


def test_every_format_can_be_asked_for() -> None:
    assert set(FORMATS) == set(EXPORTS)
