"""``fsctl recording`` on files, without any server, and on what Postgres knows."""

import argparse
import io
import json
from pathlib import Path

import numpy as np
import pytest

from fsctl import cli
from fsctl.config import Node
from fsctl.console import recordings
from fsctl.errors import FsctlError
from fsctl.media import header
from fsctl.sim import load_samples
from fsctl.store.db import Database
from fsctl.terminal import Printer
from tests.integration.test_recorder import House
from tests.integration.test_spool import UUID


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """The recording of a FreeSWITCH that was killed; its name is a stranger's."""
    (sample,) = load_samples(["order-en"])
    legs = np.stack([sample.caller_audio, sample.agent_audio], axis=1)[: 20 * 16000]
    path = tmp_path / "k\x1b[2Jx.wav"
    path.write_bytes(header.render(16000, 2, 0) + legs.astype("<i2").tobytes() + b"\x01")
    return path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = cli.main(["recording", *arguments])
    return code, capsys.readouterr().out


def test_a_file_is_shown_with_what_is_wrong_and_its_utterances(
    killed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    png = tmp_path / "p.png"
    code, out = run(capsys, "show", str(killed), "--png", str(png))
    assert code == 0, "a killed FreeSWITCH is a note, the audio is whole"
    assert "0:20.0, 2 channels, 16000 Hz" in out
    assert "open: the header was never closed" in out
    assert "part: the last frame was begun only: 1 of 4 bytes" in out
    assert "▅" in out
    assert "──" in out
    assert "\x1b" not in out
    assert png.read_bytes()[1:4] == b"PNG"


def test_a_file_is_verified(killed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "verify", str(killed))[0] == 0
    (sample,) = load_samples(["order-en"])
    mix = np.stack([sample.caller_audio] * 2, axis=1).astype("<i2").tobytes()
    path = tmp_path / "mix.wav"
    path.write_bytes(header.render(16000, 2, len(mix)) + mix)
    code, out = run(capsys, "verify", str(path), "--json")
    (row,) = json.loads(out)
    assert code == 1
    assert [(f["code"], f["severity"]) for f in row["findings"]] == [("one-mix", "fault")]


def test_a_file_is_repaired_beside_itself_once(killed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = killed.read_bytes()
    assert run(capsys, "repair", str(killed))[0] == 0
    made = killed.with_suffix(".repaired.wav")
    assert header.read(made).is_right
    assert made.read_bytes()[44 : len(before)] == before[44:]
    assert killed.read_bytes() == before
    assert run(capsys, "repair", str(killed))[0] == 1, "nothing is written over"
    assert run(capsys, "repair", str(made))[0] == 1, "there is nothing to repair"
    assert run(capsys, "repair", str(killed), "--in-place")[0] == 0
    assert killed.read_bytes() == made.read_bytes()


@pytest.mark.parametrize("content", [b"", b"words", b"RIFF" + bytes(60), b"fLaC" + bytes(60)])
def test_what_is_no_recording_is_one_line(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.wav"
    path.write_bytes(content)
    assert cli.main(["recording", "show", str(path)]) == 1
    assert capsys.readouterr().err.startswith("fsctl: ")


class Console:
    """The command, as far as it needs Postgres."""

    def __init__(self, house: House) -> None:
        self.house = house

    def run(self, action: str, who: str = "", *, as_json: bool = False) -> tuple[int, str]:
        options = argparse.Namespace(action=action, who=who, png=None, in_place=False, json=as_json)
        out = io.StringIO()
        node = Node(name="fs1", spool=self.house.folder / "spool")
        code = recordings.call_command(options, Printer(out), self.house.database, [node])
        return code, out.getvalue()


@pytest.fixture
def console(tmp_path: Path, database: Database) -> Console:
    """A house with one archived recording."""
    house = House(tmp_path, database)
    house.end_call()
    house.tick()
    return Console(house)


def test_what_is_known_of_a_call_is_shown(console: Console) -> None:
    code, out = console.run("show", UUID)
    assert code == 0
    assert "archived, wav, by spool" in out
    assert str(console.house.row().sha256) in out
    assert "utterances   caller " in out
    assert "──" in out
    assert "open: the header was never closed" in out, "found when it was archived, repaired since"


def test_a_list(console: Console) -> None:
    code, out = console.run("list")
    assert code == 0
    assert f"{UUID:36}" in out
    assert "archived" in out
    code, out = console.run("list", as_json=True)
    assert [row["state"] for row in json.loads(out)] == ["archived"]


def test_an_archived_file_that_is_another_or_gone_is_found_out(console: Console) -> None:
    assert console.run("verify")[0] == 0
    uri = console.house.row().uri
    assert uri is not None
    path = Path(uri)
    data = bytearray(path.read_bytes())
    data[1000] ^= 1
    path.write_bytes(data)
    code, out = console.run("verify", UUID)
    assert code == 1
    assert "hash: the file is not the one that was archived" in out
    path.unlink()
    code, out = console.run("verify")
    assert code == 1
    assert "missing: there is no file" in out


def test_what_failed_says_why(tmp_path: Path, database: Database) -> None:
    house = House(tmp_path, database)
    house.room.path.write_bytes(header.render(16000, 2, 0))
    house.room.know(ended=True)
    house.room.ticks()
    house.tick()
    console = Console(house)
    code, out = console.run("show", UUID)
    assert code == 1
    assert "failed: there is no audio in it" in out
    assert "alarm" in out
    code, out = console.run("list")
    assert code == 1
    assert "there is no audio in it" in out


def test_a_call_nobody_knows_is_an_error_for_a_person(console: Console) -> None:
    with pytest.raises(FsctlError, match="no recording of call c-9"):
        console.run("show", "c-9")
    with pytest.raises(FsctlError, match="it is archived"):
        console.run("repair", UUID)
