"""``fsctl transcribe FILE...``: what was said in recordings, without any server or database.

WAV also while it grows, FLAC, Ogg and whatever else libsndfile reads. Of two channels the left is the caller,
the right the agent; of one, all is the caller's. A file that cannot be read is said, and the others go on.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from fsctl.config import Config, Media
from fsctl.crm import subtitles
from fsctl.errors import AudioError, BadInput, FsctlError
from fsctl.media import codec, header, silero
from fsctl.media.wav import Samples
from fsctl.terminal import Printer, escape, escape_json
from fsctl.transcribe import engine, redact
from fsctl.transcribe.engine import Engine
from fsctl.transcribe.file import Cutting, Transcript, Wanted, transcribe
from fsctl.transcribe.guard import Guard

LEGS = ("caller", "agent")
Render = Callable[[Path, Transcript], str]


def main(options: argparse.Namespace, config: Config, cores: int) -> int:
    """Transcribe the files; 1 when one of them could not be.

    Args:
        cores: of this machine.

    Raises:
        BadInput: what was asked for cannot be.
        ModelError: there is no such model; says how to fetch it.
    """
    wanted = Wanted(language=options.language, redact=_kinds(options.redact, config))
    kind = next((name for name in RENDERS if getattr(options, name, False)), "text")
    _require_output(options.output, options.files)
    settings = config.transcribe
    loaded = engine.load(
        settings.engine,
        engine.EngineOptions(
            model_dir=engine.locate(settings.engine, options.model or settings.model, config.models),
            languages=(options.language,) if options.language else settings.languages,
            device=settings.device,
            threads=settings.threads or cores,
        ),
    )
    failed = 0
    for path in options.files:
        try:
            said = of_file(path, loaded, config.media, wanted, Printer(sys.stderr))
            _tell(path, said, kind, options)
        except (FsctlError, OSError) as error:
            failed += 1
            why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            print(f"fsctl: {escape(str(path))}: {escape(why.removeprefix(f'{path}: '))}", file=sys.stderr)
    return 1 if failed else 0


def of_file(path: Path, loaded: Engine, media: Media, wanted: Wanted, printer: Printer) -> Transcript:
    """What was said in a file.

    Raises:
        FileNotFoundError, AudioError: it cannot be read, or is empty.
    """
    rate, channels = read(path)
    legs = dict(zip(LEGS, channels))
    cutting = Cutting(
        vad_mode=media.vad_mode, hangover_ms=media.hangover_ms, min_ms=media.min_utterance_ms,
        max_ms=media.max_utterance_ms,
    )  # fmt: skip

    def progress(done: float, total: float) -> None:
        printer.bar(escape(path.name), done, total, "s of speech")

    try:
        return transcribe(legs, rate, loaded, Guard(silero.voice), cutting, wanted, progress)
    finally:
        printer.end_bar()


def read(path: Path) -> tuple[int, list[Samples]]:
    """Its rate, and the samples of each channel.

    Raises:
        FileNotFoundError, AudioError: it cannot be read, or is empty.
    """
    if path.is_dir():
        raise AudioError("it is a folder")
    if path.stat().st_size == 0:
        raise AudioError("it is empty")
    try:
        rate, audio = _read(path)
    except soundfile.SoundFileError as error:
        raise AudioError("it is not audio that can be read") from error
    if not len(audio):
        raise AudioError("there is no audio in it")
    if audio.shape[1] > len(LEGS):
        raise AudioError(f"it has {audio.shape[1]} channels; 1 or 2 are read")
    return rate, [np.ascontiguousarray(audio[:, channel]) for channel in range(audio.shape[1])]


def _read(path: Path) -> tuple[int, Samples]:
    try:
        header.read(path)
    except AudioError:
        # Not 16-bit PCM in a WAV: whatever libsndfile knows.
        # As fractions: asked for integers, libsndfile cuts those of a float file to -1, 0 and 1.
        audio, rate = soundfile.read(path, dtype="float32", always_2d=True)
        return int(rate), np.asarray(np.rint(np.clip(audio, -1.0, 1.0) * 32767), dtype=np.int16)
    # Also one that still grows, or that a killed FreeSWITCH left: its header says nothing.
    blocks = list(codec.blocks(path))
    return codec.rate_of(path), np.concatenate(blocks) if blocks else np.zeros((0, 1), dtype=np.int16)


def _kinds(asked: str, config: Config) -> tuple[str, ...]:
    patterns = config.policy.patterns
    names = [name.strip() for name in asked.split(",") if name.strip()]
    kinds = tuple(f"{name}={patterns[name]}" if name in patterns else name for name in names)
    try:
        redact.require(kinds)
    except BadInput as error:
        raise BadInput(f"--redact: {error}") from error
    return kinds


def _require_output(output: Path | None, files: list[Path]) -> None:
    if output is not None and len(files) > 1 and not output.is_dir():
        raise BadInput(f"--output {output}: with several files it must be a folder that is there")


# --- telling -----------------------------------------------------------------------------------------------


def _tell(path: Path, said: Transcript, kind: str, options: argparse.Namespace) -> None:
    text = RENDERS[kind](path, said)
    if options.output is None:
        if kind == "text" and len(options.files) > 1:
            print(f"{escape(str(path))}:")
        print(text, flush=True)
        return
    to = options.output / f"{path.stem}.{SUFFIXES[kind]}" if options.output.is_dir() else options.output
    to.write_text(text.rstrip("\n") + "\n", encoding="utf-8")


def as_text(_path: Path, said: Transcript) -> str:
    """A line a turn."""
    lines = [f"{_clock(turn.start_ms)}  {turn.leg:>6}: {escape(turn.text)}" for turn in said.turns]
    return "\n".join(lines) or "(nothing was said)"


def as_values(path: Path, said: Transcript) -> dict[str, Any]:
    """For programs."""
    return {
        "file": str(path),
        "duration_ms": said.duration_ms,
        "model": said.model,
        "turns": [
            {"leg": one.leg, "start_ms": one.start_ms, "end_ms": one.end_ms, "text": one.text}
            for one in said.turns
        ],
        "segments": [
            {
                "leg": leg,
                "start_ms": one.start_ms,
                "end_ms": one.end_ms,
                "text": one.text,
                "confidence": one.confidence,
                "language": one.language,
                "redacted": list(one.redacted),
                "words": [
                    {"start_ms": start, "end_ms": end, "text": text, "probability": probability}
                    for start, end, text, probability in one.words
                ],
            }
            for leg, one in said.segments
        ],
        "suppressed": [
            {
                "leg": leg,
                "start_ms": one.start_ms,
                "end_ms": one.end_ms,
                "text": one.text,
                "rule": one.suppressed_by,
            }
            for leg, one in said.suppressed
        ],
        "talk": said.talk.as_dict(),
    }


def as_json(path: Path, said: Transcript) -> str:
    """One object a file."""
    return escape_json(json.dumps(as_values(path, said), ensure_ascii=False))


RENDERS: Mapping[str, Render] = {
    "text": as_text,
    "json": as_json,
    "vtt": lambda _path, said: subtitles.vtt(subtitles.of_segments(said.spoken)),
    "srt": lambda _path, said: subtitles.srt(subtitles.of_segments(said.spoken)),
}
SUFFIXES = {"text": "txt", "json": "json", "vtt": "vtt", "srt": "srt"}


def _clock(ms: int) -> str:
    return f"{ms // 60000}:{ms // 1000 % 60:02d}"
