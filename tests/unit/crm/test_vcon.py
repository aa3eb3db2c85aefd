"""A thread as a vCon: after the draft's schema as we wrote it down, whatever strangers are called or say."""

import base64
import json
import os
import subprocess
import uuid
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsctl.call.state import Call, Disposition, Fault, Phase
from fsctl.crm import as_vcon
from fsctl.crm.vcon_parts import content_hash
from fsctl.errors import BadInput
from fsctl.store.items import (
    CallItem,
    MessageItem,
    OutcomeItem,
    Recorded,
    ThreadView,
    TouchItem,
    TurnItem,
    WitnessItem,
)
from fsctl.store.outcomes import Outcome
from fsctl.store.utterances import Progress
from fsctl.store.witness import Witness
from fsctl.transcribe.turns import Segment, turns
from tests.unit.crm.test_thread import CALL, MESSAGE, T0, TOUCH, around

SCHEMA = json.loads((Path(__file__).parent.parent.parent / "data/vcon/vcon-0.4.0.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
SHA = "11" * 32
RECORDED = Recorded(
    name="c-1.wav", state="archived", started_at=T0 + timedelta(seconds=2), duration_s=150.0, channels=2,
    rate=16000, format="wav", sha256=SHA, transcribed_at=T0 + timedelta(seconds=160),
)  # fmt: skip
SAID = [
    Segment("caller", 0, 1500, "Hola <b>", 0.9, "es"),
    Segment("agent", 2000, 3000, "Hello", 0.6, "en"),
    Segment("caller", 4000, 4000, "[card]", None, "es"),
]
WHOLE = Progress(recordings=1, recordings_cut=1, utterances=3, done=3, failed=0, transcribed=1)


def spoken(*segments: Segment, began: Any = RECORDED.started_at) -> list[TurnItem]:
    return [TurnItem(began + timedelta(milliseconds=one.start_ms), one) for one in turns(segments)]


def call(call: Call = CALL, **fields: Any) -> CallItem:
    """A call with its recording and text."""
    usual = {"recordings": [RECORDED], "models": ["whisper-base"], "turns": spoken(*SAID), "progress": WHOLE}
    return CallItem(call.offered_at, call, **{**usual, **fields})


def missed(disposition: Disposition, **fields: Any) -> CallItem:
    changed = replace(CALL, disposition=disposition, bridged_at=None, agent=None, **fields)
    return CallItem(T0, changed, [], Progress(recordings=0, recordings_cut=0, utterances=0, done=0, failed=0))


def made(*items: Any, name: str = "Ann") -> dict[str, Any]:
    """A vCon which the schema and its own indices allow."""
    return proven(as_vcon.vcon(around(*items, name=name), "calls.example.com"))


def proven(found: dict[str, Any]) -> dict[str, Any]:
    found = json.loads(json.dumps(found))
    VALIDATOR.validate(found)
    assert all(party < len(found["parties"]) for party in parties(found))
    for one in (*found["analysis"], *found["attachments"]):
        places = one["dialog"] if isinstance(one["dialog"], list) else [one["dialog"]]
        assert all(place < len(found["dialog"]) for place in places)
    return found


def parties(found: dict[str, Any]) -> Iterator[int]:
    for one in found["dialog"]:
        for who in one.get("parties", []):
            yield from who if isinstance(who, list) else [who]
        yield from (step["party"] for step in one.get("party_history", []))
    yield from (one["party"] for one in found["attachments"])


def purposes(found: dict[str, Any]) -> list[str]:
    return [one["purpose"] for one in found["attachments"]]


def test_a_call_with_one_recording_is_that_recording_with_a_party_for_each_channel() -> None:
    found = made(call())
    (dialog,) = found["dialog"]
    assert dialog["type"] == "recording"
    assert dialog["start"] == "2026-11-23T09:00:02Z"
    assert (dialog["duration"], dialog["mediatype"], dialog["filename"]) == (150.0, "audio/x-wav", "c-1.wav")
    assert dialog["parties"] == [0, 2]
    assert found["parties"][0] | {"uuid": ""} == {
        "type": "person", "tel": "tel:+15550100142", "name": "Ann", "uuid": "",
    }  # fmt: skip
    assert found["parties"][1] == {"type": "organization", "tel": "tel:+15550100900"}
    assert found["parties"][2]["name"] == "agent1"
    assert [(step["party"], step["event"]) for step in dialog["party_history"]] == [
        (0, "join"), (2, "join"), (2, "drop"), (0, "drop"),
    ]  # fmt: skip
    algorithm, digest = dialog["content_hash"].split("-", 1)
    assert algorithm == "sha256"
    assert base64.urlsafe_b64decode(digest + "=").hex() == SHA


def test_a_content_hash_is_of_base64url_without_padding() -> None:
    assert content_hash("sha256", b"\xfb\xff") == "sha256--_8"


def test_the_transcript_is_in_the_world_transcription_format() -> None:
    found = made(call(redacted=["card"]))
    (analysis,) = found["analysis"]
    assert found["extensions"] == ["wtf_transcription"]
    assert (analysis["dialog"], analysis["product"]) == (0, "whisper-base")
    body = analysis["body"]
    assert body["transcript"] == {
        "text": "Hola <b> Hello [card]", "language": "es", "duration": 150.0, "confidence": 0.78,
    }  # fmt: skip
    assert [(one["start"], one["end"], one["speaker"]) for one in body["segments"]] == [
        (0.0, 1.5, 0), (2.0, 3.0, 2), (4.0, 4.001, 0),
    ]  # fmt: skip
    assert body["speakers"]["2"] == {
        "id": 2, "label": "agent1", "segments": [1], "total_time": 1.0, "confidence": 1.0,
    }  # fmt: skip
    assert (body["metadata"]["provider"], body["metadata"]["model"]) == ("whisper", "base")
    assert body["quality"]["processing_warnings"] == [
        "a confidence of 0 means that the recogniser told none", "taken out before it was stored: card",
    ]  # fmt: skip


def test_what_was_taken_out_before_it_was_stored_has_no_less_redacted_form() -> None:
    assert made(call(redacted=["card", "code"]), call(redacted=["card"]))["redacted"] == {
        "type": "card, code"
    }
    assert "redacted" not in made(call())


@pytest.mark.parametrize(
    ("item", "words"),
    [
        (missed(Disposition.ABANDONED), "hung-up"),
        (missed(Disposition.ABANDONED, answered_at=None), "no-answer"),
        (missed(Disposition.CONTINUED_IN_CHAT), "hung-up"),
        (missed(Disposition.TIMED_OUT), "no-answer"),
        (missed(Disposition.CLOSED), "no-answer"),
        (missed(Disposition.REFUSED), "failed"),
        (missed(Disposition.FAILED, fault=Fault.NETWORK), "failed"),
        (missed(Disposition.FAILED, fault=Fault.US, hangup_cause="SWITCH_CONGESTION"), "congestion"),
    ],
)
def test_a_missed_call_is_incomplete_with_the_drafts_word_for_why(item: CallItem, words: str) -> None:
    found = made(item)
    (dialog,) = found["dialog"]
    assert (dialog["type"], dialog["disposition"], dialog["parties"]) == ("incomplete", words, [0, 1])
    assert found["attachments"][0]["body"]["disposition"] == item.call.disposition.value  # type: ignore[union-attr]


def test_a_missed_call_keeps_its_recording_behind_it() -> None:
    item = missed(Disposition.ABANDONED)
    first, second = made(replace(item, recordings=[RECORDED], turns=spoken(SAID[0])))["dialog"]
    assert (first["type"], second["type"], second["parties"]) == ("incomplete", "recording", [0, 1])
    assert "party_history" not in second


def test_several_recordings_or_none_are_held_together_by_a_set() -> None:
    other = replace(RECORDED, name="c-1b.flac", format="flac", channels=1, sha256=None, duration_s=None)
    lost = replace(RECORDED, state="failed")
    found = made(MessageItem(T0, MESSAGE), call(recordings=[RECORDED, lost, other]))
    assert [one["type"] for one in found["dialog"]] == ["text", "recording-set", "recording", "recording"]
    assert found["dialog"][1]["recordings"] == [2, 3]
    assert [one["recording_set"] for one in found["dialog"][2:]] == [1, 1]
    assert found["dialog"][3]["parties"] == [[0, 2]]
    assert "content_hash" not in found["dialog"][3]
    assert found["analysis"][0]["dialog"] == [2, 3]
    (alone,) = made(call(recordings=[], turns=[]))["dialog"]
    assert (alone["type"], alone["recordings"], alone["duration"]) == ("recording-set", [], 152.0)


def test_a_call_that_goes_on_has_no_end_yet() -> None:
    going = replace(CALL, phase=Phase.TALKING, disposition=None, ended_at=None)
    growing = replace(
        RECORDED, state="growing", duration_s=None, sha256=None, format=None, transcribed_at=None
    )
    (dialog,) = made(call(going, recordings=[growing]))["dialog"]
    assert "duration" not in dialog
    assert [step["event"] for step in dialog["party_history"]] == ["join", "join"]


def test_messages_are_text_from_the_first_party_to_the_second() -> None:
    ours = replace(MESSAGE, wamid="w2", direction="outbound", status="read", reactions={"inbound": "👍"})
    found = made(MessageItem(T0, MESSAGE), MessageItem(T0, ours))
    assert [one["parties"] for one in found["dialog"]] == [[0, 1], [1, 0]]
    assert [one["message_id"] for one in found["dialog"]] == ["w1", "w2"]
    assert (found["dialog"][0]["body"], found["dialog"][0]["encoding"]) == ("hi", "none")
    assert purposes(found) == ["message", "contact"]
    assert found["attachments"][0]["dialog"] == 1
    assert found["attachments"][0]["body"]["reactions"] == {"inbound": "👍"}
    assert "extensions" not in found


def test_what_has_no_place_in_a_dialog_is_an_attachment() -> None:
    sale = Outcome(kind="sale", at=T0, who="crm", call_uuid="c-1", value=Decimal("9.90"), currency="EUR")
    seen = Witness(
        wacid="wacid.1", direction="inbound", at=T0, ended_at=None, status="COMPLETED", duration_s=7, events={},
        call_uuid=None, alarmed_at=None,
    )  # fmt: skip
    found = made(TouchItem(T0, TOUCH), WitnessItem(T0, seen), OutcomeItem(T0, sale))
    assert purposes(found) == ["touch", "unseen_call", "outcome", "contact"]
    assert [(one["type"], one["duration"]) for one in found["dialog"]] == [("recording-set", 7)]
    short = made(WitnessItem(T0, replace(seen, duration_s=None)))
    assert short["dialog"][0]["disposition"] == "failed"
    assert made(OutcomeItem(T0, sale))["dialog"] == [{}]


def test_the_same_thing_has_the_same_uuid_of_version_8() -> None:
    first, again = made(call()), made(call(), MessageItem(T0 + timedelta(hours=1), MESSAGE))
    assert first["uuid"] == again["uuid"]
    assert (first["created_at"], again["updated_at"]) == ("2026-11-23T09:00:00Z", "2026-11-23T10:00:00Z")
    assert uuid.UUID(first["uuid"]).int >> 80 == T0.timestamp() * 1000
    alone = as_vcon.vcon(replace(around(call()), only_call="c-1"), "calls.example.com")
    elsewhere = as_vcon.vcon(around(call()), "other.example.com")
    assert len({first["uuid"], alone["uuid"], elsewhere["uuid"]}) == 3


def test_an_empty_thread_is_no_vcon() -> None:
    with pytest.raises(BadInput, match="thread 9 is empty"):
        as_vcon.vcon(around())


def test_the_twin_has_every_index_and_no_word_name_or_number() -> None:
    whole = made(MessageItem(T0, replace(MESSAGE, body="secret words")), call(), name="Ann Secret")
    kept = deepcopy(whole)
    twin = proven(as_vcon.twin(whole, "calls.example.com"))
    assert whole == kept
    assert twin["redacted"] == {"uuid": whole["uuid"], "type": "identities and contents"}
    assert twin["uuid"] != whole["uuid"]
    assert [len(twin[name]) for name in ("parties", "dialog", "analysis", "attachments")] == [3, 2, 1, 2]
    assert [one.get("parties") for one in twin["dialog"]] == [[0, 1], [0, 2]]
    text = json.dumps(twin)
    for word in ("ecret", "Hola", "agent1", "15550100142", "c-1", "w1", "sha256", "body"):
        assert word not in text


@given(name=st.text(max_size=30), text=st.text(max_size=60), agent=st.text(max_size=30))
def test_nobodys_name_or_words_break_it(name: str, text: str, agent: str) -> None:
    item = call(
        replace(CALL, agent=agent or None, queue=text),
        turns=spoken(Segment("caller", 0, 900, text), Segment("agent", 1000, 1000, text)),
    )
    found = made(MessageItem(T0, replace(MESSAGE, body=text)), item, name=name)
    assert found["dialog"][0]["body"] == text
    assert found["parties"][0].get("name", name) == name
    proven(as_vcon.twin(found))


@pytest.mark.parametrize(
    "spoil",
    [
        {"dialog": [{"type": "incomplete", "start": "2026-11-23T09:00:00Z"}]},
        {
            "dialog": [
                {"type": "text", "start": "2026-11-23T09:00:00Z", "body": "x", "mediatype": "text/plain"}
            ]
        },
        {"dialog": [{"type": "recording", "start": "23.11.2026"}]},
        {"vcon": "0.0.1"},
        {"appended": {}},
        {"redacted": {}},
        {"attachments": [{"purpose": "x", "start": "2026-11-23T09:00:00Z", "party": 0}]},
    ],
)
def test_the_schema_refuses_what_the_draft_does(spoil: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(made(call()) | spoil)


PROGRAM = """
import json, sys, warnings
warnings.simplefilter("ignore")
from vcon import Vcon
told = []
for text in json.load(sys.stdin):
    loaded = Vcon.build_from_json(text)
    whole, errors = loaded.is_valid()
    told.append([whole, errors, json.loads(loaded.to_json())["uuid"], len(loaded.dialog)])
print()
print(json.dumps(told))
"""


def test_the_vcon_library_reads_what_we_write() -> None:
    """A cross-check of another hand; it does not know ``recording-set``, and wants bodies in analyses."""
    python = os.environ.get("FSCTL_TEST_VCON")
    if not python:
        pytest.skip("FSCTL_TEST_VCON names no Python 3.12 with the package vcon (docs/exports.md)")
    views: list[ThreadView] = [
        around(MessageItem(T0, MESSAGE), call(redacted=["card"]), missed(Disposition.ABANDONED)),
        replace(around(call(recordings=[replace(RECORDED, format="opus")])), only_call="c-1"),
    ]
    texts = [as_vcon.render(view) for view in views]
    done = subprocess.run(
        [python, "-c", PROGRAM],
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    ours = [json.loads(text) for text in texts]
    # It logs to standard output, before.
    told = json.loads(done.stdout.splitlines()[-1])
    assert told == [[True, [], one["uuid"], len(one["dialog"])] for one in ours]
