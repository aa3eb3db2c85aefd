"""What is to be sent to Meta: added in the transaction of the fact that wants it, sent once, by whoever claims it.

::

    pending ──claim──> claimed ──> sent          Meta has it (its wamid), or a webhook says so
       ^                  │  ├───> failed        it will not be sent; the reason is in the row
       └──────Again───────┘  └───> unsure        nobody can say; only a webhook makes it sent, 10 min make it failed
    pending ──> cancelled (a person), failed (expired)

A claim is committed before anything leaves, so a sender that dies in between leaves a lease that runs out, and the
row becomes unsure: it is never sent again by itself. What a webhook says (``confirm``) wins over all of it.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from psycopg.types.json import Jsonb

from fsctl.call.events import Alias
from fsctl.errors import BadInput
from fsctl.store import contacts, messages
from fsctl.store.db import Database, Row, Transaction
from fsctl.store.messages import RANKS
from fsctl.store.outbox_item import Again, Claimed, Confirmation, Failed, Item, Outcome, Sent, Unsure
from fsctl.whatsapp.messages import readable

__all__ = [
    "Again", "Claimed", "Confirmation", "Failed", "Item", "Outbox", "Outcome", "Sent", "Unsure", "add", "confirm",
    "confirm_all",
]  # fmt: skip

CHANNEL = "fsctl_outbox"
"""What Postgres notifies when something was added."""
MAX_KEY = 200
MAX_REASON = 500
"""Characters kept."""
LEASE_S = 60.0
"""Longer than a request can take (whatsapp/graph.py)."""
UNSURE_FOR_S = 600.0
"""So long a webhook may take to say what became of it."""
PAIR_S = 6.0
"""One message in so many seconds to one user. Meta, "Throughput": pair rate limit, error 131056."""
NUMBER_PER_S = 80
"""Messages a second from one business number. Meta, "Throughput": error 130429."""
WINDOW_S = 86400.0
"""The service window, from the user's last message or call. Meta, "Send messages": error 131047 outside."""
OPTED_OUT = 131050
"""Meta's code: the user wants no more marketing."""
AGAIN_AFTER_S = 60.0
"""After a failure that a webhook told, and that may pass."""

Redaction = Callable[[str], Sequence[str]]

_KEY = re.compile(rf"[!-~]{{1,{MAX_KEY}}}")


def add(transaction: Transaction, item: Item) -> bool:
    """Add an item; it is sent once this transaction is committed.

    Returns:
        False when the key is there already, in whatever state: nothing is done.

    Raises:
        BadInput: a key that Meta would not hand back as it is.
    """
    if not _KEY.fullmatch(item.key):
        raise BadInput(
            f"outbox key {item.key[:MAX_KEY]!r}: 1 to {MAX_KEY} printable ASCII characters are expected"
        )
    return bool(
        transaction.run(
            "outbox.add", key=item.key, kind=item.kind, thread_id=item.thread_id,
            payload=Jsonb(_storable(item.payload)), why=_storable(item.why)[:MAX_REASON],
            not_before=item.not_before, expires_at=item.expires_at,
        )
    )  # fmt: skip


def confirm(transaction: Transaction, confirmation: Confirmation) -> bool:
    """A webhook says what became of a message: any number of times, in any order, before we know its wamid or
    after.

    Returns:
        False when it is none of ours.
    """
    return confirm_all(transaction, [confirmation]) > 0


def confirm_all(
    transaction: Transaction,
    confirmations: Sequence[Confirmation],
    redaction: Redaction = lambda _number: (),
) -> int:
    """The same for many at once.

    Args:
        redaction: business number -> what is taken out of its chat (``Policy.redaction_of_chat``).

    Returns:
        How many of the messages are ours.
    """
    furthest = {one.wamid: one for one in sorted(confirmations, key=lambda one: RANKS.get(one.status, 0))}
    told = [
        {
            "key": one.key,
            "wamid": one.wamid,
            "rank": RANKS.get(one.status, 0),
            "code": one.code,
            "reason": _storable(one.reason)[:MAX_REASON],
        }
        for _, one in sorted(furthest.items())
    ]
    if not told:
        return 0
    for row in transaction.rows("outbox.confirm", told=Jsonb(told), failed_rank=RANKS["failed"]):
        _keep_message(transaction, row, redaction(row["business_number"]))
        if row["code"] == OPTED_OUT:
            _opt_out(transaction, row["thread_id"])
    found = transaction.one("outbox.ours", told=Jsonb(told))
    return int(found["messages"]) if found else 0


def _keep_message(transaction: Transaction, row: Row, kinds: Sequence[str]) -> None:
    """What was sent stands in the thread, once, whoever learnt first that it was."""
    message = row["payload"].get(row["form"]) if row["form"] else None
    if not isinstance(message, dict) or row["thread_id"] is None:
        return
    kind, body = readable(message)
    extra = {key: value for key, value in message.items() if key not in ("type", "text", "context")}
    messages.add(
        transaction,
        [
            messages.NewMessage(
                thread_id=row["thread_id"], wamid=row["wamid"], direction="outbound", type=kind, body=body,
                sent_at=row["sent_at"], context=_answered(message), extra=extra or None,
            )
        ],
        kinds,
    )  # fmt: skip


def _answered(message: Mapping[str, Any]) -> Mapping[str, Any] | None:
    context = message.get("context")
    return {"id": context.get("message_id")} if isinstance(context, dict) else None


