"""Frames become spans: where one begins, where a long one is cut."""

import itertools
from collections.abc import Iterable

from hypothesis import example, given, settings
from hypothesis import strategies as st

from fsctl.media.cutter import LEAD_NOISY_MS, ONSET_CLEAR_MS, PAUSE_MS, SUSTAIN, Cutter, Span
from fsctl.media.frames import Frame

MS = 30
LEAST = 5
LONGEST = 100
HANGOVER = 500 // MS


def frame(voiced: bool, clear: bool, level: float, above: float) -> Frame:
    """Levels in decibels. Where a story puts it, ``numbered`` knows how long its sound lasted."""
    return Frame(voiced, clear, int(voiced), 10 ** (level / 10), 10 ** (above / 10))


SPEECH, SOFT, PAUSE = (
    frame(True, True, 60.0, 50.0),
    frame(True, False, 40.0, 50.0),
    frame(False, False, 15.0, 50.0),
)
CLOSURE = frame(False, False, 14.0, 50.0)
SOUND = frame(False, False, 25.0, 50.0)._replace(run=1)
"""Loud enough to be speech, and webrtcvad says that it is none: an f, or the end of a breath."""
NOISY_SPEECH, NOISY_PAUSE = frame(True, True, 60.0, 15.0), frame(False, False, 45.0, 15.0)
LETTERS = {"s": SPEECH, "w": SOFT, ".": PAUSE, "n": NOISY_SPEECH, ",": NOISY_PAUSE, "c": CLOSURE, "f": SOUND}


def frames(story: str) -> list[Frame]:
    """``"3s 10."``: three frames of speech, ten of silence."""
    return numbered(LETTERS[word[-1]] for word in story.split() for _ in range(int(word[:-1])))


def numbered(told: Iterable[Frame]) -> list[Frame]:
    """Each frame with how many in a row are loud, as the floor tells it."""
    found, run = [], 0
    for one in told:
        run = run + 1 if one.run else 0
        found.append(one._replace(run=run))
    return found


def cut(told: list[Frame]) -> list[Span]:
    cutter = Cutter(MS, hangover_ms=500, min_ms=LEAST * MS, max_ms=LONGEST * MS)
    return [span for span in (*map(cutter.take, told), cutter.finish()) if span]


def test_a_word_has_padding_on_both_sides_and_no_hangover() -> None:
    assert cut(frames("50. 20s 50.")) == [Span(49, 71)]


def test_the_sound_that_leads_up_to_a_voice_and_in_which_it_fades_is_of_it() -> None:
    assert cut(frames("40. 6f 20s 9f 50.")) == [Span(39, 76)]
    assert cut(frames("40. 6f 1. 20s 50.")) == [Span(46, 68)], "before a pause it is another sound"


def test_the_release_of_a_final_stop_is_of_the_word() -> None:
    assert cut(frames("50. 20s 6. 1f 50.")) == [Span(49, 78)]
    assert cut(frames("50. 20s 7. 1f 50.")) == [Span(49, 71)]


def test_no_more_sound_than_fits_into_the_hangover_is_of_a_voice() -> None:
    assert cut(frames("50f 20s 50f")) == [Span(50 - HANGOVER, 69 + HANGOVER)]


def test_in_noise_what_is_loud_beside_a_voice_says_little() -> None:
    loud = NOISY_PAUSE._replace(run=1)
    (span,) = cut(numbered([*[NOISY_PAUSE] * 20, *[loud] * 30, *[NOISY_SPEECH] * 20, *[loud] * 50]))
    assert (span.begin, span.end) == (41, 82)


def test_in_noise_the_padding_is_wider() -> None:
    (span,) = cut(frames("50, 20n 50,"))
    assert (span.begin, span.end) == (41, 82)


def test_between_quiet_and_noise_the_padding_is_between() -> None:
    speech, pause = frame(True, True, 60.0, 32.5), frame(False, False, 25.0, 32.5)
    (span,) = cut(numbered([*[pause] * 50, *[speech] * 20, *[pause] * 50]))
    assert (span.begin, span.end) == (50 - 5, 70 + 6)


def test_in_noise_only_an_utterance_waits_longer_for_its_next_word() -> None:
    def spans(above: float, silence: int) -> int:
        speech, pause = frame(True, True, 60.0, above), frame(False, False, 60.0 - above, above)
        return len(cut(numbered([*[speech] * 20, *[pause] * silence, *[speech] * 20])))

    assert [spans(36.0, silence) for silence in (HANGOVER - 2, HANGOVER - 1)] == [1, 2]
    assert [spans(27.5, silence) for silence in (HANGOVER + 3, HANGOVER + 5)] == [1, 2]
    assert [spans(20.0, silence) for silence in (HANGOVER + 8, HANGOVER + 10)] == [1, 2]


def test_a_short_hangover_is_no_more_than_doubled() -> None:
    def spans(silence: int) -> int:
        cutter = Cutter(MS, hangover_ms=5 * MS, min_ms=LEAST * MS, max_ms=LONGEST * MS)
        told = frames(f"20n {silence}, 20n")
        return len([span for span in (*map(cutter.take, told), cutter.finish()) if span])

    assert [spans(silence) for silence in (8, 10)] == [1, 2]


def test_it_tells_how_far_speech_stood_above_the_noise_where_it_ended() -> None:
    (quiet,), (noisy,) = cut(frames("50. 20s 50.")), cut(frames("50, 20n 50,"))
    assert (quiet.reach, noisy.reach) == (LETTERS["s"].reach, LETTERS["n"].reach)
    first, *_ = cut(frames(f"{LONGEST + 20}n 50,"))
    assert first.reach == noisy.reach, "of a cut, too"


