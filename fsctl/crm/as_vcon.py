"""A thread, or a call, as a vCon in its unsigned form: syntax 0.4.0 of draft-ietf-vcon-vcon-core-04.

The same thing has the same uuid each time, and only ``updated_at`` and what was added tell two exports apart. What
was taken out before it was stored is told by ``redacted`` without a uuid: a less redacted one does not exist. The
twin without identities and contents (``redacted=True``) refers to the whole one by uuid.
Called by: ``fsctl export``.
"""

import hashlib
import json
import uuid
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from fsctl.crm import wtf
from fsctl.crm.vcon_parts import Parts, iso
from fsctl.errors import BadInput
from fsctl.store.items import CallItem, MessageItem, ThreadView

SYNTAX = "0.4.0"
NOWHERE = "fsctl.invalid"
"""Domain of ids where the house has no name (RFC 2606)."""
TWIN = "identities and contents"
"""Type of redaction of the twin."""
KEPT: Mapping[str, frozenset[str]] = {
    "dialog": frozenset(
        {"type", "start", "duration", "parties", "mediatype", "application", "disposition", "party_history",
         "recordings", "recording_set"}
    ),
    "analysis": frozenset({"type", "start", "dialog", "mediatype", "vendor", "product", "schema"}),
    "attachments": frozenset({"purpose", "start", "party", "dialog", "mediatype"}),
}  # fmt: skip
"""What the twin has of each object; of a person it has the type alone."""

Vcon = dict[str, Any]


def render(view: ThreadView, *, domain: str = NOWHERE, redacted: bool = False) -> str:
    """The vCon as JSON, indented. Arguments and errors: see ``vcon``."""
    made = vcon(view, domain)
    return json.dumps(twin(made, domain) if redacted else made, ensure_ascii=False, indent=2)


def vcon(view: ThreadView, domain: str = NOWHERE) -> Vcon:
    """The vCon as plain values.

    Args:
        domain: the house's name, which makes its ids unique.

    Raises:
        BadInput: there is nothing in the thread.
    """
    if not view.items:
        raise BadInput(f"thread {view.thread.id} is empty: there is nothing to export")
    parts = Parts(view, domain)
    for item in view.items:
        parts.add(item)
    parts.close()
    created_at = min(item.at for item in view.items)
    kinds = sorted({kind for item in view.items if isinstance(item, CallItem) for kind in item.redacted})
    return {
        "vcon": SYNTAX,
        "uuid": unique(created_at, f"{_label(view)}.{domain}"),
        "created_at": iso(created_at),
        "updated_at": iso(max(_changes(view))),
        **({"redacted": {"type": ", ".join(kinds)}} if kinds else {}),
        **({"extensions": [wtf.TYPE]} if parts.analysis else {}),
        "parties": parts.parties,
        "dialog": parts.dialog,
        "analysis": parts.analysis,
        "attachments": parts.attachments,
    }


def twin(made: Vcon, domain: str = NOWHERE) -> Vcon:
    """The same without names, numbers, words and what identifies a file; all indices are the same."""
    created_at = datetime.fromisoformat(made["created_at"])
    parties = [one if one["type"] == "organization" else {"type": one["type"]} for one in made["parties"]]
    return {
        **made,
        "uuid": unique(created_at, f"redacted.{made['uuid']}.{domain}"),
        "redacted": {"uuid": made["uuid"], "type": TWIN},
        "parties": parties,
        **{name: [_only(one, kept) for one in made[name]] for name, kept in KEPT.items()},
    }


def unique(at: datetime, name: str) -> str:
    """A uuid of version 8 as the draft wants it (section 4.1.2): the time, and 62 bits of a name's SHA-1.

    The 12 bits between are of the name's SHA-256 instead of chance, so the same thing has the same uuid.
    """
    number = (int(at.timestamp() * 1000) & (1 << 48) - 1) << 80
    number |= 8 << 76
    number |= int.from_bytes(hashlib.sha256(name.encode()).digest()[:2]) >> 4 << 64
    number |= 2 << 62
    number |= int.from_bytes(hashlib.sha1(name.encode(), usedforsecurity=False).digest()[:8]) >> 2
    return str(uuid.UUID(int=number))


def _label(view: ThreadView) -> str:
    """A call by itself is another vCon than the thread that it stands in."""
    return f"call-{view.only_call}" if view.only_call else f"thread-{view.thread.id}"


def _changes(view: ThreadView) -> Iterator[datetime]:
    """Moments at which something in it came or changed."""
    for item in view.items:
        yield item.at
        if isinstance(item, CallItem):
            moments = [item.call.ended_at, *(one.transcribed_at for one in item.recordings)]
            yield from (at for at in moments if at is not None)
        elif isinstance(item, MessageItem):
            moments = [item.message.edited_at, item.message.deleted_at, item.message.status_at]
            yield from (at for at in moments if at is not None)


def _only(one: Mapping[str, Any], kept: frozenset[str]) -> dict[str, Any]:
    return {key: value for key, value in one.items() if key in kept}
