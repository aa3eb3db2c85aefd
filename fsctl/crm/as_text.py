"""A thread for people: chat, calls and turns in order, who spoke and when."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from fsctl.call import disposition
from fsctl.call.events import Consent
from fsctl.call.state import Call, Disposition
from fsctl.store.followups import Followup
from fsctl.store.items import (
    CallbackItem,
    CallItem,
    Item,
    MessageItem,
    OutcomeItem,
    ThreadView,
    TouchItem,
    WitnessItem,
)
from fsctl.store.messages import Message
from fsctl.store.touches import Touch
from fsctl.terminal import escape

FOUND_LATER = {
    "ledger": "found afterwards in FreeSWITCH's ledger",
    "recording": "found afterwards by its recording",
}


CONSENTS: dict[Consent, str] = {
    "disclosed": "told of the recording",
    "given": "agreed to the recording",
    "refused": "refused the recording",
    "always": "recorded without a word",
    "never": "not recorded",
}


SOURCES = {
    "ad": "an ad",
    "link": "a call link",
    "qr": "a QR code",
    "button": "a call button",
    "header": "a SIP header",
    "param": "a request parameter",
}


def render(view: ThreadView) -> str:
    """The thread as lines of text; strangers' text is escaped. Times are local."""
    return "\n".join(_lines(view))


def _lines(view: ThreadView) -> Iterator[str]:
    names = ", ".join(f"{kind} {escape(value)}" for kind, value in view.aliases)
    thread = view.thread
    yield (
        f"{f'Thread {thread.id}' if thread.id else 'No thread'}: "
        f"{escape(thread.display_name) or 'unknown'} ({names}) with {escape(thread.business_number)}"
    )
    day = ""
    for item in view.items:
        today = f"{item.at.astimezone():%A %d %B %Y}"
        if today != day:
            day = today
            yield f"  {day}"
        yield from _item(item, view)


def _item(item: Item, view: ThreadView) -> Iterator[str]:
    match item:
        case MessageItem():
            return _message(item, view)
        case CallItem():
            return _call(item)
        case TouchItem():
            return _touch(item)
        case CallbackItem():
            return _callback(item)
        case WitnessItem():
            return _witness(item)
        case OutcomeItem():
            return _outcome(item)


def _message(item: MessageItem, view: ThreadView) -> Iterator[str]:
    message = item.message
    yield from _touched(item.at, item.touches)
    who = (escape(view.thread.display_name) or "customer") if message.direction == "inbound" else "us"
    body = message.body if message.type in ("text", "interactive") else f"[{message.type}] {message.body}"
    first, *others = [escape(line) for line in body.splitlines()] or [""]
    yield f"    {_clock(item.at)}  {who}: {first}{'' if others else _fate(message)}"
    for place, line in enumerate(others, 1):
        yield f"              {line}{_fate(message) if place == len(others) else ''}"


def _fate(message: Message) -> str:
    """What became of it, where that is worth a word."""
    parts = [escape(emoji) for emoji in message.reactions.values()]
    if message.deleted_at:
        parts.append("taken back")
    elif message.edited_at:
        parts.append("edited")
    if message.status == "failed":
        parts.append(f"not delivered: {escape(message.title or str(message.code or 'no reason given'))}")
    return f"  ({', '.join(parts)})" if parts else ""


def _touched(at: datetime, touches: Sequence[Touch]) -> Iterator[str]:
    for touch in touches:
        yield f"    {_clock(at)}  ← {_source(touch)}"


def _source(touch: Touch) -> str:
    """Where the customer came from."""
    named = [escape(text) for text in (touch.headline, touch.campaign) if text]
    if touch.source_id:
        named.append(f"id {escape(touch.source_id)}")
    hint = "" if touch.trusted else " (unsigned)"
    return f"came by {SOURCES[touch.source]}{hint}{': ' if named else ''}{', '.join(named)}"


def _touch(item: TouchItem) -> Iterator[str]:
    return _touched(item.at, [item.touch])


def _callback(item: CallbackItem) -> Iterator[str]:
    one = item.callback
    why = f" ({escape(one.reason)})" if one.reason else ""
    yield (
        f"    {_clock(item.at)}  ⏲ chose {one.starts_at.astimezone():%d %B %H:%M} for a call, {one.state}{why}"
    )


def _witness(item: WitnessItem) -> Iterator[str]:
    seen = item.witness
    whose = "a call of theirs" if seen.direction == "inbound" else "a call of ours"
    status = f", {escape(seen.status.lower())}" if seen.status else ""
    yield f"    {_clock(item.at)}  ☎ {whose} that only WhatsApp saw{status}"


