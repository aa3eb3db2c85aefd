"""``fsctl route`` on a real Postgres: every rule with its verdict, and nothing is changed by asking."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from fsctl import cli
from fsctl.call import commands, payload
from fsctl.call.events import Alias
from fsctl.call.payload import Ticket
from fsctl.call.state import Call, Disposition, Fault, Phase
from fsctl.store.calls import Calls
from fsctl.store.db import Database
from fsctl.store.threads import NewMessage, Threads

NOW = datetime.now(UTC).replace(microsecond=0)
SECRET = "a secret of ours, long enough"
ANN = Alias(kind="wa_id", value="15550100142")
CONFIG = """
default_queue = "support@fsctl"
[number.15550100900]
queue = "sales@fsctl"
language = "pt"
[queue."sales@fsctl"]
hours = "office"
recording = "consent"
[queue."support@fsctl"]
languages = { es = "soporte@fsctl" }
[hours.office]
timezone = "UTC"
mon = ["09:00-17:00"]
[[rule]]
name = "orders"
message = "order"
queue = "orders@fsctl"
score = 60
[[rule]]
name = "from Brazil"
countries = ["BR"]
queue = "brasil@fsctl"
[payload]
secret_file = "secret"
[[node]]
name = "fs1"
password_file = "secret"
"""
Ask = Callable[..., Any]


@pytest.fixture
def config(tmp_path: Path, dsn: str) -> Path:
    (tmp_path / "secret").write_text(SECRET)
    file = tmp_path / "fsctl.toml"
    file.write_text(f'database_url = "{dsn}"\n' + CONFIG)
    return file


@pytest.fixture
def ask(config: Path, capsys: pytest.CaptureFixture[str]) -> Ask:
    """Runs ``fsctl route``: its exit code, output and error."""

    def run(*arguments: str) -> tuple[int, str, str]:
        code = cli.main(["--config", str(config), "route", *arguments])
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


def explained(ask: Ask, *arguments: str) -> dict[str, Any]:
    code, out, err = ask("explain", "--json", *arguments)
    assert code == 0, err
    found: dict[str, Any] = json.loads(out)
    return found


MONDAY, SUNDAY = "2026-11-23T10:00+00:00", "2026-11-22T10:00+00:00"
WHO = ("--from", "+15550100142", "--to", "+15550100900")


def chat(database: Database, body: str, name: str = "Ann", language: str | None = None) -> None:
    message = NewMessage(wamid="w1", direction="inbound", body=body, sent_at=NOW)
    Threads(database).add_messages([ANN], name, language, "15550100900", [message])


COUNTS = b"""select (select count(*) from contact), (select count(*) from alias), (select count(*) from thread),
    (select count(*) from call), (select count(*) from call_event), (select count(*) from audit)"""


def rows(database: Database) -> tuple[Any, ...]:
    with psycopg.connect(database.dsn) as connection:
        found = connection.execute(COUNTS).fetchone()
    assert found is not None
    return found


def test_somebody_unknown_is_explained_and_stays_unknown(ask: Ask, database: Database) -> None:
    before = rows(database)
    found = explained(ask, *WHO, "--at", MONDAY)
    assert rows(database) == before
    assert found["contact"] == {
        "id": None, "thread_id": None, "name": "", "language": None, "vip": False,
    }  # fmt: skip
    assert [(one["rule"], one["decided"]) for one in found["rules"]] == [
        ("by_ticket", False), ("rule orders", False), ("rule from Brazil", False), ("by_number", True),
        ("by_default", False),
    ]  # fmt: skip
    assert (found["route"]["queue"], found["route"]["language"]) == ("sales@fsctl", "pt")
    assert found["told"] == {
        "fsctl_queue": "sales@fsctl", "fsctl_thread": "0", "fsctl_language": "pt", "fsctl_recording": "consent",
    }  # fmt: skip
    assert found["then"] is None


def test_conditions_and_options_count(ask: Ask, database: Database) -> None:
    assert explained(ask, *WHO, "--country", "BR")["route"]["queue"] == "brasil@fsctl"
    assert explained(ask, *WHO, "--channel", "sip")["call"]["aliases"] == [
        {"kind": "phone", "value": "15550100142"}
    ]
    chat(database, "where is my order?")
    found = explained(ask, *WHO, "--country", "BR")
    assert (found["route"]["queue"], found["told"]["fsctl_score"]) == ("orders@fsctl", "60")
    assert found["told"]["fsctl_caller_name"] == "Ann"
    assert found["told"]["fsctl_thread"] == str(found["contact"]["thread_id"])


def test_outside_hours_it_says_when_it_opens_again(ask: Ask) -> None:
    found = explained(ask, *WHO, "--at", SUNDAY)
    assert found["route"]["is_closed"]
    assert found["opens_at"] == "2026-11-23T09:00:00+00:00"
    _, out, _ = ask("explain", *WHO, "--at", SUNDAY)
    assert "opens again" in out


def test_a_payload_that_was_signed_here_is_trusted_there(ask: Ask) -> None:
    code, signed, _ = ask("sign", "--queue", "billing@fsctl", "--score", "300", "--campaign", "autumn")
    assert code == 0
    ticket = payload.read(signed.strip(), [SECRET.encode()])
    assert ticket is not None
    assert (ticket.queue, ticket.score, ticket.campaign, ticket.contact_id) == (
        "billing@fsctl",
        300,
        "autumn",
        None,
    )
    assert timedelta(days=29) < ticket.expires - NOW < timedelta(days=31)
    found = explained(ask, *WHO, "--payload", signed.strip())
    assert (found["route"]["queue"], found["route"]["score"]) == ("billing@fsctl", 300)
    found = explained(ask, *WHO, "--payload", signed.strip().replace("f1.", "f1.A"))
    assert found["rules"][0]["words"] == "no payload with our signature"


def store(database: Database, **fields: Any) -> Call:
    chat(database, "hi", language="es")
    call = Call(
        uuid="c-1", node="fs1", channel="whatsapp", phase=Phase.ENDED, offered_at=NOW - timedelta(days=2),
        ended_at=NOW - timedelta(days=2), aliases=(ANN,), to_number="15550100999", wacid="wacid.ABC",
        queue="old@fsctl", route_reason="number 15550100999 has queue old@fsctl", hangup_cause="NORMAL_CLEARING",
        disposition=Disposition.ABANDONED, fault=Fault.CALLER,
    )  # fmt: skip
    call = replace(call, **fields)
    Calls(database).apply([commands.SaveCall(uuid=call.uuid, call=call)])
    return call


@pytest.mark.parametrize("name", ["wacid.ABC", "wacid.ABC==", "c-1"])
def test_a_stored_call_is_explained_beside_what_was_decided_then(
    ask: Ask, database: Database, name: str
) -> None:
    store(database)
    found = explained(ask, "--wacid", name)
    assert found["route"]["queue"] == "soporte@fsctl"
    assert found["route"]["reasons"][-1] == "soporte@fsctl: speaks es"
    assert (found["then"]["queue"], found["then"]["ended"]) == ("old@fsctl", "abandoned")
    assert (NOW - datetime.fromisoformat(found["call"]["at"])).total_seconds() < 60
    assert datetime.fromisoformat(found["then"]["at"]) == NOW - timedelta(days=2)
    _, out, _ = ask("explain", "--wacid", name)
    assert "number 15550100999 has queue old@fsctl" in out


def test_a_contacts_own_ticket_is_told_from_anothers(ask: Ask, database: Database) -> None:
    chat(database, "hi")
    known = explained(ask, *WHO)["contact"]["id"]
    for contact_id, queue in ((known, "billing@fsctl"), (known + 1, "sales@fsctl")):
        ticket = Ticket(expires=NOW + timedelta(days=1), queue="billing@fsctl", contact_id=contact_id)
        found = explained(ask, *WHO, "--payload", payload.sign(ticket, SECRET.encode()))
        assert found["route"]["queue"] == queue


def test_the_text_marks_the_rule_that_decided_and_escapes_strangers(ask: Ask, database: Database) -> None:
    chat(database, "an order", name="Ann\x1b[2J\u202e\nadmin")
    code, out, _ = ask("explain", *WHO, "--payload", "x\x1b]0;evil\x07\n" * 50)
    assert code == 0
    assert [line.split()[1:3] for line in out.splitlines() if "→" in line] == [["rule", "orders"]]
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert "Ann\\x1b[2J\\u202e\\x0aadmin" in out


WRONG = {
    "an unknown wacid": (("explain", "--wacid", "wacid.none"), "no such call is stored"),
    "a caller who is none": (
        ("explain", "--from", "nobody", "--to", "15550100900"),
        "--from nobody: expected",
    ),
    "no number of ours": (("explain", "--from", "15550100142"), "--to : expected one of our numbers"),
    "a number that is none": (("explain", *WHO[:2], "--to", "²²²²²"), "expected one of our numbers"),
    "an unknown node": (("explain", *WHO, "--node", "fs9"), "no [[node]] is named 'fs9'"),
    "a queue that is none": (("sign", "--queue", "a b"), "--queue: expected a queue"),
    "a score beyond all": (("sign", "--score", "1000001"), "--score: expected 0 to 1000000"),
    "a language that is none": (("sign", "--language", "Spanish"), "--language: expected two letters"),
    "days that are none": (("sign", "--days", "nan"), "--days nan: expected more than 0"),
    "too much text": (("sign", "--campaign", "x" * 500), "WhatsApp takes 512"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_is_one_line(ask: Ask, name: str) -> None:
    arguments, expected = WRONG[name]
    code, out, err = ask(*arguments)
    assert (code, out) == (2, "")
    assert expected in err
    assert err.count("\n") == 1


def test_without_a_secret_nothing_is_signed(ask: Ask, config: Path) -> None:
    config.write_text(config.read_text().replace('[payload]\nsecret_file = "secret"', ""))
    code, _, err = ask("sign", "--queue", "a@b")
    assert code == 2
    assert "[payload]" in err


def test_it_is_a_command_of_its_own(config: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "fsctl", "route", "sign", "--queue", "a@b", "--config", str(config)],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert payload.read(done.stdout.strip(), [SECRET.encode()]) is not None
