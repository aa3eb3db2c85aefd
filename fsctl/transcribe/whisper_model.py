"""Whisper's network through faster-whisper's model and CTranslate2: features to text, once, without judgement.

Knows: log-mel features of any length, encoder, decoder, prompts, languages, word times.
Refuses to know: how much context is wise, whether a result is to be believed (``whisper``).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import ctranslate2
import numpy as np
import numpy.typing as npt
from faster_whisper import WhisperModel
from faster_whisper.tokenizer import Tokenizer
from faster_whisper.transcribe import merge_punctuations

from fsctl.errors import ModelError
from fsctl.transcribe.doubt import Result, compression, doubt, most_tokens
from fsctl.transcribe.engine import EngineOptions, Speech, Text, Word
from fsctl.transcribe.language import choose
from fsctl.transcribe.timestamps import Piece, pieces

FRAMES_PER_SECOND = 100
TOGETHER_FRAMES = 1200
"""On CPU, longer contexts are encoded one by one: together they fall out of the cache."""
PROMPT_TOKENS = (64, 48, 32, 24, 16, 12, 8, 6, 4, 3, 2, 1, 0)
"""The prompts of a batch must be of one length, so they come in few; what is too much of one is left out."""
BEFORE_TOKENS = 64
"""Of what was said before."""
PUNCTUATION_BEFORE = "\"'“¿([{-"
PUNCTUATION_AFTER = "\"'.。,，!！?？:：”)]}、"

Features = npt.NDArray[np.float32]
Encoded = Any
"""A ctranslate2.StorageView, which is not typed."""


@dataclass(frozen=True)
class Reading:
    """What one decoding made of an utterance or window."""

    texts: list[Text]
    pieces: list[Piece]
    """The tokens of each text."""
    doubt: str | None
    logprob: float
    no_speech: float
    resume_s: float
    """From here on a window is to be decoded again; its length when all was said."""

    @property
    def merit(self) -> tuple[bool, float]:
        """The greater, the better."""
        return self.doubt is None, self.logprob


class Network:
    """Encoder and decoder. May be used by several threads at once."""

    def __init__(self, options: EngineOptions) -> None:
        """Load the model; raises ModelError when the folder does not hold one."""
        self.device = options.device
        if self.device == "auto":
            self.device = "cuda" if ctranslate2.get_cuda_device_count() else "cpu"
        try:
            self._model = WhisperModel(
                str(options.model_dir),
                device=self.device,
                compute_type="int8" if self.device == "cpu" else "float16",
                cpu_threads=1,
                num_workers=options.threads * options.loops if self.device == "cpu" else 1,
                local_files_only=True,
            )
        except (RuntimeError, ValueError, OSError) as error:
            raise ModelError(
                f"{options.model_dir}: cannot be loaded as a model of faster-whisper: {error}"
            ) from error
        self._languages = tuple(options.languages)
        self._tokenizers: dict[str, Tokenizer] = {}

    def encode(self, batch: Sequence[Speech], frames: int) -> Encoded:
        """What the decoder listens to, with a context of so many frames of 10 ms."""
        features = np.stack([self._features(speech, frames) for speech in batch])
        if self.device != "cpu" or len(batch) == 1 or frames <= TOGETHER_FRAMES:
            return self._model.encode(features)
        alone = [np.asarray(self._model.encode(one[np.newaxis])) for one in features]
        return ctranslate2.StorageView.from_array(np.concatenate(alone))

    def read(self, batch: Sequence[Speech], encoded: Encoded, beam: int) -> list[Reading]:
        """Decode. Language must be told, prompts be of one length (``primer``)."""
        prompts = [self._prompt(speech) for speech in batch]
        most = max(most_tokens(speech.seconds) for speech in batch)
        results = self._model.model.generate(
            encoded,
            prompts,
            beam_size=beam,
            # CTranslate2 stops at max_length // 2 or max_length minus the prompt, whichever is less.
            max_length=min(self._model.max_length, max(2 * most, most + len(prompts[0]))),
            return_scores=True,
            return_no_speech_prob=True,
        )
        readings = [self._reading(speech, result) for speech, result in zip(batch, results)]
        for language in {speech.language for speech in batch if speech.words or speech.seams}:
            self._add_words(language, batch, readings, encoded)
        return readings

    def languages(self, batch: Sequence[Speech], encoded: Encoded) -> list[tuple[str, float]]:
        """Language and certainty; one step of the decoder where there is a choice."""
        if not self._model.model.is_multilingual:
            return [("en", 1.0)] * len(batch)
        allowed = [
            (speech.language,) if speech.language else speech.languages or self._languages for speech in batch
        ]
        if all(len(languages) == 1 for languages in allowed):
            return [(languages[0], 1.0) for languages in allowed]
        likely = self._model.model.detect_language(encoded)
        return [
            choose({name.strip("<|>"): probability for name, probability in ranked}, languages)
            for ranked, languages in zip(likely, allowed)
        ]

    def primer(self, speech: Speech) -> list[int]:
        """The tokens that its text is to follow: of the prompt as many as a length has that batches come in, and
        the last of what was said before."""
        tokens = self._tokens(speech.prompt)
        begun = tokens[: next(length for length in PROMPT_TOKENS if length <= len(tokens))]
        return begun + self._tokens(speech.before)[-BEFORE_TOKENS:]

    def _tokens(self, text: str) -> list[int]:
        found: list[int] = self._tokenizer(None).encode(" " + text.strip()) if text else []
        return found

    def _features(self, speech: Speech, frames: int) -> Features:
        """Log-mel of the utterance, zeros after it up to the context's length: shape (80, frames)."""
        found = self._model.feature_extractor(speech.wave)[:, :frames]
        padded: Features = np.zeros((found.shape[0], frames), dtype=np.float32)
        padded[:, : found.shape[1]] = found
        return padded

    def _prompt(self, speech: Speech) -> list[int]:
        tokenizer, primer = self._tokenizer(speech.language), self.primer(speech)
        before = [tokenizer.sot_prev, *primer] if primer else []
        after = [] if speech.timestamps else [tokenizer.no_timestamps]
        return [*before, *tokenizer.sot_sequence, *after]

    def _reading(self, speech: Speech, result: Any) -> Reading:
        tokenizer, tokens = self._tokenizer(speech.language), result.sequences_ids[0]
        found, resume_s = pieces(tokens, tokenizer.timestamp_begin, speech.seconds)
        found = [piece for piece in found if tokenizer.decode(piece.tokens).strip()]
        # The score is the mean over the tokens; the end-of-text token counts as one more.
        logprob = result.scores[0] * len(tokens) / (len(tokens) + 1)
        texts = [self._text(speech, piece, logprob, result.no_speech_prob) for piece in found]
        whole = " ".join(text.text for text in texts)
        given = f"{speech.prompt} {speech.before}"
        judged = Result(whole, len(tokens), logprob, speech.seconds, given)
        return Reading(texts, found, doubt(judged), logprob, result.no_speech_prob, resume_s)

    def _text(self, speech: Speech, piece: Piece, logprob: float, no_speech: float) -> Text:
        tokenizer = self._tokenizer(speech.language)
        text = tokenizer.decode(piece.tokens).strip()
        return Text(
            start_s=piece.start_s,
            end_s=piece.end_s,
            text=text,
            language=tokenizer.language_code,
            logprob=logprob,
            no_speech=no_speech,
            tokens=len(piece.tokens),
            compression=compression(text),
        )

    def _add_words(
        self, language: str | None, batch: Sequence[Speech], readings: list[Reading], encoded: Encoded
    ) -> None:
        """Word times by where the decoder looked (dynamic time warping in CTranslate2's ``align``)."""
        wanted = [
            index
            for index, (speech, reading) in enumerate(zip(batch, readings))
            if _needs_words(speech, reading) and speech.language == language
        ]
        if not wanted:
            return
        aligned = self._model.find_alignment(
            self._tokenizer(language),
            [[token for piece in readings[index].pieces for token in piece.tokens] for index in wanted],
            rows(encoded, wanted),
            [int(batch[index].seconds * FRAMES_PER_SECOND) for index in wanted],
        )
        for index, words in zip(wanted, aligned):
            merge_punctuations(words, PUNCTUATION_BEFORE, PUNCTUATION_AFTER)
            readings[index] = replace(readings[index], texts=list(_with_words(readings[index], words)))

    def _tokenizer(self, language: str | None) -> Tokenizer:
        wanted = language or self._languages[0]
        if wanted not in self._tokenizers:
            self._tokenizers[wanted] = Tokenizer(
                self._model.hf_tokenizer,
                self._model.model.is_multilingual,
                task="transcribe",
                language=wanted,
            )
        return self._tokenizers[wanted]


