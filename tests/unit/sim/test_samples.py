"""The conversations shipped with the package."""

import numpy as np
import pytest

from fsctl.sim import Ring, load_samples

SAMPLES = load_samples()


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_a_sample_becomes_a_call_with_metas_headers(sample):
    plan = sample.plan(rings=(Ring("answer", 1.0),))
    assert plan.from_user == f"+{sample.wa_id}"
    assert plan.display_name == sample.contact_name
    assert {name for name, _ in plan.headers} >= {"x-wa-meta-phone-number-id", "x-wa-meta-country-code"}
    assert plan.caller_audio.dtype == np.int16
    assert plan.dialogue_s() >= sample.turns[-1].end_ms / 1000


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_each_turn_is_heard_on_its_own_leg(sample):
    audio = {"caller": sample.caller_audio.astype(float), "agent": sample.agent_audio.astype(float)}
    for turn in sample.turns:
        window = slice(turn.start_ms * 16, turn.end_ms * 16)
        own = np.sqrt(np.mean(audio[turn.leg][window] ** 2))
        assert own > 100


def test_samples_can_be_chosen_by_name():
    names = [sample.name for sample in SAMPLES]
    assert [sample.name for sample in load_samples(names[:1])] == names[:1]
