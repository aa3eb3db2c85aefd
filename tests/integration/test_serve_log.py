"""The log of a whole ``fsctl serve`` on a bad day: JSON, a line an event, with its call and thread; no secret."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest
import urllib3

from fsctl.sim import CallPlan, Ring, Switch
from fsctl.store.db import Database
from fsctl.store.links import Links
from fsctl.terminal import escape
from fsctl.whatsapp.signature import sign
from tests import webhooks
from tests.contract.live import free_port
from tests.fix_console import until
from tests.fix_switch import PASSWORD
from tests.integration.test_sequence import run
from tests.unit.sim.wire import Client

SAID = "the-words-of-a-customer"
SECRETS = {
    "ESL": PASSWORD,
    "APP": "the-secret-of-our-app",
    "TOKEN": "the-token-for-the-graph-api",
    "ANN": "the-password-of-ann",
}
WRONG = "a-password-that-is-wrong"
EVIL = "Ann\x1b[2J\n{}\u202e"


class Served:
    """``fsctl serve --log-json`` as a process."""

    def __init__(self, folder: Path, dsn: str, switch: Switch) -> None:
        self.web, self.console = free_port(), free_port()
        config = folder / "fsctl.toml"
        config.write_text(
            f'database_url = "{dsn}"\ndata_dir = "{folder}"\n'
            f'[[node]]\nname = "fs1"\nport = {switch.port}\npassword_env = "ESL"\nspool = "{folder}"\n'
            f'[web]\nlisten = "127.0.0.1:{self.web}"\n[crm]\nallow_private = true\n'
            '[whatsapp]\napp_secret_env = "APP"\naccess_token_env = "TOKEN"\ngraph_url = "http://127.0.0.1:9"\n'
            f'[console]\nlisten = "127.0.0.1:{self.console}"\n'
            '[[console.user]]\nname = "ann@x"\nrole = "viewer"\npassword_env = "ANN"\n'
            '[number.15550783881]\nqueue = "support@fsctl"\nphone_number_id = "106540352242922"\n'
        )
        self._file = folder / "serve.log"
        with self._file.open("wb") as log:
            self._child = subprocess.Popen(
                [sys.executable, "-m", "fsctl", "--config", config, "serve", "--log-json", "--verbose"],
                env={**os.environ, **SECRETS},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    @property
    def log(self) -> str:
        return self._file.read_text()

    def post(self, whole: Any, *, secret: str = SECRETS["APP"]) -> int:
        body = webhooks.encoded(whole)
        answer = urllib3.PoolManager(retries=False).request(
            "POST",
            f"http://127.0.0.1:{self.web}/webhooks/whatsapp",
            body=body,
            headers={"X-Hub-Signature-256": sign(secret, body)},
        )
        return answer.status

    def stop(self) -> int:
        if self._child.poll() is None:
            self._child.send_signal(signal.SIGTERM)
        return self._child.wait(20)


@pytest.fixture
def served(make_switch: Callable[..., Switch], dsn: str, tmp_path: Path) -> Iterator[tuple[Served, Switch]]:
    switch = make_switch()
    one = Served(tmp_path, dsn, switch)
    yield one, switch
    one.stop()


def test_every_line_is_json_and_tells_no_word_and_no_secret(
    served: tuple[Served, Switch], database: Database, dsn: str
) -> None:
    one, switch = served
    until(lambda: any(link.state == "ready" for link in Links(database).all()), "ready", 30)
    run(
        dsn,
        "insert into endpoint (url, secret, cursor_seq, made_by) values"
        " ('http://127.0.0.1:9/', 'whsec_dGhlLXNlY3JldC1vZi10aGUtZW5kcG9pbnQ=', 0, 'test')",
    )
    uuid = switch.place_call(CallPlan(talk_s=20.0, rings=(Ring("answer", 1.0),), display_name=EVIL))
    message = webhooks.document("message-text")
    _texts(message)[0]["text"]["body"] = SAID
    assert one.post(message) == 200
    assert one.post(message, secret="wrong") == 403
    _texts(message)[0].update(timestamp=SAID, text=[SAID], id=SAID)
    assert one.post(message) == 200
    until(lambda: run(dsn, "select 1 from message"), "stored")
    (place,) = run(dsn, "select thread_id from message limit 1")
    run(
        dsn,
        "insert into outbox (key, kind, payload, thread_id, not_before, expires_at) values ('k', 'message', %s, %s,"
        " now(), now() + interval '1 hour')",
        json.dumps({"message": {"type": "text", "text": {"body": SAID}}}),
        place["thread_id"],
    )
    _type_wrongly(one.console)
    until(lambda: run(dsn, "select 1 from delivery where attempts > 0 and lane like 't%%'"), "tried")
    until(lambda: '"k: ' in one.log, "sent")
    run(
        dsn,
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database()"
        " and pid <> pg_backend_pid() and application_name like 'fsctl %%'",
    )
    gevent.sleep(1.0)
    until(lambda: run(dsn, "select 1 from call where uuid = %s and ended_at is not null", uuid), "ended", 20)
    assert one.stop() == 0
    told = [json.loads(line) for line in one.log.splitlines()]
    assert len(told) > 20
    for line in told:
        assert {"time", "level", "logger", "message"} <= line.keys()
        assert all(escape(value) == value for value in line.values() if isinstance(value, str)), line
    (known,) = run(dsn, "select thread_id from call where uuid = %s", uuid)
    assert {line.get("thread") for line in told if line.get("call") == uuid} >= {known["thread_id"]}
    assert next(line for line in told if line["message"].startswith("k: "))["thread"] == place["thread_id"]
    for secret in (*SECRETS.values(), WRONG, SAID, "whsec_", "dGhlLXNlY3JldC", EVIL):
        assert secret not in one.log


def _texts(document: Any) -> list[dict[str, Any]]:
    return [
        found
        for entry in document["entry"]
        for change in entry["changes"]
        for found in change["value"]["messages"]
    ]


def _type_wrongly(port: int) -> None:
    for line in (f"userauth ann@x:{WRONG}", f"auth {WRONG}", f"userauth ann@x:{SECRETS['ANN']}"):
        client = Client(port, password=None)
        client.read()
        reply = client.command(line).get("Reply-Text")
        if reply == "+OK accepted":
            client.command("api hupall")
            client.command("api fsctl calls")
            client.command("sendevent X\nSecret: x")
        client.socket.close()
