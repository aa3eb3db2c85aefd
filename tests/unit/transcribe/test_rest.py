"""What a decoding left of a window is decoded on from there, and believed if it may be."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fsctl.media.wave import RATE
from fsctl.transcribe.engine import EngineOptions, Speech, Text
from fsctl.transcribe.whisper import Whisper
from fsctl.transcribe.whisper_model import Reading

OPTIONS = EngineOptions(model_dir=Path("m"), languages=("en",), device="cpu", threads=1)


class Network:
    """Reads the first 9 s of a window; of what follows it says what it is told to."""

    device = "cpu"

    def __init__(self, doubt: str | None) -> None:
        self._doubt = doubt
        self.rests: list[Speech] = []

    def primer(self, speech: Speech) -> list[int]:
        return [0] * len(speech.prompt)

    def encode(self, batch: Sequence[Speech], frames: int) -> Any:  # noqa: ARG002
        return np.zeros((len(batch), 1))

    def languages(self, batch: Sequence[Speech], encoded: Any) -> list[tuple[str, float]]:  # noqa: ARG002
        return [("en", 1.0)] * len(batch)

    def read(self, batch: Sequence[Speech], encoded: Any, beam: int) -> list[Reading]:  # noqa: ARG002
        return [self._read(speech) for speech in batch]

    def _read(self, speech: Speech) -> Reading:
        if speech.seconds > 9:
            return reading("said", None, 9.0)
        self.rests.append(speech)
        return reading("rest", self._doubt, speech.seconds)


def reading(said: str, doubt: str | None, resume_s: float) -> Reading:
    text = Text(start_s=0.0, end_s=resume_s, text=said, language="en", logprob=-0.3, no_speech=0.1)
    return Reading([text], [], doubt, -0.3, 0.1, resume_s)


@pytest.fixture(autouse=True)
def _plain_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fsctl.transcribe.whisper.rows", lambda encoded, _: encoded)


def decoded(network: Network, seconds: float) -> list[Text]:
    window = Speech(np.zeros(int(seconds * RATE), dtype=np.float32), None, timestamps=True, seams=(4.0, 9.5))
    (texts,) = Whisper(network, OPTIONS).decode([window])  # type: ignore[arg-type]
    return texts


@pytest.mark.parametrize(
    ("seconds", "doubt", "said"),
    [
        (11.0, None, ["said", "rest"]),
        (11.0, "too long", ["said"]),
        (15.0, "too long", ["said", "rest"]),
        (9.9, None, ["said"]),
    ],
)
def test_a_short_rest_that_stays_doubtful_was_not_said(
    seconds: float, doubt: str | None, said: list[str]
) -> None:
    assert [text.text for text in decoded(Network(doubt), seconds)] == said


def test_a_rest_has_its_times_and_its_seams_in_their_place() -> None:
    network = Network(None)
    assert [(text.start_s, text.end_s) for text in decoded(network, 11.0)] == [(0.0, 9.0), (9.0, 11.0)]
    assert [rest.seams for rest in network.rests] == [(0.5,)]
