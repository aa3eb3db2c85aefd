"""A thread for people: chat, calls and turns in order, who spoke and when."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from fsctl.call import disposition
from fsctl.call.events import Consent
from fsctl.call.state import Call, Disposition
from fsctl.store.items import CallItem, MessageItem, ThreadView
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


def render(view: ThreadView) -> str:
    """The thread as lines of text; strangers' text is escaped. Times are local."""
    return "\n".join(_lines(view))


def _lines(view: ThreadView) -> Iterator[str]:
    names = ", ".join(f"{kind} {escape(value)}" for kind, value in view.aliases)
    thread = view.thread
    yield (
        f"Thread {thread.id}: {escape(thread.display_name) or 'unknown'} ({names}) "
        f"with {escape(thread.business_number)}"
    )
    day = ""
    for item in view.items:
        today = f"{item.at.astimezone():%A %d %B %Y}"
        if today != day:
            day = today
            yield f"  {day}"
        yield from _message(item, view) if isinstance(item, MessageItem) else _call(item)


def _message(item: MessageItem, view: ThreadView) -> Iterator[str]:
    who = (escape(view.thread.display_name) or "customer") if item.direction == "inbound" else "us"
    body = item.body if item.type == "text" else f"[{item.type}] {item.body}"
    yield f"    {_clock(item.at)}  {who}: {escape(body)}"


def _call(item: CallItem) -> Iterator[str]:
    yield f"    {_clock(item.at)}  ☎ {_headline(item.call)}"
    for words in (_routed(item.call), _line(item.call)):
        if words:
            yield f"              {words}"
    for spoken in item.turns:
        turn = spoken.turn
        who = "caller" if turn.leg == "caller" else escape(item.call.agent or "agent")
        yield f"        {_offset(turn.start_ms)}  {who:>8}: {escape(turn.text)}"
    if item.talk:
        yield f"        {_talk(item.talk)}"
    missing = item.progress.failed
    if missing:
        yield f"        ({missing} utterances could not be decoded)"
    if item.call.disposition is not None and item.progress.recordings and not item.progress.is_whole:
        yield "        (the transcript is not whole yet)"


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
