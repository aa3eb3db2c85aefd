"""What must not be kept is silenced in the archive, on real files and a real Postgres; killed at any step."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fsctl.config import Archive, Node
from fsctl.media import archive as archives
from fsctl.media import codec, recorder, silence
from fsctl.media.archive import open_archive
from fsctl.media.disk import Disk
from fsctl.media.recorder import Recorder
from fsctl.media.silence import Silencer
from fsctl.store.audit import Audit
from fsctl.store.db import Database
from fsctl.store.redactions import Redactions
from tests.fix_database import run
from tests.integration.test_recorder import House, killed_at
from tests.integration.test_spool import UUID

SPANS = (("caller", 5000, 6500), ("agent", 9001, 11000), ("caller", 6400, 7000))


class Quiet(House):
    """A house whose recorder silences."""

    def restart(self, **settings: Any) -> None:
        """The recorder's process, new."""
        node = Node(name="fs1", spool=self.folder / "spool")
        disk = Disk(node.spool, None if "://" in self.url else self.root, lambda path: self.disk_used(path))
        place = open_archive(self.url, self.folder / "staging")
        self.redactions = Redactions(self.database, "fs1")
        self.silencer = Silencer(self.redactions, self.alarms, place, place.staging / "fs1", self.clock)
        self.recorder = Recorder(
            node,
            Archive(**settings),
            self.room.recordings,
            self.alarms,
            place,
            disk,
            self.clock,
            self.silencer,
        )

    def sql(self, text: str, **values: Any) -> list[dict[str, Any]]:
        """Straight to Postgres."""
        return run(self.database, text, **values)

    def ask(self, *kinds: str) -> None:
        """The call's queue wants this redacted."""
        self.sql("update call set redact = %(kinds)s", kinds=list(kinds))

    def find(self, spans: Sequence[tuple[str, int, int]], *, whole: bool = True) -> None:
        """The final pass found this, and all of the text is known."""
        for leg, start, end in spans:
            self.sql(
                "insert into redaction (recording_id, leg, start_ms, end_ms, kind, pass)"
                " select id, %(leg)s, %(start)s, %(end)s, 'card', 'final' from recording",
                leg=leg, start=start, end=end,
            )  # fmt: skip
        if whole:
            self.sql("update recording set transcribed_at = now()")


@pytest.fixture
def house(tmp_path: Path, database: Database) -> Quiet:
    """Everything of one node."""
    return Quiet(tmp_path, database)


def heard(path: Path | str) -> np.ndarray[Any, np.dtype[np.int16]]:
    return np.concatenate(list(codec.blocks(Path(path))))


def expected(
    was: np.ndarray[Any, Any], spans: Sequence[tuple[str, int, int]] = SPANS
) -> np.ndarray[Any, Any]:
    now = was.copy()
    for leg, start, end in spans:
        now[start * 16 : end * 16, 0 if leg == "caller" else 1] = 0
    return now


def require_silenced(house: Quiet, was: np.ndarray[Any, Any]) -> None:
    """The one file in the archive is silent where it must be, and the same everywhere else; all of it is told."""
    row = house.row()
    assert row.uri is not None
    assert np.array_equal(heard(row.uri), expected(was))
    assert hashlib.sha256(Path(row.uri).read_bytes()).hexdigest() == row.sha256
    assert Path(row.uri).stat().st_size == row.bytes
    assert [str(p) for p in house.root.rglob("*") if p.is_file()] == [row.uri]
    assert not house.room.path.exists()
    (told,) = house.story()
    assert (told["data"]["uri"], told["data"]["sha256"]) == (row.uri, row.sha256)
    assert house.sql("select from redaction where silenced_at is null") == []
    (entry,) = Audit(house.database).entries(None, "recording.silence")
    assert (entry.subject, entry.result, entry.detail["spans"]) == (UUID, row.sha256, len(SPANS))
    assert house.up() == {}


@pytest.mark.parametrize("kind", ["wav", "flac"])
def test_text_known_after_the_archive_was_made(kind: str, house: Quiet) -> None:
    house.end_call()
    house.ask("card")
    house.restart(format=kind)
    house.tick()
    first = house.row()
    assert first.uri is not None
    was = heard(first.uri)
    assert house.story() == []
    house.find(SPANS)
    house.tick()
    require_silenced(house, was)
    assert house.row().uri != first.uri
    house.tick()
    require_silenced(house, was)


