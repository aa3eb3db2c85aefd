"""``fsctl outbox`` and ``fsctl message send`` on a real Postgres."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fsctl import cli
from fsctl.store.audit import Audit
from fsctl.store.db import Database
from fsctl.store.outbox import Failed, Unsure
from tests.integration.sending import NUMBER, NUMBER_ID, House, house

CONFIG = f"""
[number."{NUMBER}"]
phone_number_id = "{NUMBER_ID}"
"""


@pytest.fixture
def made(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    monkeypatch.setenv("FSCTL_DATABASE_URL", database.dsn)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fsctl.toml").write_text(CONFIG)
    with house(database) as found:
        yield found


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    def call(*arguments: str) -> tuple[int, str, str]:
        code = cli.main(arguments)
        out, err = capsys.readouterr()
        return code, out, err

    return call


def outcome(made: House, key: str, what: Any) -> None:
    (item,) = [one for one in made.outbox.claim(["message"], "w", 10) if one.key == key]
    made.outbox.finish(item, what)


def test_a_text_is_put_into_the_outbox_and_sent(made: House, run: Any) -> None:
    thread, user = made.thread()
    code, out, _ = run("message", "send", user, "hello Ann")
    assert (code, "Ann (thread" in out, "hello Ann" in out) == (0, True, True)
    made.work(made.pump())
    assert made.fake.received[0]["text"]["body"] == "hello Ann"
    (entry,) = Audit(made.database).entries(action="message.send")
    assert entry.subject == f"thread {thread}"
    assert "hello" not in str(entry.detail)
    code, out, _ = run("outbox", "list", "--json")
    (item,) = json.loads(out)
    assert (code, item["state"], item["text"], item["key"]) == (0, "sent", "hello Ann", entry.detail["key"])
    assert "payload" not in item


def test_a_dry_run_says_what_would_be_sent_and_sends_nothing(made: House, run: Any) -> None:
    thread, _ = made.thread()
    code, out, _ = run("message", "send", str(thread), "hello", "--dry-run", "--json")
    assert (code, json.loads(out)["form"], json.loads(out)["key"]) == (0, "message", None)
    code, out, _ = run("message", "send", str(thread), "hello", "--dry-run")
    assert "would be sent: hello" in out
    assert made.rows("select from outbox") == []
    assert Audit(made.database).entries() == []


def test_a_template_with_its_values(made: House, run: Any) -> None:
    thread, _ = made.thread(open_window=False)
    code, _, err = run("message", "send", str(thread), "hello")
    assert (code, "--template only" in err) == (1, True)
    code, _, err = run("message", "send", str(thread), "--template", "hi")
    assert (code, "--language" in err) == (1, True)
    arguments = ("message", "send", str(thread), "--template", "hi", "--language", "es", "--value", "Ann")
    assert run(*arguments)[0] == 0
    made.work(made.pump())
    sent = made.fake.received[0]["template"]
    assert (sent["name"], sent["language"], sent["components"][0]["parameters"][0]["text"]) == (
        "hi", {"code": "es"}, "Ann",
    )  # fmt: skip


def test_what_cannot_be_sent_is_refused_at_once(made: House, run: Any) -> None:
    thread, _ = made.thread()
    made.thread()
    for arguments, words in (
        (("Nobody", "x"), "no thread"),
        (("Ann", "x"), "not one thread but 2"),
        ((str(thread),), "neither a text nor a --template"),
        ((str(thread), "x" * 4097), "4097 characters"),
    ):
        code, _, err = run("message", "send", *arguments)
        assert (code, words in err) == (1, True), err
    made.run("update contact set opted_out_at = now()")
    assert "opted out" in run("message", "send", str(thread), "x")[2]
    made.run("update thread set business_number = '15550100999' where id = %s", thread)
    assert "phone_number_id" in run("message", "send", str(thread), "x")[2]
    assert made.rows("select from outbox") == []


def test_a_failed_item_is_shown_and_sent_again(made: House, run: Any) -> None:
    thread, _ = made.thread()
    made.add(thread, "k", "bad \x1b[2J text", why="because")
    outcome(made, "k", Failed("Meta \x1b refused", 131026))
    code, out, _ = run("outbox", "list")
    assert code == 1
    assert "\\x1b refused" in out
    code, out, _ = run("outbox", "show", "k")
    assert code == 0
    assert "because" in out
    assert "\x1b" not in out
    assert json.loads(run("outbox", "show", "k", "--json")[1])["payload"]["message"]["type"] == "text"
    assert run("outbox", "retry", "k")[0] == 0
    made.work(made.pump())
    assert len(made.fake.received) == 1
    assert "nothing to be sent again" in run("outbox", "retry", "k")[2]
    (entry,) = Audit(made.database).entries(action="outbox")
    assert (entry.action, entry.subject, entry.detail["found"]) == ("outbox.retry", "k", "failed")


def test_what_may_have_been_sent_is_sent_again_only_when_a_person_insists(made: House, run: Any) -> None:
    thread, _ = made.thread()
    made.add(thread, "k")
    outcome(made, "k", Unsure("time-out"))
    code, _, err = run("outbox", "retry", "k")
    assert (code, "--even-if-sent" in err) == (1, True)
    assert made.row("k")["state"] == "unsure"
    assert run("outbox", "retry", "k", "--even-if-sent")[0] == 0
    assert made.row("k")["state"] == "pending"


def test_what_waits_may_be_cancelled(made: House, run: Any) -> None:
    thread, _ = made.thread()
    made.add(thread, "k", not_before=datetime.now(UTC) + timedelta(hours=1))
    number = str(made.row("k")["id"])
    assert run("outbox", "cancel", number)[0] == 0
    assert made.row("k")["state"] == "cancelled"
    assert made.row("k")["reason"].startswith("cancelled by ")
    assert "does not wait: it is cancelled" in run("outbox", "cancel", "k")[2]
    assert "no item" in run("outbox", "cancel", "nothing")[2]
    assert run("outbox", "list", "--state", "sent")[1] == "nothing\n"
