"""``fsctl outcome``: what came of calls and threads, as people say it and as it stands."""

import argparse
import json
from datetime import UTC, datetime
from typing import Any

from fsctl.console.report import amount
from fsctl.store import outcomes
from fsctl.store.db import Database
from fsctl.store.outcomes import Outcome
from fsctl.terminal import escape


def new(options: argparse.Namespace, database: Database, who: str) -> str:
    """Store what a person says. Raises BadInput."""
    with database.transaction(f"saying what came of {options.subject}") as transaction:
        call_uuid, thread_id = outcomes.find(transaction, options.subject)
        outcome = Outcome(
            call_uuid=call_uuid,
            thread_id=thread_id,
            kind=options.kind,
            at=options.at or datetime.now(UTC),
            who=who,
            value=options.value,
            currency=options.currency,
            order_ref=options.order,
            note=options.note,
        )
        outcomes.add(transaction, outcome)
    return _line(outcome)


def listing(database: Database, since: datetime | None, *, as_json: bool) -> str:
    """The latest words, replaced ones too."""
    with database.transaction("reading outcomes") as transaction:
        found = outcomes.latest(transaction, since)
    if as_json:
        return json.dumps([_values(one) for one in found], indent=2)
    return "\n".join(map(_line, found)) or "nothing"


def _line(outcome: Outcome) -> str:
    worth = "" if outcome.value is None else f"{amount(outcome.value)} {outcome.currency}"
    words = (
        f"{outcome.at.astimezone():%Y-%m-%d %H:%M:%S}",
        outcomes.subject(outcome),
        outcome.kind,
        worth,
        f"order {outcome.order_ref}" if outcome.order_ref else "",
        f"by {outcome.who}",
        outcome.note,
        f"Meta: {outcome.conversion}" if outcome.conversion else "",
        "" if outcome.counts else "(replaced)",
    )
    return "  ".join(escape(word) for word in words if word)


def _values(outcome: Outcome) -> dict[str, Any]:
    names = ("id", "call_uuid", "thread_id", "kind", "currency", "order_ref", "note", "who", "conversion")
    return {name: getattr(outcome, name) for name in names} | {
        "at": outcome.at.isoformat(),
        "counts": outcome.counts,
        "value": None if outcome.value is None else amount(outcome.value),
    }
