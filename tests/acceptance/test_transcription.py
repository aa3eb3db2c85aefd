"""Two passes over real speech, while transcribers and Postgres are killed: none lost, none twice."""

import random
import time
from collections.abc import Iterator
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import psycopg
import pytest

from fsctl.sim.samples import load_samples
from fsctl.store.items import CallItem
from tests.acceptance.house import House, require_every_utterance_once, require_text_of
from tests.fix_database import reachable_folder

WORKERS = ("transcribe", "second transcribe")


@pytest.fixture
def house(model_dir: Path) -> Iterator[House]:
    """Everything running with two transcribers, and one call of a minute about to come, four times faster."""
    with reachable_folder() as folder:
        built = House(folder, model_dir, processes=("serve", "media", *WORKERS))
        yield built
        built.close()


def rows(house: House, sql: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(house.server.dsn, autocommit=True) as connection:
        return connection.execute(sql.encode()).fetchall()


def require_accounted_for(house: House, call: CallItem) -> None:
    """Final text over live text and never both; the story says so once; nothing is left behind."""
    require_text_of(load_samples()[0], call)
    require_every_utterance_once(house, call.call.uuid)
    assert rows(house, "select distinct state from utterance") == [("done",)]
    assert rows(house, "select distinct state from transcription") == [("done",)]
    assert rows(house, "select distinct state from speech_window") == [("done",)]
    assert rows(house, "select count(*) from utterance_audio") == [(0,)]
    assert rows(house, "select count(*) from window_audio") == [(0,)]
    assert rows(house, "select count(*) from segment where pass = 'live' and superseded_by is null") == [(0,)]
    assert rows(house, "select count(*) from call_event where kind = 'transcript_ready'") == [(1,)]
    assert rows(house, "select count(*) from call where talk is not null") == [(1,)]
    # Each utterance has text of its own, or is known to have none.
    missing = rows(
        house,
        "select id from utterance u where not exists ("
        " select from segment s join utterance o on o.id = s.utterance_id"
        " where s.pass = 'final' and o.recording_id = u.recording_id and s.leg = u.leg"
        " and s.start_ms < u.end_sample * 1000 / u.rate and s.end_ms >= u.start_sample * 1000 / u.rate)",
    )
    assert missing == []
    shown = rows(
        house,
        "select leg, start_ms, end_ms, text from segment where superseded_by is null and suppressed_by is null"
        " order by leg, start_ms",
    )
    for _, spoken in groupby(shown, key=lambda row: row[0]):
        for before, after in pairwise(spoken):
            assert after[1] >= before[2] - 500, (before, after)


@pytest.mark.parametrize("seed", [1, 2])
def test_transcribers_killed_at_random_times_lose_nothing_and_store_nothing_twice(
    seed: int, house: House
) -> None:
    dice = random.Random(seed)
    house.until(lambda c: c.progress.utterances > 0, "speaking")
    kills = 0
    deadline = time.monotonic() + 60
    # Through the live text and through the final pass, each time another of the two.
    while kills < 6 and time.monotonic() < deadline:
        call = house.call()
        if call is not None and call.progress.is_whole:
            break
        name = dice.choice(WORKERS)
        house.kill(name)
        house.start_again(name)
        kills += 1
        # Long enough to load the model and begin; the lease is three seconds.
        time.sleep(dice.uniform(1.5, 5.0))
    assert kills >= 3
    require_accounted_for(house, house.whole())


def test_a_transcriber_killed_in_the_final_pass_is_outlived_by_the_other(house: House) -> None:
    house.until(lambda c: c.progress.recordings_cut > 0, "cut")
    while not rows(house, "select recording_id from transcription where state in ('claimed', 'done')"):
        time.sleep(0.02)
    house.kill("transcribe")
    require_accounted_for(house, house.whole())


def test_postgres_killed_before_the_final_pass_gets_its_audio_again(house: House) -> None:
    for name in WORKERS:
        house.kill(name)
    house.until(lambda c: c.progress.recordings_cut > 0, "cut")
    while rows(house, "select count(*) from window_audio") == [(0,)]:
        time.sleep(0.05)
    house.kill("postgres")
    time.sleep(1.0)
    house.start_again("postgres")
    for name in WORKERS:
        house.start(name)
    require_accounted_for(house, house.whole())
