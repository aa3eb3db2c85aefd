"""Meta's webhooks, from the socket to the inbox."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import gevent
import pytest
from gevent import socket

from fsctl.config_chat import WhatsApp
from fsctl.errors import DatabaseDown
from fsctl.sim.graph_webhooks import Webhooks
from fsctl.store import migrate
from fsctl.store.alarms import Alarms
from fsctl.store.db import Database
from fsctl.store.embedded import Embedded
from fsctl.store.inbox import Inbox, Post
from fsctl.web.limits import Limits
from fsctl.web.server import Server
from fsctl.whatsapp import importer as importing
from fsctl.whatsapp import receiver as receiving
from fsctl.whatsapp import signature
from fsctl.whatsapp.importer import Importer
from fsctl.whatsapp.journal import Journal
from fsctl.whatsapp.receiver import PATH, Receiver
from tests.integration.webhook_server import SECRET, SETTINGS

PATIENCE_S = 20.0
ROOT = Path(__file__).parent.parent.parent
BODY = b'{"object":"whatsapp_business_account","entry":[]}'


class Door:
    """A server with a receiver and its journal."""

    def __init__(self, folder: Path, settings: WhatsApp = SETTINGS, most_bytes: int = 1 << 20) -> None:
        self.journal = Journal(folder, most_bytes=most_bytes)
        self.receiver = Receiver(settings, self.journal)
        limits = Limits(head_s=0.5, body_s=0.5, linger_s=0.3)
        self.server = Server("127.0.0.1:0", self.receiver.routes(), limits=limits)
        self.server.start()
        self.port = self.server.address[1]

    def close(self) -> None:
        self.server.stop()
        self.journal.close()


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    with closing(Door(tmp_path)) as made:
        yield made


def ask(port: int, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, bytes]:
    with closing(HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)) as connection:
        connection.request(
            method, path, body, {name.replace("_", "-"): value for name, value in headers.items()}
        )
        answer = connection.getresponse()
        return answer.status, answer.read()


def post(port: int, body: bytes, secret: str = SECRET) -> int:
    return ask(port, "POST", PATH, body, X_Hub_Signature_256=signature.sign(secret, body))[0]


def importer(journal: Journal, database: Database) -> Importer:
    return Importer(journal, Inbox(database), Alarms(database, "fs1"))


def bodies(database: Database) -> list[bytes]:
    """What the inbox has, in its order."""
    inbox = Inbox(database)
    return [inbox.one(listed.id)[1] for listed in inbox.all()]


def count(database: Database) -> int:
    """Posts in the inbox; none that we can see while Postgres is away."""
    try:
        return len(Inbox(database).all())
    except DatabaseDown:
        return 0


def wait_for(truth: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not truth():
        assert time.monotonic() < deadline, what
        gevent.sleep(0.02)


# --- the handshake ---------------------------------------------------------------------------------------------


def test_the_handshake_gives_the_challenge_back_bare(door: Door) -> None:
    query = "?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=the-word"
    assert ask(door.port, "GET", PATH + query) == (200, b"1158201444")
    assert door.receiver.counts.handshakes == 1


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=another",
        "?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=",
        "?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=th%C3%A9-word",
        "?hub.mode=unsubscribe&hub.challenge=1158201444&hub.verify_token=the-word",
        "?hub.mode=subscribe&hub.challenge=%3Cscript%3E&hub.verify_token=the-word",
        "?hub.mode=subscribe&hub.verify_token=the-word",
    ],
)
def test_another_handshake_is_refused(door: Door, query: str) -> None:
    status, body = ask(door.port, "GET", PATH + query)
    assert status == 403
    assert b"1158201444" not in body
    assert door.receiver.counts.bad_handshakes == 1


def test_without_a_verify_token_there_is_no_handshake(tmp_path: Path) -> None:
    with closing(Door(tmp_path, WhatsApp(app_secret=SECRET))) as door:
        query = "?hub.mode=subscribe&hub.challenge=1&hub.verify_token="
        assert ask(door.port, "GET", PATH + query)[0] == 403


def test_without_the_apps_secret_no_webhook_is_taken(tmp_path: Path) -> None:
    with closing(Door(tmp_path, WhatsApp(verify_token="the-word"))) as door:
        assert post(door.port, BODY, secret="") == 404


# --- what is taken ---------------------------------------------------------------------------------------------


def test_a_post_is_in_the_inbox_byte_for_byte(door: Door, database: Database) -> None:
    odd = ['{"ü": 1 , "a":[ ]}'.encode(), b"not JSON at all", b"\xff\x00", BODY]
    before = datetime.now(UTC)
    assert [post(door.port, body) for body in odd] == [200] * 4
    assert importer(door.journal, database).tick() > 0
    assert sorted(bodies(database)) == sorted(odd)
    assert before <= Inbox(database).all()[0].received_at <= datetime.now(UTC)
    assert door.receiver.counts.accepted == 4


def test_three_megabytes_are_taken_and_more_are_not(door: Door, tmp_path: Path) -> None:
    door.close()
    with closing(Door(tmp_path / "large", most_bytes=10 << 20)) as large:
        assert post(large.port, b"x" * (3 << 20)) == 200
        assert post(large.port, b"x" * ((3 << 20) + 1)) == 413


def test_what_the_fake_graph_tells_is_taken_once_though_it_is_told_twice(
    door: Door, database: Database
) -> None:
    told = Webhooks(f"http://127.0.0.1:{door.port}{PATH}", SECRET, "102290129340398")
    told.repeats = 2
    told.tell("106540352242922", {"messages": []})
    assert told.join(PATIENCE_S)
    assert len(told.told) == 2
    importer(door.journal, database).tick()
    (body,) = bodies(database)
    assert json.loads(body) == told.told[0]


@pytest.mark.parametrize(
    "signed",
    [
        None,
        "",
        "sha256=" + "0" * 64,
        signature.sign("another", BODY),
        signature.sign(SECRET, BODY + b" "),
        signature.sign(SECRET, BODY).removeprefix("sha256="),
    ],
)
def test_what_meta_did_not_sign_is_refused_and_counted(
    door: Door, database: Database, caplog: pytest.LogCaptureFixture, signed: str | None
) -> None:
    headers = {} if signed is None else {"X_Hub_Signature_256": signed}
    for _ in range(3):
        status, answer = ask(door.port, "POST", PATH, BODY, **headers)
        assert status == 403
        assert json.loads(answer)["title"] == "Forbidden"
    assert door.receiver.counts.bad_signature == 3
    assert door.receiver.counts.accepted == 0
    assert len([one for one in caplog.records if one.name == receiving.__name__]) == 1, "warned of once"
    assert importer(door.journal, database).tick() == 0


def test_without_a_signature_the_body_is_not_read(door: Door) -> None:
    with socket.create_connection(("127.0.0.1", door.port), timeout=PATIENCE_S) as sock:
        sock.sendall(b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n" % PATH.encode())
        assert sock.recv(1000).startswith(b"HTTP/1.1 403 ")


def test_a_replay_is_answered_and_not_stored_again(door: Door, database: Database) -> None:
    assert [post(door.port, BODY) for _ in range(5)] == [200] * 5
    assert (door.receiver.counts.accepted, door.receiver.counts.replayed) == (1, 4)
    work = importer(door.journal, database)
    size = work.tick()
    assert bodies(database) == [BODY]
    # Another process, or one that was started anew, knows it by the inbox only.
    again = Receiver(SETTINGS, door.journal)
    assert not again._known
    door.journal.append(BODY, datetime.now(UTC))
    assert work.tick() == size
    assert bodies(database) == [BODY]


def test_a_replay_while_the_first_is_not_on_disk_is_not_answered_before_it(tmp_path: Path) -> None:
    import threading

    let = threading.Event()

    def sync(_fd: int) -> None:
        while not let.is_set():
            let.wait(0.01)

    with closing(Door(tmp_path)) as door:
        door.journal._sync = sync
        asking = [gevent.spawn(post, door.port, BODY) for _ in range(3)]
        gevent.sleep(0.3)
        early = [one for one in asking if one.ready()]
        let.set()
        assert not early
        gevent.joinall(asking, timeout=PATIENCE_S, raise_error=True)
        assert [one.value for one in asking] == [200] * 3


def test_known_posts_are_bounded(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiving, "MOST_KNOWN", 3)
    for number in range(5):
        post(door.port, b"%d" % number)
    assert len(door.receiver._known) == 3
    post(door.port, b"4")
    post(door.port, b"0")
    assert (door.receiver.counts.accepted, door.receiver.counts.replayed) == (6, 1)


@pytest.mark.parametrize("head", ["Content-Length: 3000", "Transfer-Encoding: chunked"])
def test_a_slow_post_is_refused_and_counted(door: Door, head: str) -> None:
    signed = signature.sign(SECRET, BODY)
    with socket.create_connection(("127.0.0.1", door.port), timeout=PATIENCE_S) as sock:
        sock.sendall(f"POST {PATH} HTTP/1.1\r\n{signature.HEADER}: {signed}\r\n{head}\r\n\r\n1".encode())
        assert sock.recv(1000).startswith(b"HTTP/1.1 408 ")
    assert door.server.counts.slow == 1


# --- no room, no Postgres, no process --------------------------------------------------------------------------


def test_without_room_a_post_is_answered_503_and_the_alarm_goes_up_and_down(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fsctl.whatsapp.journal.REST_S", 0.0)
    monkeypatch.setattr("fsctl.whatsapp.journal.REFUSED_S", 0.5)
    monkeypatch.setattr("fsctl.whatsapp.journal_file.MOST_BYTES", 100)
    monkeypatch.setattr(importing, "IDLE_S", 0.0)
    with closing(Door(tmp_path, most_bytes=1000)) as door:
        work = importer(door.journal, database)
        answers = [post(door.port, b"%d" % number * 90) for number in range(10, 20)]
        assert answers == [200] * answers.count(200) + [503] * answers.count(503)
        assert 3 <= answers.count(200) < 10
        assert door.receiver.counts.full == answers.count(503)
        work.tick()
        (alarm,) = Alarms(database, "fs1").up(str(tmp_path))
        assert alarm.kind == "journal.full"
        while work.tick():
            pass
        assert post(door.port, b"19" * 90) == 200, "refused before, so it is not known"
        gevent.sleep(0.6)
        work.tick()
        assert Alarms(database, "fs1").up() == []
        assert len(bodies(database)) == answers.count(200) + 1


def test_while_postgres_is_away_posts_are_taken_and_stored_when_it_is_back(
    tmp_path: Path, open_folder: Path
) -> None:
    server = Embedded(open_folder / "pg")
    server.start()
    migrate.migrate(server.dsn)
    database = Database(server.dsn, process="test", size=2)
    database.open()
    with closing(Door(tmp_path)) as door:
        work = importer(door.journal, database)
        running = gevent.spawn(work.run)
        assert post(door.port, b"before") == 200
        wait_for(lambda: count(database) == 1, "the first post")
        server.stop()
        assert [post(door.port, b"meanwhile %d" % number) for number in range(20)] == [200] * 20
        wait_for(lambda: work.is_stuck, "the importer has seen it")
        server.start()
        wait_for(lambda: count(database) == 21, "all of them")
        wait_for(lambda: not work.is_stuck, "well again")
        running.kill()
    database.close()
    server.stop()


def test_what_goes_wrong_while_importing_does_not_end_it(
    door: Door, database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(importing, "IDLE_S", 0.1)
    work = importer(door.journal, database)
    add = work._inbox.add
    wrong: list[int] = []

    def add_or_not(posts: Sequence[Post]) -> int:
        if len(wrong) < 2:
            wrong.append(len(posts))
            raise ZeroDivisionError
        return add(posts)

    monkeypatch.setattr(work._inbox, "add", add_or_not)
    running = gevent.spawn(work.run)
    assert post(door.port, BODY) == 200
    wait_for(lambda: count(database) == 1, "stored in the end")
    running.kill()
    assert wrong == [1, 1]
    assert "not imported now" in caplog.text


@contextmanager
def process(folder: Path) -> Iterator[tuple["subprocess.Popen[bytes]", int]]:
    """The receiver in a process of its own."""
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.integration.webhook_server", str(folder)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    try:
        yield child, int(child.stdout.readline())
    finally:
        child.kill()
        child.wait()
        child.stdout.close()


def test_a_process_killed_after_the_200_has_lost_nothing(tmp_path: Path, database: Database) -> None:
    """Killed in the midst of many posts, three times; another process takes over what it left."""
    answered: list[bytes] = []

    def keep_posting(port: int, client: int, run: int) -> None:
        with closing(HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)) as connection:
            for number in range(100_000):
                body = b"run %d client %d post %d " % (run, client, number) + bytes(number % 500)
                headers = {signature.HEADER: signature.sign(SECRET, body)}
                try:
                    connection.request("POST", PATH, body, headers)
                    answer = connection.getresponse()
                    answer.read()
                except (OSError, HTTPException):
                    return
                assert answer.status == 200
                answered.append(body)

    for run in range(3):
        with process(tmp_path) as (child, port):
            clients = [gevent.spawn(keep_posting, port, client, run) for client in range(8)]
            gevent.sleep(0.5)
            child.send_signal(signal.SIGKILL)
            gevent.joinall(clients, timeout=PATIENCE_S, raise_error=True)
    assert len(answered) > 100
    journal = Journal(tmp_path)
    importer(journal, database).drain()
    journal.close()
    with database.transaction("reading") as transaction:
        ids = [row["id"] for row in transaction.rows("inbox.claim", most=1_000_000)]
        stored = {bytes(row["body"]) for row in transaction.rows("inbox.claimed", ids=ids)}
    assert set(answered) <= stored
    assert len(stored) - len(answered) <= 24, "at most what each client had under way"
    assert not list(tmp_path.iterdir())


def test_what_a_process_holds_is_left_to_it(tmp_path: Path, database: Database) -> None:
    with process(tmp_path) as (_child, port):
        assert post(port, BODY) == 200
        journal = Journal(tmp_path)
        work = importer(journal, database)
        assert work.tick() == 0
        journal.close()
    journal = Journal(tmp_path)
    assert importer(journal, database).tick() > 0
    assert bodies(database) == [BODY]
    journal.close()


def test_a_clean_end_leaves_no_files(tmp_path: Path, database: Database) -> None:
    door = Door(tmp_path)
    assert post(door.port, BODY) == 200
    door.server.stop()
    importer(door.journal, database).drain()
    door.journal.close()
    assert bodies(database) == [BODY]
    assert not list(tmp_path.iterdir())
