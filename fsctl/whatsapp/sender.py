"""Sends one message: to whom, in which form, and what its answer means.

Knows: our numbers' ids at Meta, the Graph API's answers. Refuses to know rows, greenlets, when to try again.
Called by the pump.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from fsctl.call.events import Alias
from fsctl.store.outbox import Claimed, Failed, Outcome, Sent, Unsure
from fsctl.whatsapp import retry
from fsctl.whatsapp.graph import Graph, GraphDown, GraphRefused, GraphUnsure
from fsctl.whatsapp.messages import Message, addressed

WINDOW_CLOSED = 131047


class Sender(Protocol):
    """Sends what is of one kind. May be asked by many greenlets at once."""

    def send(self, item: Claimed) -> Outcome:
        """Try once, now."""


class MessageSender:
    """Kind ``message``: to a customer's phone."""

    def __init__(self, graph: Graph, number_ids: Mapping[str, str]) -> None:
        """Args: number_ids: business number -> its id at Meta."""
        self._graph = graph
        self._number_ids = number_ids

    def send(self, item: Claimed) -> Outcome:
        """See Sender."""
        number_id = self._number_ids.get(item.business_number)
        if not number_id:
            return Failed(f"number {item.business_number or '?'}: no phone_number_id in the config")
        if item.opted_out_at is not None:
            return Failed(f"the customer opted out on {item.opted_out_at:%Y-%m-%d}")
        if item.form is None:
            return Failed("the service window is closed, and there is no template", WINDOW_CLOSED)
        name = recipient_of(item.names)
        if name is None:
            return Failed("the contact has neither a number nor a user id")
        where = {"recipient": name.value} if name.kind == "bsuid" else {"to": name.value}
        message = addressed(item.payload[item.form], key=item.key, **where)
        return self._post(f"{number_id}/messages", message, item.attempts, name)

    def _post(self, path: str, message: Message, attempts: int, name: Alias) -> Outcome:
        try:
            answer = self._graph.post(path, message)
        except GraphRefused as error:
            rule = retry.rule_of(error.code, error.status)
            return retry.decide(rule, str(error), attempts, error.code, error.retry_after)
        except GraphDown as error:
            return retry.decide(retry.UNREACHABLE, str(error), attempts)
        except GraphUnsure as error:
            return Unsure(str(error))
        return _sent(answer, name)


def recipient_of(names: Sequence[Alias]) -> Alias | None:
    """The name to send to: a number, as at Meta's, else a user id.

    Args:
        names: the newest first.
    """
    numbers = [name for name in names if name.value.isascii() and name.value.isdigit()]
    found = (name for kind in ("wa_id", "phone") for name in numbers if name.kind == kind)
    return next(found, None) or next((name for name in names if name.kind == "bsuid"), None)


def _sent(answer: Mapping[str, object], name: Alias) -> Outcome:
    wamid = _text(answer, "messages", "id")
    if not wamid:
        return Unsure("Meta took it and named no id")
    return Sent(wamid, _text(answer, "contacts", "wa_id"), _text(answer, "contacts", "user_id"), name)


def _text(answer: Mapping[str, object], key: str, field: str) -> str:
    """A field of the first object of a list; empty where there is none."""
    rows = answer.get(key)
    first = rows[0] if isinstance(rows, list) and rows else None
    found = first.get(field) if isinstance(first, dict) else None
    return found if isinstance(found, str) else ""
