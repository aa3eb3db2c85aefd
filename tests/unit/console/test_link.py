"""What ops read of a link."""

import json
from datetime import UTC, datetime
from typing import Any

from fsctl.console import link
from fsctl.store.links import Report

SINCE = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def report(**status: Any) -> Report:
    return Report(node="fs1", controller="host:1", state="ready", since=SINCE, status=status, age_s=1.0)


def test_what_is_wrong_stands_below_its_link_and_strangers_words_are_escaped() -> None:
    text = link.as_text([report(lag_ms=3.2, gaps=2, error="lost\x1b[31m", left=["agent agent1: stuck"])])
    lines = text.split("\n")
    assert lines[1].startswith("fs1 ")
    assert "\x1b" not in text
    assert "lost" in lines[2]
    assert lines[3].endswith("mod_callcenter: agent agent1: stuck (see `fsctl reconcile`)")


def test_json_has_the_whole_status() -> None:
    (row,) = json.loads(link.as_json([report(repairs={"agent-without-channel": 1}, left=[])]))
    assert (row["node"], row["repairs"], row["left"]) == ("fs1", {"agent-without-channel": 1}, [])


def test_a_node_without_a_ready_link_is_not_well() -> None:
    assert link.is_well([report()])
    assert not link.is_well([])
