"""Switch, media reader and Postgres killed at random: the archive holds every byte, each utterance stands once.

One house for all seeds. A seed places two sample conversations, kills one or two processes with SIGKILL at
random moments, starts each again after a random while, and looks at what came of it when all is archived.
"""

import os
import random
from collections.abc import Iterator

import pytest

from tests.acceptance.house import House, require_every_utterance_once
from tests.acceptance.scene import Scene, require_archived
from tests.fix_database import reachable_folder

SEEDS = range(int(os.environ.get("FSCTL_SEEDS", "3")))
"""FSCTL_SEEDS=100 runs a hundred, by hand."""
SPEED = 12.0
BEHIND_S = 3600.0
"""So the end of a call that was lost is found out after it, as in life."""
CALLS = 2
LASTS_S = 6.5
"""Two sample calls at this speed, and the first moments of their archiving."""
VICTIMS = ("simulate", "media", "postgres")


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    """One house for every seed."""
    with reachable_folder() as folder:
        house = House(
            folder, folder, processes=("serve", "media"), calls=CALLS, speed=SPEED, behind_s=BEHIND_S
        )
        yield Scene(house)
        house.close()


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_is_killed_every_byte_is_archived_and_every_utterance_stands_once(
    seed: int, scene: Scene
) -> None:
    rng = random.Random(seed)
    house = scene.house
    before = {row["uuid"] for row in scene.rows("select uuid from call")}
    recordings_before = len(scene.rows("select id from recording"))
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
    scene.until_settled(recordings_before)
    recordings = scene.rows("select * from recording order by id")
    fresh = [row for row in recordings if row["call_uuid"] not in before]
    assert fresh, killed
    for row in fresh:
        # The simulated clock runs faster than that of the files, so lengths by the clock mean nothing here, and in
        # a recording that was found by its file no bridge is where it was.
        require_archived(scene, row, explained=("length", "leg-silent"))
        require_every_utterance_once(house, row["call_uuid"])
    ready = scene.rows("select key from call_event where kind = 'recording_ready'")
    assert sorted(line["key"] for line in ready) == sorted(row["path"] for row in recordings)
