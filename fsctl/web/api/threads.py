"""Threads, what stands in them, whose they are, and what happened."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import msgspec
from werkzeug import Response
from werkzeug.exceptions import Gone, NotFound

from fsctl.crm import events as told
from fsctl.store.db import Row
from fsctl.store.events import Event
from fsctl.store.pages import Page, Place
from fsctl.web.api import answers, forms
from fsctl.web.api import items as things
from fsctl.web.api.house import House
from fsctl.web.api.operation import Asked, said

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def threads(house: House, _asked: Asked, given: forms.Paged) -> answers.Threads:
    """Threads in order of their own last change.

    New ones, those of another contact now, and those that became part of another. For what happens in them see
    `/v1/changes`.
    """
    page = house.pages.threads(given.after, given.limit)
    return msgspec.convert(_values(page), answers.Threads)


def thread(house: House, asked: Asked, given: forms.OfThread) -> answers.Thread | Response:
    """One thread."""
    row = house.pages.thread(given.thread_id)
    if row is None:
        raise NotFound(f"There is no thread {given.thread_id}.")
    return _moved(row["merged_into"], "/v1/threads/{}", asked) or msgspec.convert(row, answers.Thread)


def items(house: House, asked: Asked, given: forms.OfItems) -> things.Items | Response:
    """What stands in a thread, in order of time."""
    row = house.pages.thread(given.thread_id)
    if row is None:
        raise NotFound(f"There is no thread {given.thread_id}.")
    if moved := _moved(row["merged_into"], "/v1/threads/{}/items", asked):
        return moved
    page = house.pages.items(given.thread_id, _place(said(given.after)), given.limit, given.order)
    values = _values(page) | {"next": None if page.next is None else _cursor(page.next)}
    return msgspec.convert(values, things.Items)


def changes(house: House, _asked: Asked, given: forms.Paged) -> things.Changes:
    """What stands in threads, in order of its last change.

    A thing that changes again comes again, under a higher number. Calls of which nobody knows who called have no
    thread, and are here too.
    """
    page = house.pages.changes(given.after, given.limit)
    return msgspec.convert(_values(page), things.Changes)


def events(house: House, _asked: Asked, given: forms.Paged) -> answers.Events:
    """What happened, in order: the same that webhooks are sent.

    They are kept for a time. Without `after` it begins with the oldest that there are.
    """
    page = house.pages.events(given.after, given.limit)
    # Asked for afterwards: what was forgotten while the page was read is missed, too.
    if 0 < given.after < (forgotten := house.pages.events_forgotten()):
        raise Gone(
            f"after: events up to {forgotten} are no longer kept; expected that number, or a higher one."
        )
    shown = [told.payload(_event(row), house.public_url) for row in page.rows]
    return msgspec.convert(_values(page) | {"data": shown}, answers.Events)


def contact(house: House, asked: Asked, given: forms.OfContact) -> answers.Contact | Response:
    """A customer, by all names."""
    row = house.pages.contact(given.contact_id)
    if row is None:
        raise NotFound(f"There is no contact {given.contact_id}.")
    return _moved(row["merged_into"], "/v1/contacts/{}", asked) or msgspec.convert(row, answers.Contact)


def _event(row: Row) -> Event:
    names = ("seq", "type", "thread_id", "call_uuid", "at", "data")
    return Event(id=row["event_id"], **{name: row[name] for name in names})


def _values(page: Page[Any]) -> dict[str, Any]:
    return {"data": page.rows, "next": page.next, "has_more": page.has_more}


def _moved(into: int | None, path: str, asked: Asked) -> Response | None:
    """The way to what it became."""
    if into is None:
        return None
    query = urlencode(asked.request.args)
    return Response(status=308, headers={"Location": path.format(into) + (f"?{query}" if query else "")})


def _cursor(place: Place) -> str:
    return f"{(place.at - _EPOCH) // _MICROSECOND}_{place.item_id}"


def _place(cursor: str | None) -> Place | None:
    if cursor is None:
        return None
    at, _, item_id = cursor.partition("_")
    return Place(_EPOCH + timedelta(microseconds=int(at)), int(item_id))
