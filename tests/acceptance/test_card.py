"""A card number read aloud, with pauses, and typed in the chat: in no table, in no log, and not to be heard.

The voices are espeak-ng's; everything else runs in production: the media reader, the planner, a transcriber with
tiny.en in both passes, the archiver.
"""

import io
import json
import logging
import re
import shutil
import subprocess
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import soundfile
from psycopg.sql import SQL, Composed, Identifier

from fsctl.call import commands
from fsctl.call.events import Alias
from fsctl.call.policy import Number, Policy, Queue
from fsctl.call.state import Call, Phase
from fsctl.config import Archive, Media, Node
from fsctl.media import silero
from fsctl.media.archive import open_archive
from fsctl.media.disk import Disk
from fsctl.media.planner import Planner
from fsctl.media.recorder import Recorder
from fsctl.media.silence import Silencer
from fsctl.media.spool import Spool
from fsctl.media.wave import to_16k
from fsctl.store.alarms import Alarms
from fsctl.store.calls import Calls
from fsctl.store.db import Database, Wakeup
from fsctl.store.recordings import Recordings
from fsctl.store.redactions import Redactions
from fsctl.store.threads import NewMessage, Threads
from fsctl.store.transcripts import Transcripts
from fsctl.store.utterances import Utterances
from fsctl.transcribe import batch
from fsctl.transcribe.engine import Engine, Speech
from fsctl.transcribe.guard import Guard
from fsctl.transcribe.legs import Legs
from fsctl.transcribe.spoken import groups, tokens
from fsctl.transcribe.worker import Worker
from tests.unit.media.test_wav import header

pytestmark = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")

RATE = 16000
UUID = "c-card"
CARD = "5391886277140933"
CODE = "385"
POLICY = Policy(
    numbers={"15550100900": Number(queue="pay@fsctl")},
    queues={"pay@fsctl": Queue(redact=("card", "code", "email"))},
)
DIALOGUE = [
    ("agent", "Hello, how can I help you today?"),
    ("caller", "Good morning. I would like to pay for my order, please."),
    ("agent", "Of course. Please tell me the number of your card."),
    ("caller", "It is five three nine one."),
    ("caller", "eight eight six two"),
    ("agent", "Yes, go on."),
    ("caller", "seventy seven fourteen"),
    ("caller", "zero nine three three."),
    ("agent", "Thank you. And the security code on the back, please?"),
    ("caller", "three eight five"),
    ("agent", "Thank you very much, that is all we need."),
    ("caller", "Wonderful. Thank you for your help and have a nice day."),
]


def spoken(text: str, voice: str) -> np.ndarray[Any, Any]:
    """A sentence as espeak-ng says it, at 16 kHz."""
    said = subprocess.run(
        ["espeak-ng", "-v", voice, "-s", "140", "--stdout", text], capture_output=True, check=True
    ).stdout
    # Written to a pipe its header does not know the length.
    audio = np.frombuffer(said[44:], dtype="<i2")
    assert len(audio) > RATE // 4
    rate = int.from_bytes(said[24:28], "little")
    return np.clip(to_16k(audio, rate) * 32767, -32768, 32767).astype("<i2")


def dialogue() -> np.ndarray[Any, Any]:
    """The call: caller left, agent right, pauses between."""
    legs: dict[str, list[np.ndarray[Any, Any]]] = {"caller": [], "agent": []}
    rng = np.random.default_rng(1)
    for leg, text in DIALOGUE:
        said = spoken(text, "en-us" if leg == "caller" else "en-gb")
        pause = np.zeros(int(0.9 * RATE), dtype="<i2")
        for one, parts in legs.items():
            parts += [said if one == leg else np.zeros(len(said), dtype="<i2"), pause]
    both = np.stack([np.concatenate(legs["caller"]), np.concatenate(legs["agent"])], axis=1)
    return np.clip(both + rng.normal(0, 8, both.shape), -32768, 32767).astype("<i2")


