"""Switch, media reader and Postgres killed at random: the archive holds every byte, each utterance stands once.

One house for all seeds. A seed places two sample conversations, kills one or two processes with SIGKILL at
random moments, starts each again after a random while, and looks at what came of it when all is archived. A
hard link to each file of the spool is the witness of what the switch wrote.
"""

import os
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fsctl.media import header, proof
from tests.acceptance.house import House, require_every_utterance_once
from tests.fix_database import reachable_folder

SEEDS = range(int(os.environ.get("FSCTL_SEEDS", "3")))
"""FSCTL_SEEDS=100 runs a hundred, by hand."""
SPEED = 12.0
BEHIND_S = 3600.0
"""So the end of a call that was lost is found out after it, as in life."""
CALLS = 2
LASTS_S = 6.5
"""Two sample calls at this speed, and the first moments of their archiving."""
PATIENCE_S = 300.0
"""A call that nobody saw, as the switch and Postgres were gone at once, is adopted after three minutes."""
VICTIMS = ("simulate", "media", "postgres")


class Scene:
    """The house, and witnesses of what was written."""

    def __init__(self, folder: Path) -> None:
        self.house = House(
            folder, folder, processes=("serve", "media"), calls=CALLS, speed=SPEED, behind_s=BEHIND_S
        )
        self._witness = folder / "witness"
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
        with self.house.database.transaction("test") as transaction:
            return transaction._connection.execute(statement).fetchall()

    def settled(self, calls_before: int) -> bool:
        """Whether this seed's calls have ended, all recordings are archived, and no utterance lacks its audio."""
        self.look()
        calls = self.rows("select phase from call")
        open_ones = self.rows("select state from recording where state not in ('archived', 'failed')")
        stale = self.rows("select id from recording where stale is not null")
        mute = self.rows(
            "select id from utterance u"
            " where not exists (select from utterance_audio a where a.utterance_id = u.id)"
        )
        return (
            len(calls) > calls_before
            and all(call["phase"] == "ended" for call in calls)
            and not open_ones
            and not stale
            and not mute
            and not list(self.house.spool.glob("*.wav"))
        )

    def until_settled(self, calls_before: int) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            try:
                if self.settled(calls_before):
                    return
            except Exception as error:
                if "cannot be reached" not in str(error):
                    raise
            time.sleep(0.2)
        rows = self.rows("select * from recording where state <> 'archived'")
        raise AssertionError(f"never settled: {rows}\n{self.house.logs()}")


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    """One house for every seed."""
    with reachable_folder() as folder:
        built = Scene(folder)
        yield built
        built.house.close()


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_is_killed_every_byte_is_archived_and_every_utterance_stands_once(
    seed: int, scene: Scene
) -> None:
    rng = random.Random(seed)
    house = scene.house
    before = {row["uuid"] for row in scene.rows("select uuid from call")}
    if before:
        house.kill("simulate")
        house.start_again("simulate")
    killed = []
    for _ in range(rng.choice([1, 1, 2])):
        victim = rng.choice(VICTIMS)
        scene.wait(rng.uniform(0.5, LASTS_S))
        house.kill(victim)
        scene.wait(rng.uniform(0.0, 1.5))
        house.start_again(victim)
        killed.append(victim)
    scene.until_settled(len(before))
    recordings = scene.rows("select * from recording order by id")
    fresh = [row for row in recordings if row["call_uuid"] not in before]
    assert fresh, killed
    for row in fresh:
        require_archived(scene, row)
        require_every_utterance_once(house, row["call_uuid"])
    ready = scene.rows("select key from call_event where kind = 'recording_ready'")
    assert sorted(line["key"] for line in ready) == sorted(row["path"] for row in recordings)


def require_archived(scene: Scene, row: dict[str, Any]) -> None:
    """The archive has it, whole and readable, and nothing is wrong with it that the killing does not explain."""
    assert row["state"] == "archived", row
    kept = Path(row["uri"])
    written = scene.written(Path(row["path"]).name)
    assert kept.read_bytes()[44:] == written + bytes(-len(written) % 4)
    assert header.read(kept).is_right
    assert proof.listen(kept).frames == -(-len(written) // 4)
    # The simulated clock runs faster than that of the files, so lengths by the clock mean nothing here.
    faults = [found for found in row["findings"] if found["severity"] == "fault"]
    assert [found["code"] for found in faults if found["code"] != "length"] == []
