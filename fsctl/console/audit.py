"""The audit as lines for people and as JSON for programs."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from fsctl.store.audit import Entry
from fsctl.terminal import escape


def as_values(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """A list of objects for JSON."""
    return [
        dataclasses.asdict(entry) | {"at": entry.at.isoformat() if entry.at else None} for entry in entries
    ]


def as_text(entries: Sequence[Entry]) -> str:
    """One line an entry, in local time."""
    return "\n".join(map(_line, entries)) if entries else "nothing"


def _line(entry: Entry) -> str:
    at = entry.at.astimezone().strftime("%Y-%m-%d %H:%M:%S") if entry.at else ""
    found = str(entry.detail.get("found") or "")
    words = (entry.who, entry.node or "-", entry.action, entry.subject, found, entry.result)
    return "  ".join([at, *(escape(word) for word in words if word)])
