"""The inbox on a real Postgres: each post once, and one that cannot be processed costs no other."""

import json
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import gevent
import pytest

from fsctl import cli
from fsctl.errors import BadInput, DatabaseDown
from fsctl.patience import Patience
from fsctl.store import audit, inbox
from fsctl.store.audit import Audit, Entry
from fsctl.store.db import Database, Transaction, Wakeup
from fsctl.store.embedded import Embedded
from fsctl.store.inbox import Inbox, Post

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def ours(database: Database) -> Inbox:
    return Inbox(database)


def post(body: bytes) -> Post:
    return Post.of(body, AT)


def note(transaction: Transaction, found: Post) -> None:
    """What is made of a post here: a row."""
    body = found.body.decode()
    audit.append(transaction, Entry(who="test", action="noted", subject=body))
    if body.startswith("bad"):
        raise BadInput(f"{body} cannot be read")
    if body.startswith("bug"):
        raise KeyError(body)
    if body.startswith("refused"):
        audit.append(transaction, Entry(who="test", action=None, subject=body))  # type: ignore[arg-type]
    if body.startswith("poison"):
        # Larger than an index can hold: Postgres tells this with the class of errors that says it is in trouble.
        transaction.one("alarms.raise_alarm", node="n", kind="k", subject=body + noise(9000), detail="")


def each(handle: Callable[[Transaction, Post], None]) -> inbox.Handle:
    """One after the other."""

    def all_of_them(transaction: Transaction, posts: Sequence[Post]) -> None:
        for one in posts:
            handle(transaction, one)

    return all_of_them


def noise(size: int) -> str:
    """Text that does not compress."""
    import random

    return "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJ", k=size))


def noted(database: Database) -> list[str]:
    return [entry.subject for entry in Audit(database).entries(action="noted")]


def states(ours: Inbox) -> dict[str, str]:
    return {ours.one(listed.id)[1].decode(): listed.state for listed in ours.all()}


def test_the_same_bytes_are_one_post_however_often_they_come(ours: Inbox, database: Database) -> None:
    assert ours.add([post(b"a"), post(b"b"), post(b"a")]) == 2
    assert ours.add([post(b"b"), post(b"c")]) == 1
    assert ours.process(each(note), 10) == 3
    assert ours.add([post(b"a")]) == 0
    assert ours.process(each(note), 10) == 0
    assert sorted(noted(database)) == ["a", "b", "c"]
    assert ours.add([]) == 0


def test_any_bytes_are_kept_as_they_came(ours: Inbox) -> None:
    bodies = [b"", b"\x00\xff\\x00'\"", bytes(range(256)) * 1000]
    ours.add([post(body) for body in bodies])
    seen: list[Post] = []
    ours.process(lambda _transaction, found: seen.extend(found), 10)
    assert sorted(found.body for found in seen) == sorted(bodies)
    assert all(found.received_at == AT and found.digest == post(found.body).digest for found in seen)


def test_they_are_processed_in_the_order_of_their_coming_so_many_at_once(
    ours: Inbox, database: Database
) -> None:
    for number in range(5):
        ours.add([post(b"%d" % number)])
    assert [ours.process(each(note), 2) for _ in range(4)] == [2, 2, 1, 0]
    assert noted(database) == ["0", "1", "2", "3", "4"]


def test_large_posts_are_taken_few_at_once_and_none_is_left(
    ours: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "MOST_BYTES", 1000)
    sizes = [10, 900, 200, 5000, 5000, 300, 300]
    for number, size in enumerate(sizes):
        ours.add([post(bytes([65 + number]) * size)])
    taken: list[list[int]] = []
    while ours.process(lambda _, posts: taken.append([len(one.body) for one in posts]), 50):
        pass
    assert taken == [[10, 900], [200], [5000], [5000], [300, 300]]


@pytest.mark.parametrize("bad", ["bad", "bug", "refused", "poison"])
def test_one_that_cannot_be_processed_costs_no_other(ours: Inbox, database: Database, bad: str) -> None:
    ours.add([post(body) for body in (b"a", bad.encode(), b"b")])
    assert ours.process(each(note), 10) == 3
    assert states(ours) == {"a": "done", bad: "failed", "b": "done"}
    assert sorted(noted(database)) == ["a", "b"], "what it did is rolled back"
    (failed,) = ours.all("failed")
    assert failed.reason and failed.tries == 1  # noqa: PT018
    assert ours.process(each(note), 10) == 0
    assert ours.counts() == {"waiting": 0, "failed": 1}


def test_a_failed_one_is_tried_again_when_somebody_says_so(ours: Inbox) -> None:
    ours.add([post(b"bad 1"), post(b"bad 2")])
    ours.process(each(note), 10)
    first, second = ours.all("failed")
    assert ours.retry(first.id) == 1
    assert ours.process(lambda *_: None, 10) == 1
    assert [one.state for one in ours.all()] == ["done", "failed"]
    assert ours.one(first.id)[0].tries == 2
    assert ours.one(first.id)[0].reason is None
    with pytest.raises(BadInput, match="is done"):
        ours.retry(first.id)
    with pytest.raises(BadInput, match="no post 999"):
        ours.retry(999)
    assert ours.retry() == 1
    assert ours.one(second.id)[0].state == "waiting"


