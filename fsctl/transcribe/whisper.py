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
from fsctl.transcribe.course import Course
from fsctl.transcribe.doubt import LOWEST_LOGPROB
from fsctl.transcribe.engine import BEAM, EngineOptions, Speech, Text
from fsctl.transcribe.whisper_model import FRAMES_PER_SECOND, Encoded, Network, Reading, rows

MOST_AT_ONCE = {"cpu": 4, "cuda": 16}
"""Decoded together. On CPU more gain nothing, and the first would wait for the last."""
NOBODY_NO_SPEECH = 0.6
"""Whisper's own rule for silence, with a low log-probability: it is not decoded again, the guard has it."""
SHORT_S = 1.5
"""Unsure of so little, Whisper is as unsure when it listens again: there is nothing more to hear."""

Found = tuple[Speech, Reading, float]
"""What was decoded with its language, as it was read best, and how sure the language is."""

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
            ValueError: an utterance is longer than Whisper can hear.
        """
        if any(speech.seconds > MOST_S for speech in batch if not speech.timestamps):
            raise ValueError(f"an utterance is longer than {MOST_S} s")
        courses = [Course(speech) for speech in batch]
        while ways := [(course, course.head) for course in courses if course.head is not None]:
            for (course, _), found in zip(ways, self._heads([head for _, head in ways], beam)):
                course.take(*found)
        return [course.texts for course in courses]

    def _heads(self, batch: Sequence[Speech], beam: int) -> list[Found]:
        """What can be heard at once."""
        jobs = list(self._jobs(batch))
        answers: dict[int, Found] = {}

        def decode(job: Sequence[int]) -> list[Found]:
            return list(self._readings([batch[index] for index in job], beam))

        together = self._pool.map(decode, jobs) if self._pool and len(jobs) > 1 else map(decode, jobs)
        for job, decoded in zip(jobs, together):
            answers.update(zip(job, decoded))
        return [answers[index] for index in range(len(batch))]

    def _jobs(self, batch: Sequence[Speech]) -> Iterator[list[int]]:
        """Indices of what is decoded together: of one shape, of about one length, no core left idle."""

        def shape(index: int) -> tuple[int, bool, int]:
            speech = batch[index]
            return _context_frames(speech.seconds), speech.timestamps, len(self._network.primer(speech))

        ordered = sorted(range(len(batch)), key=lambda index: (*shape(index), batch[index].seconds))
        for _, group in itertools.groupby(ordered, key=shape):
            alike = list(group)
            size = min(MOST_AT_ONCE[self._network.device], math.ceil(len(alike) / self._threads))
            yield from (alike[at : at + size] for at in range(0, len(alike), size))

    def _readings(self, batch: Sequence[Speech], beam: int) -> Iterator[Found]:
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
        bare = replace(speech, prompt="", before="", timestamps=True)
        (second,) = self._network.read([bare], encoded, BEAM)
        best = max(first, second, key=lambda reading: reading.merit)
        is_whole = _context_frames(speech.seconds) == MOST_S * FRAMES_PER_SECOND
        if is_whole or not _worth_another(best) or (best.doubt == "unsure" and speech.seconds < SHORT_S):
            return best
        self.doubted["full context"] += 1
        whole = self._network.encode([bare], MOST_S * FRAMES_PER_SECOND)
        (third,) = self._network.read([bare], whole, BEAM)
        return max(best, third, key=lambda reading: reading.merit)


def _worth_another(reading: Reading) -> bool:
    """Doubtful, and not because nobody spoke."""
    nobody = reading.no_speech > NOBODY_NO_SPEECH and reading.logprob < LOWEST_LOGPROB
    return reading.doubt is not None and not nobody


def _context_frames(seconds: float) -> int:
    return context_s(seconds) * FRAMES_PER_SECOND
