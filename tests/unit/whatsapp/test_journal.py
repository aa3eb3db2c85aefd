"""Posts on disk: durable before anybody is told so, and read by whoever holds the file."""

import errno
import fcntl
import os
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import gevent
import pytest

from fsctl.errors import JournalFull
from fsctl.whatsapp import journal, journal_file
from fsctl.whatsapp.journal import Journal

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)


class Disk:
    """Syncs when it is told to, and counts."""

    def __init__(self) -> None:
        self.syncs = 0
        self.error: OSError | None = None
        self.let = threading.Event()
        self.let.set()

    def __call__(self, fd: int) -> None:
        assert os.fstat(fd).st_size
        while not self.let.is_set():
            self.let.wait(0.01)
        self.syncs += 1
        if self.error is not None:
            error, self.error = self.error, None
            raise error


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def ours(tmp_path: Path, disk: Disk) -> Iterator[Journal]:
    made = Journal(tmp_path, sync=disk)
    yield made
    disk.let.set()
    made.close()


def read_all(ours: Journal) -> list[bytes]:
    """What is there, as the importer takes it."""
    bodies: list[bytes] = []
    while (file := ours.unread()) is not None:
        found = file.read()
        bodies += [record.body for record in found.records]
        ours.imported(file, found)
    return bodies


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.journal"))


def test_posts_are_read_in_their_order_and_once(ours: Journal) -> None:
    for number in range(5):
        ours.append(b"%d" % number, AT)
    assert read_all(ours) == [b"0", b"1", b"2", b"3", b"4"]
    assert read_all(ours) == []
    ours.append(b"5", AT)
    assert read_all(ours) == [b"5"]


def test_nobody_is_told_before_the_sync(ours: Journal, disk: Disk) -> None:
    disk.let.clear()
    waiting = gevent.spawn(ours.append, b"a", AT)
    gevent.sleep(0.1)
    assert not waiting.ready()
    assert ours.unread() is None
    disk.let.set()
    waiting.join(5)
    assert waiting.successful()
    assert read_all(ours) == [b"a"]


def test_those_that_come_together_share_a_sync(ours: Journal, disk: Disk) -> None:
    disk.let.clear()
    waiting = [gevent.spawn(ours.append, b"%d" % number, AT) for number in range(200)]
    gevent.sleep(0.05)
    disk.let.set()
    gevent.joinall(waiting, timeout=5, raise_error=True)
    assert disk.syncs <= 2
    assert read_all(ours) == [b"%d" % number for number in range(200)]


def test_one_whose_client_went_away_is_kept_too(ours: Journal, disk: Disk) -> None:
    disk.let.clear()
    waiting = gevent.spawn(ours.append, b"a", AT)
    gevent.sleep(0.05)
    waiting.kill()
    disk.let.set()
    ours.append(b"b", AT)
    assert read_all(ours) == [b"a", b"b"]


def test_a_disk_that_refuses_is_told_and_nothing_follows_what_it_refused(
    ours: Journal, disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "REST_S", 0.2)
    ours.append(b"before", AT)
    disk.error = OSError(errno.EIO, "Input/output error")
    with pytest.raises(JournalFull, match="Input/output error"):
        ours.append(b"lost", AT)
    assert ours.is_full
    syncs = disk.syncs
    with pytest.raises(JournalFull):
        ours.append(b"too early", AT)
    assert disk.syncs == syncs, "a disk that refuses is left alone for a while"
    gevent.sleep(0.25)
    ours.append(b"after", AT)
    assert len(files(tmp_path)) == 2
    assert read_all(ours) == [b"before", b"after"]
    assert len(files(tmp_path)) == 1


def test_a_disk_that_is_full_in_the_midst_of_a_post_does_not_cost_the_next(
    ours: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "REST_S", 0.0)
    ours.append(b"before", AT)
    write = os.write

    def half(fd: int, data: memoryview) -> int:
        if len(data) < 10:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(fd, data[: len(data) - 5])

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(JournalFull, match="No space left"):
        ours.append(b"lost", AT)
    monkeypatch.setattr(os, "write", write)
    ours.append(b"after", AT)
    assert read_all(ours) == [b"before", b"after"]
    assert not ours.damaged_bytes


def test_beyond_its_bound_posts_are_refused_until_there_is_room(
    tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "REST_S", 0.0)
    monkeypatch.setattr(journal_file, "MOST_BYTES", 1000)
    ours = Journal(tmp_path, most_bytes=5000, sync=disk)
    taken = 0
    while ours.used_bytes + 519 <= 5000:
        ours.append(bytes(500), AT)
        taken += 1
    with pytest.raises(JournalFull, match="is full"):
        ours.append(bytes(500), AT)
    assert 7 <= taken <= 9
    assert sum(path.stat().st_size for path in files(tmp_path)) <= 5000
    assert len(read_all(ours)) == taken
    ours.append(bytes(500), AT)
    ours.close()


def test_files_of_others_count_for_the_bound(tmp_path: Path, disk: Disk) -> None:
    other, ours = Journal(tmp_path, sync=disk), Journal(tmp_path, most_bytes=2000, sync=disk)
    other.append(bytes(1500), AT)
    ours.append(b"a", AT)
    with pytest.raises(JournalFull):
        ours.append(bytes(600), AT)
    other.close()
    ours.close()


