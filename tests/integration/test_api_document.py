"""The document that is served says what is served: schemathesis asks whatever it allows, and what it forbids."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fsctl.store.db import Database
from fsctl.web.api.table import OPERATIONS
from tests.integration.crm_house import Crm, fill

PATIENCE_S = 240
KNOWN = """
[parameters]
thread_id = 1
contact_id = 1
call_uuid = "c-1"
"""
"""Ids of what there is: without them most answers are 404."""


@pytest.fixture
def crm(tmp_path: Path, database: Database) -> Iterator[Crm]:
    fill(tmp_path, database)
    found = Crm(database)
    yield found
    found.stop()


@pytest.mark.parametrize(
    ("settings", "phases", "examples"), [("", "coverage,fuzzing,stateful", 12), (KNOWN, "fuzzing", 15)]
)
def test_schemathesis_finds_nothing_that_the_document_does_not_say(
    crm: Crm, tmp_path: Path, settings: str, phases: str, examples: int
) -> None:
    """No 5xx; answers as described; what is described is taken, what is not is refused; nothing without a token.

    The same requests each time, some 1,200 in half a minute.
    """
    (tmp_path / "schemathesis.toml").write_text(settings)
    command = [
        str(Path(sys.executable).with_name("schemathesis")), "run", f"{crm.url}/v1/openapi.json", "--url", crm.url,
        "--header", f"Authorization: Bearer {crm.tokens['crm']}", "--phases", phases,
        "--max-examples", str(examples), "--generation-deterministic", "--suppress-health-check", "all",
        "--request-timeout", "30", "--no-color",
    ]  # fmt: skip
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert f"{len(OPERATIONS)} selected" in done.stdout
    assert crm.server.counts.requests > len(OPERATIONS) * examples, done.stdout[-3000:]
    assert crm.server.counts.failed == 0
