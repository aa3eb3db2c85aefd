"""Whisper with as much audio context as an utterance needs, in batches, on every core.

Whisper looks at 30 s whatever it is given; an utterance has a few (``context``). Results that look as if it had
seen too little, or are unsure (``doubt``), are decoded again: first with timestamps, which costs no encoding and
ends most loops, then with the full context.

On CPU each core decodes a batch of its own: that beats both cores on one batch.
"""

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from fsctl.transcribe import models
from fsctl.transcribe.context import MOST_S, context_s
from fsctl.transcribe.doubt import LOWEST_LOGPROB
from fsctl.transcribe.engine import BEAM, RATE, EngineOptions, Speech, Text
from fsctl.transcribe.whisper_model import FRAMES_PER_SECOND, Encoded, Network, Reading, rows

MOST_AT_ONCE = {"cpu": 4, "cuda": 16}
"""Decoded together. On CPU more gain nothing, and the first would wait for the last."""
LEAST_REST_S = 1.0
"""A shorter rest of a window holds no word that was left out."""
DUBIOUS_REST_S = 3.0
"""A rest so short that stays doubtful is none: Whisper had ended, and its breath became "I'm sorry, I'm sorry"."""
NOBODY_NO_SPEECH = 0.6
"""Whisper's own rule for silence, with a low log-probability: it is not decoded again, the guard has it."""
SHORT_S = 1.5
"""Unsure of so little, Whisper is as unsure when it listens again: there is nothing more to hear."""

locate = models.locate


def load(options: EngineOptions) -> "Whisper":
    """Load the model; raises ModelError when the folder does not hold one."""
    return Whisper(Network(options), options)


class Whisper:
    """An Engine."""

    def __init__(self, network: Network, options: EngineOptions) -> None:
        self._network = network
        self._name = f"whisper-{options.model_dir.name}"
        self._threads = options.threads if network.device == "cpu" else 1
        self._loops = options.loops if network.device == "cpu" else 1
        self._pool = ThreadPoolExecutor(self._threads, "whisper") if self._threads > 1 else None
        self.doubted: Counter[str] = Counter()
        """How many were doubtful, by what was wrong with them; and how many took the "full context"."""

    @property
    def name(self) -> str:
        """The model."""
        return self._name

    @property
    def at_once(self) -> int:
        """See Engine."""
        return self._loops

    def decode(self, batch: Sequence[Speech], *, beam: int = BEAM) -> list[list[Text]]:
        """See Engine. What shares a shape is decoded together, batches on all cores.

        Raises:
            ValueError: one is longer than Whisper can hear.
        """
        if any(speech.seconds > MOST_S for speech in batch):
            raise ValueError(f"an utterance is longer than {MOST_S} s")
        jobs = list(self._jobs(batch))
        answers: list[list[Text]] = [[] for _ in batch]

        def decode(job: Sequence[int]) -> list[list[Text]]:
            return self._together([batch[index] for index in job], beam)

        together = self._pool.map(decode, jobs) if self._pool and len(jobs) > 1 else map(decode, jobs)
        for job, decoded in zip(jobs, together):
            for index, texts in zip(job, decoded):
                answers[index] = texts
        return answers

    def _jobs(self, batch: Sequence[Speech]) -> Iterator[list[int]]:
        """Indices of what is decoded together: of one shape, of about one length, no core left idle."""

        def shape(index: int) -> tuple[int, bool, int]:
            speech = batch[index]
            return (
                _context_frames(speech.seconds),
                speech.timestamps,
                len(self._network.primer(speech.prompt)),
            )

        ordered = sorted(range(len(batch)), key=lambda index: (*shape(index), batch[index].seconds))
        for _, group in itertools.groupby(ordered, key=shape):
            alike = list(group)
            size = min(MOST_AT_ONCE[self._network.device], math.ceil(len(alike) / self._threads))
            yield from (alike[at : at + size] for at in range(0, len(alike), size))

    def _together(self, batch: Sequence[Speech], beam: int) -> list[list[Text]]:
        """Decode what shares a shape, to the end of each."""
        answers = []
        for speech, reading, sure in self._readings(batch, beam):
            texts = self._finish(speech, reading, beam)
            answers.append([replace(text, language_probability=sure) for text in texts])
        return answers

    def _readings(self, batch: Sequence[Speech], beam: int) -> Iterator[tuple[Speech, Reading, float]]:
        """Each with its language, as it was read best, and how sure the language is; alone what is read again."""
        encoded = self._network.encode(batch, _context_frames(batch[0].seconds))
        languages = self._network.languages(batch, encoded)
        told = [replace(speech, language=language) for speech, (language, _) in zip(batch, languages)]
        for index, reading in enumerate(self._network.read(told, encoded, beam)):
            if _worth_another(reading):
                reading = self._again(told[index], reading, rows(encoded, [index]))
            yield told[index], reading, languages[index][1]

    def _again(self, speech: Speech, first: Reading, encoded: Encoded) -> Reading:
        """The best of what was read, of it with timestamps and no prompt, and of that with the full context."""
        self.doubted[first.doubt or ""] += 1
        if first.doubt == "unsure" and speech.seconds < SHORT_S and not speech.prompt:
            return first
        bare = replace(speech, prompt="", timestamps=True)
        (second,) = self._network.read([bare], encoded, BEAM)
        best = max(first, second, key=lambda reading: reading.merit)
        if not _worth_another(best) or (best.doubt == "unsure" and speech.seconds < SHORT_S):
            return best
        self.doubted["full context"] += 1
        whole = self._network.encode([bare], MOST_S * FRAMES_PER_SECOND)
        (third,) = self._network.read([bare], whole, BEAM)
        return max(best, third, key=lambda reading: reading.merit)

    def _finish(self, speech: Speech, reading: Reading, beam: int) -> list[Text]:
        """The texts, and those of a rest that was not decoded: Whisper ends where it likes."""
        texts, at = list(reading.texts), reading.resume_s
        while speech.seconds - at >= LEAST_REST_S:
            rest = _rest(speech, at)
            ((_, reading, _),) = self._readings([rest], beam)
            if reading.doubt and rest.seconds < DUBIOUS_REST_S:
                break
            texts += [_later(text, at) for text in reading.texts]
            at += reading.resume_s
        return texts


def _worth_another(reading: Reading) -> bool:
    """Doubtful, and not because nobody spoke."""
    nobody = reading.no_speech > NOBODY_NO_SPEECH and reading.logprob < LOWEST_LOGPROB
    return reading.doubt is not None and not nobody


def _rest(speech: Speech, seconds: float) -> Speech:
    """What comes after so many seconds."""
    seams = tuple(seam - seconds for seam in speech.seams if seam > seconds)
    return replace(speech, wave=speech.wave[int(seconds * RATE) :], seams=seams)


def _later(text: Text, seconds: float) -> Text:
    words = (replace(w, start_s=w.start_s + seconds, end_s=w.end_s + seconds) for w in text.words)
    return replace(text, start_s=text.start_s + seconds, end_s=text.end_s + seconds, words=tuple(words))


def _context_frames(seconds: float) -> int:
    return context_s(seconds) * FRAMES_PER_SECOND
