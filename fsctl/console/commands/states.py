"""``link``, ``transcribe``, ``recordings``, ``outbox``, ``reconcile``: how the parts of the house are."""

import argparse
import json
from dataclasses import asdict
from datetime import datetime
from typing import Any

from fsctl import reconciler
from fsctl.console import link as links
from fsctl.console import load, table
from fsctl.console import outbox as items
from fsctl.console.commands.command import Asked, Result, command
from fsctl.console.commands.where import conditions
from fsctl.errors import BadInput
from fsctl.esl.decode import Origin
from fsctl.reconciler import Reconciler
from fsctl.store.agents import Agents
from fsctl.store.alarms import Alarms
from fsctl.store.audit import Audit
from fsctl.store.keeping import KnownRecording
from fsctl.store.links import Links
from fsctl.store.outbox_view import OutboxView
from fsctl.store.recordings import Recordings
from fsctl.store.transcripts import Transcripts
from fsctl.terminal import escape

STATES = ("growing", "closed", "cut", "failed", "archived")
RECORDING_KEYS = ("state", "call", "node")
OUTBOX_KEYS = ("state", "thread", "key")
MOST = 200
"""Recordings or items of the outbox shown at once: the latest."""


@command("show how the link to each FreeSWITCH is", follows=True)
def link(asked: Asked) -> Result:
    """The same table as ``fsctl link``; not ok when a node has no link that is ready."""
    reports = [one for one in Links(asked.house.database).all() if asked.house.node in (None, one.node)]
    if not reports:
        return Result("no controller has reported yet: does `fsctl serve` run?", ok=False, values=[])
    return Result(
        links.as_text(reports), ok=links.is_well(reports), values=json.loads(links.as_json(reports))
    )


@command(
    "show how the transcribers keep up: depth, lag, workers, what was shed",
    follows=True,
)
def transcribe(asked: Asked) -> Result:
    """The same lines as ``fsctl transcribe --status``."""
    found = Transcripts(asked.house.database).load()
    return Result(load.as_text(found), values=load.as_values(found))


# --- recordings --------------------------------------------------------------------------------------------


@command(
    "list recordings that are open or failed, or those that match",
    keys=RECORDING_KEYS,
    follows=True,
)
def recordings(asked: Asked) -> Result:
    """Recordings and the alarms about them; ``where state=archived`` for those that are kept."""
    given = conditions(asked.options.where, RECORDING_KEYS)
    stored, node = Recordings(asked.house.database, ""), given.get("node", asked.house.node)
    if "call" in given:
        found = stored.of_call(given["call"])
    else:
        wanted = [given["state"]] if "state" in given else [one for one in STATES if one != "archived"]
        found = [one for state in wanted for one in stored.known(state=state, node=node, limit=MOST)]
    shown = [one for one in found if given.get("state", one.state) == one.state and node in (None, one.node)]
    heads = ("call", "state", "began", "length", "bytes", "node", "what is wrong")
    text = table.render(heads, map(_recording, shown), right=("length", "bytes")) if shown else "none"
    alarms = [one for one in Alarms(asked.house.database, "").up() if node in (None, one.node)]
    lines = [f"alarm: {escape(one.kind)} {escape(one.subject)}: {escape(one.detail)}" for one in alarms]
    values = {
        "recordings": [_plain(asdict(one)) for one in shown],
        "alarms": [_plain(asdict(a)) for a in alarms],
    }
    return Result("\n".join([text, *lines]), values=values)


def _recording(one: KnownRecording) -> tuple[object, ...]:
    faults = "; ".join(found["text"] for found in one.findings if found["severity"] == "fault")
    length = None if one.length_s is None else table.duration(one.length_s)
    began = f"{one.started_at.astimezone():%Y-%m-%d %H:%M:%S}"
    return one.call_uuid, one.state, began, length, one.bytes, one.node, one.error or faults


# --- outbox ------------------------------------------------------------------------------------------------


@command(
    "list what is sent to Meta: messages, conversions, and what became of them",
    keys=OUTBOX_KEYS,
    follows=True,
)
def outbox(asked: Asked) -> Result:
    """The latest items."""
    given = conditions(asked.options.where, OUTBOX_KEYS)
    thread = given.get("thread", "")
    thread_id = int(thread) if thread.isascii() and thread.isdigit() and len(thread) < 19 else None
    if thread and thread_id is None:
        raise BadInput(f"thread={thread[:40]}: expected a thread's number")
    found = OutboxView(asked.house.database).listed(
        state=given.get("state"), thread_id=thread_id, key=given.get("key")
    )[-MOST:]
    return Result(items.as_text(found), values=[items.as_values(one) for one in found])


# --- reconcile ---------------------------------------------------------------------------------------------


def _question(options: argparse.Namespace) -> str:  # noqa: ARG001
    return "Repair what mod_callcenter has wrong?"


@command(
    "compare mod_callcenter with what stands, and repair", role="operator", changes=True, question=_question
)
def reconcile(asked: Asked) -> Result:
    """As ``fsctl reconcile``: two looks, one repair, another look. Not ok when something is left."""
    house = asked.house
    node = house.chosen()
    with house.connect(node.name) as switch:
        one = Reconciler(
            switch.request, Origin(node.name, node.contexts), Agents(house.database), Audit(house.database),
            house.wrap_ups(), asked.who.user,
        )  # fmt: skip
        lines, is_well = reconciler.once(one, act=not asked.options.dry_run)
    text = "\n".join(escape(line) for line in lines) or "nothing is wrong"
    values = {"node": node.name, "is_well": is_well, "lines": lines}
    return Result(text, ok=is_well, values=values, node=node.name)


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value.isoformat() if isinstance(value, datetime) else value for key, value in values.items()}
