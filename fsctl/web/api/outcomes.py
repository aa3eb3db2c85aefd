"""What came of calls and threads, as a CRM says it."""

from datetime import UTC, datetime
from decimal import Decimal

import msgspec
from werkzeug import Response
from werkzeug.exceptions import NotFound

from fsctl.store import outcomes
from fsctl.store.outcomes import Outcome
from fsctl.web.api import answers, forms
from fsctl.web.api.house import House
from fsctl.web.api.operation import JSON, Asked, said


def say_of_call(
    house: House, asked: Asked, given: forms.OfCall, body: forms.NewOutcome
) -> answers.Said | Response:
    """Say what came of a call.

    The latest word counts, all are kept.
    """
    if house.pages.call(given.call_uuid) is None:
        raise NotFound(f"There is no call {given.call_uuid}.")
    return _say(house, _outcome(asked, body, call_uuid=given.call_uuid))


def say_of_thread(
    house: House, asked: Asked, given: forms.OfThread, body: forms.NewOutcome
) -> answers.Said | Response:
    """Say what came of a thread.

    The latest word counts, all are kept. One that became part of another thread is said of that.
    """
    if house.pages.thread(given.thread_id) is None:
        raise NotFound(f"There is no thread {given.thread_id}.")
    return _say(house, _outcome(asked, body, thread_id=given.thread_id))


def _outcome(
    asked: Asked, body: forms.NewOutcome, call_uuid: str | None = None, thread_id: int | None = None
) -> Outcome:
    value = said(body.value)
    return Outcome(
        call_uuid=call_uuid,
        thread_id=thread_id,
        kind=body.kind,
        at=said(body.at) or datetime.now(UTC),
        who=asked.who,
        value=None if value is None else Decimal(value),
        currency=said(body.currency),
        order_ref=body.order_ref,
        note=body.note,
        key=said(body.key),
    )


def _say(house: House, outcome: Outcome) -> Response:
    with house.database.transaction(f"saying what came of {outcomes.subject(outcome)}") as transaction:
        stored = outcomes.add(transaction, outcome)
    return Response(msgspec.json.encode(answers.Said(stored)), 201 if stored else 200, mimetype=JSON)
