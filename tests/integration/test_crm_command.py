"""``fsctl crm``: endpoints, their secrets, what became of events. docs/crm.md is run by test_crm_docs.py."""

import re
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fsctl import cli
from fsctl.crm import signing
from fsctl.crm.outward import Outward
from fsctl.store.audit import Audit
from fsctl.store.db import Database
from fsctl.store.deliveries import Deliveries
from fsctl.store.endpoints import Endpoints
from tests.integration.authority import Authority
from tests.integration.receiver import Receiver
from tests.integration.test_delivery import House
from tests.integration.test_sequence import make_thread
from tests.unit.crm.test_outward import resolver

Command = Callable[..., int]


@pytest.fixture
def fsctl(dsn: str, tmp_path: Path) -> Command:
    """Runs a command line with this database; returns its exit code."""
    file = tmp_path / "fsctl.toml"
    file.write_text(f'database_url = "{dsn}"\n[crm]\nallow_private = true\n')
    return lambda *words: cli.main(["--config", str(file), *words])


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()
    yield found
    found.kill()


def test_the_secret_is_shown_once_and_what_was_done_is_audited(
    fsctl: Command, database: Database, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fsctl("crm", "endpoint", "add", f"{receiver.url}&key=hush") == 0
    (old,) = re.findall(r"whsec_\S+", capsys.readouterr().out)
    assert fsctl("crm", "endpoint", "rotate", "1", "--overlap", "2") == 0
    (new,) = re.findall(r"whsec_[\w+/=]+", capsys.readouterr().out)
    assert Endpoints(database).secrets(1) == [new, old]
    for words in (["list"], ["list", "--json"]):
        fsctl("crm", "endpoint", *words)
    assert "whsec_" not in capsys.readouterr().out
    entries = Audit(database).entries(action="crm")
    assert [one.action for one in entries] == ["crm.endpoint.add", "crm.endpoint.rotate"]
    assert not re.search("hush|whsec_", str(entries))


def test_a_test_says_what_was_answered(
    fsctl: Command, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    fsctl("crm", "endpoint", "add", receiver.url)
    receiver.secret = re.findall(r"whsec_\S+", capsys.readouterr().out)[0]
    assert fsctl("crm", "test", "1") == 0
    receiver.behave = lambda _event: 503
    assert fsctl("crm", "test", "1") == 1
    assert "HTTP 503" in capsys.readouterr().out
    receiver.behave = lambda _event: "HTTP/1.1 400 x\r\n\r\n\x1b[31mred\x1b[0m"
    assert fsctl("crm", "test", "1") == 1
    said = capsys.readouterr().out
    assert "red" in said
    assert "\x1b" not in said


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["endpoint", "add", "ftp://x/"], "an address such as https"),
        (["endpoint", "add", "https://x.example/", "--types", "call.lost"], "no event is called 'call.lost'"),
        (["endpoint", "remove", "9"], "there is no endpoint 9"),
        (["test", "9"], "there is no endpoint 9"),
        (["replay", "9", "--dead"], "there is no endpoint 9"),
    ],
)
def test_what_cannot_be_is_one_line(
    fsctl: Command, capsys: pytest.CaptureFixture[str], words: list[str], error: str
) -> None:
    assert fsctl("crm", *words) == 1
    assert error in capsys.readouterr().err


def test_without_leave_nothing_is_sent_inside(
    dsn: str, tmp_path: Path, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "fsctl.toml"
    file.write_text(f'database_url = "{dsn}"\n')
    url = receiver.url.replace("http:", "https:")
    assert cli.main(["--config", str(file), "crm", "endpoint", "add", url]) == 1
    assert "not a public address" in capsys.readouterr().err


def test_disabled_and_dead_ones_are_told(
    fsctl: Command, database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("fsctl.crm.delivery.WAITS_S", (0.01,))
    house = House(database)
    house.receiver.behave = lambda _event: 400
    house.write(make_thread(house.dsn), "w1")
    house.work()
    assert fsctl("crm", "deliveries") == 1
    assert "dead       message.received  tried 2 times  400  sorry" in capsys.readouterr().out
    assert fsctl("crm", "deliveries", "--state", "waiting") == 0
    assert fsctl("crm", "endpoint", "disable", "1") == 0
    assert fsctl("crm", "endpoint", "list") == 1
    assert "disabled" in capsys.readouterr().out
    (row,) = Deliveries(database).listed()
    assert fsctl("crm", "endpoint", "enable", "1") == 0
    assert fsctl("crm", "replay", "1", "--event", row.event_id) == 0
    assert fsctl("crm", "replay", "1", "--event", "evt_none") == 1
    house.receiver.kill()


def test_a_certificate_must_be_for_the_name(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    agent = authority.issue("crm", "crm.example.com", 30)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(agent)
    receiver = Receiver(ssl={"ssl_context": context})
    receiver.secret = signing.new_secret()

    def post(host: str, root: Path | None) -> str:
        out = Outward(allow_private=True, authorities=root, resolve=resolver("127.0.0.1"))
        body = b'{"id":"evt_1"}'
        headers = signing.headers([receiver.secret], "evt_1", datetime.now(UTC), body)
        answer = out.post(f"https://{host}:{receiver.port}/hooks", headers, body)
        return answer.error or str(answer.status)

    assert post("crm.example.com", authority.root) == "204"
    assert "hostname" in post("other.example.com", authority.root).lower()
    assert "certificate" in post("crm.example.com", None).lower()
    assert len(receiver.requests) == 1
    assert receiver.requests[0][0]["host"] == f"crm.example.com:{receiver.port}"
    receiver.kill()
