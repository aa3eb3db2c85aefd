"""The parties, dialogs, analyses and attachments that a thread becomes (draft-ietf-vcon-vcon-core-04, section 4).

A message is a dialog of type ``text``. A call that nobody answered is ``incomplete``; its recording, if there is
one, stands behind it. A call that was answered is its recording; where there are several, or none, a
``recording-set`` holds it together. What has no place in a dialog is an attachment, in our own JSON (``as_json``).
"""

import base64
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from fsctl.call.state import Call, Disposition, Fault
from fsctl.crm import as_json, wtf
from fsctl.crm.people import speaker
from fsctl.store.items import CallItem, Item, MessageItem, Recorded, ThreadView, WitnessItem

CUSTOMER, US = 0, 1
"""Indices of the first two parties, which every thread has."""
MEDIATYPES = {"wav": "audio/x-wav", "flac": "audio/flac", "opus": "audio/ogg"}
CONGESTED = "SWITCH_CONGESTION"

Object = dict[str, Any]


@dataclass
class Parts:
    """Grows with each item; an index never changes."""

    view: ThreadView
    domain: str
    """Of the ids of parties."""
    parties: list[Object] = field(default_factory=list)
    dialog: list[Object] = field(default_factory=list)
    analysis: list[Object] = field(default_factory=list)
    attachments: list[Object] = field(default_factory=list)
    _agents: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        thread = self.view.thread
        names = dict(self.view.aliases)
        number = names.get("phone") or names.get("wa_id")
        known = {"uuid": _name(f"contact-{thread.contact_id}", self.domain)} if thread.contact_id else {}
        self.parties += [
            {"type": "person", **_tel(number), **_named(thread.display_name), **known},
            {"type": "organization", **_tel(thread.business_number)},
        ]

    def add(self, item: Item) -> None:
        """What an item is in a vCon."""
        match item:
            case MessageItem():
                self._add_message(item)
            case CallItem():
                self._add_call(item)
            case WitnessItem():
                self._add_witness(item)
            case _:
                values = as_json.item_as_dict(item)
                self._attach(values["item"], item.at, US, values)

    def close(self) -> None:
        """The contact's other names. A dialog must be there for attachments: an empty one, where there is none."""
        self._attach("contact", self.view.items[0].at, US, as_json.contact_as_dict(self.view), dialog=0)
        if not self.dialog:
            self.dialog.append({})

    def _add_message(self, item: MessageItem) -> None:
        message = item.message
        ours = message.direction == "outbound"
        self.dialog.append({
            "type": "text",
            "start": iso(item.at),
            "parties": [US, CUSTOMER] if ours else [CUSTOMER, US],
            "mediatype": "text/plain",
            "body": message.body,
            "encoding": "none",
            "application": "whatsapp",
            "message_id": message.wamid,
        })  # fmt: skip
        values = as_json.item_as_dict(item)
        told = {
            key: value
            for key, value in values.items()
            if value and key not in ("item", "at", "wamid", "body")
        }
        if told != {"direction": message.direction, "type": "text"}:
            self._attach("message", item.at, US if ours else CUSTOMER, told)

    def _add_call(self, item: CallItem) -> None:
        call, place = item.call, len(self.dialog)
        recordings = [one for one in item.recordings if one.state != "failed"]
        missed = call.disposition not in (None, Disposition.ANSWERED)
        if missed:
            self.dialog.append(_incomplete(call))
        elif len(recordings) != 1:
            whole = {"recordings": [place + 1 + number for number in range(len(recordings))]}
            self.dialog.append({**self._whole(call), **whole})
        first = len(self.dialog)
        for one in recordings:
            mine = {**self._recording(call, one), "application": _application(call)}
            if not missed and len(recordings) == 1:
                mine["party_history"] = self._history(call)
            elif not missed:
                mine["recording_set"] = place
            self.dialog.append(mine)
        facts = as_json.call_as_dict(item)
        del facts["transcript"]
        self._attach("call", item.at, US, facts, dialog=place)
        if item.turns:
            self._transcribe(item, list(range(first, len(self.dialog))) or [place])

    def _add_witness(self, item: WitnessItem) -> None:
        seen = item.witness
        inbound = seen.direction == "inbound"
        base = {
            "start": iso(item.at),
            "parties": [CUSTOMER, US] if inbound else [US, CUSTOMER],
            "application": "whatsapp",
        }
        if seen.duration_s:
            self.dialog.append(
                {"type": "recording-set", **base, "duration": seen.duration_s, "recordings": []}
            )
        else:
            self.dialog.append({"type": "incomplete", **base, "disposition": "failed"})
        values = as_json.item_as_dict(item)
        self._attach(values["item"], item.at, US, values)

    def _whole(self, call: Call) -> Object:
        """A call as a whole."""
        return {
            "type": "recording-set",
            "start": iso(call.offered_at),
            **_lasted(call.offered_at, call.ended_at),
            "parties": [CUSTOMER, self._answering(call)],
            "application": _application(call),
            "party_history": self._history(call),
        }

    def _recording(self, call: Call, one: Recorded) -> Object:
        """The caller on channel 1, who answers on channel 2; both, where there is but one."""
        sides = [CUSTOMER, self._answering(call)]
        digest = {} if not one.sha256 else {"content_hash": content_hash("sha256", bytes.fromhex(one.sha256))}
        return {
            "type": "recording",
            "start": iso(one.started_at),
            **({} if one.duration_s is None else {"duration": one.duration_s}),
            "parties": [sides] if one.channels == 1 else sides,
            "mediatype": MEDIATYPES[one.format or "wav"],
            "filename": one.name,
            **digest,
        }

    def _history(self, call: Call) -> list[Object]:
        steps = [
            (call.answered_at, CUSTOMER, "join"),
            (call.bridged_at, self._answering(call), "join"),
            (call.ended_at if call.bridged_at else None, self._answering(call), "drop"),
            (call.ended_at, CUSTOMER, "drop"),
        ]
        return [{"party": who, "time": iso(at), "event": event} for at, who, event in steps if at is not None]

    def _answering(self, call: Call) -> int:
        """The agent, or the house where there was none."""
        if not call.agent:
            return US
        if call.agent not in self._agents:
            self._agents[call.agent] = len(self.parties)
            known = {"uuid": _name(f"agent-{call.agent}", self.domain)}
            self.parties.append({"type": "person", **_named(call.agent), "dept": "agents", **known})
        return self._agents[call.agent]

    def _transcribe(self, item: CallItem, places: Sequence[int]) -> None:
        sides = {"caller": CUSTOMER, "agent": self._answering(item.call)}
        who = {leg: wtf.Speaker(party, speaker(self.view, item.call, leg)) for leg, party in sides.items()}
        body = wtf.body(item, who)
        self.analysis.append({
            "type": wtf.TYPE,
            "start": body["metadata"]["processed_at"],
            "dialog": places[0] if len(places) == 1 else list(places),
            "mediatype": "application/json",
            "vendor": "fsctl",
            "product": ", ".join(item.models) or "unknown",
            "schema": wtf.SCHEMA,
            "body": body,
            "encoding": "json",
        })  # fmt: skip

    def _attach(
        self, purpose: str, at: datetime, party: int, body: object, *, dialog: int | None = None
    ) -> None:
        """Args: dialog: what it belongs to; None: the latest so far."""
        self.attachments.append({
            "purpose": purpose,
            "start": iso(at),
            "party": party,
            "dialog": max(0, len(self.dialog) - 1) if dialog is None else dialog,
            "mediatype": "application/json",
            "body": body,
            "encoding": "json",
        })  # fmt: skip


