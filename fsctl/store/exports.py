"""What a person wants to have out of the house: a call by itself, or a thread."""

from dataclasses import replace

from fsctl.errors import BadInput
from fsctl.store.call_view import CallsView
from fsctl.store.db import Database
from fsctl.store.items import CallItem, ThreadView, read_thread
from fsctl.store.threads import NOBODY, Thread, Threads


def find(database: Database, who: str) -> ThreadView:
    """A call (uuid or wacid), in a thread that holds nothing else; or else the thread that is meant.

    Args:
        who: besides, a thread's id, or a number, user id or name of its contact.

    Raises:
        BadInput: nothing is meant by this, or more than one thread.
    """
    with database.statement(f"looking for call {who!r}") as transaction:
        row = transaction.one("routes.call_by_id", id=who.rstrip("="))
    if row is not None:
        return _of_call(database, CallsView(database).read(row["uuid"]).item)
    found = Threads(database).find(who) if who else []
    if len(found) == 1:
        return read_thread(database, found[0])
    if found:
        raise BadInput(f"{who!r} may be thread {', '.join(str(one.id) for one in found)}: name one")
    raise BadInput(f"neither a call nor a thread is known as {who[:80]!r}")


def _of_call(database: Database, item: CallItem) -> ThreadView:
    call = item.call
    with database.transaction(f"reading the thread of call {call.uuid}") as transaction:
        row = transaction.one("threads.thread_by_id", id=call.thread_id)
        aliases = transaction.rows("threads.aliases_of_contact", contact_id=row["contact_id"]) if row else []
    if row is None:
        unknown = Thread(NOBODY, NOBODY, call.to_number, call.display_name, call.language)
        return ThreadView(unknown, [(alias.kind, alias.value) for alias in call.aliases], [item], call.uuid)
    thread = Thread(**row)
    named = replace(thread, display_name=thread.display_name or call.display_name)
    return ThreadView(named, [(alias["kind"], alias["value"]) for alias in aliases], [item], call.uuid)
