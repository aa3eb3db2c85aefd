"""What consoles are told comes once and whole, whoever commits when; and the audit loses nothing."""

from collections.abc import Callable, Iterator
from pathlib import Path

import gevent
import psycopg
import pytest

from fsctl.config import Config
from fsctl.console.commands import House, Who
from fsctl.console.counts import Counts
from fsctl.console.desk import Desk
from fsctl.console.feed import Teller
from fsctl.console.scribe import Scribe
from fsctl.console.server import Server
from fsctl.console.verbs import Session
from fsctl.esl.messages import Fields, Message
from fsctl.eventsocket.command import Command
from fsctl.eventsocket.event import Event
from fsctl.sim import Switch
from fsctl.store import migrate
from fsctl.store.audit import Audit, Entry
from fsctl.store.db import Database
from fsctl.store.embedded import Embedded
from fsctl.store.feed import Feed
from tests.fix_console import LogIn, MakeConsole, until

UUID = "00000000-0000-4000-8000-000000000001"


@pytest.fixture
def connection(dsn: str) -> Iterator[psycopg.Connection]:
    """Beside the pool, with a call whose recording has an utterance."""
    with psycopg.connect(dsn, autocommit=True) as opened:
        opened.execute(
            "insert into call (uuid, node, channel, phase, to_number, display_name, offered_at)"
            " values (%s, 'fs1', 'whatsapp', 'offered', '1', 'x', now())", [UUID],
        )  # fmt: skip
        opened.execute(
            "insert into recording (call_uuid, node, path, started_at) values (%s, 'fs1', 'x', now())", [UUID]
        )
        yield opened


def tell(connection: psycopg.Connection, key: str) -> None:
    connection.execute(
        "insert into call_event (call_uuid, at, kind, key, data) values (%s, now(), 'call_answered', %s, %s)",
        [UUID, key, psycopg.types.json.Jsonb({"key": key})],
    )


def say(connection: psycopg.Connection, begin: int, text: str, suppressed_by: str | None = None) -> None:
    connection.execute(
        "with u as (insert into utterance (recording_id, call_uuid, leg, start_sample, end_sample, rate)"
        " select id, call_uuid, 'caller', %(begin)s, %(begin)s + 1, 16000 from recording returning *)"
        " insert into segment (utterance_id, call_uuid, leg, start_ms, end_ms, text, model, suppressed_by)"
        " select id, call_uuid, leg, %(begin)s, %(begin)s + 500, %(text)s, 'm', %(suppressed_by)s from u",
        {"begin": begin, "text": text, "suppressed_by": suppressed_by},
    )


def test_a_fact_that_is_committed_late_is_told_all_the_same(
    database: Database, connection: psycopg.Connection, dsn: str
) -> None:
    tell(connection, "before")
    feed = Feed(database)
    with psycopg.connect(dsn) as slow:
        tell(slow, "late")
        tell(connection, "early")
        assert [row["data"]["key"] for row in feed.facts()] == ["early"]
        slow.commit()
    assert [row["data"]["key"] for row in feed.facts()] == ["late"]
    assert feed.facts() == []


def test_many_facts_come_in_pages_and_none_twice(database: Database, connection: psycopg.Connection) -> None:
    feed = Feed(database)
    with connection.transaction():
        for number in range(1200):
            tell(connection, f"{number:04}")
    told: list[Event] = []
    Teller(database, lambda: True, told.append).tick(feed)
    assert [event.body for event in told] == [f'{{"key": "{number:04}"}}' for number in range(1200)]


def test_text_is_told_without_what_was_not_spoken_and_without_escapes(
    database: Database, connection: psycopg.Connection
) -> None:
    feed = Feed(database)
    say(connection, 0, "Hola\x1b]0;x\x07\nUnique-ID: forged \u202e")
    say(connection, 700, "Thank you for watching", "invented")
    told: list[Event] = []
    Teller(database, lambda: True, told.append).tick(feed)
    [event] = told
    assert event.body == r"Hola\x1b]0;x\x07\x0aUnique-ID: forged \u202e"
    assert (event.subclass, event.get("Unique-ID"), event.get("fsctl-Leg")) == (
        "fsctl::transcript",
        UUID,
        "caller",
    )
    assert (event.get("fsctl-Start-Ms"), event.get("fsctl-End-Ms")) == ("0", "500")


def test_while_postgres_is_away_commands_go_on_and_the_audit_has_them_later(open_folder: Path) -> None:
    server = Embedded(open_folder / "pg")
    server.start()
    migrate.migrate(server.dsn)
    database = Database(server.dsn, process="test", size=2)
    database.open()
    try:
        scribe = Scribe(database)
        scribe.write(Entry(who="a", action="console.api", subject="1"))
        server.stop()
        with gevent.Timeout(3, AssertionError("waits for Postgres")):
            scribe.write(Entry(who="a", action="console.api", subject="2"))
        until(lambda: scribe.kept, "kept", 30)
        with gevent.Timeout(0.5, AssertionError("waits for Postgres")):
            scribe.write(Entry(who="a", action="console.api", subject="3"))
        server.start()
        until(lambda: not scribe.kept, "written", 30)
        found = Audit(database).entries()
        assert [one.subject for one in found] == ["1", "2", "3"]
        assert "done_at" in found[1].detail
    finally:
        database.close()
        server.stop()


def test_a_second_server_takes_over_when_the_first_has_gone(
    make_switch: Callable[..., Switch], make_console: MakeConsole, log_in: LogIn
) -> None:
    first = make_console(make_switch().port)
    settings = first._settings
    second = Server(
        type(settings)(listen=f"127.0.0.1:{first.address[1]}", users=settings.users), first._house
    )  # fmt: skip
    second.start()
    try:
        assert log_in(first).api("fsctl use fs1") == "using fs1\n"
        first.stop()
        until(lambda: second._listener is not None, "listening")
        assert log_in(second).api("fsctl use fs1") == "using fs1\n"
    finally:
        second.stop()


class Sheet:
    """An outlet that keeps what it is given."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def send(self, data: bytes) -> None:
        self.sent.append(data)

    def reply(self, text: str, *_extra: tuple[str, str]) -> None:
        self.sent.append(text.encode())

    def respond(self, text: str) -> None:
        self.sent.append(text.encode())


def test_lines_of_the_log_come_without_keys_and_escapes(database: Database) -> None:
    sheet = Sheet()
    house = House(Config(), database, lambda _name: pytest.fail("no node"))
    session = Session(sheet, Desk(Who("ann", "admin"), house, Scribe(database), "here", Counts()))
    fields = Fields(b"Content-Type: log/data\nContent-Length: 99\nLog-Level: 7\nUser-Data: x")
    body = b"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:cHJpdmF0ZSBrZXkgb2YgY2FsbA==\x1b[2J\n"
    session.on_log(Message(fields, body))
    shown = rb"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:(hidden)\x1b[2J" + b"\n"
    assert sheet.sent == [
        b"Content-Type: log/data\nContent-Length: %d\nLog-Level: 7\nUser-Data: x\n\n%b" % (len(shown), shown)
    ]
    session.answer(Command("api status"))
    assert sheet.sent[-1].startswith(b"-ERR node ?: ")
    session.close()
