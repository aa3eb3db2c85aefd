"""PocketSphinx: a recogniser that brings its American English model along, and is nothing like Whisper.

Hidden Markov models, a dictionary and trigrams instead of one network: it tells the time of each word by itself,
knows no prompt and no other language, and writes neither case nor punctuation. Of telephone speech it gets
about every second word: it proves the protocol and serves where no weights can be had, no more.
(pip install fsctl[sphinx]; API: pocketsphinx.readthedocs.io, ``Decoder``.)
"""

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fsctl.errors import ModelError
from fsctl.media.wave import RATE
from fsctl.transcribe.engine import BEAM, EngineOptions, Speech, Text, Word

FRAMES_PER_SECOND = 100
PAUSE_S = 0.4
"""In a window, a longer pause begins a new text."""
LEAST_PROBABILITY = 1e-9
"""Its posteriors underflow to zero."""
CANNOT_TELL = 0.5
"""It makes words of silence and is sure of them: whether anybody spoke is for the guard to find out."""
LANGUAGE = "en"


def locate(model: str, _models: Path) -> Path:
    """The folder of an acoustic model, if a path is given; else the one in the package."""
    try:
        import pocketsphinx
    except ImportError as error:
        raise ModelError("pocketsphinx is not installed: pip install 'fsctl[sphinx]'") from error
    return Path(model) if "/" in model else Path(pocketsphinx.get_model_path("en-us"))


def load(options: EngineOptions) -> "Sphinx":
    """Load it. Raises ModelError when it is not installed or the folder holds no such model."""
    try:
        import pocketsphinx
    except ImportError as error:
        raise ModelError("pocketsphinx is not installed: pip install 'fsctl[sphinx]'") from error
    folder = options.model_dir
    nested = folder / "en-us"
    try:
        decoder = pocketsphinx.Decoder(
            hmm=str(nested if nested.is_dir() else folder), samprate=RATE, loglevel="FATAL"
        )
    except (RuntimeError, ValueError) as error:
        raise ModelError(f"{folder}: cannot be loaded as a model of pocketsphinx: {error}") from error
    return Sphinx(decoder, folder.name)


class Sphinx:
    """An Engine."""

    def __init__(self, decoder: Any, model: str) -> None:
        self._decoder = decoder
        self._name = f"sphinx-{model}"

    @property
    def name(self) -> str:
        """Its model."""
        return self._name

    @property
    def at_once(self) -> int:
        """See Engine: it holds the interpreter while it decodes."""
        return 1

    def decode(self, batch: Sequence[Speech], *, beam: int = BEAM) -> list[list[Text]]:
        """See Engine. One after the other; its own beam is a likelihood, not a number, and stays as it is."""
        del beam
        return [self._decode(speech) for speech in batch]

    def _decode(self, speech: Speech) -> list[Text]:
        pcm = (np.clip(speech.wave, -1, 1) * 32767).astype("<i2").tobytes()
        self._decoder.start_utt()
        self._decoder.process_raw(pcm, full_utt=True)
        self._decoder.end_utt()
        words = list(_spoken(self._decoder.seg() or ()))
        groups = _at_pauses(words) if speech.timestamps else [words]
        return [_text(group, with_words=speech.words) for group in groups if group]


def _spoken(segmentation: Iterable[Any]) -> Iterator[Word]:
    """Its words, without silence and noises; the second way to say a word is ``word(2)``."""
    for one in segmentation:
        if one.word[0] not in "<[+":
            yield Word(
                start_s=one.start_frame / FRAMES_PER_SECOND,
                end_s=(one.end_frame + 1) / FRAMES_PER_SECOND,
                text=one.word.split("(")[0],
                probability=min(1.0, max(LEAST_PROBABILITY, one.prob)),
            )


def _at_pauses(words: Sequence[Word]) -> list[list[Word]]:
    groups: list[list[Word]] = [[]]
    for before, word in itertools.pairwise([None, *words]):
        if before and word and word.start_s - before.end_s > PAUSE_S:
            groups.append([])
        if word:
            groups[-1].append(word)
    return groups


def _text(words: Sequence[Word], *, with_words: bool) -> Text:
    return Text(
        start_s=words[0].start_s,
        end_s=words[-1].end_s,
        text=" ".join(word.text for word in words),
        language=LANGUAGE,
        logprob=sum(math.log(word.probability) for word in words) / len(words),
        no_speech=CANNOT_TELL,
        words=tuple(words) if with_words else (),
        tokens=len(words),
    )
