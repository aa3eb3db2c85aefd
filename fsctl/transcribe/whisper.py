"""Whisper through faster-whisper's model and CTranslate2, with as much audio context as an utterance needs.

Whisper looks at 30 s whatever it is given; an utterance has a few. The encoder takes fewer frames if told so
(CTranslate2 PR 1446), at a cost that grows faster than linear: 10 s cost a seventh of 30 s. Below 10 s the
decoder no longer sees enough silence to stop and says its last phrase again; results that look like that
are decoded once more with the full context and faster-whisper's own safeguards.
"""

import logging
import zlib
from collections.abc import Sequence
from typing import Any

import ctranslate2
import numpy as np
import numpy.typing as npt
from faster_whisper import WhisperModel
from faster_whisper.tokenizer import Tokenizer

from fsctl.errors import ModelError
from fsctl.transcribe.engine import EngineOptions, Speech, Text

log = logging.getLogger(__name__)

FRAMES_PER_SECOND = 100
LEAST_CONTEXT_S = 10
MARGIN_S = 2
BEAM = 5
TOKENS_AT_LEAST, TOKENS_PER_SECOND = 12, 8
"""More tokens than this were not spoken in the time."""
LOWEST_LOGPROB = -1.0
HIGHEST_COMPRESSION = 2.4

Features = npt.NDArray[np.float32]


def load(options: EngineOptions) -> "Whisper":
    """Load the model; raises ModelError when the folder does not hold one."""
    device = options.device
    if device == "auto":
        device = "cuda" if ctranslate2.get_cuda_device_count() else "cpu"
    try:
        model = WhisperModel(
            str(options.model_dir),
            device=device,
            compute_type="int8" if device == "cpu" else "float16",
            cpu_threads=options.threads,
            local_files_only=True,
        )
    except (RuntimeError, ValueError, OSError) as error:
        raise ModelError(
            f"{options.model_dir}: cannot be loaded as a model of faster-whisper: {error}"
        ) from error
    return Whisper(model, options)


