"""The final text of a leg: each word in its place, each utterance accounted for, nothing unredacted."""

from hypothesis import given, settings
from hypothesis import strategies as st

from fsctl.store.transcripts import Job, Window
from fsctl.store.utterances import Context
from fsctl.transcribe import final
from fsctl.transcribe.editor import NO_TEXT, Rules
from fsctl.transcribe.engine import Text, Word
from fsctl.transcribe.final import Decoded

RATE = 1000


def text(start_s: float, end_s: float, said: str, *words: tuple[float, float, str]) -> Text:
    return Text(
        start_s=start_s, end_s=end_s, text=said, language="en", logprob=-0.1, no_speech=0.0,
        words=tuple(Word(a, b, w, 0.9) for a, b, w in words),
    )  # fmt: skip


def job(*windows: Window, redact: tuple[str, ...] = (), **spoken: tuple[int, int]) -> Job:
    return Job(
        recording_id=1, call_uuid="c", leg="caller", fence=1, attempts=1, windows=windows,
        spoken={int(name[1:]): span for name, span in spoken.items()},
        context=Context(language="en", redact=redact),
    )  # fmt: skip


WINDOW = Window(id=5, rate=RATE, pieces=[(1000, 3000), (9000, 12000)], utterances=[1, 2], attempts=0)
"""Two utterances, six seconds of pause between them left out."""
JOB = job(WINDOW, u1=(1000, 2600), u2=(9400, 12000))


def compose(of: Job, *found: Decoded) -> list[tuple[int | None, int, int, str, str | None]]:
    made = final.compose(of, found, {}, "m", Rules())
    return [(s.utterance_id, s.start_ms, s.end_ms, s.text, s.suppressed_by) for s in made.segments]


def decoded(window: Window, *texts: Text) -> Decoded:
    return Decoded(window=window, texts=texts, rules=[None] * len(texts))


def test_a_text_is_where_it_was_said() -> None:
    found = Decoded(window=WINDOW, texts=[text(0.5, 1.5, "Hi."), text(3.0, 4.0, "Bye.")], rules=[None, None])
    assert compose(JOB, found) == [(1, 1500, 2500, "Hi.", None), (2, 10000, 11000, "Bye.", None)]


def test_a_text_over_a_pause_is_parted_by_its_words() -> None:
    said = text(
        0.2,
        4.0,
        " Well, then. Good bye.",
        (0.2, 0.6, "Well,"),
        (0.7, 1.2, "then."),
        (2.6, 3.0, "Good"),
        (3.0, 4.0, "bye."),
    )
    found = Decoded(window=WINDOW, texts=[said], rules=[None])
    assert compose(JOB, found) == [(1, 1200, 2200, "Well, then.", None), (2, 9600, 11000, "Good bye.", None)]


def test_a_text_lasts_no_longer_than_the_speech_that_it_is_of() -> None:
    """Whisper lets it last until the next begins; what the other leg says in the pause would come after it."""
    found = decoded(WINDOW, text(0.0, 2.45, "Hi."), text(2.45, 5.0, "Bye."))
    assert compose(JOB, found) == [(1, 1000, 2600, "Hi.", None), (2, 9450, 12000, "Bye.", None)]
    late = decoded(WINDOW, text(0.3, 2.2, "Hi."), text(2.2, 5.0, "Bye."))
    assert compose(JOB, late)[1] == (2, 9400, 12000, "Bye.", None)


def test_words_that_are_not_in_the_text_part_nothing() -> None:
    said = text(0.2, 4.0, "Well, then.", (0.2, 0.6, "Well,"), (2.6, 3.0, "than."))
    found = Decoded(window=WINDOW, texts=[said], rules=[None])
    assert compose(JOB, found) == [(2, 1200, 11000, "Well, then.", None)]


def test_an_utterance_without_text_is_accounted_for() -> None:
    found = Decoded(window=WINDOW, texts=[text(0.5, 1.5, "Hi.")], rules=[None])
    assert compose(JOB, found) == [(1, 1500, 2500, "Hi.", None), (2, 9400, 12000, "", NO_TEXT)]
    assert [row[3:] for row in compose(JOB, Decoded(window=WINDOW, texts=[], rules=[]))] == [
        ("", NO_TEXT)
    ] * 2


def test_what_the_guard_suppressed_is_kept_with_its_rule() -> None:
    found = Decoded(window=WINDOW, texts=[text(0.5, 1.5, "Thank you.")], rules=["no_voice"])
    assert (1, 1500, 2500, "Thank you.", "no_voice") in compose(JOB, found)


def test_a_card_number_said_over_two_windows_is_taken_out_with_its_milliseconds() -> None:
    first = Window(id=1, rate=RATE, pieces=[(0, 4000)], utterances=[1], attempts=0)
    second = Window(id=2, rate=RATE, pieces=[(5000, 9000)], utterances=[2], attempts=0)
    of = job(first, second, redact=("card",), u1=(0, 4000), u2=(5000, 9000))
    begin = text(0, 4, "It is 4111 1111", (0, 1, "It"), (1, 2, "is"), (2, 3, "4111"), (3, 4, "1111"))
    end = text(0, 4, "1111 1111 thanks", (0, 1, "1111"), (1, 2, "1111"), (3, 4, "thanks"))
    halves = [decoded(first, begin), decoded(second, end)]
    made = final.compose(of, halves, {}, "m", Rules(kinds=("card",)))
    everything = " ".join([s.text for s in made.segments] + [w[2] for s in made.segments for w in s.words])
    assert "1111" not in everything
    assert "thanks" in everything
    assert all("card" in s.redacted for s in made.segments)
    silenced = {ms for one in made.redactions for ms in range(one.start_ms, one.end_ms)}
    assert {2100, 3900, 5100, 6900} <= silenced
    assert not {500, 8500} & silenced


@given(st.lists(st.tuples(st.floats(0, 5), st.floats(0, 5)), max_size=20))
@settings(max_examples=300)
def test_no_two_segments_of_an_utterance_begin_at_once_and_none_is_lost(
    times: list[tuple[float, float]],
) -> None:
    texts = [text(min(pair), max(pair), f"w{i}") for i, pair in enumerate(times)]
    made = compose(JOB, Decoded(window=WINDOW, texts=texts, rules=[None] * len(texts)))
    assert len({(row[0], row[1]) for row in made}) == len(made)
    assert {row[3] for row in made if row[4] is None} == {f"w{i}" for i in range(len(texts))}
    for utterance, (start, end) in ((1, (1000, 2600)), (2, (9400, 12000))):
        assert any(row[0] == utterance or (row[1] < end and row[2] > start) for row in made)
    assert all(1000 <= start <= end <= 12000 + len(texts) for _, start, end, _, _ in made)
