"""What a recogniser must offer. To add one: ``transcribe/NAME.py`` and a line in ENGINES."""

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Protocol

from fsctl.errors import ModelError
from fsctl.media.wave import RATE, Waveform

BEAM = 5
"""Readings of a window followed at once: there 2 and 3 are worse."""


@dataclass(frozen=True)
class Speech:
    """One utterance to be decoded."""

    wave: Waveform
    language: str | None
    """ISO 639-1, or None to choose among the allowed."""
    languages: tuple[str, ...] = ()
    """What may be spoken on this leg; none named: what the engine was told (EngineOptions)."""
    prompt: str = ""
    """Names, order ids and words of the trade that may be said (``vocabulary``); an engine may bound it."""
    before: str = ""
    """What was said before it, where an engine goes through a window in several steps."""
    timestamps: bool = False
    """It is a window of several utterances, a minute or more: a text for each, with its times, is wanted."""
    words: bool = False
    """The time of each word is wanted; an engine that cannot tell leaves ``Text.words`` empty."""
    pauses: tuple[float, ...] = ()
    """Seconds of a window at which nobody speaks: one that cannot be heard at once is heard up to such a one."""
    seams: tuple[float, ...] = ()
    """Those of them of which the most was left out: of a text that goes over one the times of words are wanted."""

    @property
    def seconds(self) -> float:
        """Its length."""
        return len(self.wave) / RATE


@dataclass(frozen=True, slots=True)
class Word:
    """A word as heard. Times from the utterance's start."""

    start_s: float
    end_s: float
    text: str
    """With the punctuation that stands at it, without spaces around."""
    probability: float


@dataclass(frozen=True, kw_only=True)
class Text:
    """A piece of text as an engine returns it, and what it thinks of it. Times from the utterance's start."""

    start_s: float
    end_s: float
    text: str
    language: str
    logprob: float
    """Mean natural-log probability of its tokens."""
    no_speech: float
    """Probability that there was no speech at all."""
    words: tuple[Word, ...] = ()
    tokens: int = 0
    """How many the engine wrote; 0: it does not say."""
    language_probability: float = 1.0
    """Of its language, among those allowed; 1 where it was told."""
    compression: float = 0.0
    """Bytes of the text by bytes of it compressed: high where it repeats itself; 0: not computed."""


class Engine(Protocol):
    """A recogniser, loaded."""

    @property
    def name(self) -> str:
        """Model and precision, as it stands on each segment."""

    @property
    def at_once(self) -> int:
        """Threads that may call ``decode`` at once without waiting for each other."""

    def decode(self, batch: Sequence[Speech], *, beam: int = BEAM) -> list[list[Text]]:
        """The text of each utterance of the batch, in order; an empty list where nothing was heard.

        Args:
            batch: any number, utterances of any lengths up to 30 s, windows of any length; the engine groups them.
            beam: how many readings are followed at once; 1 is cheapest, for a worker under load.
        """


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """What every engine is told."""

    model_dir: Path
    languages: Sequence[str]
    device: str
    """``cpu``, ``cuda`` or ``auto``."""
    threads: int
    """Cores that may be used at once by a call of ``decode``."""
    loops: int = 1
    """Threads that will call it at once."""


ENGINES: Mapping[str, str] = {
    "whisper": "fsctl.transcribe.whisper",
    "sphinx": "fsctl.transcribe.sphinx",
}
"""Name -> module with ``locate(model, models) -> Path`` and ``load(EngineOptions) -> Engine``."""


def locate(name: str, model: str, models: Path) -> Path:
    """The folder of a recogniser's model.

    Args:
        name: the recogniser's.
        model: a name that it knows, or a path.
        models: the folder of fetched models.

    Raises:
        ModelError: there is no such recogniser, or its weights are not there; says what to do.
    """
    found: Callable[[str, Path], Path] = _module(name).locate
    return found(model, models)


def load(name: str, options: EngineOptions) -> Engine:
    """Load a recogniser.

    Raises:
        ModelError: there is none of this name, or its weights are not there.
    """
    loader: Callable[[EngineOptions], Engine] = _module(name).load
    return loader(options)


def _module(name: str) -> ModuleType:
    """Imported when it is wanted: recognisers are heavy."""
    if name not in ENGINES:
        raise ModelError(f"no recogniser is called {name!r} (there is: {', '.join(ENGINES)})")
    return importlib.import_module(ENGINES[name])