class Whisper:
    """An Engine."""

    def __init__(self, model: WhisperModel, options: EngineOptions) -> None:
        self._model = model
        self._languages = tuple(options.languages)
        self._name = f"whisper-{options.model_dir.name}"
        self._tokenizers: dict[str, Tokenizer] = {}

    @property
    def name(self) -> str:
        """Model and precision."""
        return self._name

    def decode(self, batch: Sequence[Speech]) -> list[list[Text]]:
        """See Engine. Utterances of one context length are decoded together."""
        answers: list[list[Text]] = [[] for _ in batch]
        by_context: dict[int, list[int]] = {}
        for index, speech in enumerate(batch):
            by_context.setdefault(_context_frames(speech.seconds), []).append(index)
        for frames, indices in by_context.items():
            for index, texts in zip(indices, self._decode_alike([batch[i] for i in indices], frames)):
                answers[index] = texts
        return answers

    def _decode_alike(self, batch: Sequence[Speech], frames: int) -> list[list[Text]]:
        features = np.stack([self._features(speech, frames) for speech in batch])
        encoded = self._model.encode(features)
        languages = self._choose_languages(batch, encoded)
        prompts = [self._prompt(language) for language in languages]
        most = max(_most_tokens(speech.seconds) for speech in batch)
        results = self._model.model.generate(
            encoded,
            prompts,
            beam_size=BEAM,
            # CTranslate2 stops at max_length // 2 or max_length minus the prompt, whichever is less.
            max_length=min(self._model.max_length, max(2 * most, most + len(prompts[0]))),
            return_scores=True,
            return_no_speech_prob=True,
        )
        return [
            self._read(speech, language, result)
            for speech, language, result in zip(batch, languages, results)
        ]

    def _read(self, speech: Speech, language: str, result: Any) -> list[Text]:
        tokens = result.sequences_ids[0]
        text = self._tokenizer(language).decode(tokens).strip()
        # The score is the sum over length; the end-of-text token counts as one more.
        logprob = result.scores[0] * len(tokens) / (len(tokens) + 1)
        if looks_wrong(text, len(tokens), logprob, speech.seconds):
            return self._decode_whole(speech, language)
        if not text:
            return []
        return [
            Text(
                start_s=0.0,
                end_s=speech.seconds,
                text=text,
                language=language,
                logprob=logprob,
                no_speech=result.no_speech_prob,
            )
        ]

    def _decode_whole(self, speech: Speech, language: str) -> list[Text]:
        """Full context, timestamps, temperatures: slow, and rarely needed."""
        segments, _ = self._model.transcribe(
            speech.wave, language=language, beam_size=BEAM, condition_on_previous_text=False
        )
        return [
            Text(
                start_s=min(segment.start, speech.seconds),
                end_s=min(segment.end, speech.seconds),
                text=segment.text.strip(),
                language=language,
                logprob=segment.avg_logprob,
                no_speech=segment.no_speech_prob,
            )
            for segment in segments
            if segment.text.strip()
        ]

    def _choose_languages(self, batch: Sequence[Speech], encoded: ctranslate2.StorageView) -> list[str]:
        if not self._model.model.is_multilingual:
            return ["en"] * len(batch)
        if all(speech.language for speech in batch):
            return [speech.language or "" for speech in batch]
        likely = self._model.model.detect_language(encoded)
        return [speech.language or self._best(ranked) for speech, ranked in zip(batch, likely)]

    def _best(self, ranked: Sequence[tuple[str, float]]) -> str:
        """The likeliest of the languages that we believe in."""
        names = [name.strip("<|>") for name, _ in ranked]
        return next((name for name in names if name in self._languages), self._languages[0])

    def _features(self, speech: Speech, frames: int) -> Features:
        """Log-mel of the utterance, zeros after it up to the context's length: shape (80, frames)."""
        found = self._model.feature_extractor(speech.wave)[:, :frames]
        padded: Features = np.zeros((found.shape[0], frames), dtype=np.float32)
        padded[:, : found.shape[1]] = found
        return padded

    def _prompt(self, language: str) -> list[int]:
        tokenizer = self._tokenizer(language)
        return [*tokenizer.sot_sequence, tokenizer.no_timestamps]

    def _tokenizer(self, language: str) -> Tokenizer:
        if language not in self._tokenizers:
            self._tokenizers[language] = Tokenizer(
                self._model.hf_tokenizer,
                self._model.model.is_multilingual,
                task="transcribe",
                language=language,
            )
        return self._tokenizers[language]


def looks_wrong(text: str, tokens: int, logprob: float, seconds: float) -> bool:
    """Whether a result is one that a short context spoils: repeated, too long for its time, or unsure.

    Args:
        tokens: how many the decoder wrote.
        logprob: their mean log-probability.
        seconds: how long the utterance is.
    """
    if not text:
        return seconds > 3
    if logprob < LOWEST_LOGPROB or tokens >= _most_tokens(seconds):
        return True
    if seconds > 3 and tokens < 0.8 * seconds:
        return True
    data = text.encode()
    if len(data) / len(zlib.compress(data)) > HIGHEST_COMPRESSION:
        return True
    return _says_again(text.lower().split())


def _says_again(words: Sequence[str]) -> bool:
    """A group of four words twice, or a group of up to three words three times in a row."""
    fours = [tuple(words[i : i + 4]) for i in range(len(words) - 3)]
    if len(set(fours)) < len(fours):
        return True
    for size in (1, 2, 3):
        for i in range(len(words) - 3 * size + 1):
            if words[i : i + size] == words[i + size : i + 2 * size] == words[i + 2 * size : i + 3 * size]:
                return True
    return False


def _most_tokens(seconds: float) -> int:
    return int(TOKENS_AT_LEAST + TOKENS_PER_SECOND * seconds)


def _context_frames(seconds: float) -> int:
    """Whole seconds, so that utterances of about one length share a batch; 30 s at most."""
    whole = max(LEAST_CONTEXT_S, int(np.ceil(seconds)) + MARGIN_S)
    return min(whole, 30) * FRAMES_PER_SECOND
