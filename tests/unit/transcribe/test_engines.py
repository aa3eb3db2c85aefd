"""The registry, and the recogniser that is not Whisper."""

from pathlib import Path

import numpy as np
import pytest

from fsctl.errors import ModelError
from fsctl.media.wave import RATE, to_16k
from fsctl.sim import load_samples
from fsctl.transcribe import engine, wer
from fsctl.transcribe.engine import ENGINES, Engine, EngineOptions, Speech


def test_every_recogniser_has_a_module_that_locates_and_loads() -> None:
    for name in ENGINES:
        module = engine._module(name)
        assert callable(module.locate)
        assert callable(module.load)


def test_an_unknown_recogniser_is_named_with_those_that_there_are() -> None:
    with pytest.raises(ModelError, match=r"'kaldi'.*whisper, sphinx"):
        engine.locate("kaldi", "base", Path())


@pytest.fixture(scope="module")
def sphinx() -> Engine:
    pytest.importorskip("pocketsphinx", reason="pocketsphinx is not installed: pip install 'fsctl[sphinx]'")
    folder = engine.locate("sphinx", "base", Path())
    return engine.load("sphinx", EngineOptions(model_dir=folder, languages=["en"], device="cpu", threads=1))


def spoken(leg: str, *, gap_s: float = 0.0) -> tuple[Speech, str]:
    (sample,) = load_samples(["order-en"])
    audio = sample.caller_audio if leg == "caller" else sample.agent_audio
    first, second = [turn for turn in sample.turns if turn.leg == leg][:2]
    waves = [audio[turn.start_ms * 16 : turn.end_ms * 16] for turn in (first, second)]
    silence = np.zeros(int(gap_s * RATE), dtype=np.int16)
    wave = to_16k(np.concatenate([waves[0], silence, waves[1]]), RATE)
    return Speech(wave, "en", timestamps=True, words=True), f"{first.text} {second.text}"


def test_sphinx_hears_some_words_and_knows_when_they_were_said(sphinx: Engine) -> None:
    speech, said = spoken("agent", gap_s=1.0)
    (texts,) = sphinx.decode([speech])
    # It is weak: more than a guess is all that is asked of it.
    assert wer.compare(said, " ".join(text.text for text in texts)).rate < 0.8
    words = [word for text in texts for word in text.words]
    assert len(words) > 4
    assert all(0 <= word.start_s < word.end_s <= speech.seconds + 0.02 for word in words)
    assert [word.start_s for word in words] == sorted(word.start_s for word in words)
    assert len(texts) > 1, "a long pause begins a new text"


def test_sphinx_decodes_each_of_a_batch_apart(sphinx: Engine) -> None:
    one, other = spoken("agent")[0], spoken("caller")[0]
    alone = [sphinx.decode([speech])[0][0].text for speech in (one, other)]
    assert [texts[0].text for texts in sphinx.decode([one, other])] == alone


def test_sphinx_vouches_for_no_speech_so_that_a_second_opinion_is_asked(sphinx: Engine) -> None:
    silence = Speech(np.zeros(RATE, dtype=np.float32), "en")
    (texts,) = sphinx.decode([silence])
    assert all(text.no_speech >= 0.5 for text in texts)