def _amount(value: Decimal) -> str:
    cents = value.quantize(Decimal("0.01"))
    return f"{cents if cents == value else value.normalize():f}"


def _outcome(item: OutcomeItem) -> Iterator[str]:
    said = item.outcome
    value = f" {_amount(said.value)} {escape(said.currency or '')}" if said.value is not None else ""
    order = f", order {escape(said.order_ref)}" if said.order_ref else ""
    note = f": {escape(said.note)}" if said.note else ""
    stale = "" if said.counts else " (replaced later)"
    yield f"    {_clock(item.at)}  ★ {escape(said.kind)}{value}{order}, by {escape(said.who)}{note}{stale}"


def _call(item: CallItem) -> Iterator[str]:
    yield from _touched(item.at, item.touches)
    yield f"    {_clock(item.at)}  ☎ {_headline(item.call)}"
    for words in (_routed(item.call), _line(item.call)):
        if words:
            yield f"              {words}"
    for spoken in item.turns:
        turn = spoken.turn
        who = "caller" if turn.leg == "caller" else escape(item.call.agent or "agent")
        yield f"        {_offset(turn.start_ms)}  {who:>8}: {escape(turn.text)}"
    if item.talk and item.talk["talk"]:
        yield f"        {_talk(item.talk)}"
    missing = item.progress.failed
    if missing:
        yield f"        ({missing} utterances could not be decoded)"
    if item.call.disposition is not None and item.progress.recordings and not item.progress.is_whole:
        yield "        (the transcript is not whole yet)"
    if item.followup is not None:
        yield f"        ↪ {_followed(item.followup)}"


def _followed(followup: Followup) -> str:
    """What was done because the call was missed, or why nothing."""
    if followup.outcome == "none":
        return f"no message: {escape(followup.reason)}"
    offer = {"button": " with a call button", "slot": " with times to choose"}.get(followup.offer or "", "")
    return f"went on in the chat{offer}: {escape(followup.reason)}"


def _headline(call: Call) -> str:
    front = "WhatsApp call" if call.channel == "whatsapp" else "call"
    parts = [front, escape(disposition.words(call))]
    if call.agent and call.disposition in (None, Disposition.ANSWERED):
        parts.append(f"by {escape(call.agent)}")
    if call.queue:
        parts.append(f"in {escape(call.queue)}")
    if call.waited_s is not None:
        expected = "" if call.expected_wait_s is None else f" (expected {call.expected_wait_s} s)"
        parts.append(f"waited {call.waited_s:.0f} s{expected}")
    if call.found in FOUND_LATER:
        parts.append(FOUND_LATER[call.found])
    if call.ended_at:
        parts.append(f"length {_offset(round((call.ended_at - call.offered_at).total_seconds() * 1000))}")
    return ", ".join(parts)


def _routed(call: Call) -> str:
    return f"routed by: {escape(call.route_reason)}" if call.route_reason else ""


def _line(call: Call) -> str:
    """How the line was: encryption, what the caller heard of the recording, quality."""
    parts = [escape(call.encryption)] if call.encryption else []
    if call.consent:
        parts.append(CONSENTS[call.consent])
    measures = (("MOS", call.mos, ""), ("loss", call.loss_percent, " %"), ("jitter", call.jitter_ms, " ms"))
    parts += [f"{name} {value:.1f}{unit}" for name, value, unit in measures if value is not None]
    return ", ".join(parts)


def _talk(talk: Mapping[str, Any]) -> str:
    """Who spoke how much, who fell into whose words, who spoke longest."""
    shares = [f"{leg} {share:.0%}" for leg, share in talk["talk"].items()]
    parts = [f"spoke: {', '.join(shares)}, nobody {talk['silence']:.0%}"]
    if talk["interruptions"]:
        parts.append(
            "interrupted by: "
            + ", ".join(f"{one['leg']} at {_offset(one['at_ms'])}" for one in talk["interruptions"])
        )
    if longest := talk["longest_monologue"]:
        length = _offset(longest["end_ms"] - longest["start_ms"])
        parts.append(f"longest: {longest['leg']} {length} from {_offset(longest['start_ms'])}")
    return "; ".join(parts)


def _clock(at: datetime) -> str:
    return f"{at.astimezone():%H:%M:%S}"


def _offset(milliseconds: int) -> str:
    return f"{milliseconds // 60000}:{milliseconds // 1000 % 60:02d}"
