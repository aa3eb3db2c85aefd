"""The way of Whisper through a speech: what of it is heard next, and what of a reading is believed.

An utterance is heard at once. A window may take minutes: each time as much of it is heard as Whisper can hear, up
to a pause; it ends where it likes, in mid-phrase even, and what it left is heard again with what comes after it
(Radford et al. 2022, section 3.8). What was said before goes along as a prompt, if Whisper was sure of it. What
stays doubtful is heard again in pieces as short as utterances: a few wrong words do not take the rest along.

Pure. Called by: ``whisper``.
"""

from dataclasses import replace

from fsctl.media.wave import RATE
from fsctl.transcribe.engine import Speech, Text
from fsctl.transcribe.whisper_model import Reading

HEAD_S = 28.0
"""Most that is heard at once: Whisper's 30 s, less what it needs to see that nothing follows."""
PIECE_S = 8.0
"""Most that is heard at once of what stayed doubtful."""
LATE_SHARE = 0.5
"""With a pause in so much of its end it ends there."""
LEAST_REST_S = 1.0
"""A shorter rest of a window holds no word that was left out."""
DUBIOUS_REST_S = 3.0
"""A rest so short that stays doubtful is none: Whisper had ended, and its breath became "I'm sorry, I'm sorry"."""
SURE_LOGPROB = -0.7
"""What is less sure would only lead astray what comes after it."""
BEFORE_CHARACTERS = 600
"""Of what was said before are at hand; fewer are used (``whisper_model``)."""


class Course:
    """One speech on its way."""

    def __init__(self, speech: Speech) -> None:
        self._speech = speech
        self._at_s = 0.0
        self._most_s, self._doubted_s = HEAD_S, 0.0
        """How much is heard at once; and up to where in pieces."""
        self._before = ""
        self._sure = 1.0
        """The probability of the language: it was chosen by the first head."""
        self.texts: list[Text] = []
        """What was said so far, with its times in the speech."""
        self.head: Speech | None = self._head()
        """What is to be heard next; None: all was."""

    def take(self, told: Speech, reading: Reading, sure: float) -> None:
        """Go on behind what was read.

        Args:
            told: the head, with its language.
            sure: the probability of the language, where it was not told.
        """
        if self._at_s and reading.doubt and told.seconds < DUBIOUS_REST_S:
            self.head = None
            return
        if reading.doubt and self._speech.timestamps and told.seconds > PIECE_S:
            self._most_s, self._doubted_s, self._before = PIECE_S, self._at_s + told.seconds, ""
            self.head = self._head()
            return
        if not self._at_s:
            self._sure = sure
        self.texts += [_moved(text, self._at_s, self._sure) for text in reading.texts]
        said = " ".join(text.text for text in reading.texts)
        self._before = f"{self._before} {said}"[-BEFORE_CHARACTERS:] if reading.logprob > SURE_LOGPROB else ""
        self._at_s += reading.resume_s
        if self._at_s >= self._doubted_s:
            self._most_s = HEAD_S
        self._speech = replace(self._speech, language=told.language)
        self.head = self._head() if self._speech.seconds - self._at_s >= LEAST_REST_S else None

    def _head(self) -> Speech:
        begin_s, end_s = self._at_s, self._speech.seconds
        most_s = self._most_s
        if self._speech.timestamps and end_s - begin_s > most_s:
            late = [one for one in self._speech.pauses if LATE_SHARE * most_s < one - begin_s <= most_s]
            end_s = max(late, default=begin_s + most_s)
        return replace(
            self._speech,
            wave=self._speech.wave[int(begin_s * RATE) : int(end_s * RATE)],
            pauses=(),
            seams=tuple(seam - begin_s for seam in self._speech.seams if begin_s < seam < end_s),
            before=self._before,
        )


def _moved(text: Text, seconds: float, sure: float) -> Text:
    words = (replace(w, start_s=w.start_s + seconds, end_s=w.end_s + seconds) for w in text.words)
    return replace(
        text,
        start_s=text.start_s + seconds, end_s=text.end_s + seconds, words=tuple(words), language_probability=sure,
    )  # fmt: skip
