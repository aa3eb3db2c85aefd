"""What may not be text: rules that say that nobody spoke. Each suppression is stored with its rule's name.

To add a rule: one function, and one line in RULES.
"""

from collections.abc import Callable

from fsctl.transcribe.engine import Text

Rule = Callable[[Text], bool]


def no_speech(text: Text) -> bool:
    """Whisper thinks that nobody spoke and is not sure of its words: the less sure, the less it takes.

    Of 168 real utterances decoded with ``base`` none falls under the first half. On silence and noise,
    ``base`` says "You" (no speech 0.72 to 0.75, log-probability -0.95 to -0.83) and ``tiny.en`` "Thank you."
    (0.96, -0.98), which the second half catches; 40 beginnings of real sentences reached 0.55 at most.
    """
    return (text.no_speech > 0.35 and text.logprob < -1.2) or (text.no_speech > 0.7 and text.logprob < -0.7)


def no_letters(text: Text) -> bool:
    """Dots, dashes and notes are not words."""
    return not any(character.isalnum() for character in text.text)


RULES: dict[str, Rule] = {"no_speech": no_speech, "no_letters": no_letters}


def suppressed_by(text: Text) -> str | None:
    """The name of the first rule that holds, or None: it is text."""
    return next((name for name, holds in RULES.items() if holds(text)), None)