def test_a_short_pause_is_within_and_a_long_one_between() -> None:
    assert len(cut(frames("20s 12. 20s 40."))) == 1
    assert len(cut(frames("20s 20. 20s 40."))) == 2


def test_soft_sounds_go_on_but_do_not_begin() -> None:
    assert cut(frames("40w 40.")) == []
    assert cut(frames("10. 10s 10w 40.")) == [Span(9, 31)]


def test_a_click_is_no_speech() -> None:
    assert cut(frames("20. 4s 40. 1s 1. 1s 1. 1s 50.")) == []


def test_long_speech_is_cut_in_its_longest_late_pause() -> None:
    spans = cut(frames("60s 5. 15s 9. 40s 30."))
    assert spans == [Span(0, 81), Span(88, 130)]


def test_a_pause_early_on_is_better_than_a_cut_in_a_word() -> None:
    spans = cut(frames("20s 6. 90s 40."))
    assert spans == [Span(0, 21), Span(25, 117)]


def test_of_two_pauses_the_quieter_is_taken() -> None:
    louder = [frame(False, False, 30.0, 50.0)] * 6
    assert cut([*frames("55s 6. 15s"), *louder, *frames("60s 30.")])[0].end == 56


def test_with_no_pause_the_quietest_moment_is_taken() -> None:
    dip = [frame(True, True, 30.0, 50.0)] * 5
    assert cut([*frames("70s"), *dip, *frames("60s 30.")])[0].end == 72
    # Two frames of a stop consonant are quieter, but no moment.
    assert cut([*frames("60s 2c 8s"), *dip, *frames("60s 30.")])[0].end == 72


def test_what_a_cut_leaves_is_kept_however_short() -> None:
    spans = cut(frames("97s 4. 2s 40."))
    assert spans[-1].end >= 103
    assert sum(s.end - s.begin for s in spans) >= 99


ANY = st.lists(
    st.tuples(st.sampled_from([*LETTERS.values()]), st.integers(1, 60)),
    max_size=30,
).map(lambda runs: numbered(frame for frame, count in runs for _ in range(count)))


@settings(max_examples=300, deadline=None)
@given(ANY)
def test_spans_never_overlap_are_never_too_long_and_stay_within(told: list[Frame]) -> None:
    found = cut(told)
    assert all(0 <= s.begin < s.end <= len(told) for s in found)
    assert all(s.end - s.begin <= LONGEST for s in found)
    assert all(a.end <= b.begin for a, b in itertools.pairwise(found))


@settings(max_examples=300, deadline=None)
@given(ANY)
@example(frames("2n 25. 5s"))
def test_clear_speech_is_covered_to_its_last_frame(told: list[Frame]) -> None:
    covered = [False] * len(told)
    for span in cut(told):
        covered[span.begin : span.end] = [True] * (span.end - span.begin)
    at = 0
    for voiced, run in itertools.groupby(told, key=lambda frame: frame.voiced):
        heard = list(run)
        clear = "".join("s" if frame.clear else "w" for frame in heard)
        first = clear.find("s" * max(LEAST, SUSTAIN, ONSET_CLEAR_MS // MS))
        if voiced and first >= 0:
            assert all(covered[at + first : at + len(heard)])
        at += len(heard)


@settings(max_examples=300, deadline=None)
@given(ANY)
@example(frames("1s 6. 33n 60s"))
@example(frames("10s 15f 5s"))
@example(frames("9f 9w 6f 60s 33w"))
def test_a_cut_never_falls_into_a_word_while_there_is_a_pause(told: list[Frame]) -> None:
    lead = max(LEAD_NOISY_MS // MS, HANGOVER)  # what is only kept before the first voice has no pauses
    for before, after in itertools.pairwise(cut(told)):
        if before.end != after.begin or not all(
            told[i].voiced for i in range(before.end - 1, after.begin + 1)
        ):
            continue
        runs = [
            (v, len(list(run)))
            for v, run in itertools.groupby(told[before.begin + lead : before.end], key=lambda f: f.voiced)
        ]
        assert not any(length * MS >= PAUSE_MS for voiced, length in runs[1:-1] if not voiced)


@settings(max_examples=200, deadline=None)
@given(ANY)
@example(frames("15n 1s 16,"))
def test_nothing_ends_before_it_is_due(told: list[Frame]) -> None:
    cutter, due = Cutter(MS, hangover_ms=500, min_ms=LEAST * MS, max_ms=LONGEST * MS), 0
    for count, frame in enumerate(told, 1):
        if count >= due:
            due = cutter.due
        assert cutter.take(frame) is None or count >= due


@settings(max_examples=100, deadline=None)
@given(ANY)
def test_skipping_silence_changes_nothing(told: list[Frame]) -> None:
    cutter = Cutter(MS, hangover_ms=500, min_ms=LEAST * MS, max_ms=LONGEST * MS)
    found = [None if not frame.voiced and cutter.skip() else cutter.take(frame) for frame in told]
    assert [span for span in (*found, cutter.finish()) if span] == cut(told)


def test_a_single_voice_after_the_pause_of_a_cut_does_not_stop_the_cutter() -> None:
    voice = frame(True, True, 60.0, 50.0)
    hush = frame(False, False, 15.0, 50.0)
    spans = cut([voice] * 15 + [frame(True, True, 60.0, 15.0)] * 60 + [hush] * 19 + [voice] + [hush] * 6)
    assert spans
    assert all(before.end <= after.begin for before, after in itertools.pairwise(spans))
