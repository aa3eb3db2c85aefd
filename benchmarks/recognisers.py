"""Those who are compared by benchmarks/transcribe.py, each as one would call it: utterances or a leg in, words out.

All take one core, the same model (int8) and the same cuts.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from speech import Sample, cuts

from fsctl.config import Media, Transcribe
from fsctl.media import windows
from fsctl.media.wave import RATE, Waveform
from fsctl.transcribe import engine
from fsctl.transcribe.engine import EngineOptions, Speech

STEP_S = 1.0
"""A streamer decodes its buffer again each second,"""
BUFFER_S = 15.0
"""and leaves off the beginning when it is longer (whisper_streaming's defaults)."""
HANGOVER_S = Media().hangover_ms / 1000
LIVE_BEAM = Transcribe().beam


@dataclass
class Heard:
    """What came of one utterance or leg."""

    text: str
    cpu_s: float
    delay_s: float
    """From the end of speech to the text, on a core of one's own: the pause that ends an utterance, then CPU."""


Live = Callable[[Sequence[Speech]], list[Heard]]
"""Utterances that ended at about the same time, in order."""
Whole = Callable[[Sample], Heard]


class Recognisers:
    """The model, loaded for each of them."""

    def __init__(self, folder: Path, openai: Path | None) -> None:
        from faster_whisper import BatchedInferencePipeline, WhisperModel

        self._fw = WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=1)
        self._batched = BatchedInferencePipeline(self._fw)
        options = EngineOptions(model_dir=folder, languages=("en",), device="cpu", threads=1)
        self._ours = engine.load("whisper", options)
        self._openai = _load_openai(openai)

    @property
    def live(self) -> Mapping[str, Live]:
        """Name -> who decodes utterances."""
        found: dict[str, Live] = {
            "transcribe": one_by_one(self._transcribe),
            "batched": one_by_one(self._pipeline),
            "fsctl": lambda batch: self._own(batch, LIVE_BEAM),
            "fsctl, beam 1": lambda batch: self._own(batch, 1),
            "fsctl, beam 5": lambda batch: self._own(batch, 5),
            "fsctl, one by one": one_by_one(lambda speech: self._said([speech], LIVE_BEAM)[0]),
        }
        if self._openai is not None:
            found["openai-whisper"] = one_by_one(self._by_openai)
        return found

    @property
    def whole(self) -> Mapping[str, Whole]:
        """Name -> who decodes a leg when the call is over."""
        return {
            "transcribe, leg": lambda leg: self._leg(leg, vad_filter=False),
            "transcribe, leg, VAD": lambda leg: self._leg(leg, vad_filter=True),
            "fsctl, final": self._final,
        }

    def stream(self, sample: Sample) -> Heard:
        """Local agreement: what two decodings of the growing buffer have in common is said.

        It decodes each second of the leg, silent or not; where that takes longer than a second, text falls behind.
        After Machacek et al. 2023, "Turning Whisper into a real-time transcription system", written anew.
        """
        began, now, out, agreed = time.process_time(), 0.0, Agreement(), 0.0
        end = cuts(sample.wave)[-1].end / RATE if cuts(sample.wave) else sample.seconds
        at = STEP_S
        while True:
            arrived = min(at, sample.seconds)
            buffer = sample.wave[int(out.offset_s * RATE) : int(arrived * RATE)]
            before = time.process_time()
            out.hear(self._timed_words(buffer, sample.language, out.said), last=arrived == sample.seconds)
            now = max(now, arrived) + time.process_time() - before
            agreed = now if out.changed else agreed
            if arrived == sample.seconds:
                return Heard(" ".join(out.said), time.process_time() - began, agreed - end)
            at += STEP_S

    def _timed_words(self, wave: Waveform, language: str, said: Sequence[str]) -> list[tuple[float, str]]:
        segments, _ = self._fw.transcribe(
            wave, language=language, beam_size=5, word_timestamps=True, condition_on_previous_text=True,
            initial_prompt=" ".join(said)[-200:] or None,
        )  # fmt: skip
        return [(word.end, word.word.strip()) for segment in segments for word in segment.words or ()]

    def _transcribe(self, speech: Speech) -> str:
        segments, _ = self._fw.transcribe(speech.wave, language=speech.language, beam_size=5)
        return " ".join(segment.text for segment in segments)

    def _pipeline(self, speech: Speech) -> str:
        segments, _ = self._batched.transcribe(speech.wave, language=speech.language, batch_size=8)
        return " ".join(segment.text for segment in segments)

    def _by_openai(self, speech: Speech) -> str:
        return str(self._openai.transcribe(speech.wave, language=speech.language, fp16=False)["text"])

    def _leg(self, leg: Sample, *, vad_filter: bool) -> Heard:
        began = time.process_time()
        segments, _ = self._fw.transcribe(leg.wave, language=leg.language, beam_size=5, vad_filter=vad_filter)
        return Heard(" ".join(segment.text for segment in segments), time.process_time() - began, 0.0)

    def _final(self, leg: Sample) -> Heard:
        """Cut, pack, decode, as a worker with one core does it by default: all of it counted."""
        began = time.process_time()
        stretches = [windows.Stretch(i, cut.start, cut.end) for i, cut in enumerate(cuts(leg.wave))]
        said: list[str] = []
        for packed in windows.pack(stretches, RATE):
            wave = np.concatenate([leg.wave[start:end] for start, end in packed.pieces])
            spoken = [(stretches[i].start, stretches[i].end) for i in packed.ids]
            places = windows.Places(packed.pieces, RATE)
            window = Speech(
                wave, leg.language, timestamps=True, words=Transcribe().words,
                pauses=places.pauses_s(spoken), seams=places.seams_s,
            )  # fmt: skip
            said += self._said([window], engine.BEAM)
        return Heard(" ".join(said), time.process_time() - began, 0.0)

    def _own(self, batch: Sequence[Speech], beam: int) -> list[Heard]:
        began = time.process_time()
        said = self._said(batch, beam)
        cpu = time.process_time() - began
        # Each waits for the batch; its share of the CPU is by length.
        whole = sum(speech.seconds for speech in batch)
        shares = [speech.seconds / whole * cpu for speech in batch]
        return [Heard(text, share, HANGOVER_S + cpu) for text, share in zip(said, shares)]

    def _said(self, batch: Sequence[Speech], beam: int) -> list[str]:
        return [" ".join(text.text for text in texts) for texts in self._ours.decode(batch, beam=beam)]


