"""A real FreeSWITCH, the media reader and Postgres killed at random moments of a call with speech."""

import os
import random
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fsctl.sim import CallPlan, Ring
from fsctl.sim.samples import load_samples
from tests.acceptance.house import House, require_every_utterance_once
from tests.acceptance.scene import Scene, require_archived
from tests.contract.conftest import live  # noqa: F401  (the fixture, which skips where there is no FreeSWITCH)
from tests.contract.live import Live
from tests.contract.switches import new_wacid, quiet
from tests.fix_database import reachable_folder

pytestmark = pytest.mark.live

SEEDS = range(int(os.environ.get("FSCTL_LIVE_SEEDS", "3")))
"""FSCTL_LIVE_SEEDS=30 runs thirty, by hand."""
VICTIMS = ("freeswitch", "media", "postgres")
TALK_S = 14.0
RATE = 16000


@pytest.fixture(scope="module")
def scene(live: Live) -> Iterator[Scene]:  # noqa: F811
    """One house for every seed, attached to the real switch."""
    quiet(live)
    with reachable_folder() as folder:
        house = House(folder, Path(), live.address, live.spool, processes=("serve", "media"))
        house.until_ready()
        yield Scene(house)
        house.close()
    quiet(live)


def plan(rng: random.Random) -> CallPlan:
    """A stretch of a conversation."""
    (sample,) = load_samples(["order-en"])
    first = rng.randrange(0, len(sample.caller_audio) - int(TALK_S * RATE))
    cut = slice(first, first + int(TALK_S * RATE))
    return replace(
        sample.plan(rings=(Ring("answer", 0.5),)),
        headers=(("x-wa-meta-wacid", new_wacid()),),
        caller_audio=sample.caller_audio[cut],
        agent_audio=sample.agent_audio[cut],
        talk_s=TALK_S,
    )


def place(scene: Scene, switch: Live, rng: random.Random) -> str:
    """A call that is being recorded; its uuid."""
    before = {path.name for path in switch.spool.glob("*.wav")}
    switch.place_call(plan(rng))
    deadline = time.monotonic() + 20
    while not (new := {path.name for path in switch.spool.glob("*.wav")} - before):
        assert time.monotonic() < deadline, scene.house.logs()
        time.sleep(0.05)
    scene.look()
    return Path(new.pop()).stem


def kill(scene: Scene, switch: Live, victim: str, rng: random.Random) -> None:
    """Kill it, and start it again after a while."""
    if victim == "freeswitch":
        switch.process.kill()
        scene.wait(rng.uniform(0.0, 5.0))
        switch.restart(graceful=False)
        return
    scene.house.kill(victim)
    scene.wait(rng.uniform(0.0, 2.0))
    scene.house.start_again(victim)


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_is_killed_every_byte_that_freeswitch_wrote_is_archived(
    seed: int,
    scene: Scene,
    live: Live,  # noqa: F811
) -> None:
    rng = random.Random(seed)
    recordings_before = len(scene.rows("select id from recording"))
    uuid = place(scene, live, rng)
    for victim in rng.sample(VICTIMS, rng.choice([1, 1, 2])):
        scene.wait(rng.uniform(0.2, TALK_S / 2))
        kill(scene, live, victim, rng)
    scene.until_settled(recordings_before)
    (row,) = (row for row in scene.rows("select * from recording") if row["call_uuid"] == uuid)
    require_archived(scene, row)
    require_every_utterance_once(scene.house, uuid)
