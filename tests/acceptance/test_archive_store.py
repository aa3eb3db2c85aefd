"""Recordings in an asynchronous object store, by the real processes: put there, killed meanwhile, read again."""

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fsctl.store.db import Database
from fsctl.store.keeping import KnownRecording
from tests.acceptance import slow_store
from tests.fix_database import run
from tests.integration.test_spool import UUID, Room

URL = os.environ.get("FSCTL_TEST_STORE", "")
"""A store to be tried by hand, such as ``s3://bucket/x``; else one of our own."""
PATIENCE_S = 60.0


class Shop:
    """A call that is cut, and the processes that archive its recording and read it again."""

    def __init__(self, folder: Path, dsn: str, database: Database) -> None:
        self.folder = folder
        self.bucket = folder / "bucket"
        spool = folder / "spool"
        spool.mkdir()
        slow_store.install(folder / "site")
        self.url = f"{URL}/{folder.name}" if URL else f"slow://{self.bucket}"
        self.room = Room(spool, database)
        self.database = database
        self._config = folder / "fsctl.toml"
        self._config.write_text(
            f'data_dir = "{folder / "data"}"\n[archive]\nurl = "{self.url}"\n'
            f'[[node]]\nname = "fs1"\nport = 1\npassword_env = "ESL"\nspool = "{spool}"\n'
        )
        paths = [str(folder / "site"), *filter(None, [os.environ.get("PYTHONPATH")])]
        self._environment = {
            **os.environ, "ESL": "x", "FSCTL_DATABASE_URL": dsn, "PYTHONPATH": os.pathsep.join(paths),
        }  # fmt: skip

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """One command of fsctl."""
        return subprocess.Popen(
            [sys.executable, "-m", "fsctl", "--config", str(self._config), *arguments],
            env=self._environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def run(self, *arguments: str) -> tuple[int, str]:
        """The same to its end: exit code and what it printed."""
        process = self.start(*arguments)
        out, errors = process.communicate(timeout=PATIENCE_S)
        return process.returncode, out or errors

    def until(self, done: Callable[[], bool], process: subprocess.Popen[str]) -> None:
        """Wait for it while the process works, then end that."""
        deadline = time.monotonic() + PATIENCE_S
        while not done() and time.monotonic() < deadline:
            time.sleep(0.05)
        process.terminate()
        _, errors = process.communicate(timeout=PATIENCE_S)
        assert done(), (self.known(), errors[-3000:])

    def known(self) -> KnownRecording:
        (known,) = self.room.recordings.of_call(UUID)
        return known

    def is_archived(self) -> bool:
        return self.known().state == "archived" and not self.room.path.exists()

    def rows(self, statement: str) -> list[dict[str, Any]]:
        return run(self.database, statement)


@pytest.fixture
def shop(tmp_path: Path, dsn: str, database: Database) -> Shop:
    """A whole call in the spool."""
    one = Shop(tmp_path, dsn, database)
    one.room.write()
    one.room.know(ended=True)
    one.room.ticks()
    return one


def test_a_recording_goes_into_the_store_and_every_process_can_read_it_there(shop: Shop) -> None:
    written = shop.room.path.read_bytes()
    audio = shop.rows("select * from utterance_audio order by 1")
    shop.until(shop.is_archived, shop.start("archive"))
    uri = shop.known().uri
    assert uri is not None
    assert uri.startswith(shop.url)
    if not URL:
        (kept,) = (path for path in shop.bucket.rglob("*") if path.is_file())
        assert kept.read_bytes()[44:] == written[44:]
    code, said = shop.run("recording", "verify", UUID)
    assert code == 0, said
    assert (
        said
        == f"{uri}: well\n  note   open: the header was never closed: FreeSWITCH was killed, or still writes\n"
    )
    shop.rows("truncate utterance_audio")
    media = shop.start("media")
    shop.until(lambda: shop.rows("select * from utterance_audio order by 1") == audio, media)
    assert len(audio) > 3
    found = {(one["what"], one["ok"]) for one in json.loads(shop.run("check", "--json")[1])}
    assert ("archive", True) in found


@pytest.mark.parametrize("seed", range(int(os.environ.get("FSCTL_SEEDS", "4"))))
def test_killed_while_the_store_takes_it_the_recording_is_there_once(seed: int, shop: Shop) -> None:
    rng = random.Random(seed)
    written = shop.room.path.read_bytes()
    for _ in range(2):
        process = shop.start("archive")
        deadline = time.monotonic() + PATIENCE_S
        while not list(shop.folder.glob("data/*.lock")) and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(rng.uniform(0.0, 1.5))
        process.kill()
        process.communicate()
        assert shop.room.path.exists() or shop.known().state == "archived"
    shop.until(shop.is_archived, shop.start("archive"))
    code, said = shop.run("recording", "verify", UUID)
    assert code == 0, said
    stories = shop.rows("select kind from call_event where kind = 'recording_ready'")
    assert len(stories) == 1
    if not URL:
        whole = [
            path
            for path in shop.bucket.rglob("*")
            if path.is_file() and len(path.read_bytes()) == len(written)
        ]
        assert [path.read_bytes()[44:] == written[44:] for path in whole] == [True]


def test_a_store_that_is_away_is_said_by_check(shop: Shop) -> None:
    shop.bucket.write_text("not a folder")
    if URL:
        pytest.skip("the store of FSCTL_TEST_STORE is there")
    code, said = shop.run("check", "--json")
    (archive,) = (one for one in json.loads(said) if one["what"] == "archive")
    assert code == 1
    assert not archive["ok"]
    assert "slow://" in archive["finding"]
    assert archive["cure"]
