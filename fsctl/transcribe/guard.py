"""What may not be text: rules that say that nobody spoke. Each suppression is stored with its rule's name.

Whisper writes something for every sound: "Thank you." for noise, "Beep, beep." for a busy tone, the end of a
film for music. It is then less sure than of speech, but so it is of speech in noise. So a text of which it is
sure stands; one that it doubts, that it is known to invent, or that repeats itself, stands if a voice can be heard
in it (``media.silero``). What has no letters, and what is repeated too often, is nobody's, however sure it is.

Measured with ``benchmarks/guard.py``, ``base`` and ``tiny.en``: docs/transcription.md.
To add a rule: one function, and one line in RULES. To add a phrase: ``inventions``.
"""

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from fsctl.media.wave import RATE, Waveform
from fsctl.transcribe.doubt import HIGHEST_COMPRESSION, compression
from fsctl.transcribe.engine import Speech, Text
from fsctl.transcribe.inventions import INVENTED, PARTS_INVENTED

Voice = Callable[[Waveform], float]
"""The probability that there is a voice in it, 0 to 1."""

NO_SPEECH, LOGPROB = 0.45, -0.6
"""Above the first, or below the second, a text is doubted; nearly every text of noise, tones or music was."""
LEAST_VOICE = 0.4
"""In most of what is no voice Silero hears 0.36 at most; in telephone speech, clean or in noise, 0.41 and more."""
MUCH_NO_SPEECH, LOW_LOGPROB, MOST_NO_SPEECH, LEAST_CLEAR_VOICE = 0.5, -1.0, 0.85, 0.6
"""Beyond both of the first, or the third, a text is doubted so much that a voice must be clear. In loud tones, hum,
wind and music of the wide band Silero hears up to 0.57; in speech doubted so much, in noise, 0.9 and more."""
SURE_NO_SPEECH, SURE_LOGPROB = 0.7, -0.7
"""Beyond both of these a phrase that is known to be invented is not believed, whoever spoke meanwhile."""
REPEATED, REPEATED_SURELY = 4, 10
"""So often in a row nobody says the same words: where no clear voice is heard, and at all."""
LONG_GROUP, LONGEST_GROUP = 6, 16
"""So many words nobody says even twice in a row, where no clear voice is heard; longer are not looked for."""
ROUND, ROUNDS = range(3, 9), 1.25
"""A text that is nothing but so many words, so often (two of them again, at least), is a piece of a circle."""
CLEAR_VOICE = 0.8
AROUND_S = 0.2
"""Heard before and after a text in a longer stretch of audio: its times are not known better."""


@dataclass(frozen=True)
class Evidence:
    """A text with what a second listener says of it."""

    text: Text
    voice: float | None
    """The probability of a voice; None: nobody was asked."""

    @property
    def is_doubted(self) -> bool:
        """Whether the recogniser is not sure that it heard words."""
        return self.text.no_speech > NO_SPEECH or self.text.logprob < LOGPROB

    @property
    def is_doubted_much(self) -> bool:
        """Whether it is nearly sure that it heard none."""
        text = self.text
        return (
            text.no_speech > MUCH_NO_SPEECH and text.logprob < LOW_LOGPROB
        ) or text.no_speech > MOST_NO_SPEECH

    @property
    def has_no_voice(self) -> bool:
        """Whether somebody listened and heard nobody; or nobody clearly, where the text is doubted much."""
        if self.voice is None:
            return False
        return self.voice < (LEAST_CLEAR_VOICE if self.is_doubted_much else LEAST_VOICE)

    @property
    def is_invented(self) -> bool:
        """Whether it is what Whisper says when it hears nothing."""
        said = folded(self.text.text)
        words = said.split()
        once = (words[:size] for size in _periods(words) if len(words) % size == 0)
        return any(" ".join(one) in INVENTED for one in once) or any(part in said for part in PARTS_INVENTED)

    @property
    def is_repeated(self) -> bool:
        """Whether it says the same again and again, as a decoder does that went round in circles."""
        words = folded(self.text.text).split()
        ratio = max(self.text.compression, compression(self.text.text))
        return (
            ratio > HIGHEST_COMPRESSION
            or _in_a_row(words, REPEATED, range(1, LONG_GROUP))
            or _in_a_row(words, 2, range(LONG_GROUP, LONGEST_GROUP + 1))
            or any(size in ROUND and ROUNDS * size <= len(words) > size + 1 for size in _periods(words))
        )


