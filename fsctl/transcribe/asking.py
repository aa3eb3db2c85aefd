"""What a recogniser is asked: audio, the leg's language, and what may be said in it.

Pure. Called by: ``worker`` for utterances, ``legs`` for windows.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fsctl.media.wave import to_16k
from fsctl.store.utterances import Context
from fsctl.transcribe import vocabulary
from fsctl.transcribe.engine import Speech, Text
from fsctl.transcribe.language import LanguageLock

_ID = re.compile(r"\b(?=[A-Za-z-]*\d)[A-Za-z0-9][A-Za-z0-9-]{3,11}\b")
MOST_IDS = 6


@dataclass(frozen=True, kw_only=True)
class Asking:
    """What was configured."""

    words: bool = False
    """Whether the time of each word of a window is wanted: live text is soon replaced and goes without."""
    prompt: bool = False
    """Whether to say what may be said."""
    vocabulary: Sequence[str] = ()
    """Words of the trade."""

    def speech(
        self,
        pcm: bytes,
        rate: int,
        context: Context,
        *,
        pauses_s: Sequence[float] | None = None,
        seams_s: Sequence[float] = (),
    ) -> Speech:
        """Audio (mono int16 little-endian) as an engine takes it.

        Args:
            pauses_s: of a window, where the pauses between its utterances are.
            seams_s: and where the most of one was left out: a text that goes over it is parted.
        """
        return Speech(
            to_16k(np.frombuffer(pcm, dtype="<i2"), rate),
            context.language,
            context.languages,
            prompt=self._prompt(context),
            timestamps=pauses_s is not None,
            # Where something is taken out of a text, its milliseconds are taken out of the audio.
            words=(self.words and pauses_s is not None) or bool(context.redact),
            pauses=tuple(pauses_s or ()),
            seams=tuple(seams_s),
        )

    def _prompt(self, context: Context) -> str:
        if not self.prompt:
            return ""
        return vocabulary.prompt([context.display_name], ids_in(context.messages), self.vocabulary)


DEFAULT = Asking()


def ids_in(messages: Sequence[str]) -> Iterator[str]:
    """Order ids and the like: short words of letters and digits, those of the first messages first."""
    found = (one for message in messages for one in _ID.findall(message))
    for _, one in zip(range(MOST_IDS), dict.fromkeys(found)):
        yield one


def heard(context: Context, texts: Sequence[Text], seconds: float) -> tuple[Mapping[str, float], str | None]:
    """What an utterance says of its leg's language, where that is not known.

    Returns:
        New evidence, language -> seconds, and the language once it is sure.
    """
    if context.language is not None or not texts:
        return {}, None
    before = LanguageLock(context.heard)
    after = before.hear(texts[0].language, texts[0].language_probability, seconds)
    new = {name: after.votes[name] - before.votes.get(name, 0.0) for name in after.votes}
    return {name: weight for name, weight in new.items() if weight > 0}, after.language