def _incomplete(call: Call) -> Object:
    return {
        "type": "incomplete",
        "start": iso(call.offered_at),
        **_lasted(call.offered_at, call.ended_at),
        "parties": [CUSTOMER, US],
        "application": _application(call),
        "disposition": _disposition(call),
    }


def _disposition(call: Call) -> str:
    """Our verdict in the draft's words (section 4.3, disposition); ours stands in the attachment ``call``."""
    match call.disposition:
        case Disposition.ABANDONED | Disposition.CONTINUED_IN_CHAT if call.answered_at is not None:
            return "hung-up"
        case (
            Disposition.ABANDONED | Disposition.TIMED_OUT | Disposition.CLOSED | Disposition.CONTINUED_IN_CHAT
        ):
            return "no-answer"
        case Disposition.FAILED if call.fault is Fault.US and call.hangup_cause == CONGESTED:
            return "congestion"
        case _:
            return "failed"


def content_hash(algorithm: str, digest: bytes) -> str:
    """As the draft writes it (section 2.1, ContentHash)."""
    return f"{algorithm}-{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"


def iso(at: datetime) -> str:
    """A Date of the draft: RFC 3339, UTC."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _lasted(start: datetime, end: datetime | None) -> Object:
    return {} if end is None else {"duration": max(0.0, round((end - start).total_seconds(), 3))}


def _application(call: Call) -> str:
    return "whatsapp" if call.channel == "whatsapp" else "sip"


def _tel(number: str | None) -> Object:
    """RFC 3966, where it is a number."""
    digits = (number or "").removeprefix("+")
    return {"tel": f"tel:+{digits}"} if digits.isascii() and digits.isdigit() else {}


def _named(name: str) -> Object:
    return {"name": name} if name.strip() else {}


def _name(label: str, domain: str) -> str:
    """An id that stays: RFC 9562, version 5."""
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{label}.{domain}"))