def test_opus_is_quiet_where_it_must_be(house: Quiet) -> None:
    house.end_call()
    house.ask("card")
    house.restart(format="opus")
    house.tick()
    was = heard(house.row().uri or "")
    loudest = int(np.abs(was[:, 1]).argmax()) // 16
    house.find([("agent", loudest - 300, loudest + 300)])
    house.tick()
    now = heard(house.row().uri or "")
    assert len(now) == len(was)
    assert np.abs(was[:, 1]).max() > 10 * silence.QUIET
    assert np.abs(now[(loudest - 260) * 16 : (loudest + 260) * 16, 1]).max() <= silence.QUIET
    assert house.up() == {}


def test_in_an_object_store_the_old_object_goes(tmp_path: Path, database: Database) -> None:
    url = f"memory://silence-{tmp_path.name}"
    house = Quiet(tmp_path, database, url)
    house.end_call()
    house.ask("card")
    house.tick()
    old = house.row().uri
    assert old is not None
    with archives.local_copy(old) as path:
        was = heard(path)
    house.find(SPANS)
    house.tick()
    uri = house.row().uri
    assert uri is not None
    with archives.local_copy(uri) as path:
        assert np.array_equal(heard(path), expected(was))
    with pytest.raises(FileNotFoundError), archives.local_copy(old):
        pass


def test_text_known_before_the_archive_is_made(house: Quiet) -> None:
    written = house.end_call()
    house.ask("card")
    house.find(SPANS)
    house.tick()
    was = np.frombuffer(written[44:], dtype="<i2").reshape(-1, 2)
    require_silenced(house, was)


def test_where_nothing_was_said_it_is_ready_as_it_is_but_only_then(house: Quiet) -> None:
    house.end_call()
    house.ask("card")
    house.tick()
    before = house.row()
    assert house.story() == []
    house.find(())
    house.tick()
    assert house.row().sha256 == before.sha256
    assert [line["kind"] for line in house.story()] == ["recording_ready"]
    assert Audit(house.database).entries(None, "recording.silence") == []


def test_where_nothing_is_asked_it_is_ready_at_once(house: Quiet) -> None:
    house.end_call()
    house.tick()
    assert [line["kind"] for line in house.story()] == ["recording_ready"]
    assert house.redactions.due() == []


def test_speech_that_could_not_be_decoded_is_silenced_whole(house: Quiet) -> None:
    house.end_call()
    house.ask("card")
    house.tick()
    was = heard(house.row().uri or "")
    (one,) = house.sql(
        "update utterance set state = 'failed' where id = (select min(id) from utterance) returning *"
    )
    house.find(())
    house.tick()
    now = heard(house.row().uri or "")
    channel = 0 if one["leg"] == "caller" else 1
    assert np.abs(was[one["start_sample"] : one["end_sample"], channel]).max() > 0
    assert np.abs(now[one["start_sample"] : one["end_sample"], channel]).max() == 0
    house.tick()
    assert len(Audit(house.database).entries(None, "recording.silence")) == 1


def test_a_recording_that_waits_too_long_for_its_text_is_an_alarm(house: Quiet) -> None:
    house.end_call()
    house.ask("card")
    house.tick()
    assert "redaction" not in house.up()
    house.sql("update recording set archived_at = now() - interval '2 hours'")
    house.tick()
    assert "not known" in house.up()["redaction"]
    house.find(())
    house.tick()
    assert "redaction" not in house.up()


STEPS = {
    "before it is made": (silence, "silence"),
    "while it is written": (silence, "_prove"),
    "before it is put into the archive": (archives.Folder, "put"),
    "before it has its final name": (Path, "rename"),
    "before the row says so": ("redactions", "silenced"),
    "before the old file goes": (recorder, "discard"),
    "before the row forgets it": ("recordings", "forget_stale"),
}


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", STEPS)
def test_killed_at_any_step_it_ends_the_same(step: str, after: bool, house: Quiet) -> None:
    owner, name = STEPS[step]
    house.end_call()
    house.ask("card")
    house.tick()
    was = heard(house.row().uri or "")
    house.find(SPANS)
    target: Any = {"redactions": house.redactions, "recordings": house.room.recordings}.get(str(owner), owner)
    with killed_at(target, name, after=after):
        house.tick()
    house.restart()
    house.tick()
    require_silenced(house, was)


def test_what_is_not_what_it_should_be_does_not_count(house: Quiet, monkeypatch: pytest.MonkeyPatch) -> None:
    house.end_call()
    house.ask("card")
    house.tick()
    before = house.row()
    house.find(SPANS)
    real = silence._write

    def spoil(path: Path, audio: Any, *rest: int) -> None:
        real(path, (block | 1 for block in audio), *rest)

    with monkeypatch.context() as patch:
        patch.setattr(silence, "_write", spoil)
        house.tick()
        assert house.row().sha256 == before.sha256
        assert house.story() == []
        assert "nobody may hear it" in house.up()["redaction"]
    house.tick()
    assert house.row().sha256 != before.sha256
    assert house.up() == {}
