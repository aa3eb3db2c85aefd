"""``fsctl transcribe FILE``: a recording's text on its own, with a real model and no server."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from fsctl import cli
from fsctl.media import header
from fsctl.sim import load_samples
from fsctl.transcribe import wer

SECONDS = 16


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder without a config, and the model."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FSCTL_MODEL_DIR", str(model_dir))
    monkeypatch.setenv("FSCTL_MODEL", "tiny.en")


@pytest.fixture
def legs() -> np.ndarray:
    """A call: caller left, agent right."""
    (sample,) = load_samples(["order-en"])
    return np.stack([sample.caller_audio, sample.agent_audio], axis=1)[: SECONDS * 16000]


def expected(leg: str) -> str:
    (sample,) = load_samples(["order-en"])
    return " ".join(
        turn.text for turn in sample.turns if turn.leg == leg and turn.end_ms < SECONDS * 1000 - 500
    )


def test_a_stereo_wav_is_two_legs_in_order(legs: np.ndarray, capsys: pytest.CaptureFixture[str]) -> None:
    soundfile.write("call.wav", legs, 16000)
    assert cli.main(["transcribe", "call.wav", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["duration_ms"] == SECONDS * 1000
    for leg in ("caller", "agent"):
        heard = " ".join(one["text"] for one in said["segments"] if one["leg"] == leg)
        assert wer.compare(expected(leg), heard).deletions <= 1, (leg, heard)
    assert [one["start_ms"] for one in said["turns"]] == sorted(one["start_ms"] for one in said["turns"])
    (sample,) = load_samples(["order-en"])
    order = [turn.leg for turn in sample.turns if turn.end_ms < SECONDS * 1000 - 500]
    assert [one["leg"] for one in said["turns"]][: len(order)] == order
    assert all(one["words"] for one in said["segments"])
    assert set(said["talk"]["talk"]) == {"agent", "caller"}


@pytest.mark.parametrize(
    ("name", "rate", "subtype"), [("m.flac", 8000, None), ("m.wav", 44100, "FLOAT"), ("m.ogg", 48000, None)]
)
def test_one_channel_of_any_rate_and_kind(
    name: str, rate: int, subtype: str | None, legs: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    agent = legs[:, 1].astype(np.float64) / 32768
    count = len(agent) * rate // 16000
    soundfile.write(
        name, np.interp(np.arange(count) * 16000 / rate, np.arange(len(agent)), agent), rate, subtype
    )
    assert cli.main(["transcribe", name]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines
    heard = " ".join(line.partition("caller: ")[2] for line in lines)
    assert wer.compare(expected("agent"), heard).deletions <= 2, heard


def test_what_is_longer_than_whisper_can_hear_is_read_to_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    (sample,) = load_samples(["order-en"])
    soundfile.write("both.wav", sample.caller_audio + sample.agent_audio, 16000)
    assert sum(turn.end_ms - turn.start_ms for turn in sample.turns) > 35_000
    assert cli.main(["transcribe", "both.wav", "--json"]) == 0
    said = " ".join(turn.text for turn in sample.turns)
    heard = " ".join(one["text"] for one in json.loads(capsys.readouterr().out)["segments"])
    assert wer.compare(said, heard).rate < 0.1


def test_a_wav_that_still_grows(legs: np.ndarray, capsys: pytest.CaptureFixture[str]) -> None:
    Path("open.wav").write_bytes(header.render(16000, 2, 0) + legs.astype("<i2").tobytes())
    assert cli.main(["transcribe", "open.wav", "--vtt"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("WEBVTT\n\n00:00:0")
    assert "<v agent>" in out


def test_several_files_into_a_folder_and_one_that_is_none(
    tmp_path: Path, legs: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    soundfile.write("a.wav", legs[: 5 * 16000], 16000)
    shutil.copy("a.wav", "b.wav")
    Path("text.wav").write_text(
        "this is no audio at all, whatever its name says, and long enough for a header"
    )
    Path("none.wav").write_bytes(b"")
    Path("head.wav").write_bytes(header.render(8000, 1, 0))
    soundfile.write("many.wav", np.zeros((800, 3), dtype=np.int16), 8000)
    (tmp_path / "out").mkdir()
    names = ["a.wav", "text.wav", "none.wav", "head.wav", "many.wav", "gone.wav", "out", "b.wav"]
    assert cli.main(["transcribe", *names, "--srt", "--output", "out"]) == 1
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.srt", "b.srt"]
    assert (tmp_path / "out" / "a.srt").read_text().startswith("1\n00:00:0")
    said = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[1] for line in said if line.startswith("fsctl:")] == names[1:-1]
    assert "\x1b" not in "".join(said)


def test_silence_has_no_text(capsys: pytest.CaptureFixture[str]) -> None:
    soundfile.write("quiet.wav", np.zeros(16000 * 4, dtype=np.int16), 8000)
    assert cli.main(["transcribe", "quiet.wav"]) == 0
    assert capsys.readouterr().out == "(nothing was said)\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["transcribe", "a.wav", "--redact", "cards"], "--redact: redaction 'cards'"),
        (["transcribe", "a.wav", "--model", "large-v3"], "fsctl models fetch large-v3"),
        (["transcribe", "a.wav", "b.wav", "--output", "one.txt"], "must be a folder"),
        (["transcribe", "--json"], "--json is for files"),
    ],
)
def test_what_cannot_be_is_one_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(arguments) == 1
    err = capsys.readouterr().err
    assert said in err
    assert len(err.splitlines()) == 1
