"""How the transcribers keep up, in a few lines."""

import json
from dataclasses import replace

from fsctl.console import load
from fsctl.store.transcripts import Load

QUIET = Load(
    depth=3, lag_s=1.234, speech_s=9.5, swept=0, shed=2, shed_hour=7, done_hour=400, failed_hour=1,
    delay_p50_s=None, delay_p95_s=None, legs=4, legs_lag_s=61.2, windows=9,
    legs_hour=30, legs_failed_hour=0, workers=2,
)  # fmt: skip


def test_people_see_depth_lag_and_what_was_shed() -> None:
    live, shed, final, hour = load.as_text(QUIET).splitlines()
    assert "3 waiting (10 s of speech), the oldest for 1.2 s; 2 workers" in live
    assert "2 to be decoded after their calls" in shed
    assert "7 shed in the last hour" in shed
    assert "4 legs waiting (9 windows), the oldest for 61 s" in final
    assert "400 utterances and 30 legs decoded, 1 and 0 failed" in hour


def test_the_delay_is_told_where_it_is_known() -> None:
    told = load.as_text(replace(QUIET, delay_p50_s=0.9, delay_p95_s=1.72))
    assert "text 0.9 s after the end of speech, p95 1.7 s" in told


def test_programs_get_every_number() -> None:
    values = json.loads(json.dumps(load.as_values(QUIET)))
    assert values["lag_s"] == 1.23
    assert values["delay_p50_s"] is None
    assert set(values) == set(QUIET.__dataclass_fields__)