def test_a_file_is_removed_when_it_is_ended_and_read(
    ours: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_file, "MOST_BYTES", 100)
    for _ in range(4):
        ours.append(bytes(90), AT)
    assert len(files(tmp_path)) == 4
    assert len(read_all(ours)) == 4
    assert len(files(tmp_path)) == 1, "the last is still written to"
    ours.end_file()
    assert files(tmp_path) == []


def test_a_file_that_has_lived_long_is_ended(
    ours: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours.append(b"a", AT)
    monkeypatch.setattr(journal_file, "MOST_S", 0.0)
    ours.append(b"b", AT)
    assert len(files(tmp_path)) == 2


def test_what_a_process_left_is_taken_over_and_what_one_holds_is_not(tmp_path: Path, disk: Disk) -> None:
    dead, alive, ours = (Journal(tmp_path, sync=disk) for _ in range(3))
    dead.append(b"left", AT)
    alive.append(b"held", AT)
    assert ours.adopt() == 0
    dead.close()
    assert ours.adopt() == 1
    assert alive.adopt() == 0, "only one takes it"
    assert read_all(ours) == [b"left"]
    assert read_all(alive) == [b"held"]
    assert len(files(tmp_path)) == 1
    alive.close()
    ours.close()


def test_a_file_that_somebody_removed_before_we_held_it_is_begun_again(
    ours: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between making a file and locking it, another process may take it for one that nobody holds."""
    lock = fcntl.flock
    raced: list[int] = []

    def race(fd: int, kind: int) -> None:
        if not raced:
            raced.append(fd)
            (path,) = files(tmp_path)
            path.unlink()
        lock(fd, kind)

    monkeypatch.setattr(fcntl, "flock", race)
    ours.append(b"a", AT)
    (path,) = files(tmp_path)
    assert path.stat().st_size
    assert read_all(ours) == [b"a"]


def test_a_file_that_another_removed_before_we_held_it_is_not_taken(
    ours: Journal, tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = Journal(tmp_path, sync=disk)
    dead.append(b"read by another", AT)
    dead.close()
    lock = fcntl.flock

    def race(fd: int, kind: int) -> None:
        for path in files(tmp_path):
            path.unlink()
        lock(fd, kind)

    monkeypatch.setattr(fcntl, "flock", race)
    assert ours.adopt() == 0
    assert read_all(ours) == []


def test_a_torn_end_is_read_over(tmp_path: Path, disk: Disk) -> None:
    dead = Journal(tmp_path, sync=disk)
    dead.append(b"whole", AT)
    dead.append(b"torn", AT)
    dead.close()
    (path,) = files(tmp_path)
    os.truncate(path, path.stat().st_size - 2)
    ours = Journal(tmp_path, sync=disk)
    ours.adopt()
    assert read_all(ours) == [b"whole"]
    assert not list(tmp_path.iterdir())
    ours.close()


def test_a_damaged_file_gives_what_is_left_and_is_kept_for_a_person(tmp_path: Path, disk: Disk) -> None:
    dead = Journal(tmp_path, sync=disk)
    for body in (b"one", b"two", b"three"):
        dead.append(body, AT)
    dead.close()
    (path,) = files(tmp_path)
    path.write_bytes(path.read_bytes().replace(b"two", b"tvo"))
    ours = Journal(tmp_path, sync=disk)
    ours.adopt()
    assert read_all(ours) == [b"one", b"three"]
    assert ours.damaged_bytes
    assert [one.suffix for one in tmp_path.iterdir()] == [".damaged"]
    ours.close()


def test_files_that_others_left_are_taken_so_many_at_a_time(
    ours: Journal, tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "MOST_FILES", 2)
    for number in range(5):
        dead = Journal(tmp_path, sync=disk)
        dead.append(b"%d" % number, AT)
        dead.close()
    assert (ours.adopt(), ours.adopt()) == (2, 0)
    assert read_all(ours) == [b"0", b"1"]
    assert ours.adopt() == 2
    assert read_all(ours) == [b"2", b"3"]


def test_a_file_that_cannot_be_read_does_not_keep_the_others_waiting(
    ours: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_file, "MOST_BYTES", 1)
    ours.append(b"unreadable", AT)
    ours.append(b"other", AT)
    file = ours.unread()
    assert file is not None
    ours.set_aside(file)
    assert read_all(ours) == [b"other"]
    assert ours.damaged_bytes
    assert len(list(tmp_path.glob("*.damaged"))) == 1


def test_large_posts_are_read_in_stretches(ours: Journal) -> None:
    bodies = [bytes([number]) * (journal_file.READ_BYTES // 2 + number) for number in range(5)]
    bodies.append(bytes(3 << 20))
    for body in bodies:
        ours.append(body, AT)
    file = ours.unread()
    assert file is not None
    assert len(file.read().records) == 1, "not all at once: the hub waits for it"
    assert read_all(ours) == bodies


def test_the_hub_does_not_wait_for_the_disk(ours: Journal, disk: Disk) -> None:
    disk.let.clear()
    waiting = gevent.spawn(ours.append, b"a", AT)
    began = time.monotonic()
    for _ in range(20):
        gevent.sleep(0.001)
    assert time.monotonic() - began < 0.5
    disk.let.set()
    waiting.join(5)