class Line:
    """One node with everything on it."""

    def __init__(
        self, folder: Path, database: Database, whisper: Engine, kind: Literal["wav", "flac"]
    ) -> None:
        self.database, self.now = database, 0.0
        self.path = folder / "spool" / f"{UUID}.wav"
        self.path.parent.mkdir()
        self.node = Node(name="fs1", spool=self.path.parent)
        self.recordings = Recordings(database, "fs1")
        self.spool = Spool(self.node, Media(), self.recordings, lambda: self.now)
        transcripts, guard = Transcripts(database), Guard(silero.voice)
        self.planner = Planner(self.node, transcripts, final=True)
        self.legs = Legs(transcripts, whisper, guard, "w", threading.Event(), lease_s=60)
        self.wakeup = Wakeup(database.dsn, ["fsctl_utterance"])
        policy = batch.Policy(batch=4)
        self.worker = Worker(Utterances(database), whisper, self.wakeup, guard, policy, lease_s=60)
        place, alarms = open_archive(str(folder / "archive"), folder / "staging"), Alarms(database, "fs1")
        silencer = Silencer(Redactions(database, "fs1"), alarms, place, place.staging / "fs1")
        disk = Disk(self.node.spool, None, lambda _: 0.1)
        self.recorder = Recorder(
            self.node, Archive(format=kind), self.recordings, alarms, place, disk, silencer=silencer
        )

    def begin(self) -> None:
        """The chat, then the call; its queue asks for redaction."""
        at = datetime.now(UTC) - timedelta(minutes=2)
        threads = Threads(self.database, POLICY.redaction_of_chat)
        bodies = [
            f"my card: {CARD[:4]} {CARD[4:8]} {CARD[8:12]} {CARD[12:]}",
            f"cvv {CODE}",
            "ann at example dot com",
        ]
        messages = [
            NewMessage(wamid=f"w{i}", direction="inbound", body=body, sent_at=at)
            for i, body in enumerate(bodies)
        ]
        alias = Alias(kind="wa_id", value="15550100142")
        threads.add_messages([alias], "Ann", "en", "15550100900", messages)
        self.call = Call(
            uuid=UUID, node="fs1", channel="whatsapp", phase=Phase.TALKING, offered_at=at, language="en",
            queue="pay@fsctl", redact=POLICY.redaction("pay@fsctl"),
        )  # fmt: skip
        self.at = at
        self.apply(
            commands.SaveCall(uuid=UUID, call=self.call),
            commands.OpenRecording(uuid=UUID, at=at, node="fs1", path=str(self.path)),
            commands.OpenBridge(uuid=UUID, at=at, agent="agent1", agent_uuid="a-1"),
        )

    def end(self, seconds: float) -> None:
        """Both hang up."""
        at = self.at + timedelta(seconds=seconds)
        self.apply(
            commands.SaveCall(uuid=UUID, call=replace(self.call, phase=Phase.ENDED, ended_at=at)),
            commands.CloseBridge(uuid=UUID, at=at, agent_uuid=None),
            commands.CloseRecording(uuid=UUID, at=at, path=None),
        )

    def apply(self, *batch: commands.StoreCommand) -> None:
        Calls(self.database).apply(list(batch))

    def read(self) -> None:
        """Rounds of the media reader."""
        for _ in range(6):
            self.spool.tick()
            self.now += 3.0

    def decode(self) -> None:
        """Whatever a transcriber does until nothing is left."""
        idle = 0
        with ThreadPoolExecutor(1) as beside:
            while idle < 3:
                idle = 0 if self.worker.work(beside) or self.legs.work() else idle + 1

    def sql(self, text: str | Composed) -> list[dict[str, Any]]:
        with self.database.transaction("test") as transaction:
            return list(transaction._connection.execute(text).fetchall())

    def everything(self) -> Iterator[str]:
        """Every text in every table but names, times and numbers of ours."""
        tables = self.sql(
            "select table_name as t, column_name as c from information_schema.columns where table_schema = 'public'"
            " and data_type in ('text', 'jsonb', 'ARRAY') and column_name not in ('sha256', 'path', 'uri', 'stale')"
        )
        for one in tables:
            found = SQL("select {}::text as v from {} where {} is not null").format(
                Identifier(one["c"]), Identifier(one["t"]), Identifier(one["c"])
            )
            for row in self.sql(found):
                yield f"{one['t']}.{one['c']}: {row['v']}"