def test_a_reason_is_bounded_and_can_be_stored(ours: Inbox) -> None:
    def handle(_transaction: Transaction, _post: Post) -> None:
        raise BadInput("\x00\ud800" + "x" * 9000)

    ours.add([post(b"a")])
    assert ours.process(each(handle), 10) == 1
    (failed,) = ours.all("failed")
    assert failed.reason is not None
    assert len(failed.reason) == inbox.MAX_REASON


def test_several_processes_process_each_post_once(ours: Inbox, database: Database) -> None:
    ours.add([post(b"%d" % number) for number in range(60)] + [post(b"bad")])
    handled: Counter[bytes] = Counter()

    def handle(transaction: Transaction, found: Post) -> None:
        gevent.sleep(0.001)
        note(transaction, found)
        handled[found.body] += 1

    def work() -> None:
        own = Inbox(database)
        while own.process(each(handle), 7):
            pass

    gevent.joinall([gevent.spawn(work) for _ in range(4)], timeout=30, raise_error=True)
    assert len(noted(database)) == 60
    assert set(handled) == {b"%d" % number for number in range(60)}
    assert set(states(ours).values()) == {"done", "failed"}


def test_two_that_add_the_same_in_another_order_do_not_wait_for_each_other(database: Database) -> None:
    posts = [post(b"%d" % number) for number in range(300)]
    workers = [gevent.spawn(Inbox(database).add, order) for order in (posts, posts[::-1]) for _ in range(3)]
    gevent.joinall(workers, timeout=30, raise_error=True)
    assert sum(worker.value for worker in workers) == 300


def test_who_listens_is_woken(ours: Inbox, dsn: str) -> None:
    wakeup = Wakeup(dsn, [inbox.WAKES])
    wakeup.wait(0)
    waiting = gevent.spawn(wakeup.wait, 10.0)
    gevent.sleep(0.05)
    ours.add([post(b"a")])
    waiting.join(5)
    assert waiting.value is True
    wakeup.close()


def test_while_postgres_is_away_posts_wait_and_nothing_fails(open_folder: Path) -> None:
    from fsctl.store import migrate

    server = Embedded(open_folder / "pg")
    server.start()
    migrate.migrate(server.dsn)
    database = Database(server.dsn, process="test", size=2)
    database.open()
    ours = Inbox(database)
    ours.add([post(b"a")])

    def handle(transaction: Transaction, found: Post) -> None:
        server.stop()
        note(transaction, found)

    with pytest.raises(DatabaseDown):
        ours.process(each(handle), 10)
    server.start()
    # Each connection of the pool learns by itself that its server is gone.
    patience = Patience(logging.getLogger(__name__), first_s=0.05, most_s=0.2)
    assert patience.until_done(ours.counts) == {"waiting": 1, "failed": 0}
    assert patience.until_done(lambda: ours.process(each(note), 10)) == 1
    database.close()
    server.stop()


# --- the command -----------------------------------------------------------------------------------------------


@pytest.fixture
def command(
    dsn: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    monkeypatch.setenv("FSCTL_DATABASE_URL", dsn)

    def run(*arguments: str) -> tuple[int, str]:
        code = cli.main(["inbox", *arguments])
        captured = capfd.readouterr()
        return code, captured.out + captured.err

    return run


def test_the_command_shows_what_came_and_has_it_tried_again(
    command: Callable[..., tuple[int, str]], ours: Inbox, database: Database
) -> None:
    assert command("list") == (0, "nothing\n")
    body = json.dumps({"name": "\x1b[2J", "text": "olá"}).encode()
    ours.add([post(body)])
    ours.add([post(b"bad \x1b[2J")])
    ours.process(each(note_all_but_bad), 10)
    code, text = command("list")
    assert code == 1
    assert "done" in text
    assert "\\x1b" in text
    assert "\x1b" not in text
    rows: list[dict[str, Any]] = json.loads(command("list", "--json")[1])
    assert [row["state"] for row in rows] == ["done", "failed"]
    code, text = command("show", str(rows[0]["id"]))
    assert '"text": "olá"' in text
    assert "\x1b" not in text
    assert command("show", str(rows[1]["id"]), "--raw")[1] == "bad \x1b[2J"
    assert command("retry", str(rows[0]["id"]))[0] == 1
    assert command("retry", "--all") == (0, "1 to be processed again\n")
    assert command("list", "--state", "failed") == (0, "nothing\n")
    assert [entry.result for entry in Audit(database).entries(action="inbox.retry")] == ["1 of them"]


def note_all_but_bad(_transaction: Transaction, found: Post) -> None:
    if found.body.startswith(b"bad"):
        raise BadInput(found.body.decode())
