"""Which language a leg speaks: voted by its utterances, then locked.

Pure. The worker keeps one for each leg of which no language is known and asks it before each utterance; a
recogniser names language and certainty with every text.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

SURE = 0.8
"""Probability, among the allowed languages, from which on an utterance votes."""
ENOUGH_S, LEAD = 4.0, 3.0
"""Locked once so many seconds voted for it, and so many times as many as for all the others."""


@dataclass(frozen=True)
class LanguageLock:
    """Seconds of speech that voted for each language."""

    votes: Mapping[str, float] = field(default_factory=dict)

    @property
    def language(self) -> str | None:
        """The leg's language, or None while it is not sure."""
        if not self.votes:
            return None
        best = max(self.votes, key=lambda language: self.votes[language])
        others = sum(self.votes.values()) - self.votes[best]
        return best if self.votes[best] >= max(ENOUGH_S, LEAD * others) else None

    def hear(self, language: str, probability: float, seconds: float) -> "LanguageLock":
        """The lock after one more utterance.

        Args:
            language: what it was taken for.
            probability: of that, among the allowed (``Text.language_probability``).
            seconds: its length.
        """
        if self.language is not None or probability < SURE:
            return self
        return LanguageLock({**self.votes, language: self.votes.get(language, 0.0) + seconds})


def choose(ranked: Mapping[str, float], allowed: tuple[str, ...]) -> tuple[str, float]:
    """The likeliest of the allowed languages, and its probability if it must be one of them.

    Args:
        ranked: language -> probability among all that the recogniser knows.
        allowed: one at least.
    """
    within = {language: ranked.get(language, 0.0) for language in allowed}
    best = max(within, key=lambda language: within[language])
    total = sum(within.values())
    return best, within[best] / total if total > 0 else 0.0
