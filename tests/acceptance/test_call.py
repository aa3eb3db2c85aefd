"""A call with real speech, process by process as in production, from ESL event to text in the thread.

Each process is killed in mid-call with SIGKILL and started again; the thread must be the same as without.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fsctl.sim.samples import Sample, load_samples
from tests.acceptance.house import House, require_every_utterance_once, require_text_of
from tests.fix_database import reachable_folder


@pytest.fixture
def house(model_dir: Path) -> Iterator[House]:
    """Everything running, with one call of a minute about to come, four times faster."""
    with reachable_folder() as folder:
        built = House(folder, model_dir)
        yield built
        built.close()


@pytest.fixture(scope="module")
def sample() -> Sample:
    """The conversation that the one call holds: the first of the samples."""
    return load_samples()[0]


def test_a_call_ends_as_text_in_its_thread(house: House, sample: Sample) -> None:
    call = house.whole()
    require_text_of(sample, call)
    require_every_utterance_once(house, call.call.uuid)
    assert [item.turn.leg for item in call.turns] == [turn.leg for turn in sample.turns]
    for item, turn in zip(call.turns, sample.turns):
        assert call.call.bridged_at is not None
        begin_ms = (item.at - call.call.bridged_at).total_seconds() * 1000
        assert abs(begin_ms - turn.start_ms) < 600
    shown = subprocess.run(
        [
            sys.executable,
            "-m",
            "fsctl",
            *house._commands["serve"][:2],
            "thread",
            "show",
            sample.wa_id,
            "--json",
        ],
        env=house._environment,
        capture_output=True,
        check=True,
    )
    items = json.loads(shown.stdout)["items"]
    assert items[-1]["transcript"]["turns"][0]["text"] == call.turns[0].turn.text


MOMENTS = {
    "serve, while the agent's phone rings": ("serve", lambda c: c.call.phase.value == "ringing"),
    "serve, while they talk": ("serve", lambda c: len(c.turns) >= 3),
    "media, while they talk": ("media", lambda c: len(c.turns) >= 3),
    "transcribe, while they talk": ("transcribe", lambda c: len(c.turns) >= 3),
    "postgres, while they talk": ("postgres", lambda c: len(c.turns) >= 3),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_process_killed_in_mid_call_leaves_the_same_thread(
    moment: str, house: House, sample: Sample
) -> None:
    name, then = MOMENTS[moment]
    house.until(then, moment)
    house.kill(name)
    time.sleep(1.0)
    house.start_again(name)
    call = house.whole()
    require_text_of(sample, call)
    require_every_utterance_once(house, call.call.uuid)


def test_a_call_that_ended_while_the_controller_was_away_is_whole_when_it_returns(
    house: House, sample: Sample
) -> None:
    house.until(lambda c: c.call.phase.value == "ringing", "ringing")
    house.kill("serve")
    (recording,) = house.spool.glob("*.wav")
    while b"data\0\0\0\0" in recording.read_bytes()[:60]:
        time.sleep(0.2)
    house.start_again("serve")
    call = house.whole()
    assert call.call.hangup_cause == "NORMAL_CLEARING"
    require_text_of(sample, call)
    require_every_utterance_once(house, call.call.uuid)


def test_a_freeswitch_killed_in_mid_call_leaves_what_was_said_until_then(house: House) -> None:
    house.until(lambda c: len(c.turns) >= 4, "talking")
    house.kill("simulate")
    house.start_again("simulate")
    over = (
        "LOST",
        "SYSTEM_SHUTDOWN",
    )  # The simulator's clock runs ahead, so it may seem younger than the call.
    call = house.until(lambda c: c.call.hangup_cause in over and c.progress.is_whole, "found lost")
    assert len(call.turns) >= 4
    assert call.progress.failed == 0
