"""``fsctl export`` on a real Postgres: what is meant, in each form, written whole, audited."""

import json
import stat
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from fsctl.call import commands
from fsctl.call.events import Alias
from fsctl.call.state import Call, Disposition, Phase
from fsctl.cli import main
from fsctl.store.audit import Audit
from fsctl.store.calls import Calls
from fsctl.store.db import Database
from fsctl.store.keeping import Archived
from fsctl.store.threads import NewMessage, Threads
from tests.integration.test_transcripts import SEGMENT, T0, Room
from tests.unit.crm.test_vcon import proven

NUMBER = "15550100142"
NAME = "Zoë\u202e <b>"
ALIASES = (Alias(kind="wa_id", value=NUMBER),)
ARCHIVED = Archived(
    uri="file:///archive/c-1.wav", format="wav", sha256="22" * 32, bytes=1, duration_ms=40_000, findings=()
)  # fmt: skip


@pytest.fixture
def thread(tmp_path: Path, database: Database, dsn: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """A thread with a message, a call with text, and a missed call."""
    (tmp_path / "fsctl.toml").write_text('[web]\npublic_url = "https://calls.example.com"\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FSCTL_DATABASE_URL", dsn)
    hello = NewMessage(wamid="w1", direction="inbound", body="hi", sent_at=T0 - timedelta(minutes=1))
    number = Threads(database).add_messages(ALIASES, NAME, "es", "15550100900", [hello])
    room = Room(tmp_path, database)
    recording = room.record([(1.0, 3.0)], [(7.0, 9.0)], thread_id=number, wacid="wacid.AB", answered_at=T0)
    room.call = replace(room.call, agent="agent1", bridged_at=T0, disposition=Disposition.ANSWERED)
    room.end(recording)
    claimed = sorted(room.claim(), key=lambda one: one.leg, reverse=True)
    for one, text, start_ms in zip(claimed, ("Hola -->", "Hello"), (1000, 7000), strict=True):
        said = replace(SEGMENT, start_ms=start_ms, end_ms=start_ms + 2000, text=text, model="whisper-base")
        assert room.utterances.finish(one, [said])
    assert room.recordings.archive(recording, ARCHIVED, str(room.path))
    missed = Call(
        uuid="c-2", node="fs1", channel="whatsapp", phase=Phase.ENDED, offered_at=T0 + timedelta(hours=1),
        ended_at=T0 + timedelta(hours=1, seconds=9), thread_id=number, disposition=Disposition.ABANDONED,
    )  # fmt: skip
    stranger = replace(missed, uuid="c-3", thread_id=None, to_number="15550100900")
    Calls(database).apply([commands.SaveCall(uuid=one.uuid, call=one) for one in (missed, stranger)])
    return number
    return number


def exported(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What is printed."""
    assert main(["export", *words]) == 0
    return capsys.readouterr().out


def test_a_thread_is_the_default_format_json(thread: int, capsys: pytest.CaptureFixture[str]) -> None:
    text = exported(capsys, str(thread))
    found = json.loads(text)
    assert (found["thread_id"], found["contact"]["name"]) == (thread, NAME)
    assert [one["item"] for one in found["items"]] == ["message", "call", "call"]
    assert "\u202e" not in text
    for name in (NUMBER, NAME):
        assert json.loads(exported(capsys, name)) == found


@pytest.mark.parametrize("name", ["c-1", "wacid.AB", "wacid.AB="])
def test_a_call_is_named_by_either_id(thread: int, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(exported(capsys, name))
    assert found["thread_id"] == thread
    (call,) = found["items"]
    assert (call["uuid"], len(call["transcript"]["turns"])) == ("c-1", 2)


def test_subtitles_and_text(thread: int, capsys: pytest.CaptureFixture[str]) -> None:
    shown = exported(capsys, "c-1", "--format", "vtt")
    assert "00:00:01.000 --> 00:00:03.000\n<v Zoë\\u202e &lt;b&gt;>Hola --&gt;\n" in shown
    assert "00:00:07.000 --> 00:00:09.000\n<v agent1>Hello\n" in shown
    assert exported(capsys, str(thread), "--format", "srt").endswith("agent1: Hello\n")
    shown = exported(capsys, str(thread), "--format", "txt")
    assert shown.startswith(f"Thread {thread}: Zoë\\u202e <b> (wa_id {NUMBER}) with 15550100900\n")
    assert "Hola -->" in shown


@pytest.mark.usefixtures("thread")
def test_a_vcon_holds_what_the_schema_allows(capsys: pytest.CaptureFixture[str]) -> None:
    found = proven(json.loads(exported(capsys, NUMBER, "--format", "vcon")))
    assert [one["type"] for one in found["dialog"]] == ["text", "recording", "incomplete"]
    recording = found["dialog"][1]
    assert (recording["filename"], recording["duration"], recording["parties"]) == ("c-1.wav", 40.0, [0, 2])
    assert recording["content_hash"] == "sha256-IiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiI"
    body = found["analysis"][0]["body"]
    assert (body["metadata"]["model"], body["metadata"]["audio"]["channels"]) == ("base", 2)
    assert [one["speaker"] for one in body["segments"]] == [0, 2]
    twin = proven(json.loads(exported(capsys, NUMBER, "--format", "vcon", "--redacted")))
    assert twin["redacted"]["uuid"] == found["uuid"]
    assert NUMBER not in json.dumps(twin)


@pytest.mark.usefixtures("thread")
def test_a_call_of_which_nobody_can_be_told_has_no_thread(capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(exported(capsys, "c-3"))
    assert (found["thread_id"], found["contact"]["id"]) == (None, None)
    assert exported(capsys, "c-3", "--format", "txt").startswith("No thread: unknown ()")
    assert "uuid" not in proven(json.loads(exported(capsys, "c-3", "--format", "vcon")))["parties"][0]


def test_a_file_is_whole_private_and_audited(
    thread: int, tmp_path: Path, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "out" / "thread.vcon"
    assert main(["export", str(thread), "--format", "vcon", "--output", str(file)]) == 1
    assert "No such file or directory" in capsys.readouterr().err
    file.parent.mkdir()
    file.write_text("old")
    assert exported(capsys, str(thread), "--format", "vcon", "--output", str(file)) == ""
    proven(json.loads(file.read_text(encoding="utf-8")))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(file.parent.iterdir()) == [file]
    entry = Audit(database).entries(action="export")[-1]
    assert (entry.action, entry.subject) == ("export.write", f"thread {thread}")
    assert entry.detail["format"] == "vcon"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nobody"], "neither a call nor a thread is known as 'nobody'"),
        ([""], "neither a call nor a thread is known as ''"),
        (["1555010"], "neither a call nor a thread"),
        (["c-1", "--format", "srt", "--redacted"], "--redacted is for --format vcon"),
    ],
)
@pytest.mark.usefixtures("thread")
def test_what_cannot_be_had_is_told(words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", *words]) == 1
    assert told in capsys.readouterr().err


def test_a_name_of_two_threads_is_asked_about(
    thread: int, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    hello = NewMessage(wamid="w2", direction="inbound", body="hi", sent_at=T0)
    other = Threads(database).add_messages(ALIASES, NAME, "es", "15550100901", [hello])
    assert main(["export", NUMBER]) == 1
    told = capsys.readouterr().err
    assert f"may be thread {thread}, {other}" in told or f"may be thread {other}, {thread}" in told
