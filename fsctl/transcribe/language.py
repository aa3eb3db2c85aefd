"""Which language a leg speaks: voted by its utterances, then locked.

Pure. The worker keeps one for each leg of which no language is known and asks it before each utterance; a
recogniser names language and certainty with every text. The store asks with each claim what is ``told``;
the config, what is a language at all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

_CODES = """
aa ab ae af ak am an ar as av ay az ba be bg bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv
dz ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie
ig ii ik io is it iu ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv
mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm
rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st su sv sw ta te tg th ti tk tl tn to tr ts
tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu
"""
ISO_639_1 = frozenset(_CODES.split())
"""Every language that has a code of two letters."""
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


def told(leg: str | None, allowed: Sequence[str], call: str | None) -> str | None:
    """The language that a recogniser is told; None: it chooses for each text among those allowed.

    What the leg is sure of; else the only language that its queues allow. Where they allow several, the call's
    own does not count: it is a guess at the caller from a number or a contact, and would be forced on both legs.
    Where they say nothing there is nothing better.

    Args:
        leg: where it is locked.
        allowed: by the queues that the call was in; empty where none says it.
        call: its language, by its number, rule or contact.
    """
    if leg is not None:
        return leg
    if not allowed:
        return call
    return allowed[0] if len(allowed) == 1 else None


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