def _needs_words(speech: Speech, reading: Reading) -> bool:
    """They take the decoder once more, so only where they are asked for, or a text has to be parted by them."""
    over_seam = any(piece.start_s < seam < piece.end_s for piece in reading.pieces for seam in speech.seams)
    return bool(reading.texts) and (speech.words or over_seam)


def rows(encoded: Encoded, indices: Sequence[int]) -> Encoded:
    """Some of a batch."""
    if len(indices) == encoded.shape[0]:
        return encoded
    whole = np.asarray(encoded.to_device(ctranslate2.Device.cpu))
    return ctranslate2.StorageView.from_array(np.ascontiguousarray(whole[list(indices)]))


def _with_words(reading: Reading, aligned: Sequence[dict[str, Any]]) -> Iterator[Text]:
    """Its texts, each with the words made of its tokens."""
    rest = iter(aligned)
    for text, piece in zip(reading.texts, reading.pieces):
        words, taken = [], 0
        while taken < len(piece.tokens) and (one := next(rest, None)):
            taken += len(one["tokens"])
            if one["word"].strip():
                words.append(_word(one))
        yield replace(text, words=tuple(words))


def _word(aligned: dict[str, Any]) -> Word:
    return Word(
        start_s=round(float(aligned["start"]), 2),
        end_s=round(float(aligned["end"]), 2),
        text=aligned["word"].strip(),
        probability=round(float(aligned["probability"]), 4),
    )
