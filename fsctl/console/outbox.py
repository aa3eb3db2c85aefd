"""``fsctl outbox``: what is to be sent to Meta and what became of it; sending again, cancelling."""

import argparse
import dataclasses
import json
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from fsctl.errors import BadInput
from fsctl.terminal import escape
from fsctl.whatsapp.messages import readable

if TYPE_CHECKING:
    from fsctl.store.db import Database
    from fsctl.store.outbox_view import Listed, OutboxView

Add = Callable[[str, str], argparse.ArgumentParser]
STATES = ("pending", "claimed", "sent", "unsure", "failed", "cancelled")


def add_parser(add: Add, after: argparse.ArgumentParser) -> None:
    """Args: add: makes a command; after: arguments that each of its actions takes, too."""
    actions = add("outbox", "list what is to be sent to Meta, show, send again or cancel one").add_subparsers(
        dest="action", required=True, metavar="ACTION"
    )
    listing = actions.add_parser("list", help="the latest; 1 when one has failed", parents=[after])
    listing.add_argument("--state", choices=STATES, help="only these (default: all)")
    listing.add_argument("--thread", type=int, metavar="ID", help="of this thread only")
    show = actions.add_parser(
        "show", help="one, with what is sent and all that became of it", parents=[after]
    )
    retry = actions.add_parser("retry", help="send one that failed or was cancelled", parents=[after])
    cancel = actions.add_parser("cancel", help="do not send one that waits", parents=[after])
    for one in (show, retry, cancel):
        one.add_argument("key", help="its key, or its number in the list")
    retry.add_argument(
        "--even-if-sent", action="store_true", help="although the customer may have it: nobody knows"
    )
    for one in (listing, show):
        one.add_argument("--json", action="store_true", help="for programs")


def main(options: argparse.Namespace, database: "Database", who: str) -> int:
    """Run an action; returns the exit code. Args: who: the account that does it. Raises BadInput: no such item."""
    from fsctl.store.outbox_view import OutboxView

    view = OutboxView(database)
    if options.action == "list":
        items = view.listed(state=options.state, thread_id=options.thread)
        print(json.dumps([as_values(one) for one in items], indent=2) if options.json else as_text(items))
        return 1 if any(one.state == "failed" for one in items) else 0
    item = _one(view, options.key)
    if options.action == "show":
        values = as_values(item) | {"payload": dict(item.payload)}
        print(json.dumps(values, indent=2) if options.json else "\n".join(_whole(item)))
        return 0
    done = _retry(view, item, options.even_if_sent) if options.action == "retry" else _cancel(view, item, who)
    _audit(database, who, options.action, item, done)
    print(escape(f"{item.key}: {done}"))
    return 0


def _one(view: "OutboxView", key: str) -> "Listed":
    found = view.listed(key=key)
    if not found:
        raise BadInput(f"the outbox has no item {key!r}; `fsctl outbox list` shows them")
    return found[0]


def _retry(view: "OutboxView", item: "Listed", even_if_sent: bool) -> str:
    if item.state not in ("failed", "cancelled", "unsure"):
        raise BadInput(f"{item.key} is {item.state}: there is nothing to be sent again")
    if item.is_doubtful and not even_if_sent:
        raise BadInput(
            f"{item.key} may have been sent: neither an answer nor a webhook came. --even-if-sent sends it all the"
            " same, and the customer may get it twice"
        )
    if not view.retry(item):
        raise BadInput(f"{item.key} changed in this moment; look again")
    return "to be sent again"


def _cancel(view: "OutboxView", item: "Listed", who: str) -> str:
    if not view.cancel(item, f"cancelled by {who}"):
        raise BadInput(f"{item.key} does not wait: it is {_one(view, item.key).state}")
    return "cancelled"


def _audit(database: "Database", who: str, action: str, item: "Listed", result: str) -> None:
    from fsctl.store.audit import Audit, Entry

    found = {"found": item.state, "thread": item.thread_id}
    Audit(database).append(
        Entry(who=who, action=f"outbox.{action}", subject=item.key, detail=found, result=result)
    )


def as_values(item: "Listed") -> dict[str, Any]:
    """One object for JSON, without what is sent but its text."""
    values = dataclasses.asdict(item) | {"text": _text(item)}
    del values["payload"]
    return {key: one.isoformat() if isinstance(one, datetime) else one for key, one in values.items()}


def as_text(items: Sequence["Listed"]) -> str:
    """A line each, in local time."""
    return "\n".join(map(_line, items)) if items else "nothing"


def _line(item: "Listed") -> str:
    at = item.created_at.astimezone()
    tries = f"  tried {item.attempts} times" if item.attempts > 1 else ""
    words = [escape(one) for one in (item.key, item.name, item.status or "", item.reason) if one]
    return f"{item.id:8}  {at:%Y-%m-%d %H:%M:%S}  {item.state:9}{tries}  {'  '.join(words)}"


def _whole(item: "Listed") -> Iterator[str]:
    yield _line(item)
    doubt = "nobody knows whether the customer has it" if item.is_doubtful else ""
    times = ("not_before", "expires_at", "claimed_at", "tried_at", "settled_at")
    facts = [
        *(("kind", item.kind), ("thread", str(item.thread_id or "")), ("from", item.business_number)),
        *(("why", item.why), ("form", item.form or ""), ("wamid", item.wamid or ""), ("doubt", doubt)),
        *((name, _time(getattr(item, name))) for name in times),
    ]
    for name, value in facts:
        if value:
            yield f"  {name:10}  {escape(value)}"
    for line in json.dumps(dict(item.payload), indent=2, ensure_ascii=False).split("\n"):
        yield f"  {escape(line)}"


def _time(at: datetime | None) -> str:
    return f"{at.astimezone():%Y-%m-%d %H:%M:%S}" if at else ""


def _text(item: "Listed") -> str:
    message = item.payload.get(item.form or "message")
    return readable(message)[1] if isinstance(message, dict) else ""