def _opt_out(transaction: Transaction, thread_id: int | None) -> None:
    row = transaction.one("outbox.contact_of", thread_id=thread_id)
    if row:
        contacts.opt_out(transaction, row["contact_id"], datetime.now(UTC), f"Meta said so ({OPTED_OUT})")


def _storable(value: Any) -> Any:
    """Postgres holds no zero byte and no half of a surrogate pair."""
    if isinstance(value, str):
        return value.replace("\x00", " ").encode("utf-8", "replace").decode()
    if isinstance(value, Mapping):
        return {_storable(key): _storable(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_storable(one) for one in value]
    return value


class Outbox:
    """What the pump and commands ask of the table."""

    def __init__(
        self,
        database: Database,
        *,
        portfolio: str = "",
        redaction: Redaction = lambda _number: (),
        pair_s: float = PAIR_S,
        number_per_s: int = NUMBER_PER_S,
        lease_s: float = LEASE_S,
        unsure_for_s: float = UNSURE_FOR_S,
    ) -> None:
        """Args: portfolio: ``config.whatsapp.portfolio``; redaction: see ``confirm_all``."""
        self._database = database
        self._portfolio = portfolio
        self._redaction = redaction
        self._limits = {
            "pair_s": pair_s,
            "number_per_s": number_per_s,
            "lease_s": lease_s,
            "window_s": WINDOW_S,
        }
        self._unsure_for_s = unsure_for_s

    def claim(self, kinds: Sequence[str], worker: str, most: int) -> list[Claimed]:
        """Take what is due into our hands, in order; it is committed before this returns.

        Args:
            worker: who takes it, for people.
            most: as many as can be sent at once: what is claimed counts as perhaps sent from now on.
        """
        with self._database.transaction("claiming what is to be sent") as transaction:
            transaction.run("outbox.lock_claims")
            taken = transaction.rows(
                "outbox.claim", kinds=list(kinds), worker=worker, most=most, **self._limits
            )
            rows = transaction.rows("outbox.claimed", ids=[row["id"] for row in taken]) if taken else []
        return [_claimed(row) for row in rows]

    def finish(self, item: Claimed, outcome: Outcome) -> None:
        """Note what came of it, with the message in its thread.

        Where another claim, a webhook or a person decided meanwhile, that stands.
        """
        which = {"id": item.id, "fence": item.fence}
        with self._database.transaction(f"noting what came of {item.key}") as transaction:
            if isinstance(outcome, Sent):
                transaction.run("outbox.sent", **which, wamid=outcome.wamid)
                if outcome.wamid:
                    row: Row = {"thread_id": item.thread_id, "payload": item.payload, "form": item.form}
                    row |= {"wamid": outcome.wamid, "sent_at": datetime.now(UTC)}
                    _keep_message(transaction, row, self._redaction(item.business_number))
            elif isinstance(outcome, Again):
                given = {"after_s": outcome.after_s, "code": outcome.code, "reason": _reason(outcome.reason)}
                transaction.run("outbox.again", **which, **given)
                if outcome.whole_number:
                    transaction.run("outbox.pause", id=item.id, **given)
            elif isinstance(outcome, Failed):
                transaction.run("outbox.failed", **which, code=outcome.code, reason=_reason(outcome.reason))
                if outcome.code == OPTED_OUT and item.opted_out_at is None:
                    _opt_out(transaction, item.thread_id)
            else:
                transaction.run("outbox.unsure", **which, reason=_reason(outcome.reason))

    def learn(self, item: Claimed, sent: Sent) -> bool:
        """Keep the names that Meta's answer has for the customer; False when all of them are known.

        To be called after ``finish``, not within it: who decides on names holds up everybody else who does.
        """
        told = (Alias(kind="wa_id", value=sent.wa_id), Alias(kind="bsuid", value=sent.user_id))
        names = tuple(name for name in told if name.value)
        if set(names) <= set(item.names):
            return False
        if sent.wrote_to is not None:
            names = (sent.wrote_to, *names)
        who = contacts.Who(aliases=names, at=datetime.now(UTC), portfolio=self._portfolio)
        with self._database.transaction(f"keeping the names of {item.key}") as transaction:
            contacts.find(transaction, who, item.business_number)
        return True

    def tidy(self, by_template: Sequence[int], again: Sequence[int]) -> int:
        """What time does: leases run out, waiting ends, what is too late fails. And what failed late gets its other
        way: see ``whatsapp/retry.py`` for the codes.

        Returns:
            Rows that changed.
        """
        with self._database.transaction("tidying the outbox") as transaction:
            changed = transaction.run("outbox.lapse")
            changed += transaction.run("outbox.give_up", unsure_for_s=self._unsure_for_s)
            changed += transaction.run("outbox.expire")
            for suffix, codes, after_s in (("template", by_template, 0.0), ("again", again, AGAIN_AFTER_S)):
                changed += transaction.run(
                    "outbox.fall_back", suffix=suffix, codes=list(codes), after_s=after_s,
                    failed_rank=RANKS["failed"],
                )  # fmt: skip
        return changed


def _claimed(row: Row) -> Claimed:
    names = tuple(Alias(kind=kind, value=value) for kind, value in row["names"])
    return Claimed(**row | {"names": names})


def _reason(text: str) -> str:
    return str(_storable(text))[:MAX_REASON]
