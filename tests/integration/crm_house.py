"""A house that a CRM asks: a thread with chat, a call with text and sound, a missed call, served over HTTP."""

import json
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import urllib3

from fsctl.call import commands
from fsctl.call.events import Alias
from fsctl.call.state import Call, Disposition, Fault, Phase
from fsctl.media import codec, header
from fsctl.store import outcomes
from fsctl.store.calls import Calls
from fsctl.store.db import Database
from fsctl.store.keeping import Archived, Format
from fsctl.store.outcomes import Outcome
from fsctl.store.sequence import Sequence
from fsctl.store.threads import NewMessage, Threads
from fsctl.store.tokens import SCOPES, Tokens
from fsctl.web.api.house import House
from fsctl.web.api.routes import routes
from fsctl.web.server import Server
from tests.fix_database import run
from tests.integration.test_sequence import drain
from tests.integration.test_transcripts import SEGMENT, T0, Room

NUMBER, OURS = "15550100142", "15550100900"
NAME = "Zoë <b>"
QUEUE = "sales@fsctl"
HOLA, HELLO = "Hola, quiero una devolución <script>", "Hello, the refund of 1 & 2 is on its way"
RATE, SECONDS = 16000, 40
SOUND = np.random.default_rng(7).integers(-9000, 9000, (SECONDS * RATE, 2)).astype("<i2")
WAV = header.render(RATE, 2, SOUND.nbytes) + SOUND.tobytes()


@dataclass
class Answer:
    """What came back, read whole."""

    status: int
    headers: urllib3.HTTPHeaderDict
    data: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.data)

    @property
    def detail(self) -> str:
        """What a problem says."""
        assert self.headers["Content-Type"] == "application/problem+json", self
        assert self.json["status"] == self.status
        return str(self.json["detail"])


class Crm:
    """The API as served, and a client with a token for each scope."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.server = Server(
            "127.0.0.1:0", routes(House(database, "https://calls.example.com"), Tokens(database))
        )
        self.server.start()
        tokens = Tokens(database)
        self.tokens = {scope: tokens.new(f"of-{scope}", [scope], who="test") for scope in SCOPES}
        self._http = urllib3.PoolManager(retries=False, maxsize=8)

    @property
    def url(self) -> str:
        host, port = self.server.address
        return f"http://{host}:{port}"

    def ask(
        self, path: str, method: str = "GET", *, scope: str = "crm", body: object = None, **headers: str
    ) -> Answer:
        """One request; ``scope`` empty: without a token. Args: body: bytes, or what becomes JSON."""
        told = {"Authorization": f"Bearer {self.tokens[scope]}"} if scope else {}
        if body is not None:
            told["Content-Type"] = "application/json"
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        told |= {name.replace("_", "-"): value for name, value in headers.items()}
        found = self._http.request(
            method, self.url + path, headers=told, body=data, timeout=30, redirect=False
        )
        return Answer(found.status, found.headers, found.data)

    def get(self, path: str, **how: Any) -> Any:
        """What is answered, as JSON."""
        found = self.ask(path, **how)
        assert found.status == 200, found
        return found.json

    def stop(self) -> None:
        self._http.clear()
        self.server.stop()


def fill(folder: Path, database: Database, kind: Format = "wav", uri: str = "{}") -> int:
    """What a CRM may ask for. Returns the thread.

    Args:
        kind: in which the recording is archived.
        uri: its address, where ``{}`` is its path.
    """
    hello = NewMessage(wamid="w1", direction="inbound", body="hi", sent_at=T0 - timedelta(minutes=1))
    aliases = (Alias(kind="wa_id", value=NUMBER),)
    thread = Threads(database).add_messages(aliases, NAME, "es", OURS, [hello])
    room = Room(folder, database)
    contact = run(database, "select contact_id from thread where id = %s", thread)[0]["contact_id"]
    recording = room.record(
        [(1.0, 3.0)], [(7.0, 9.0)], thread_id=thread, contact_id=contact, wacid="wacid.AB", answered_at=T0,
        to_number=OURS, queue=QUEUE,
    )  # fmt: skip
    room.call = replace(
        room.call, agent="ann", bridged_at=T0, disposition=Disposition.ANSWERED, fault=Fault.NOBODY
    )
    room.end(recording)
    claimed = sorted(room.claim(), key=lambda one: one.leg, reverse=True)
    for one, text, language, at in zip(claimed, (HOLA, HELLO), ("es", "en"), (1000, 7000), strict=True):
        said = replace(SEGMENT, start_ms=at, end_ms=at + 2000, text=text, language=language)
        assert room.utterances.finish(one, [said])
    room.plan(final=False)
    assert room.recordings.archive(recording, archive(folder, kind, uri), str(room.path))
    missed = Call(
        uuid="c-2", node="fs1", channel="whatsapp", phase=Phase.ENDED, offered_at=T0 + timedelta(hours=1),
        ended_at=T0 + timedelta(hours=1, seconds=9), thread_id=thread, contact_id=contact,
        disposition=Disposition.ABANDONED,
    )  # fmt: skip
    stranger = replace(
        missed, uuid="c-3", thread_id=None, contact_id=None, phase=Phase.TALKING, ended_at=None
    )
    Calls(database).apply([commands.SaveCall(uuid=one.uuid, call=one) for one in (missed, stranger)])
    with database.transaction("saying") as transaction:
        outcomes.add(transaction, Outcome(kind="lead", at=T0, who="ann", thread_id=thread))
    drain(Sequence(database))
    return thread


def archive(folder: Path, kind: Format, uri: str) -> Archived:
    """The sound in the archive."""
    path = folder / "archive" / "c-1.wav"
    path.parent.mkdir()
    path.write_bytes(WAV)
    if kind != "wav":
        path = path.with_suffix(codec.SUFFIX[kind])
        with path.open("w+b") as file:
            codec.encode(path.with_suffix(".wav"), file, kind)
    return Archived(
        uri=uri.format(path), format=kind, sha256="5a" * 32, bytes=path.stat().st_size, duration_ms=SECONDS * 1000,
        findings=(),
    )  # fmt: skip
