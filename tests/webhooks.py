"""The webhooks of tests/data/webhooks: written by us after Meta's documentation, a file a thing that happens."""

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "data" / "webhooks"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))


def body(name: str) -> bytes:
    """The bytes of one."""
    return (FOLDER / f"{name}.json").read_bytes()


def document(name: str) -> Any:
    """One, as JSON."""
    return json.loads(body(name))


def encoded(whole: Any) -> bytes:
    """As Meta would send it."""
    return json.dumps(whole).encode()
