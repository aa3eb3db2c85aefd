"""``calls`` and ``call``: what goes on, and all that is known of one conversation."""

import contextlib
from collections.abc import Iterator
from dataclasses import asdict, fields, replace
from datetime import UTC, datetime
from typing import Any

from fsctl.call import disposition
from fsctl.call.events import Quality
from fsctl.call.state import Call, Phase
from fsctl.console import table
from fsctl.console.commands.command import Arguments, Asked, House, Result, command
from fsctl.console.commands.where import conditions
from fsctl.crm.as_json import call_as_dict
from fsctl.crm.as_text import CONSENTS
from fsctl.errors import BadInput, FsctlError
from fsctl.esl import decode, encode
from fsctl.esl.messages import Event, JsonFields
from fsctl.store.call_view import CallsView, CallView, Fact, Listed, Where
from fsctl.terminal import escape

KEYS = tuple(field.name for field in fields(Where))
HEADS = ("call", "phase", "for", "caller", "to", "queue", "agent", "MOS", "node")
MAX_STORY = 60
"""Lines of a call's story for people."""


@command(
    "list calls that go on, or those that match",
    keys=KEYS,
    follows=True,
)
def calls(asked: Asked) -> Result:
    """Open calls; ended ones where ``wacid``, ``uuid``, ``thread``, ``disposition`` or ``phase=ended`` asks."""
    given: dict[str, Any] = conditions(asked.options.where, KEYS)
    if "thread" in given:
        if not (given["thread"].isascii() and given["thread"].isdigit() and len(given["thread"]) < 19):
            raise BadInput(f"thread={given['thread'][:40]}: expected a thread's number")
        given["thread"] = int(given["thread"])
    listed = CallsView(asked.house.database).listed(Where(**({"node": asked.house.node} | given)))
    now = datetime.now(UTC)
    rows = [_row(one, now) for one in listed]
    text = table.render(HEADS, rows, right=("for", "MOS")) if rows else "no calls"
    return Result(text, values=[_values(one, now) for one in listed])


def _row(call: Listed, now: datetime) -> tuple[object, ...]:
    phase = call.disposition.replace("_", " ") if call.disposition else call.phase
    mos = None if call.mos is None else f"{call.mos:.1f}"
    length = table.duration(_length_s(call, now))
    return call.uuid, phase, length, call.name, call.to_number, call.queue, call.agent, mos, call.node


def _length_s(call: Listed, now: datetime) -> float:
    return ((call.ended_at or now) - call.offered_at).total_seconds()


def _values(call: Listed, now: datetime) -> dict[str, Any]:
    values = asdict(call) | {"length_s": round(_length_s(call, now), 1)}
    return {key: value.isoformat() if isinstance(value, datetime) else value for key, value in values.items()}


# --- one call ----------------------------------------------------------------------------------------------


def _call(parser: Arguments) -> None:
    parser.add_argument("uuid", help="the call's uuid, how it begins, or its wacid")


@command(
    "show a call: story, quality, encryption, consent, what was said so far",
    arguments=_call,
    follows=True,
    places=("call",),
)
def call(asked: Asked) -> Result:
    """All of a call, whether it goes on or not."""
    view = CallsView(asked.house.database).read(asked.options.uuid)
    if view.item.call.phase is not Phase.ENDED:
        view = replace(view, item=replace(view.item, call=_as_it_stands(view.item.call, asked.house)))
    story = [{"at": fact.at.isoformat(), "kind": fact.kind, "data": fact.data} for fact in view.story]
    values = call_as_dict(view.item) | {"story": story}
    return Result("\n".join(_lines(view)), values=values, node=view.item.call.node)


def _as_it_stands(call: Call, house: House) -> Call:
    """With what its channel tells now; as it is stored where the switch does not answer."""
    with contextlib.suppress(FsctlError), house.connect(call.node) as switch:
        switch.request(encode.MeasureMedia(call.uuid))
        dump = switch.request(encode.DumpChannel(call.uuid))
        if dump.ok:
            line = decode.line(Event(JsonFields(dump.text.encode()), b""))
            heard = line.quality or Quality(
                mos=call.mos, loss_percent=call.loss_percent, jitter_ms=call.jitter_ms
            )
            return replace(
                call, encryption=line.encryption or call.encryption, consent=line.consent or call.consent,
                mos=heard.mos, loss_percent=heard.loss_percent, jitter_ms=heard.jitter_ms,
            )  # fmt: skip
    return call


def _lines(view: CallView) -> Iterator[str]:
    call = view.item.call
    front = "WhatsApp call" if call.channel == "whatsapp" else "call"
    yield f"{front} {escape(call.uuid)} on {escape(call.node)}: {escape(disposition.words(call))}"
    yield from table.facts(_known(view))
    yield "story"
    yield from (f"  {_fact(fact)}" for fact in view.story[-MAX_STORY:])
    yield "transcript" + ("" if view.item.progress.is_whole and call.ended_at else " so far")
    for spoken in view.item.turns:
        speaker = "caller" if spoken.turn.leg == "caller" else escape(call.agent or "agent")
        yield f"  {table.duration(spoken.turn.start_ms / 1000):>5}  {speaker}: {escape(spoken.turn.text)}"
    if not view.item.turns:
        yield "  nothing yet"


def _known(view: CallView) -> Iterator[tuple[str, object]]:
    call, followup = view.item.call, view.item.followup
    names = ", ".join(f"{alias.kind} {alias.value}" for alias in call.aliases)
    yield "caller", " ".join(filter(None, (call.display_name, f"({names})" if names else "")))
    yield "to", call.to_number
    yield "thread", call.thread_id
    yield "wacid", call.wacid
    yield "offered", _clock(call.offered_at)
    yield "came by", _came(view)
    yield "queue", call.queue
    yield "routed by", call.route_reason
    yield "waited", None if call.waited_s is None else table.duration(call.waited_s)
    yield "agent", call.agent
    yield "language", call.language
    yield "encryption", call.encryption or "none known"
    yield "consent", CONSENTS[call.consent] if call.consent else "not asked"
    yield "quality", _quality(view)
    yield "hangup cause", call.hangup_cause
    yield "follow-up", followup and f"{followup.outcome}: {followup.reason}"


def _came(view: CallView) -> str:
    """By which ad, link or button, and whether that is more than a hint."""
    return ", ".join(
        " ".join(
            filter(None, (one.source, one.campaign or one.source_id, "" if one.trusted else "(unsigned)"))
        )
        for one in view.item.touches
    )


def _quality(view: CallView) -> str:
    call = view.item.call
    measures = (("MOS", call.mos, ""), ("loss", call.loss_percent, " %"), ("jitter", call.jitter_ms, " ms"))
    said = [f"{name} {value:.1f}{unit}" for name, value, unit in measures if value is not None]
    return ", ".join(said) or "not measured yet"


def _fact(fact: Fact) -> str:
    """A fact in one line: what it says besides the time and the uuid."""
    told = (f"{key}={value}" for key, value in sorted(fact.data.items()) if _is_short(value))
    return f"{_clock(fact.at)}  {fact.kind.replace('_', ' '):18} {escape(' '.join(told))[:160]}".rstrip()


def _is_short(value: object) -> bool:
    return isinstance(value, int | float | str) and value != "" and len(str(value)) <= 80


def _clock(at: datetime) -> str:
    return f"{at.astimezone():%Y-%m-%d %H:%M:%S}"
