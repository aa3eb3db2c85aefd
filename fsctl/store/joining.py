"""Two contacts become one: rows move, nothing is deleted, and the log says so.

Knows: threads are joined per business number, and every table that names a contact or a thread follows (the view
``fsctl_place`` finds them). Refuses to know: why two contacts are one person's.
Called by: ``store.contacts``, which holds the lock on identity.
"""

from collections.abc import Collection, Mapping
from typing import Any

from psycopg.types.json import Jsonb

from fsctl.call.events import Alias
from fsctl.store.db import Transaction

MOST_MESSAGES = 5000
"""So many ids of a thread's last messages are written into the log, so that a split can give them back."""


def join(transaction: Transaction, stays: int, goes: int, who: str, detail: Mapping[str, Any]) -> None:
    """Everything of the contact that goes is the other's from now on; the old id leads to it.

    Args:
        who: a person's account, or ``fsctl``.
        detail: why, for the log; what was moved is added.
    """
    transaction.rows("joining.lock", ids=[stays, goes])
    messages: dict[str, list[int]] = {}
    moved: dict[str, int] = {}
    for thread in transaction.rows("joining.threads", stays=stays, goes=goes):
        row = transaction.one("joining.messages", thread_id=thread["id"], most=MOST_MESSAGES)
        messages[thread["business_number"]] = row["ids"] if row else []
        if thread["twin"] is None:
            transaction.run("joining.hand_thread", stays=stays, thread_id=thread["id"])
        else:
            _move(transaction, "thread_id", thread["id"], thread["twin"], moved)
            transaction.run("joining.merge_thread", thread_id=thread["id"], into=thread["twin"])
    _move(transaction, "contact_id", goes, stays, moved)
    transaction.run("joining.hand_aliases", stays=stays, goes=goes)
    transaction.run("joining.merge_contact", stays=stays, goes=goes)
    log(transaction, "merged", stays, goes, who, {**detail, "moved": moved, "messages": messages})


def _move(transaction: Transaction, place: str, old: int, new: int, moved: dict[str, int]) -> None:
    row = transaction.one("joining.move", place=place, old=old, new=new)
    for table, count in (row["moved"] if row else {}).items():
        moved[table] = moved.get(table, 0) + count


def give_back(
    transaction: Transaction, old: int, new: int, names: Collection[Alias], calls: list[list[list[str]]]
) -> dict[str, int]:
    """What is known to belong to names that were taken out of a contact goes with them.

    That is calls by these names alone, and the messages that came with them when contacts were merged. By which
    name another message came nobody knows: it stays.

    Args:
        calls: the names of such calls, as ``call.aliases`` has them.

    Returns:
        How many of each were moved.
    """
    returned = _brought(transaction, old, names)
    count = {"calls": 0, "messages": 0}
    for row in transaction.rows("joining.numbers", contact_id=old):
        number = row["business_number"]
        place = transaction.one(
            "contacts.place",
            contact_id=new, business_number=number, display_name="", hint=True, at=None, language=None,
        )  # fmt: skip
        assert place is not None
        given = transaction.one(
            "joining.hand_calls", old=old, thread_id=place["thread_id"], aliases=[Jsonb(one) for one in calls]
        )
        count["calls"] += given["calls"] if given else 0
        count["messages"] += transaction.run(
            "joining.hand_messages", old=old, thread_id=place["thread_id"], ids=returned.get(number, [])
        )
    return count


def _brought(transaction: Transaction, contact_id: int, names: Collection[Alias]) -> Mapping[str, list[int]]:
    """Messages that came with one of the names, by business number: the latest merge that brought it counts."""
    wanted = {(alias.kind, alias.value) for alias in names}
    for row in transaction.rows("joining.brought", contact_id=contact_id):
        came = {(kind, value) for kind, value in row["detail"].get("names", ())}
        if came & wanted:
            found: Mapping[str, list[int]] = row["detail"].get("messages", {})
            return found
    return {}


def log(
    transaction: Transaction,
    what: str,
    contact_id: int,
    other_id: int | None,
    who: str,
    detail: Mapping[str, Any],
) -> None:
    """Add an entry to the log of contacts."""
    transaction.run(
        "joining.log",
        what=what,
        contact_id=contact_id,
        other_id=other_id,
        who=who,
        detail=Jsonb(dict(detail)),
    )
