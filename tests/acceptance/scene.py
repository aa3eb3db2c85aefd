"""What acceptance tests of recordings look at: what the switch wrote, and what came of it.

A hard link to each file of the spool is the witness of what the switch wrote.
"""

import os
import time
import uuid
from pathlib import Path
from typing import Any

from fsctl.media import header, proof
from tests.acceptance.house import House
from tests.fix_database import run

PATIENCE_S = 300.0
"""A call that nobody saw, as the switch and Postgres were gone at once, is adopted after three minutes."""


class Scene:
    """A house, and witnesses of what was written into its spool."""

    def __init__(self, house: House) -> None:
        self.house = house
        # Beside the spool: a second name is of one file system.
        self._witness = house.spool.parent / f"witness-{uuid.uuid4().hex[:8]}"
        self._witness.mkdir()
        self._seen: set[str] = set()

    def look(self) -> None:
        """Keep a second name for each file of the spool, so that it can be compared when its first is gone."""
        for path in self.house.spool.glob("*.wav"):
            if path.name not in self._seen:
                os.link(path, self._witness / path.name)
                self._seen.add(path.name)

    def written(self, name: str) -> bytes:
        """What the switch wrote of audio."""
        return (self._witness / name).read_bytes()[44:]

    def wait(self, seconds: float) -> None:
        """Let it go on."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.look()
            time.sleep(0.05)

    def rows(self, statement: str) -> list[dict[str, Any]]:
        return run(self.house.database, statement)

    def settled(self, recordings_before: int) -> bool:
        """Whether this seed's calls have ended, all recordings are archived, and no utterance lacks its audio.

        A switch killed before its first call was recorded places others when it is started again: those count.
        """
        self.look()
        calls = self.rows("select phase from call")
        recordings = self.rows("select id from recording")
        open_ones = self.rows("select state from recording where state not in ('archived', 'failed')")
        stale = self.rows("select id from recording where stale is not null")
        mute = self.rows(
            "select id from utterance u"
            " where not exists (select from utterance_audio a where a.utterance_id = u.id)"
        )
        return (
            len(recordings) > recordings_before
            and all(call["phase"] == "ended" for call in calls)
            and not open_ones
            and not stale
            and not mute
            and not list(self.house.spool.glob("*.wav"))
        )

    def until_settled(self, recordings_before: int) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            try:
                if self.settled(recordings_before):
                    return
            except Exception as error:
                if "cannot be reached" not in str(error):
                    raise
            time.sleep(0.2)
        rows = self.rows("select * from recording where state <> 'archived'")
        raise AssertionError(f"never settled: {rows}\n{self.house.logs()}")


def require_archived(scene: Scene, row: dict[str, Any], explained: tuple[str, ...] = ()) -> None:
    """The archive has it, whole and readable, and nothing is wrong with it.

    Args:
        explained: faults that the test's own ways explain.
    """
    assert row["state"] == "archived", row
    kept = Path(row["uri"])
    written = scene.written(Path(row["path"]).name)
    assert kept.read_bytes()[44:] == written + bytes(-len(written) % 4)
    assert header.read(kept).is_right
    assert proof.listen(kept).frames == -(-len(written) // 4)
    faults = [found for found in row["findings"] if found["severity"] == "fault"]
    assert [found["code"] for found in faults if found["code"] not in explained] == [], (faults, row)