def parts_of_card() -> list[str]:
    """What must not be found: any four digits of the card one after the other, and the code."""
    return [CARD[i : i + 4] for i in range(len(CARD) - 3)] + [CODE]


def strings(text: str) -> str:
    """A column's value; of JSON its strings, without hashes and files' names. Its numbers are times and sizes."""
    name, _, value = text.partition(": ")
    if not value.startswith(("[", "{")) or ".text" in name or ".body" in name:
        return text
    try:
        found = json.loads(value)
    except ValueError:
        return text
    return f"{name}: {' '.join(_strings(found))}"


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for key, one in (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    ):
        if key not in ("sha256", "before", "uri", "path", "result"):
            yield from _strings(one)


def require_clean(texts: Iterable[str], folder: Path) -> None:
    """No part of the card in any text; the test's own folder and keys made of hashes have digits of theirs."""
    for text in map(strings, texts):
        text = re.sub(r"(?=[0-9]*[a-f])[0-9a-f]{16,}", "", text.replace(str(folder), ""))
        dense = re.sub(r"(?<=\d)[\s,.-]+(?=\d)", "", text)
        for part in parts_of_card():
            assert part not in dense, text


@pytest.mark.parametrize("kind", ["wav", "flac"])
def test_a_card_number_leaves_no_trace(
    kind: Literal["wav", "flac"],
    tmp_path: Path,
    database: Database,
    whisper: Engine,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    line = Line(tmp_path, database, whisper, kind)
    line.begin()
    audio = dialogue()
    line.path.write_bytes(header() + audio.tobytes())
    line.read()
    line.decode()
    live = line.sql(
        "select leg, text from segment where pass = 'live' and suppressed_by is null order by start_ms"
    )
    assert any("[number]" in one["text"] for one in live)
    require_clean(line.everything(), tmp_path)
    line.end(len(audio) / RATE)
    line.read()
    # The archive may have it before its text is known; nobody is told.
    line.recorder.tick()
    assert line.sql("select id from call_event where kind = 'recording_ready'") == []
    for _ in range(4):
        line.planner.tick()
        line.decode()
    final = line.sql(
        "select leg, text from segment where pass = 'final' and suppressed_by is null order by start_ms"
    )
    said = {leg: " ".join(one["text"] for one in final if one["leg"] == leg) for leg in ("caller", "agent")}
    assert "[card]" in said["caller"], said
    assert "order" in said["caller"], said
    assert "help" in said["caller"], said
    assert not groups(tokens(re.sub(r"\[\w+\]", "", said["caller"])), "en"), said
    bodies = [one["body"] for one in line.sql("select body from message order by wamid")]
    assert bodies == ["my card: [card]", "cvv [code]", "[email]"]
    require_clean(line.everything(), tmp_path)
    for _ in range(3):
        line.recorder.tick()
    require_not_heard(line, whisper)
    require_clean(line.everything(), tmp_path)
    require_clean([record.getMessage() for record in caplog.records], tmp_path)


def require_not_heard(line: Line, whisper: Engine) -> None:
    """The one file of the archive, heard again: no digit of the card, all else as before."""
    (row,) = line.sql("select uri, state from recording")
    assert not line.path.exists()
    (told,) = line.sql("select data from call_event where kind = 'recording_ready'")
    assert told["data"]["uri"] == row["uri"]
    kept, rate = soundfile.read(io.BytesIO(Path(row["uri"]).read_bytes()), dtype="int16")
    heard = []
    for start in range(0, len(kept), 12 * rate):
        speech = Speech(to_16k(kept[start : start + 14 * rate, 0], rate), "en")
        heard += [text.text for text in whisper.decode([speech])[0]]
    text = " ".join(heard)
    found = [group for group in groups(tokens(text), "en") if group.is_sure]
    assert sum(len(group.digits) for group in found) <= 1, text
    assert "order" in text, text
