"""``fsctl message send``: a person writes to a customer."""

import argparse
import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from fsctl.call.policy import Policy
from fsctl.errors import BadInput
from fsctl.terminal import escape
from fsctl.whatsapp import messages

if TYPE_CHECKING:
    from fsctl.store.db import Database
    from fsctl.store.outbox_view import Standing
    from fsctl.store.threads import Thread

Add = Callable[[str, str], argparse.ArgumentParser]


def add_parser(add: Add, after: argparse.ArgumentParser) -> None:
    """Args: add: makes a command; after: arguments that each of its actions takes, too."""
    actions = add("message", "write to a customer").add_subparsers(
        dest="action", required=True, metavar="ACTION"
    )
    send = actions.add_parser("send", help="through the outbox; `fsctl serve` sends it", parents=[after])
    send.add_argument("who", help="thread id, number, user id or name of the contact")
    send.add_argument("text", nargs="?", default="", help="while the service window is open")
    send.add_argument("--template", metavar="NAME", help="outside of the window, or without a text")
    send.add_argument("--language", metavar="XX", help="of the template (default: the contact's)")
    send.add_argument(
        "--value",
        action="append",
        default=[],
        metavar="TEXT",
        help="of {{1}}, {{2}}, ... of the template's body",
    )
    send.add_argument("--dry-run", action="store_true", help="say what would be sent")
    send.add_argument("--json", action="store_true", help="for programs")


def main(options: argparse.Namespace, database: "Database", policy: Policy, who: str) -> int:
    """Put a message into the outbox; returns the exit code.

    Args:
        who: the account that writes.

    Raises:
        BadInput: nobody, or more than one, is called so; or Meta would not take it.
    """
    from fsctl.store.outbox_view import OutboxView

    thread = _thread(database, options.who, policy)
    payload = _payload(options, thread)
    standing = OutboxView(database).standing(thread.id)
    form = _form(standing, payload, policy, thread)
    key = "" if options.dry_run else _add(database, thread, payload, who, options.template)
    if options.json:
        print(
            json.dumps(
                {"thread_id": thread.id, "form": form, "key": key or None, "payload": payload}, indent=2
            )
        )
        return 0
    shown = f"{thread.display_name or 'no name'} (thread {thread.id}), from {thread.business_number}"
    done = f"in the outbox as {key}" if key else "would be sent"
    print(escape(f"{shown}: {done}: {messages.readable(payload[form] or {})[1]}"))
    return 0


def _thread(database: "Database", who: str, policy: Policy) -> "Thread":
    from fsctl.store.threads import Threads

    found = Threads(database, policy.redaction_of_chat).find(who) if who else []
    if not found:
        raise BadInput(f"no thread of {who!r}; `fsctl thread list` shows them")
    if len(found) > 1:
        some = ", ".join(f"{one.id} ({one.display_name}, {one.business_number})" for one in found[:5])
        raise BadInput(f"{who!r} is not one thread but {len(found)}: {some}; name its id")
    return found[0]


def _payload(options: argparse.Namespace, thread: "Thread") -> dict[str, Any]:
    if not options.text and not options.template:
        raise BadInput("neither a text nor a --template: what shall be sent?")
    template = None
    if options.template:
        language = options.language or thread.language
        if not language:
            raise BadInput("the contact's language is not known: which --language has the template?")
        values = [messages.body_texts(*options.value)] if options.value else []
        template = messages.template(options.template, language, values)
    return {"message": messages.text(options.text) if options.text else None, "template": template}


def _form(standing: "Standing", payload: dict[str, Any], policy: Policy, thread: "Thread") -> str:
    """Which of the two would be sent now."""
    number = policy.numbers.get(thread.business_number)
    if number is None or not number.phone_number_id:
        raise BadInput(f"number {thread.business_number}: no phone_number_id in the config, nothing is sent")
    if standing.opted_out_at is not None:
        raise BadInput(f"the customer opted out on {standing.opted_out_at:%Y-%m-%d}: nothing is sent")
    if payload["message"] and standing.takes_text(datetime.now(UTC)):
        return "message"
    if payload["template"]:
        return "template"
    since = f"since {standing.window_until.astimezone():%Y-%m-%d %H:%M}" if standing.window_until else "still"
    raise BadInput(f"the service window is closed {since}: Meta takes a --template only")


def _add(
    database: "Database", thread: "Thread", payload: dict[str, Any], who: str, template: str | None
) -> str:
    from fsctl.store import audit, outbox

    item = outbox.Item(
        key=f"cli/{uuid.uuid4()}",
        kind="message",
        thread_id=thread.id,
        payload=payload,
        why=f"written by {who}",
    )
    detail = {"key": item.key, "template": template or ""}
    subject = f"thread {thread.id}"
    with database.transaction(f"writing to thread {thread.id}") as transaction:
        outbox.add(transaction, item)
        audit.append(
            transaction,
            audit.Entry(
                who=who, action="message.send", subject=subject, detail=detail, result="in the outbox"
            ),
        )
    return item.key