def one_by_one(decode: Callable[[Speech], str]) -> Live:
    """A recogniser that takes utterances singly."""

    def live(batch: Sequence[Speech]) -> list[Heard]:
        found = []
        for speech in batch:
            began = time.process_time()
            text = decode(speech)
            cpu = time.process_time() - began
            found.append(Heard(text, cpu, HANGOVER_S + cpu))
        return found

    return live


class Agreement:
    """Words that two decodings of a buffer agree on, and where the buffer begins."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.offset_s = 0.0
        self.changed = False
        self._said_until_s = 0.0
        self._before: list[tuple[float, str]] = []

    def hear(self, words: Sequence[tuple[float, str]], *, last: bool) -> None:
        """Words of the buffer with their ends, from its beginning."""
        new = [(end + self.offset_s, w) for end, w in words if end + self.offset_s > self._said_until_s + 0.1]
        agreed = len(new) if last else _common([w for _, w in self._before], [w for _, w in new])
        self.said += [w for _, w in new[:agreed]]
        self.changed = agreed > 0
        if agreed:
            self._said_until_s = new[agreed - 1][0]
        self._before = new[agreed:]
        heard_until_s = max([self._said_until_s, *(end for end, _ in new)])
        if heard_until_s - self.offset_s > BUFFER_S:
            self.offset_s = self._said_until_s


def _common(before: Sequence[str], now: Sequence[str]) -> int:
    def bare(word: str) -> str:
        return "".join(c for c in word.lower() if c.isalnum())

    count = 0
    while count < min(len(before), len(now)) and bare(before[count]) == bare(now[count]):
        count += 1
    return count


def _load_openai(weights: Path | None) -> Any:
    """openai-whisper, if it is installed and its weights are named: it would fetch them by itself."""
    if weights is None:
        return None
    import torch
    import whisper

    torch.set_num_threads(1)
    return whisper.load_model(str(weights))
