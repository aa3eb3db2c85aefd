"""A recording's whole text, without any server: cut, packed into windows, decoded, guarded, redacted.

As the final pass of a call does it, in one process and nothing stored. Called by: ``fsctl transcribe FILE``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from fsctl.media.voices import cut
from fsctl.media.wave import to_16k
from fsctl.media.windows import Packed, Places, Stretch, pack
from fsctl.store.segments import NewSegment
from fsctl.transcribe import editor, turns
from fsctl.transcribe.editor import Guard, Heard, Rules
from fsctl.transcribe.engine import Engine, Speech
from fsctl.transcribe.final import in_place
from fsctl.transcribe.language import LanguageLock
from fsctl.transcribe.redact import asks_for_code
from fsctl.transcribe.turns import Segment, Statistics, Turn

Samples = npt.NDArray[np.int16]
Progress = Callable[[float, float], None]
"""Seconds of speech decoded, and seconds in all."""
OTHER = {"caller": "agent", "agent": "caller"}


@dataclass(frozen=True, kw_only=True)
class Cutting:
    """How speech is cut; see ``[media]`` of the config."""

    vad_mode: int
    hangover_ms: int
    min_ms: int
    max_ms: int


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is asked of a file."""

    language: str | None = None
    """None: found out for each leg."""
    redact: Sequence[str] = ()
    words: bool = True


@dataclass(frozen=True, kw_only=True)
class Transcript:
    """What was said in a recording. Milliseconds from its start."""

    duration_ms: int
    model: str
    segments: Sequence[tuple[str, NewSegment]]
    """Leg and segment, in order; those that were not spoken are not among them."""
    suppressed: Sequence[tuple[str, NewSegment]] = field(default=())

    @property
    def spoken(self) -> list[Segment]:
        """The segments as turns are made of them."""
        return [
            Segment(leg, one.start_ms, one.end_ms, one.text, one.confidence, one.language)
            for leg, one in self.segments
        ]

    @property
    def turns(self) -> list[Turn]:
        """For reading."""
        return turns.turns(self.spoken)

    @property
    def talk(self) -> Statistics:
        """Who spoke how long."""
        return turns.statistics(self.spoken, self.duration_ms)


@dataclass(frozen=True)
class _Work:
    """A window to be decoded."""

    leg: str
    samples: Samples
    rate: int
    packed: Packed
    stretches: Sequence[Stretch]
    """Of speech in it."""

    def speech(self, language: str | None, *, words: bool) -> Speech:
        """As an engine takes it."""
        audio = np.concatenate([self.samples[start:end] for start, end in self.packed.pieces])
        places = self.places
        return Speech(
            to_16k(audio, self.rate), language, timestamps=True, words=words,
            pauses=places.pauses_s((one.start, one.end) for one in self.stretches), seams=places.seams_s,
        )  # fmt: skip

    @property
    def places(self) -> Places:
        """Where its times are."""
        return Places(self.packed.pieces, self.rate)

    @property
    def spans_ms(self) -> dict[int, tuple[int, int]]:
        """Where its stretches of speech are."""
        return {
            one.id: (one.start * 1000 // self.rate, one.end * 1000 // self.rate) for one in self.stretches
        }

    @property
    def seconds(self) -> float:
        """Its length."""
        return sum(end - start for start, end in self.packed.pieces) / self.rate


def transcribe(
    legs: Mapping[str, Samples],
    rate: int,
    engine: Engine,
    guard: Guard,
    cutting: Cutting,
    wanted: Wanted,
    progress: Progress = lambda _done, _total: None,
) -> Transcript:
    """All that was said.

    Args:
        legs: leg -> its samples, all at this rate and of one length.
        guard: see ``fsctl.transcribe.guard``.
    """
    work = [
        _Work(leg, samples, rate, packed, [stretches[id] for id in packed.ids])
        for leg, samples in legs.items()
        for stretches in [_cut(samples, rate, cutting)]
        for packed in pack(stretches, rate)
    ]
    heard = _decode(work, engine, guard, wanted, progress)
    kept: list[tuple[str, NewSegment]] = []
    for leg, texts in heard.items():
        asked = [one.end_ms for one in heard.get(OTHER.get(leg, ""), []) if asks_for_code(one.text)]
        rules = Rules(kinds=wanted.redact, asked_ms=asked)
        kept += [(leg, one) for one in editor.edit(texts, engine.name, rules).segments]
    kept.sort(key=lambda pair: (pair[1].start_ms, pair[1].end_ms, pair[0]))
    return Transcript(
        duration_ms=max((len(samples) * 1000 // rate for samples in legs.values()), default=0),
        model=engine.name,
        segments=[pair for pair in kept if pair[1].suppressed_by is None],
        suppressed=[pair for pair in kept if pair[1].suppressed_by is not None],
    )


def _cut(samples: Samples, rate: int, cutting: Cutting) -> list[Stretch]:
    found = cut(
        samples, rate, vad_mode=cutting.vad_mode, hangover_ms=cutting.hangover_ms,
        min_ms=cutting.min_ms, max_ms=cutting.max_ms,
    )  # fmt: skip
    return [Stretch(index, start, end) for index, (start, end) in enumerate(found)]


def _decode(
    work: Sequence[_Work], engine: Engine, guard: Guard, wanted: Wanted, progress: Progress
) -> dict[str, list[Heard]]:
    total, done = sum(one.seconds for one in work), 0.0
    heard: dict[str, list[Heard]] = {}
    locks: dict[str, LanguageLock] = {}
    progress(0.0, total)
    for one in work:
        lock = locks.get(one.leg, LanguageLock())
        speech = one.speech(wanted.language or lock.language, words=wanted.words or bool(wanted.redact))
        texts = engine.decode([speech])[0]
        rules = [guard(text, speech) for text in texts]
        heard.setdefault(one.leg, []).extend(in_place(texts, rules, one.places, one.spans_ms))
        if texts:
            probability = getattr(texts[0], "language_probability", 1.0)
            locks[one.leg] = lock.hear(texts[0].language, probability, one.seconds)
        done += one.seconds
        progress(done, total)
    return heard