def no_letters(evidence: Evidence) -> bool:
    """Dots, dashes and notes are not words."""
    return not any(character.isalnum() for character in evidence.text.text)


def no_voice(evidence: Evidence) -> bool:
    """The recogniser doubts it, goes round in circles, or is known to invent it, and nobody hears a voice."""
    return evidence.has_no_voice and (evidence.is_doubted or evidence.is_invented or evidence.is_repeated)


def no_speech(evidence: Evidence) -> bool:
    """The recogniser thinks that nobody spoke, and is far from sure of its words.

    A second listener can be wrong too: in loud hum and music of the wide band Silero hears a voice. Where nobody
    was asked less is enough: of 168 real utterances decoded with ``base`` none falls under it.
    """
    text = evidence.text
    if (text.no_speech > 0.75 and text.logprob < -1.0) or (text.no_speech > 0.5 and text.logprob < -2.0):
        return True
    return evidence.voice is None and (
        (text.no_speech > 0.35 and text.logprob < -1.2) or (text.no_speech > 0.7 and text.logprob < -0.7)
    )


def invented(evidence: Evidence) -> bool:
    """A phrase that Whisper is known to invent, where nobody is sure that anybody spoke."""
    text = evidence.text
    if not evidence.is_invented:
        return False
    unclear = evidence.voice is not None and evidence.voice < CLEAR_VOICE
    return (text.no_speech > SURE_NO_SPEECH and text.logprob < SURE_LOGPROB) or (
        evidence.is_doubted and unclear
    )


def repeated(evidence: Evidence) -> bool:
    """The same words again and again: the decoder went round in circles.

    Sooner where no clear voice is heard, or, if nobody listened, where it is not sure of them: digits that are read
    out repeat, too.
    """
    words = folded(evidence.text.text).split()
    is_clear = not evidence.is_doubted if evidence.voice is None else evidence.voice > CLEAR_VOICE
    return _in_a_row(words, REPEATED_SURELY, range(1, 5)) or (evidence.is_repeated and not is_clear)


Rule = Callable[[Evidence], bool]
RULES: Mapping[str, Rule] = {
    "no_letters": no_letters,
    "no_voice": no_voice,
    "no_speech": no_speech,
    "invented": invented,
    "repeated": repeated,
}


class Guard:
    """Called with each text and the audio in which it was heard."""

    def __init__(self, voice: Voice | None = None) -> None:
        """Args: voice: the second opinion, asked only of what is doubted."""
        self._voice = voice

    def __call__(self, text: Text, speech: Speech) -> str | None:
        """The name of the rule by which it was not spoken, or None: it is text."""
        alone = Evidence(text, None)
        if self._voice is None or not (alone.is_doubted or alone.is_invented or alone.is_repeated):
            return suppressed_by(text)
        return suppressed_by(text, self._voice(_heard_in(text, speech)))


def suppressed_by(text: Text, voice: float | None = None) -> str | None:
    """The name of the first rule that holds, or None.

    Args:
        voice: the probability that a voice can be heard, where somebody was asked.
    """
    evidence = Evidence(text, voice)
    return next((name for name, holds in RULES.items() if holds(evidence)), None)


def folded(text: str) -> str:
    """As phrases are compared: lower case, without accents, signs and brackets."""
    split = unicodedata.normalize("NFD", text.casefold())
    plain = unicodedata.normalize("NFC", "".join(c for c in split if not "\u0300" <= c <= "\u036f"))
    return " ".join(
        "".join(c if c.isalnum() or unicodedata.category(c)[0] == "M" else " " for c in plain).split()
    )


def _heard_in(text: Text, speech: Speech) -> Waveform:
    """The audio of a text: of an utterance all, of a window the text's time and a little around it."""
    if not speech.timestamps:
        return speech.wave
    begin = max(0, int((text.start_s - AROUND_S) * RATE))
    return speech.wave[begin : max(begin, int((text.end_s + AROUND_S) * RATE))]


def _periods(words: Sequence[str]) -> Iterator[int]:
    """Sizes of a group of words that, said again and again, is the whole text; the last time it may break off."""
    return (size for size in range(1, len(words) + 1) if words[size:] == words[: len(words) - size])


def _in_a_row(words: Sequence[str], times: int, sizes: Iterable[int]) -> bool:
    """Whether a group of so many words stands so often in a row."""
    return any(
        all(words[i] == words[i + size] for i in range(start, start + size * (times - 1)))
        for size in sizes
        for start in range(len(words) - size * times + 1)
    )
