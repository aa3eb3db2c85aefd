"""What came of a call or of a thread: said by an agent or a CRM, kept for ever, the latest word counts.

Refuses to know who may say it, and what Meta is told of it (``whatsapp.conversions``).
Called by: ``fsctl outcome``, whoever shows a thread, the loop that tells Meta.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from fsctl.errors import BadInput
from fsctl.store import audit
from fsctl.store.db import Row, Transaction
from fsctl.store.touches import storable

KIND = re.compile(r"[a-z][a-z0-9_-]{0,31}\Z")
"""``sale`` and ``lead`` mean something to reports and to Meta; others are the house's own, such as ``no-sale``."""
CURRENCY = re.compile(r"[A-Z]{3}\Z")
"""ISO 4217."""
MAX_VALUE = Decimal(10) ** 14
PLACES = Decimal("0.0001")
"""Of a value: four, as much as any currency of ISO 4217 has."""
MAX_REF = 100
"""Characters of an order's or a CRM's reference."""
MOST = 1000


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One word on what came of it: of a call or of a thread, never of both."""

    kind: str
    at: datetime
    """When it came to be; a CRM may say it later."""
    who: str
    call_uuid: str | None = None
    thread_id: int | None = None
    value: Decimal | None = None
    currency: str | None = None
    """ISO 4217; with a value, and only with one."""
    order_ref: str = ""
    """Tells several sales of one call or thread apart."""
    note: str = ""
    key: str | None = None
    """Of a CRM: the same key told twice stands once."""
    id: int | None = None
    made_at: datetime | None = None
    conversion: str | None = None
    """What was decided about telling Meta; None: nothing yet."""
    counts: bool = True
    """False: a later word on the same call or thread and order has replaced it."""


@dataclass(frozen=True)
class Undecided:
    """A word of which nobody has decided whether Meta is told."""

    outcome: Outcome
    thread_id: int | None
    """Its own, or its call's; None where the call has none."""
    moment: datetime
    """Until when what brought the customer counts: when the call was offered, else the outcome's own time."""


def add(transaction: Transaction, outcome: Outcome) -> bool:
    """Store a word, and who said it in the audit, within a transaction.

    Returns:
        False when its key is there already: nothing was stored.

    Raises:
        BadInput: it is not what an outcome can be.
    """
    check(outcome)
    added = transaction.run(
        "outcomes.add",
        call_uuid=outcome.call_uuid,
        thread_id=outcome.thread_id,
        order_ref=storable(outcome.order_ref),
        at=outcome.at,
        kind=outcome.kind,
        value=outcome.value,
        currency=outcome.currency,
        note=storable(outcome.note),
        who=outcome.who,
        key=outcome.key,
    )
    if not added:
        return False
    detail = {"kind": outcome.kind, "order": outcome.order_ref, "note": outcome.note}
    if outcome.value is not None:
        detail |= {"value": str(outcome.value), "currency": outcome.currency or ""}
    entry = audit.Entry(who=outcome.who, action="outcome.set", subject=subject(outcome), detail=detail)
    audit.append(transaction, entry)
    return True


def check(outcome: Outcome) -> None:
    """Raises BadInput, with what is expected."""
    if (outcome.call_uuid is None) == (outcome.thread_id is None):
        raise BadInput("an outcome is of a call or of a thread")
    if not KIND.match(outcome.kind):
        raise BadInput(f"kind: expected a word in small letters such as sale or lead, not {outcome.kind!r}")
    if (outcome.value is None) != (outcome.currency is None):
        raise BadInput("a value needs a currency, and a currency a value")
    if outcome.currency is not None and not CURRENCY.match(outcome.currency):
        raise BadInput(f"currency: expected three letters such as EUR, not {outcome.currency!r}")
    if outcome.value is not None and not _is_amount(outcome.value):
        raise BadInput(f"value: expected a number such as 120 or 99.90, not {outcome.value}")
    if len(outcome.order_ref) > MAX_REF or len(outcome.key or "") > MAX_REF:
        raise BadInput(f"a reference has {MAX_REF} characters at most")
    if outcome.at.tzinfo is None:
        raise BadInput("the time of an outcome needs its zone")


def _is_amount(value: Decimal) -> bool:
    return value.is_finite() and 0 <= value < MAX_VALUE and value == value.quantize(PLACES)


def subject(outcome: Outcome) -> str:
    """``call UUID`` or ``thread ID``."""
    return f"thread {outcome.thread_id}" if outcome.call_uuid is None else f"call {outcome.call_uuid}"


def find(transaction: Transaction, name: str) -> tuple[str | None, int | None]:
    """The call (uuid or wacid) or the thread (id of up to 9 digits) that a person names.

    Returns:
        A call's uuid or a thread's id; one of them is None.

    Raises:
        BadInput: there is none.
    """
    if name.isascii() and name.isdigit() and len(name) < 10:
        row = transaction.one("threads.thread_by_id", id=int(name))
        if row is not None:
            return None, row["id"]
    row = transaction.one("routes.call_by_id", id=storable(name).rstrip("="))
    if row is None:
        raise BadInput(f"{name}: no such call or thread")
    return row["uuid"], None


def of_thread(transaction: Transaction, thread_id: int) -> list[Outcome]:
    """Every word on a thread and on its calls, the earliest first; ``counts`` says which hold."""
    return [_outcome(row) for row in transaction.rows("outcomes.of_thread", thread_id=thread_id)]


def latest(transaction: Transaction, since: datetime | None) -> list[Outcome]:
    """The latest MOST words, the earliest first. Args: since: nothing before this."""
    return [_outcome(row) for row in transaction.rows("outcomes.latest", since=since, most=MOST)]


def undecided(transaction: Transaction, before: datetime, most: int) -> list[Undecided]:
    """Words that were said before a moment and are still undecided; ours until the transaction ends."""
    rows = transaction.rows("outcomes.undecided", before=before, most=most)
    return [Undecided(_outcome(row), row["where_thread"], row["moment"]) for row in rows]


def decide(transaction: Transaction, id_: int, decision: str) -> None:
    """Note what was decided about telling Meta."""
    transaction.run("outcomes.decide", id=id_, conversion=decision)


def _outcome(row: Row) -> Outcome:
    return Outcome(**{name: row[name] for name in Outcome.__dataclass_fields__})
